"""Context windows on the host: the same numbers as by hand, the right hints, and nothing that grows but the latents."""

from inspect import signature

import comfy.context_windows
import comfy.controlnet
import comfy.model_management
import pytest
import torch
from animatediff_native.sampling.noise.draw import CONSTANT, REPLACE, Draw, Layer
from animatediff_native.sampling.run import with_noise
from animatediff_native.sampling.values.schedules import FrameValues, Point
from animatediff_native.sampling.windows.handler import WindowHandler, with_windows
from animatediff_native.sampling.windows.plan import (
    BATCHED,
    LOOPED_UNIFORM,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WHOLE_CLIP,
    WindowPlan,
    windows,
)
from animatediff_native.sampling.windows.presets import PRESETS, preset
from clips import animated, conditioning, controlnet, latents, motion_model, sample
from seam import seam

STATIC = WindowPlan(STANDARD_STATIC, 8, 2)


def test_one_window_of_all_frames_is_bit_equal_to_no_windows(sd15):
    for family in ("v1", "v3"):
        model = animated(sd15, motion_model(family))
        whole = sample(model, frames=8)
        for schedule in (STANDARD_STATIC, STANDARD_UNIFORM, BATCHED):
            one = WindowPlan(schedule, 8, 2, fuse_method="flat", use_on_equal_length=True)
            assert torch.equal(sample(with_windows(model, one), frames=8), whole), (family, schedule)


@pytest.mark.parametrize("schedule", [STANDARD_STATIC, STANDARD_UNIFORM, LOOPED_UNIFORM, BATCHED])
def test_windows_are_the_frames_that_the_plan_says(sd15, motion, schedule):
    plan, frames = WindowPlan(schedule, 8, 2), 20
    seen = []
    model = with_windows(animated(sd15, motion.patcher), plan)
    model.set_model_attn2_patch(lambda q, k, v, extra: (seen.append(extra["ad_params"]), (q, k, v))[1])
    assert sample(model, frames=frames, steps=2).isfinite().all()
    expected = [window for step in (0, 1) for window in windows(plan, frames, step)]
    found = [entry["sub_idxs"] for entry in seen]
    assert found[:: len(found) // len(expected)] == expected
    assert {entry["full_length"] for entry in seen} == {frames}
    assert motion.runs_of_every_site() == len(expected)


@pytest.mark.parametrize("method", ["flat", "pyramid", "overlap-linear", "relative", "gauss-sigma"])
def test_fusing_by_hand(sd15, method):
    """One step: each window sampled alone, then blended with the weights of `fuse`."""
    from animatediff_native.sampling.windows import fuse

    frames, plan = 12, WindowPlan(STANDARD_STATIC, 8, 4, fuse_method=method)
    model = animated(sd15, motion_model())
    whole = sample(with_windows(model, plan), frames=frames, steps=1, cfg=1.0)
    noise = comfy.sample.prepare_noise(latents(frames), 11)
    summed, total = torch.zeros_like(whole), torch.zeros(frames, 1, 1, 1)
    sigma = float(model.get_model_object("model_sampling").sigma_max)
    for window in windows(plan, frames):
        with torch.inference_mode():
            alone = comfy.sample.sample(
                model, noise[window], 1, 1.0, "euler", "normal", conditioning(5), conditioning(6), latents(8)
            )
        weights = torch.tensor(fuse.weights(method, window, frames, 4, sigma)).view(-1, 1, 1, 1)
        summed[window] += alone * weights
        total[window] += weights
    assert torch.allclose(whole, summed / total, atol=1e-3)


@pytest.mark.parametrize("family", ["v1", "v3"])
def test_several_windows_in_one_call_give_the_same_numbers(sd15, motion, family):
    model = animated(sd15, motion_model(family))
    one = sample(with_windows(model, STATIC, windows_per_call=1), frames=20)
    three = sample(with_windows(model, STATIC, windows_per_call=3), frames=20)
    assert torch.allclose(one, three, atol=1e-3)
    sample(with_windows(animated(sd15, motion.patcher), STATIC, windows_per_call=3), frames=20, steps=1)
    assert motion.runs_of_every_site() == 1


def test_a_controlnet_that_slices_by_itself_gets_a_window_at_a_time(sd15):
    """Advanced-ControlNet finds a frame by its place in sub_idxs, so no frame may be there twice."""
    seen = []

    class Slicing(comfy.controlnet.ControlNet):
        sub_idxs = None

        def copy(self):
            own = Slicing(self.control_model, load_device=self.load_device)
            self.copy_to(own)
            return own

        def get_control(self, *others):
            seen.append(self.sub_idxs)
            return super().get_control(*others)

    plain = controlnet()
    control = Slicing(plain.control_model, load_device=plain.load_device)
    hint = torch.rand(20, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    positive = conditioning(5, control=control.set_cond_hint(hint), control_apply_to_uncond=True)
    sample(with_windows(animated(sd15, motion_model()), STATIC, windows_per_call=3), 20, 1, positive=positive)
    assert len(seen) > 1 and all(len(set(frames)) == len(frames) == 8 for frames in seen)


@pytest.mark.parametrize("rows", [12, 20, 5])
def test_conditioning_per_frame_goes_with_its_frames(sd15, rows):
    """Also where there are more rows than frames, or fewer: cut and repeated, as the host does without windows."""
    frames = 12
    text = torch.randn(rows, 77, 768, generator=torch.Generator().manual_seed(3))
    per_frame = [[text, {}]]
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))
    clip = sample(still, frames=frames, positive=per_frame)
    plain = sample(sd15, frames=frames, positive=per_frame)
    assert torch.allclose(clip, plain, atol=1e-3)  # still frames: windows change nothing if each has its own text


def test_masks_per_frame_and_inpainting(sd15):
    frames = 12
    mask = torch.rand(frames, 16, 16, generator=torch.Generator().manual_seed(1))
    positive = conditioning(1, mask=mask, mask_strength=1.0) + conditioning(3)
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))
    start, holes = latents(frames, seed=4), torch.zeros(frames, 1, 16, 16)
    holes[3:9, ..., 8:] = 1
    words = {"positive": positive, "latent_image": start, "noise_mask": holes}
    assert torch.allclose(sample(still, frames, **words), sample(sd15, frames, **words), atol=1e-3)
    kept = sample(with_windows(animated(sd15, motion_model()), STATIC), frames, **words)
    assert torch.allclose(kept[..., :7], start[..., :7], atol=1e-4)


@pytest.mark.parametrize("rows", [20, 6, 5])
def test_sweep_what_has_more_rows_than_frames_or_fewer_goes_with_its_frames(sd15, rows):
    """A mask video and a text of other lengths than the clip: as the host has them with the whole clip."""
    frames = 12
    generator = torch.Generator().manual_seed(1)
    mask, text = torch.rand(rows, 8, 8, generator=generator), torch.randn(rows, 77, 768, generator=generator)
    of_clip = mask.repeat(3, 1, 1)[:frames]  # the host refuses 5 rows for 12 frames; the rows are in turn, as of 6
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WindowPlan(STANDARD_STATIC, 8, 4))

    def clip(model, mask):
        positive = [[text, {"mask": mask, "mask_strength": 1.0}]] + conditioning(3)
        return sample(model, positive=positive, latent_image=latents(frames, 8, 8), steps=1)

    assert torch.allclose(clip(still, mask), clip(sd15, of_clip), atol=1e-3)


def hints_seen(model, hints, frames):
    """Which hint frames the ControlNet got for each cond, call by call: the hints' values are their indices."""
    control = controlnet()
    seen = []

    def record(module, arguments, words):
        hint = words["hint"] if "hint" in words else arguments[1]
        seen.append([round(float(value)) for value in hint[:, 0, 0, 0]])

    control.control_model.register_forward_pre_hook(record, with_kwargs=True)
    control = control.set_cond_hint(hints, 1.0)
    positive, negative = (conditioning(seed, control=control, control_apply_to_uncond=False) for seed in (1, 2))
    sample(model, frames, steps=1, positive=positive, negative=negative)
    return seen


def numbered(count):
    return torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 128, 128).clone()


def test_plain_controlnet_sees_the_hints_of_its_window(sd15):
    frames, plan = 16, WindowPlan(STANDARD_STATIC, 8, 4)
    model = with_windows(animated(sd15, motion_model()), plan)
    assert hints_seen(model, numbered(frames), frames) == [window * 2 for window in windows(plan, frames)]
    looped = WindowPlan(LOOPED_UNIFORM, 8, 4, closed_loop=True)
    model = with_windows(animated(sd15, motion_model()), looped)
    assert hints_seen(model, numbered(frames), frames) == [window * 2 for window in windows(looped, frames)]


def test_fewer_hints_than_frames_repeat(sd15):
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_STATIC, 8, 4))
    assert hints_seen(model, numbered(3), 12) == [[0, 1, 2, 0, 1, 2, 0, 1] * 2, [1, 2, 0, 1, 2, 0, 1, 2] * 2]
    assert hints_seen(model, numbered(1), 12) == [[0], [0]]  # one hint for every frame: the host spreads it


def test_the_hosts_own_handler_does_not(sd15):
    """Why the pack has a handler of its own; if this fails, the host has learnt it."""
    model = animated(sd15, motion_model())
    handler = comfy.context_windows.IndexListContextHandler(
        comfy.context_windows.get_matching_context_schedule("standard_static"),
        comfy.context_windows.get_matching_fuse_method("pyramid"),
        context_length=8,
        context_overlap=4,
    )
    handler.causal_window_fix = False
    model.model_options["context_handler"] = handler
    expected = [window * 2 for window in windows(WindowPlan(STANDARD_STATIC, 8, 4), 16)]
    assert hints_seen(model, numbered(16), 16) != expected


def in_the_hosts_windows(model, length=8, overlap=2, schedule="standard_static", **more):
    """`model` with the host's own node, its other settings as they are there."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    words = {"context_length": length, "context_overlap": overlap, "context_schedule": schedule, "context_stride": 1}
    words |= {"closed_loop": False, "fuse_method": "pyramid", "dim": 0, "freenoise": False}
    output = ContextWindowsManualNode.execute(model, **words, **more)
    return output[0] if isinstance(output, tuple) else output.args[0]


def test_the_hosts_context_windows_node_runs_with_motion(sd15, motion):
    model = in_the_hosts_windows(animated(sd15, motion.patcher))
    assert sample(model, frames=12, steps=1).isfinite().all()
    assert motion.runs_of_every_site() == 2


adds_a_frame = pytest.mark.skipif(
    "causal_window_fix" not in signature(comfy.context_windows.IndexListContextHandler.__init__).parameters,
    reason="the windows of this ComfyUI have no causal_window_fix",
)


@adds_a_frame
def test_the_frame_that_the_hosts_node_adds_has_its_own_strength(sd15):
    """Its second window, frames 6 to 11, is shown frame 5 as well."""
    strengths = [0.2, 1.4, 0.7, 1.1, 0.0, 1.6, 0.4, 1.3, 0.9, 0.1, 1.5, 0.6]

    def moving(values):
        points = tuple(Point(frame, value) for frame, value in enumerate(values))
        return animated(sd15, motion_model(), motion_scale=FrameValues(points))

    noise = latents(12, seed=3)
    clip = sample(in_the_hosts_windows(moving(strengths), 6, 0, "batched"), 12, 1, noise=noise)
    alone = sample(moving(strengths[5:]), 7, 1, noise=noise[5:])
    assert torch.allclose(clip[6:], alone[1:], atol=1e-3)
    assert torch.allclose(clip[:6], sample(moving(strengths[:6]), 6, 1, noise=noise[:6]), atol=1e-3)


@adds_a_frame
def test_the_frame_that_the_hosts_node_adds_must_fit_the_motion_model(sd15):
    model, limit = animated(sd15, motion_model("v1")), 24
    clip = {"latent_image": latents(30, 8, 8), "steps": 1}
    with pytest.raises(
        ValueError, match=r"24 gives 25 frames, and this motion model takes 24 at once\. Turn causal_win"
    ):
        sample(in_the_hosts_windows(model, limit), **clip)
    assert sample(in_the_hosts_windows(model, limit, causal_window_fix=False), **clip).isfinite().all()
    assert sample(in_the_hosts_windows(model, limit - 1), **clip).isfinite().all()
    assert sample(in_the_hosts_windows(model, limit), latent_image=latents(limit, 8, 8), steps=1).isfinite().all()


def test_views_are_windows_inside_the_attention(sd15, motion):
    frames = 12
    view = WindowPlan(STANDARD_STATIC, 8, 4)
    seen = []
    block = motion.patcher.model.sites()["down_blocks.0.motion_modules.0"].transformer_blocks[0]
    block.attention_blocks[0].register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[1]))
    model = animated(sd15, motion.patcher)
    moved = sample(
        with_windows(model, WindowPlan(WHOLE_CLIP, frames, use_on_equal_length=True, views=view)), frames, steps=1
    )
    assert seen == [8, 8] and motion.runs_of_every_site() == 1
    assert not torch.allclose(moved, sample(model, frames, steps=1), atol=1e-2)
    one = WindowPlan(STANDARD_STATIC, frames, 4, use_on_equal_length=True)
    alone = with_windows(model, WindowPlan(WHOLE_CLIP, frames, use_on_equal_length=True, views=one))
    assert torch.allclose(sample(alone, frames, steps=1), sample(model, frames, steps=1), atol=1e-3)


def test_a_clip_longer_than_the_model_gets_windows_by_itself(sd15, motion, caplog):
    with caplog.at_level("INFO", "animatediff"):
        clip = sample(animated(sd15, motion_model("v1")), frames=40, steps=1)
    assert clip.shape[0] == 40 and clip.isfinite().all()
    assert "40 frames are more than the motion model takes at once (24): sampled in windows of 16" in caplog.text
    own = with_windows(animated(sd15, motion_model("v1")), PRESETS["stable"])
    assert torch.equal(clip, sample(own, frames=40, steps=1))
    assert torch.equal(sample(animated(sd15, motion_model("v1")), frames=40), sample(own, frames=40))


def test_presets():
    assert preset("stable", 16) == PRESETS["stable"]
    for name, plan in PRESETS.items():
        short = preset(name, 8).views or preset(name, 8)
        plan = plan.views or plan
        assert (short.context_length, short.context_overlap) == (8, plan.context_overlap // 2)
    assert PRESETS["loop"].closed_loop


def test_stable_has_less_of_a_seam_than_static_windows_and_loop_no_wrap(sd15):
    """All frames from one noise, so that what changes is motion. Equal cost: as many windows at each step."""
    model = with_noise(animated(sd15, motion_model()), Layer(Draw(CONSTANT), REPLACE))
    frames, steps = 32, 8

    def measured(plan):
        clips = [
            sample(with_windows(model, plan), steps=steps, seed=seed, latent_image=latents(frames, 8, 8))
            for seed in (0, 1)
        ]
        rows = [seam(clip, windows(plan, frames, steps - 1)) for clip in clips]
        return [sum(column) / 2 for column in zip(*rows, strict=True)]

    static, stable = measured(WindowPlan(STANDARD_STATIC, 16, 4)), measured(PRESETS["stable"])
    assert abs(stable[0] - 1) < abs(static[0] - 1)
    assert measured(PRESETS["loop"])[1] == pytest.approx(1, abs=0.1)
    assert stable[1] > 1.2  # its last frame does not flow into its first


def test_windows_longer_than_the_motion_model_are_refused(sd15):
    model = with_windows(animated(sd15, motion_model("v1")), WindowPlan(STANDARD_STATIC, 25, 4))
    with pytest.raises(
        ValueError, match=r"A context_length of 25 frames is more than .* \(24\).*context_length of 24 or less"
    ):
        sample(model, frames=30)
    viewed = WindowPlan(STANDARD_STATIC, 25, 4, views=WindowPlan(STANDARD_STATIC, 16, 4))
    assert sample(with_windows(animated(sd15, motion_model("v1")), viewed), frames=30, steps=1).isfinite().all()


def test_a_group_of_plans_changes_over_the_run(sd15):
    lengths = []
    early, late = WindowPlan(context_length=8), WindowPlan(context_length=12, start_percent=0.5)
    model = with_windows(animated(sd15, motion_model()), early, late)
    model.set_model_attn2_patch(
        lambda q, k, v, extra: (lengths.append(extra["ad_params"]["context_length"]), (q, k, v))[1]
    )
    sample(model, frames=20, steps=4)
    assert sorted(set(lengths)) == [8, 12] and lengths == sorted(lengths)


def test_clones_share_a_handler_without_harm(sd15):
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_UNIFORM, 8, 2))
    first = sample(model, frames=20)
    sample(model.clone(), frames=28)
    assert torch.equal(sample(model, frames=20), first)
    handler = model.model_options["context_handler"]
    assert isinstance(handler, WindowHandler) and not hasattr(handler, "_model")
