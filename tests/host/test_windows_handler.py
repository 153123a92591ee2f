"""Context windows on the host: the same numbers as by hand, and the frames that the plan says."""

import comfy.sample
import pytest
import torch
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
from animatediff_native.sampling.windows.presets import PRESETS
from clips import animated, conditioning, latents, motion_model, sample

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


def test_views_are_windows_inside_the_attention(sd15, motion):
    frames = 12
    view = WindowPlan(STANDARD_STATIC, 8, 4)
    seen = []
    block = motion.patcher.model.sites()["down_blocks.0.motion_modules.0"].transformer_blocks[0]
    block.attention_blocks[0].register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape[:2]))
    model = animated(sd15, motion.patcher)
    moved = sample(
        with_windows(model, WindowPlan(WHOLE_CLIP, frames, use_on_equal_length=True, views=view)), frames, steps=1
    )
    assert motion.runs_of_every_site() == 1
    whole = sample(model, frames, steps=1)
    (both, of_one), (rows, of_all) = seen
    assert (both, of_one) == (2 * rows, 8) and of_all == frames
    assert not torch.allclose(moved, whole, atol=1e-2)
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
