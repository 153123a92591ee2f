"""Strengths over frames, regions, blocks and the sampling, on the host's samplers."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.settings import BlockStrength, Keyframe
from animatediff_native.motion.strength import Moment, amount_at
from animatediff_native.sampling.advice import of_sampler
from animatediff_native.sampling.guidance import with_guidance
from animatediff_native.sampling.values.keyframes import Keyframes
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, latents, lora, motion_model, sample
from oracles import relative_error
from workflows import example

ONE, CALM = FrameValues(parsed("0: 1, 7: 1")), FrameValues(parsed("0: 1, 7: 0.2"))


@pytest.mark.parametrize("what", ["motion_scale", "effect"])
def test_a_constant_per_frame_is_the_number(sd15, what):
    number = animated(sd15, motion_model(), **{what: 0.7})
    frames = animated(sd15, motion_model(), **{what: FrameValues(parsed("0: 0.7, 5: 0.7"))})
    steps = animated(sd15, motion_model(), **{what: step_values("0: 0.7, 1: 0.7")})
    mask = animated(sd15, motion_model(), **{what: Region(torch.ones(1, 4, 4), 0.7)})
    expected = sample(number)
    assert not torch.allclose(expected, sample(animated(sd15, motion_model())), atol=1e-2)
    for model in (frames, steps, mask):
        assert torch.equal(sample(model), expected)


def test_an_effect_of_zero_in_frames_or_regions_is_no_motion_there(sd15):
    """One step: frames or pixels without effect cannot see the motion of the others before the UNet mixes pixels, so
    only whole frames are compared, with v3, whose norms are per frame."""
    motion, plain = motion_model(), sample(sd15, steps=1)
    half = FrameValues(parsed("0: 1, 4: 0 jump"))
    clip = sample(animated(sd15, motion, effect=half), steps=1)
    assert torch.allclose(clip[4:], plain[4:], atol=1e-4)
    assert not torch.allclose(clip[:4], plain[:4], atol=1e-1)
    mask = torch.zeros(1, 16, 16)
    mask[..., :8] = 1
    region = sample(animated(sd15, motion, effect=Region(mask, 1.0)), steps=1)
    change = (region - plain).abs().mean(dim=(0, 1, 2))
    assert change[:8].mean() > 1.2 * change[8:].mean()


@pytest.mark.parametrize(
    "plan", [WindowPlan(STANDARD_STATIC, 8, 4), WindowPlan(STANDARD_STATIC, 8, 4, fuse_method="flat")]
)
def test_frames_keep_their_values_in_windows(sd15, plan):
    """Frame 10 has no effect, in whichever window it lies."""
    effect = FrameValues(parsed("0: 1, 10: 0 jump, 11: 1 jump"))
    model = with_windows(animated(sd15, motion_model(), effect=effect), plan)
    clip, plain = sample(model, frames=16, steps=1), sample(sd15, frames=16, steps=1)
    assert torch.allclose(clip[10], plain[10], atol=1e-4)
    assert not torch.allclose(clip[9], plain[9], atol=1e-1)
    several = with_windows(animated(sd15, motion_model(), effect=effect), plan, windows_per_call=3)
    assert torch.allclose(sample(several, frames=16, steps=1), clip, atol=1e-3)


def test_views_keep_them_too(sd15):
    scale = FrameValues(parsed("0: 1.4, 15: 0.6"))
    view = WindowPlan(STANDARD_STATIC, 16, 0, use_on_equal_length=True)
    plan = WindowPlan(STANDARD_STATIC, 16, 0, use_on_equal_length=True, fuse_method="flat", views=view)
    model = animated(sd15, motion_model(), motion_scale=scale)
    assert torch.allclose(sample(with_windows(model, plan), frames=16), sample(model, frames=16), atol=1e-3)


def test_blocks(sd15, motion):
    off = (BlockStrength("down", effect=0.0), BlockStrength("up", 2, effect=0.0))
    model = animated(sd15, motion.patcher, blocks=off)
    sample(model, steps=1)
    ran = {site for site, count in motion.runs.items() if count}
    expected = {
        site for site in motion.patcher.model.sites() if site.startswith(("up_blocks.0", "up_blocks.1", "up_blocks.3"))
    }
    assert ran == expected and len(expected) == 9
    nothing = sample(animated(sd15, motion_model(), blocks=(BlockStrength(effect=0.0),)))
    assert torch.equal(nothing, sample(sd15))
    scaled = sample(animated(sd15, motion_model(), blocks=(BlockStrength(scales=(1.3, 1.3)),)))
    assert torch.equal(scaled, sample(animated(sd15, motion_model(), motion_scale=1.3)))
    second = sample(animated(sd15, motion_model(), blocks=(BlockStrength(scales=(1.0, 1.3)),)))
    assert not torch.allclose(second, scaled, atol=1e-2)


def test_keyframes(sd15):
    model = animated(sd15, motion_model(), keyframes=Keyframes((Keyframe(1.0, effect=0.0),)))
    assert torch.equal(sample(model), sample(animated(sd15, motion_model())))
    whole = animated(sd15, motion_model(), keyframes=Keyframes((Keyframe(0.0, motion_scale=1.3),)))
    assert torch.equal(sample(whole), sample(animated(sd15, motion_model(), motion_scale=1.3)))
    late = animated(sd15, motion_model(), keyframes=Keyframes((Keyframe(0.5, effect=0.0),)))
    ranged = animated(sd15, motion_model(), end_percent=0.4999)
    assert torch.equal(sample(late, steps=4), sample(ranged, steps=4))


def test_lora_strength_zero_is_none(sd15):
    plain = sample(animated(sd15, motion_model()))
    for schedule in (None, ONE, step_values("0: 0, 1: 0")):
        motion, _ = with_motion_lora(motion_model(), lora(), 0.0, schedule)
        assert torch.equal(sample(animated(sd15, motion)), plain)
    motion, _ = with_motion_lora(motion_model(), lora(), 1.0, step_values("0: 0, 1: 0"))
    assert torch.equal(sample(animated(sd15, motion)), plain)


def test_lora_over_frames_is_the_merged_one_where_it_is_constant(sd15):
    merged, _ = with_motion_lora(motion_model(), lora(), 0.8)
    running, _ = with_motion_lora(motion_model(), lora(), 0.8, ONE)
    expected = sample(animated(sd15, merged))
    assert relative_error(sample(animated(sd15, running)), expected) < 1e-4
    assert relative_error(sample(animated(sd15, motion_model())), expected) > 1e-2
    calmer, _ = with_motion_lora(motion_model(), lora(), 0.8, CALM)
    assert not torch.allclose(sample(animated(sd15, calmer)), expected, atol=1e-1)


def test_lora_over_frames_goes_with_the_windows(sd15):
    """Windows side by side: the second one's frames have a strength of 0, so they are those without the LoRA."""
    plan = WindowPlan(BATCHED, 8, 0, fuse_method="flat")
    motion, _ = with_motion_lora(motion_model(), lora(), 1.0, FrameValues(parsed("0: 1, 8: 0 jump")))
    clip = sample(with_windows(animated(sd15, motion), plan), frames=16, steps=1)
    plain = sample(with_windows(animated(sd15, motion_model()), plan), frames=16, steps=1)
    assert torch.allclose(clip[8:], plain[8:], atol=1e-4)
    assert not torch.allclose(clip[:8], plain[:8], atol=1e-1)


@pytest.mark.parametrize(("family", "frames"), [("hotshot", 8), ("sdxl", 16)])
def test_sdxl_takes_all_of_it(sdxl, family, frames):
    """A LoRA over frames, a scale, blocks, a range and windows on an SDXL-shaped UNet."""
    running, line = with_motion_lora(motion_model(family), lora(family=family), 0.5, CALM)
    assert line == "lora: 120 of 120 layers matched"
    words = {"motion_scale": CALM, "blocks": (BlockStrength("up", 0, effect=0.5),), "end_percent": 0.9}
    model = with_windows(animated(sdxl, running, **words), WindowPlan(STANDARD_STATIC, 8, 2))
    clip = sample(model, frames=frames)
    plain = sample(with_windows(animated(sdxl, motion_model(family)), WindowPlan(STANDARD_STATIC, 8, 2)), frames=frames)
    assert clip.isfinite().all() and relative_error(clip, plain) > 1e-3


def test_branches_with_other_loras_do_not_disturb_each_other(sd15):
    motion = motion_model()
    plain = animated(sd15, motion)
    one = animated(sd15, with_motion_lora(motion, lora(), 0.8)[0])
    two = animated(sd15, with_motion_lora(motion, lora(4), 0.5, CALM)[0])
    first = [sample(model) for model in (plain, one, two)]
    again = [sample(model) for model in (two, one, plain)]
    assert all(torch.equal(a, b) for a, b in zip(first, reversed(again), strict=True))


def test_two_motion_models_in_their_ranges(sd15, motion):
    first = animated(sd15, motion.patcher, end_percent=0.5)
    both = animated(first, motion_model(seed=2), start_percent=0.5)
    clip = sample(both, steps=4)
    assert motion.runs_of_every_site() in (2, 3)
    assert not torch.allclose(clip, sample(first, steps=4), atol=1e-1)


def test_the_template_hands_over_from_one_motion_model_to_the_other(sd15):
    """Two Motion Models: the one in the first steps, the other in the last, and both in the step between."""
    model, ran = sd15, []
    schedules = [node for node in example("Two Motion Models")["nodes"] if node["type"] == "ADN_StepSchedule"]
    for family, node in zip(("v2", "v3"), schedules, strict=True):
        motion = motion_model(family)
        motion.model.sites()["down_blocks.0.motion_modules.0"].register_forward_hook(
            lambda *_, family=family: ran.append(family)
        )
        model = animated(model, motion, effect=step_values(node["widgets_values"][0]))
    sample(model, steps=10)
    assert ran == [*["v2"] * 4, "v2", "v3", *["v3"] * 5]


def test_windows_and_prompts_of_one_step_are_one_noise_level(sd15):
    """Keyframes count levels: a call for each window or prompt is not a step of its own."""
    from animatediff_native.motion.moments import moment_at
    from animatediff_native.motion.options import MotionRun

    run = MotionRun(8)
    for sigma in (9.0, 9.0, 4.0, 4.0):
        moment_at(run, torch.full((2,), sigma), {}, sd15.model.model_sampling)
    assert run.levels == [9.0, 4.0]


def test_a_motion_model_whose_range_is_over_leaves_the_gpu(sd15, monkeypatch):
    """On the CPU there is nothing to leave: the device is told to be another, and the call is watched."""
    freed = []
    model = animated(sd15, motion_model(), end_percent=0.5)
    kind = type(model.get_additional_models()[0])
    monkeypatch.setattr(kind, "partially_unload", lambda self, device, memory: freed.append((self, device)))
    sample(model, steps=4)
    assert not freed
    from animatediff_native.motion.options import MotionRun
    from animatediff_native.motion.strength import Moment

    (motion,) = model.get_additional_models()
    motion.load_device = torch.device("meta")
    run, settings = MotionRun(8), motion.get_attachment("animatediff")
    for level in (9.0, 5.0, 4.0, 3.0):
        run.release([(motion, settings)], Moment(8, [level], 9.0, percent_to_sigma=lambda percent: 5.0))
        assert [device for _, device in freed] == [motion.offload_device] * (level < 5.0)
    both = [(motion, settings), (motion.clone(), settings)]  # the same weights twice: they stay
    MotionRun(8).release(both, Moment(8, [3.0], 9.0, percent_to_sigma=lambda percent: 5.0))
    assert len(freed) == 1
    for iteration in (0, 1):  # the next iteration needs them again
        run = MotionRun(8, iteration=iteration, iterations=2)
        run.release([(motion, settings)], Moment(8, [3.0], 9.0, percent_to_sigma=lambda percent: 5.0))
        assert len(freed) == 1 + iteration


def test_guidance(sd15):
    model = animated(sd15, motion_model())
    seven, three = sample(model, cfg=7.0), sample(model, cfg=3.0)
    assert torch.allclose(sample(with_guidance(model, 3.0), cfg=7.0), three, atol=1e-4)
    assert torch.allclose(sample(with_guidance(model, 7.0), cfg=1.0), seven, atol=1e-4)
    frames = sample(with_guidance(model, FrameValues(parsed("0: 7, 4: 3 jump"))), steps=1)
    assert torch.allclose(frames[:4], sample(model, cfg=7.0, steps=1)[:4], atol=1e-4)
    assert torch.allclose(frames[4:], sample(model, cfg=3.0, steps=1)[4:], atol=1e-4)
    windows = with_windows(model, WindowPlan(STANDARD_STATIC, 8, 4))
    clip = sample(with_guidance(windows, FrameValues(parsed("0: 7, 10: 3 jump"))), frames=16, steps=1)
    assert torch.allclose(clip[10:], sample(windows, frames=16, steps=1, cfg=3.0)[10:], atol=1e-4)


def test_guidance_goes_through_rescale_cfg(sd15):
    from comfy_extras.nodes_model_advanced import RescaleCFG

    rescaled = RescaleCFG().patch(animated(sd15, motion_model()), 0.7)[0]
    expected = sample(rescaled, cfg=3.0)
    assert torch.allclose(sample(with_guidance(rescaled, 3.0), cfg=7.0), expected, atol=1e-3)
    assert not torch.allclose(sample(with_guidance(animated(sd15, motion_model()), 3.0)), expected, atol=1e-2)


def test_a_guider_with_its_own_guidance_is_told(sd15):
    from comfy_extras.nodes_perpneg import Guider_PerpNeg

    guider = Guider_PerpNeg(with_guidance(animated(sd15, motion_model()), 3.0))
    guider.set_conds(conditioning(1), conditioning(2), conditioning(3))
    guider.set_cfg(4.0, 1.0)
    sigmas = comfy.samplers.calculate_sigmas(sd15.get_model_object("model_sampling"), "normal", 1)
    with torch.inference_mode(), pytest.raises(RuntimeError, match="The guidance schedule never ran"):
        guider.sample(latents(8, seed=1), latents(8), comfy.samplers.sampler_object("euler"), sigmas, seed=1)


def test_the_hosts_curves(sd15):
    """A curve of the host's own class, over the frames and over the sampling."""
    from animatediff_native.nodes.schedules import FrameSchedule, StepSchedule
    from comfy_api.latest._input.curve_types import CurveInput

    curve = CurveInput.from_raw([(0.0, 0.0), (1.0, 1.0)])
    frames = FrameSchedule.execute(text="0: 9", curve=curve, curve_low=0.5, curve_high=1.5).result[0]
    found = amount_at(frames, Moment(5)).flatten().tolist()
    assert found == pytest.approx([0.5, 0.75, 1.0, 1.25, 1.5], abs=1e-3)
    steps = StepSchedule.execute(text="0: 9", curve=curve, times=frames).result[0]
    assert amount_at(steps, Moment(5, percent=0.5)).flatten().tolist() == pytest.approx(
        [f / 2 for f in found], abs=1e-3
    )


def test_distilled_motion_models_warn(sd15, caplog):
    from dataclasses import replace

    from animatediff_native.motion.families import LIGHTNING

    fast = motion_model("v2")
    fast.model.format = replace(fast.model.format, family=LIGHTNING)
    with caplog.at_level("WARNING", "animatediff"):
        sample(animated(sd15, fast), steps=17, cfg=1.0, last_step=1)
        assert "made for" not in caplog.text  # one step is taken
        sample(animated(sd15, fast), steps=2, cfg=7.0)
        assert "AnimateDiff-Lightning was made for a cfg of 1 to 2, and this sampler has 7" in caplog.text
    assert "was made for 1 to 8 steps, and this sampler takes 25" in of_sampler([fast], 25, 1.0)[0]
    assert of_sampler([fast], 8, 1.5) == of_sampler([motion_model()], 50, 12.0) == []
    comfy.model_management.unload_all_models()
