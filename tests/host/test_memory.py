"""Memory over the length of a clip: one window's, and the latents."""

import pytest
import torch
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WHOLE_CLIP, WindowPlan
from animatediff_native.sampling.windows.presets import preset
from clips import animated, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from memory import PeakMemory

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
