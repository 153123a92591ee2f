"""AnimateLCM-I2V on the host: what a picture does to frames."""

from dataclasses import replace

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.options import MotionRun
from animatediff_native.motion.settings import BlockStrength, Keyframe, MotionSettings, ReferencePicture
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.values.schedules import FrameValues, parsed
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan
from clips import FRAMES, conditioning, latents, motion_model, sample
from i2v import FORMS, Fed, applied, without_picture
from oracles import relative_error
from unets import unet_model


def test_a_picture_changes_the_frames(sd15, i2v):
    motion, _ = i2v
    one, other = (sample(applied(sd15, motion, latents(1, seed=seed)), steps=1) for seed in (21, 22))
    none = sample(without_picture(sd15, motion), steps=1)
    assert relative_error(one, other) > 1e-2 and relative_error(one, none) > 1e-2


def test_each_level_is_added_before_the_second_motion_module(sd15, i2v):
    """The input of the second module of each down block, with the picture less without it, up to the first: there
    the hidden state is the same."""
    motion, _ = i2v
    first = "down_blocks.0.motion_modules.1"
    seen = {}
    for name, model in (("with", applied(sd15, motion)), ("without", without_picture(sd15, motion))):
        with Fed(motion) as fed:
            sample(model, steps=1)
        seen[name] = fed
    ((x, _),), ((plain, _),) = (seen[name].inputs[first] for name in ("with", "without"))
    (((scaled, frames, drift), features),) = seen["with"].encoded
    assert (frames, drift, len(scaled)) == (FRAMES, 0.8, FRAMES) and not seen["without"].encoded
    picture = latents(1, seed=21) * sd15.model.latent_format.scale_factor
    assert torch.allclose(scaled, picture.expand(FRAMES, -1, -1, -1))
    assert torch.allclose(x - plain, features[0].repeat(2, 1, 1, 1), atol=1e-5)


def test_the_encoder_alone_adds_the_features(sd15, i2v):
    _, alone = i2v
    with Fed(alone) as fed:
        model = applied(sd15, alone, effect_multival=0.5)
        after = []
        model.set_model_input_block_patch(
            lambda h, options: after.append(h.clone()) or h if options["block"] == ("input", 2) else h
        )
        sample(model, steps=1)
    feature = fed.encoded[0][1][0].repeat(2, 1, 1, 1)
    ((x, passed_on),) = fed.inputs["down_blocks.0.motion_modules.1"]
    assert passed_on is x  # the state with the feature; half of it with an effect of 0.5
    assert torch.allclose(after[0], x - 0.5 * feature, atol=1e-5)
    ((x, same),) = fed.inputs["down_blocks.0.motion_modules.0"]
    assert same is x


def test_the_encoder_alone_keeps_frames_apart(sd15, i2v):
    """Without drift and with one picture, frames of the same noise stay the same: nothing looks along time."""
    noise = latents(1, seed=5).expand(FRAMES, -1, -1, -1).clone()
    clip = sample(applied(sd15, i2v[1], ref_drift=0.0), noise=noise, steps=1)
    assert torch.allclose(clip, clip[:1].expand_as(clip), atol=1e-4)
    drifting = sample(applied(sd15, i2v[1], ref_drift=0.8), noise=noise, steps=1)
    assert not torch.allclose(drifting, drifting[:1].expand_as(drifting), atol=1e-2)


def test_drift_tells_the_frames_apart(sd15, i2v):
    still, drifting = (sample(applied(sd15, i2v[0], ref_drift=drift), steps=1) for drift in (0.0, 0.8))
    assert relative_error(still, drifting) > 1e-3


@pytest.mark.parametrize(
    "off",
    [
        {"effect_multival": 0.0},
        {"start_percent": 0.999},
        {"end_percent": 0.0},
        {"ad_keyframes": (Keyframe(effect=0.0),)},
        {"per_block": (BlockStrength(effect=0.0),)},
    ],
    ids=["effect 0", "before its start", "after its end", "a keyframe's effect 0", "each block's effect 0"],
)
def test_without_effect_the_picture_counts_only_if_asked(sd15, i2v, off):
    """With it, the motion model does what its encoder alone does."""
    motion, alone = i2v
    noise = {"steps": 1, "sampler_name": "euler"}
    assert torch.equal(sample(applied(sd15, motion, **off), **noise), sample(sd15, **noise))
    still_there = sample(applied(sd15, motion, apply_ref_when_disabled=True, **off), **noise)
    assert torch.allclose(still_there, sample(applied(sd15, alone), **noise), atol=1e-5)
    assert relative_error(still_there, sample(sd15, **noise)) > 1e-2


def test_an_effect_over_frames_is_the_pictures_too(sd15, i2v):
    half = FrameValues(parsed("0: 1, 4: 0 jump"))
    clip, plain = sample(applied(sd15, i2v[1], effect_multival=half), steps=1), sample(sd15, steps=1)
    assert torch.allclose(clip[4:], plain[4:], atol=1e-5) and not torch.allclose(clip[:4], plain[:4], atol=1e-2)


def test_a_motion_model_whose_picture_still_counts_stays_loaded(i2v):
    from animatediff_native.motion.strength import Moment

    moment = Moment(8, [3.0], 9.0, percent_to_sigma=lambda percent: 5.0)
    for when_disabled, released in ((False, 1), (True, 0)):
        run = MotionRun(8)
        words = {"ref_drift": 0.0, "apply_ref_when_disabled": when_disabled, "start_percent": 0.0, "end_percent": 0.5}
        reference = {"samples": latents(1)}
        apply = FORMS["ApplyAnimateLCMI2VModel"].execute
        ((_, settings),) = apply(motion_model=i2v[0], ref_latent=reference, **words).result[0]
        run.release([(i2v[0], settings)], moment)
        assert len(run.released) == released


@pytest.mark.parametrize("per_call", [1, 3])
def test_windows_give_each_frame_its_own_picture(sd15, i2v, per_call):
    """A picture for each frame of the clip; the frame embedding begins anew in each window."""
    motion, _ = i2v
    pictures = latents(16, seed=23)
    model = with_windows(applied(sd15, motion, pictures), WindowPlan(STANDARD_STATIC, 8, 4), windows_per_call=per_call)
    with Fed(motion) as fed:
        sample(model, frames=16, steps=1)
    indices = [frame for start in (0, 4, 8) for frame in range(start, start + 8)]
    scaled = torch.cat([inputs[0] for inputs, _ in fed.encoded])
    assert torch.allclose(scaled, pictures[indices] * sd15.model.latent_format.scale_factor)
    assert {inputs[1] for inputs, _ in fed.encoded} == {8} and len(fed.encoded) == 3 // per_call


def test_one_picture_is_encoded_once_for_all_windows_and_steps(sd15, i2v):
    motion, _ = i2v
    model = with_windows(applied(sd15, motion), WindowPlan(STANDARD_STATIC, 8, 4), windows_per_call=1)
    with Fed(motion) as fed:
        sample(model, frames=16, steps=3)
        assert len(fed.encoded) == 1
        sample(model, frames=16, steps=1)
    assert len(fed.encoded) == 2  # nothing is kept after a run


def test_it_is_encoded_again_where_windows_are_of_another_length(sd15, i2v):
    """The first steps have one window, the last two in one call: as many pictures, and other places in the video."""
    motion, _ = i2v
    plans = WindowPlan(BATCHED, 8, 0, use_on_equal_length=True), WindowPlan(BATCHED, 4, 0, start_percent=0.5)
    with Fed(motion) as fed:
        sample(with_windows(applied(sd15, motion), *plans, windows_per_call=2), frames=8, steps=4)
    assert [frames for (_, frames, _), _ in fed.encoded] == [8, 4]


def test_two_encoders_of_one_picture(sd15, i2v):
    one, two = (motion_model("animatelcm_i2v", seed) for seed in (1, 2))
    shared = MotionSettings(reference=ReferencePicture(latents(1, seed=21)))
    with Fed(one) as first, Fed(two) as second:
        sample(attach(watch(attach(sd15, one, shared)), two, shared), steps=2)
    assert len(first.encoded) == len(second.encoded) == 1


def test_a_picture_without_motion_leaves_the_unets_norms_alone(sd15, i2v):
    """Early ComfyUI-AnimateDiff-Evolved averaged them over frames while such a motion model ran."""
    settings = MotionSettings(norms="as early ADE", reference=ReferencePicture(latents(1, seed=21), 0.8, True))
    motion, alone = i2v
    at_rest = replace(settings, norms="as ADE", effect=0.0)
    still = sample(watch(attach(sd15, motion, at_rest)), steps=1)
    assert torch.allclose(still, sample(applied(sd15, alone), steps=1), atol=1e-5)
    moving = attach(sd15, motion, settings), attach(sd15, motion, replace(settings, norms="as ADE"))
    assert relative_error(*(sample(watch(each), steps=1) for each in moving)) > 1e-2


def test_fewer_pictures_than_frames_are_for_the_frames_in_turn(sd15, i2v):
    motion, _ = i2v
    pictures = latents(3, seed=24)
    in_turn = pictures[[frame % 3 for frame in range(FRAMES)]]
    assert torch.equal(sample(applied(sd15, motion, pictures)), sample(applied(sd15, motion, in_turn)))


def test_conds_together_or_apart(sd15, i2v):
    model = applied(sd15, i2v[0], latents(FRAMES, seed=25))
    positive, negative = conditioning(5), conditioning(6)
    together = sample(model, positive=positive, negative=negative, steps=1)
    model.model_options["model_function_wrapper"] = one_cond_at_a_time
    assert relative_error(sample(model, positive=positive, negative=negative, steps=1), together) < 1e-5


def one_cond_at_a_time(apply, words):
    conds, results = words["cond_or_uncond"], []
    count = len(words["input"]) // len(conds)
    for number, kind in enumerate(conds):
        own = slice(number * count, (number + 1) * count)
        c = dict(words["c"])
        c["c_crossattn"] = c["c_crossattn"][own]
        c["transformer_options"] = c["transformer_options"] | {"cond_or_uncond": [kind]}
        results.append(apply(words["input"][own], words["timestep"][own], **c))
    return torch.cat(results)


def test_odd_sizes_and_pictures_of_another_size(sd15, i2v):
    """The picture's middle, at the size of the latents."""
    motion, _ = i2v
    picture = latents(1, 10, 30, seed=26)
    same_middle = picture.clone()
    same_middle[..., :7] = same_middle[..., -7:] = 0
    with Fed(motion) as fed:
        for each in (picture, same_middle):
            clip = sample(applied(sd15, motion, each), latent_image=latents(8, 9, 13), steps=1)
            assert clip.shape == (8, 4, 9, 13) and clip.isfinite().all()
    ((scaled, *_), _), ((of_middle, *_), _) = fed.encoded
    assert scaled.shape == (8, 4, 9, 13) and torch.equal(scaled, of_middle)


def test_views(sd15, i2v):
    plan = WindowPlan(STANDARD_STATIC, FRAMES, 0, use_on_equal_length=True, views=WindowPlan(STANDARD_STATIC, 4, 2))
    motion, _ = i2v
    with Fed(motion) as fed:
        clip = sample(with_windows(applied(sd15, motion), plan), steps=1)
    assert clip.isfinite().all() and [inputs[1] for inputs, _ in fed.encoded] == [FRAMES]


def test_an_area_has_the_whole_picture_in_it(sd15, i2v):
    """As in ComfyUI-AnimateDiff-Evolved: the picture is brought to the size of the region."""
    area = conditioning(7, area=(8, 8, 0, 8), strength=1.0)
    with Fed(i2v[0]) as fed:
        clip = sample(applied(sd15, i2v[0]), positive=conditioning(5) + area, steps=2)
    assert clip.isfinite().all()
    sizes = sorted(inputs[0].shape[-2:] for inputs, _ in fed.encoded)
    assert sizes == [(8, 8), (16, 16)]  # each once for both steps


def test_clones_do_not_disturb_each_other(sd15, i2v):
    motion, _ = i2v
    one = applied(sd15, motion, latents(1, seed=21))
    expected = sample(one, steps=1)
    two = applied(one, motion, latents(1, seed=22), ref_drift=0.0)
    both = sample(two, steps=1)
    assert not torch.allclose(both, expected, atol=1e-2)
    assert torch.equal(sample(one, steps=1), expected) and torch.equal(sample(one.clone(), steps=1), expected)
    with Fed(motion) as fed:
        assert torch.equal(sample(two, steps=1), both)
    assert len(fed.encoded) == 2  # each picture once


def test_the_plain_model_is_bit_equal_afterwards(i2v):
    model = unet_model()
    before = sample(model)
    sample(applied(model, i2v[0]))
    assert torch.equal(sample(model), before)
