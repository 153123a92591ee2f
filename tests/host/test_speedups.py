"""Motion beside the host's speed-ups, in one clip, in windows and in long ones: motion runs, and is right.

A motion model that does nothing (zeroed output projections) gives what the speed-up gives without motion, number for
number; one that moves changes the clip.
"""

from importlib.util import find_spec

import pytest
import torch
from animatediff_native.motion import chunks
from animatediff_native.motion.attach import detached
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, first, latents, motion_model, sample
from comfy.ldm.modules import attention
from comfy_extras import nodes_hypertile, nodes_tomesd
from devices import multi_gpu, over_two_devices
from oracles import relative_error
from unets import SD15, patcher_of, unet_model, unet_shapes
from weights import filled


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Every layer of the small UNets in chunks, where it may."""
    monkeypatch.setattr(chunks, "CPU_ELEMENTS", 0)
    monkeypatch.setattr(chunks, "CPU_TOKENS", 64)


CLIPS = {"clip": (None, 6), "windows": (preset("stable", 6), 10), "long": (preset("long", 6), 20)}
"""(plan, frames)"""


def tome(model):
    return first(nodes_tomesd.TomePatchModel.execute(model, 0.5))


def hypertile(model):
    return first(nodes_hypertile.HyperTile.execute(model, 32, 2, 1, False))


def exact(func, q, k, v, heads, *others, **words):
    """The host's plain attention in place of its fastest one."""
    return attention.attention_basic(q, k, v, heads, *others, **words)


def overridden(model, override=exact):
    """As attention nodes do (SageAttention)."""
    model = model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    return model


def in_windows(model, kind: str):
    plan, _ = CLIPS[kind]
    return watch(model if plan is None else with_windows(model, plan))


def clip(model, kind: str):
    torch.manual_seed(0)  # ToMe and HyperTile draw from the global generator
    return sample(in_windows(model, kind), latent_image=latents(CLIPS[kind][1], 8, 8), steps=1)


@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("speed_up", [tome, hypertile, overridden])
def test_patches_of_the_attention(sd15, motion, speed_up, kind):
    still = clip(speed_up(sd15), kind)
    assert relative_error(clip(speed_up(animated(sd15, motion_model(still=True))), kind), still) < 1e-5
    moving = animated(sd15, motion.patcher)
    after, before = clip(speed_up(moving), kind), clip(animated(speed_up(sd15), motion.patcher), kind)
    assert motion.runs_of_every_site() > 0
    assert torch.equal(after, before)
    assert relative_error(after, still) > 0.1
    plain, moved = clip(sd15, kind), clip(moving, kind)
    if speed_up is overridden:
        assert relative_error(after, moved) < 1e-5
    else:
        assert 0 < relative_error(after, moved) < 2 * relative_error(still, plain)


@pytest.mark.parametrize("kind", CLIPS)
def test_an_attention_override_sees_space_and_never_time(sd15_from_file, motion_from_file, kind):
    """16 tokens of 40 numbers a head are nothing for kernels that are made for long rows."""
    seen = set()

    def note(func, q, k, v, heads, *others, **words):
        seen.add(q.shape[1])
        return func(q, k, v, heads, *others, **words)

    clip(overridden(animated(sd15_from_file, motion_from_file), note), kind)
    assert seen == {64, 16, 4, 1}


FP8 = torch.float8_e4m3fn


def rounded():
    """The UNet of `unet_model()` in float32, each weight rounded to what 8 bits hold."""
    weights = {key: value.to(FP8).float() for key, value in filled(unet_shapes(SD15), 0).items()}
    return patcher_of("sd15", SD15, weights, torch.float32)


@pytest.mark.parametrize("kind", CLIPS)
def test_weights_of_eight_bits(motion, kind):
    """As `weight_dtype` of Load Diffusion Model makes them: motion stays in its own precision."""
    small = unet_model("sd15", FP8)
    assert {value.dtype for value in small.model.diffusion_model.parameters()} == {FP8}
    moved = clip(animated(small, motion.patcher), kind)
    assert motion.runs_of_every_site() > 0
    assert relative_error(moved, clip(animated(rounded(), motion.patcher), kind)) < 1e-5
    assert relative_error(moved, clip(small, kind)) > 0.1


@multi_gpu
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("kind", CLIPS)
def test_conds_on_two_devices(sd15_from_file, motion_from_file, kind, order):
    """The host's own split: each device has a UNet of its own, and the motion model as often and as strong as here."""
    model, motion = sd15_from_file, motion_from_file

    def twice(model):
        return animated(animated(model, motion, effect=0.3), motion, motion_scale=1.3)

    split = twice(over_two_devices(model)) if order == "before" else over_two_devices(twice(model))
    devices = []

    def note(emb, channels, options):
        devices.append(str(options["multigpu_thread_device"]))
        return emb

    split.set_model_emb_patch(note)
    expected = clip(twice(model), kind)
    assert relative_error(clip(split, kind), expected) < 1e-5
    assert devices.count("cpu") == devices.count("cpu:0") > 0
    assert relative_error(expected, clip(model, kind)) > 0.1


@multi_gpu
def test_motion_that_was_taken_off_is_not_taken_for_that_of_now(sd15_from_file, motion_from_file):
    """The host knows motion models by their file, and the other device still has the first one."""
    model, motion = sd15_from_file, motion_from_file
    split = detached(over_two_devices(animated(model, motion, motion_scale=1.3)))
    found, expected = (clip(animated(each, motion, motion_scale=0.6), "clip") for each in (split, model))
    assert relative_error(found, expected) < 1e-5


@pytest.mark.skipif(not find_spec("comfy_extras.nodes_multigpu"), reason="this ComfyUI has no multi-GPU")
def test_the_split_node_where_there_is_one_device(sd15_from_file, motion_from_file):
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    moving = animated(sd15_from_file, motion_from_file)
    assert torch.equal(clip(first(MultiGPUCFGSplitNode.execute(moving, 2)), "clip"), clip(moving, "clip"))
