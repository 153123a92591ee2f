"""TorchCompileModel: motion is compiled with the UNet as one graph, which follows what changes from call to call."""

import i2v as image_to_video
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.camera import camera_of, with_camera
from animatediff_native.motion.camera_poses import camera_path
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.motion.options import KEY
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.sampling.references.attention import Tune
from animatediff_native.sampling.references.settings import Links, Reference
from animatediff_native.sampling.values.schedules import FrameValues, parsed, step_values, times
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import (
    BATCHED,
    STANDARD_EVEN,
    STANDARD_SHIFTED,
    STANDARD_STATIC,
    WHOLE_CLIP,
    WindowPlan,
)
from cameras import camera_state
from clips import animated, compiled, latents, motion_model, sample
from comfy.ldm.modules import attention as host_attention
from comfy.ldm.modules.attention import attention_pytorch
from comfy.model_patcher import ModelPatcher
from torch._dynamo.utils import counters
from unets import SD15_CHANNELS
from weights import motion_lora_state

WINDOWS = WindowPlan(STANDARD_STATIC, 8, 4)
CHANGING = times(FrameValues(parsed("0: 0.5, 11: 1.5")), step_values("0: 1.2, 1: 0.8"))
"""A motion scale over frames that is another one in each step."""


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def unet(sd15):
    """With PyTorch's attention, as on GPUs; the host's other one for CPUs asks for the free memory, which breaks."""
    model = sd15.clone()
    options = model.model_options["transformer_options"]
    options["optimized_attention_override"] = lambda function, *words, **named: attention_pytorch(*words, **named)
    return model


def clip(model):
    """12 small frames in windows of 8 and 8, in three steps."""
    return sample(with_windows(model, WINDOWS), latent_image=latents(12)[..., :8, :8], steps=3)


def graphs() -> int:
    """How many there are; none of them ends where the UNet could not be compiled as one."""
    assert not counters["graph_break"], dict(counters["graph_break"])
    return counters["stats"]["unique_graphs"]


@pytest.mark.parametrize("family", ["v1", "v3"])
def test_one_graph_for_all_steps_and_windows(unet, family):
    model = animated(unet, motion_model(family), motion_scale=CHANGING)
    expected = clip(model)
    assert torch.allclose(clip(compiled(model)), expected, atol=1e-3)
    assert graphs() == 1
    assert not torch.allclose(clip(animated(unet, motion_model(family))), expected, atol=1)


def test_one_graph_with_all_that_steers(unet, i2v):
    """A picture to start from, a LoRA whose strength changes, a second motion model, views."""
    lora = MotionLoRA("lora", factors_of(motion_lora_state(SD15_CHANNELS)))
    second, _ = with_motion_lora(motion_model(), lora, 1.0, CHANGING)
    model = attach(image_to_video.applied(unet, i2v[0]), second, MotionSettings(effect=0.5))
    plan = WindowPlan(WHOLE_CLIP, 12, use_on_equal_length=True, views=WINDOWS)

    def viewed(model):
        return sample(with_windows(model, plan), latent_image=latents(12)[..., :8, :8], steps=3)

    expected = viewed(model)
    assert torch.allclose(viewed(compiled(model)), expected, atol=1e-3)
    assert graphs() == 1


@pytest.fixture(scope="module")
def camera():
    return camera_of(camera_state(SD15_CHANNELS))


def filmed(model, camera, text, strength=1.0):
    return animated(model, with_camera(motion_model("v3"), camera, camera_path(text), strength))


def test_one_graph_with_a_camera(unet, camera):
    """Its path, and a strength that changes from step to step, are those of each call."""
    once = compiled(unet)
    for text, strength in (("pan left", 1.0), ("zoom in", 1.0), ("zoom in", CHANGING)):
        expected = clip(filmed(unet, camera, text, strength))
        assert torch.allclose(clip(filmed(once, camera, text, strength)), expected, atol=1e-3), (text, strength)
    assert not torch.allclose(clip(animated(unet, motion_model("v3"))), expected, atol=1)


def test_a_camera_where_the_host_breaks_the_graph(sd15, camera):
    model = filmed(sd15, camera, "pan left", CHANGING)
    assert torch.allclose(clip(compiled(model)), clip(model), atol=1e-3)


def test_a_range_ends_where_torch_compile_comes_last(unet):
    """Then the host compiles the UNet only behind our wrapper."""
    model = animated(unet, motion_model(), effect=0.6, end_percent=0.5)
    assert torch.allclose(clip(compiled(model)), clip(model), atol=1e-3)
    assert graphs() == 2


def test_one_graph_for_a_long_window(unet):
    """Its views move from step to step: two or three hold a frame."""
    plan = WindowPlan(STANDARD_EVEN, 15, 2, views=WindowPlan(STANDARD_SHIFTED, 6, 2))
    model = with_windows(animated(unet, motion_model(), motion_scale=CHANGING), plan)
    words = {"latent_image": latents(15)[..., :8, :8], "steps": 3}
    assert torch.allclose(sample(compiled(model), **words), sample(model, **words), atol=1e-3)
    assert graphs() == 1


@pytest.mark.parametrize("breaks", [False, True])
def test_references_between_windows(sd15, breaks, monkeypatch):
    """Three graphs without a break: the first window, which reads nothing, those that read, and out of the range.

    Where the host's attention breaks them, as the one for CPUs does, as many as it may be.
    """
    if not breaks:
        monkeypatch.setattr(host_attention, "optimized_attention", attention_pytorch)
    links = Links(Reference(tune=Tune(0.6, 0.7, 0.9, 0.4, 0.9, 0.7), end_percent=0.4))
    model = with_windows(animated(sd15, motion_model()), WindowPlan(BATCHED, 5, 0), links=links)
    found, expected = (sample(each, latent_image=latents(10, 8, 8), steps=3) for each in (compiled(model), model))
    assert torch.allclose(found, expected, atol=1e-3)
    assert counters["graph_break"] if breaks else graphs() == 3


def test_settings_are_not_frozen_at_those_of_the_first_call(unet):
    """One compiled UNet serves several MODELs. A number that changes is no reason to compile anew."""
    motion, once = motion_model(), compiled(unet)
    still = clip(unet)
    for settings, count in (({}, 1), ({"effect": 0.3}, 2), ({"effect": 0.7}, 2), ({"end_percent": 0.5}, 3), ({}, 3)):
        expected = clip(animated(unet, motion, **settings))
        assert torch.allclose(clip(animated(once, motion, **settings)), expected, atol=1e-3), settings
        assert graphs() == count, settings
    assert torch.allclose(clip(once), still, atol=1e-3)


def test_where_the_host_breaks_the_graph(sd15):
    model = animated(sd15, motion_model(), motion_scale=CHANGING)
    assert torch.allclose(clip(compiled(model)), clip(model), atol=1e-3)
    assert counters["graph_break"]


class Dynamic(ModelPatcher):
    """As the host's on a GPU whose memory it manages by itself."""

    def is_dynamic(self):
        return True


@pytest.mark.parametrize("order", ["before", "after"])
def test_motion_models_leave_dynamic_vram_with_the_model(sd15, motion_from_file, order):
    """Weights that come and go while the UNet runs cannot be compiled."""
    motion_from_file.__class__ = Dynamic
    if order == "before":
        model = animated(sd15, motion_from_file)
    else:
        base = sd15.clone()
        base.__class__ = Dynamic
        model = animated(base, motion_from_file)
        assert all(each.is_dynamic() for each in model.clone().get_additional_models_with_key(KEY))
        model.cached_patcher_init = (lambda disable_dynamic: sd15, ())
        model = model.clone(disable_dynamic=True)
    (held,) = model.get_additional_models_with_key(KEY)
    assert not held.is_dynamic() and held.get_attachment(KEY) is not None
