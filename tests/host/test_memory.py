"""Memory over the length of a clip: one window's, and the latents. What README says of VRAM."""

import math
import re

import comfy.model_management
import pytest
import torch
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WHOLE_CLIP, WindowPlan
from animatediff_native.sampling.windows.presets import preset
from clips import animated, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from comfy_server import ROOT
from memory import PeakMemory
from unets import FULL, unet_model, unet_shapes
from weights import motion_state

SIZE = 8
LATENT = 4 * SIZE * SIZE * 4
"""Bytes of a frame."""


def peak(model, frames):
    with PeakMemory() as memory:
        sample(model, latent_image=latents(frames, SIZE, SIZE), steps=1)
    return memory.peak


def test_memory_grows_by_the_latents_alone(sd15):
    model = with_windows(animated(sd15, motion_model()), preset("stable", 16))
    sample(model, latent_image=latents(20, SIZE, SIZE), steps=1)  # position tables and the like, kept for good
    short, long = peak(model, 16), peak(model, 512)
    weights = sum(value.nbytes for value in model.model.parameters())
    assert (weights + long) / (weights + short) <= 1.10
    assert (long - short) / 496 <= 6 * LATENT  # noise, the denoised clip, its sums for two conds, ...
    whole = animated(sd15, motion_model())
    peak(whole, 16)
    assert (peak(whole, 32) - peak(whole, 16)) / 16 > 100 * LATENT  # without windows


@pytest.mark.parametrize(
    ("plan", "frames", "expected"),
    [
        (WindowPlan(STANDARD_STATIC, 16, 4), 64, 16),
        (WindowPlan(STANDARD_STATIC, 16, 4), 12, 12),
        (WindowPlan(WHOLE_CLIP, 1, 0, views=WindowPlan(STANDARD_STATIC, 16, 4)), 24, 24),
        (WindowPlan(STANDARD_STATIC, 20, 4, views=WindowPlan(STANDARD_STATIC, 16, 4)), 24, 20),
    ],
)
def test_the_host_reckons_with_what_the_unet_gets_at_once(sd15, plan, frames, expected):
    shapes = []
    model = with_windows(animated(sd15, motion_model()), plan)

    def spy(executor, model, noise_shape, conds, *others, **kwargs):
        shapes.append(list(noise_shape))
        return executor(model, noise_shape, conds, *others, **kwargs)

    model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "spy", spy)
    sample(model, latent_image=torch.zeros(frames, 4, 8, 8), steps=1)
    assert shapes == [[expected, 4, 8, 8]]


SDXL_DEPTHS = {"transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_middle": 10}
SDXL_DEPTHS |= {"transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10]}
OF_README = {
    "sd15": (FULL["sd15"], "v3", (320, 640, 1280, 1280), [(16, 512), (16, 768)]),
    "sdxl": (FULL["sdxl"] | SDXL_DEPTHS, "hotshot", (320, 640, 1280), [(8, 1024), (16, 1024)]),
}
"""The UNet's configuration, the motion model, and the frames and sizes that README has a row for."""


def size_of(shapes: dict) -> int:
    """Bytes of weights in float16. shapes: of tensors, or the tensors."""
    return 2 * sum(math.prod(getattr(shape, "shape", shape)) for shape in shapes.values())


@pytest.mark.parametrize("arch", OF_README)
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readme_says_what_the_host_reckons_with(monkeypatch, arch, readme):
    """Weights, and what the host reserves for two prompts at once, on a GPU and in float16."""
    config, family, channels, clips = OF_README[arch]
    weights = size_of(unet_shapes(config)) + size_of(motion_state(family, channels, build=lambda shapes, seed: shapes))
    monkeypatch.setattr(comfy.model_management, "pytorch_attention_flash_attention", lambda: True)
    model = unet_model(arch, torch.float16).model
    model.manual_cast_dtype = None
    text = (ROOT / readme).read_text("utf-8")
    for frames, pixels in clips:
        needed = model.memory_required([2 * frames, 4, pixels // 8, pixels // 8])
        cells = " \\| ".join(f"{value / 2**30:.1f} GB" for value in (weights, needed, weights + needed))
        assert re.search(rf"\n\| {frames} .*{pixels} × {pixels}.* \| {cells} \|\n", text), cells
