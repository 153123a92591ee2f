"""Views are attended to together: as many numbers and the same ones as one after the other."""

import pytest
import torch
from animatediff_native.motion.temporal import Steering, TemporalBlock, scaled_dot_product
from animatediff_native.motion.views import MOST, grouped, layers, views_on
from animatediff_native.sampling.windows import fuse
from animatediff_native.sampling.windows.plan import SCHEDULES, WindowPlan, windows
from memory import PeakMemory
from torch import nn


def test_a_frame_is_laid_together_of_the_views_that_hold_it():
    found = layers([((0, 1), (1.0, 0.5)), ((1, 2), (0.5, 1.0))], least=3)
    assert found == [
        ([0, 1, 3], [1.0, 0.5, 1.0]),
        ([0, 2, 3], [0.0, 0.5, 0.0]),
        ([0, 1, 3], [0.0, 0.0, 0.0]),
    ]


def views(schedule: str, frames: int, overlap: int = 4, length: int = 16, step: int = 3):
    plan = WindowPlan(schedule, length, overlap)
    found = windows(plan, frames, step)
    return [
        (tuple(w), tuple(s)) for w, s in zip(found, fuse.shares("pyramid", found, frames, overlap, 1.0), strict=True)
    ]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("frames", [7, 16, 17, 66, 100])
@pytest.mark.parametrize("overlap", [0, 4, 15])
def test_sweep_all_views_together_are_the_clip(schedule, frames, overlap):
    found = views(schedule, frames, overlap)
    x = torch.randn(3, frames, 2, generator=torch.Generator().manual_seed(frames))
    seen = []

    def attend(frames, tokens):
        seen.append(frames.numel())
        return tokens

    assert torch.allclose(views_on(x.device, tuple(found)).attended(x, attend), x, atol=1e-6)
    assert sum(seen) == sum(len(view) for view, _ in found)
    assert all(count <= max(MOST * frames, 16) for count in seen)


def test_usual_views_are_one_batch():
    assert len(grouped([frames for frames, _ in views("standard_shifted", 326)])) == 1


def block_and_tokens(pixels: int):
    torch.manual_seed(0)
    return TemporalBlock(64, 2, scaled_dot_product, nn).requires_grad_(False), torch.randn(pixels, 50, 64)


@pytest.mark.parametrize("overlap", [4, 12])
def test_together_or_one_after_the_other(overlap):
    """Scales differ over frames and pixels, so that each view must take its own."""
    block, x = block_and_tokens(5)
    scale = torch.rand(5, 50, 1) + 0.5
    found, steering = tuple(views("standard_shifted", 50, overlap)), Steering(50, scales=(scale, 1.3))
    expected = torch.zeros_like(x)
    for frames, shares in found:
        own = Steering(50, scales=(scale[:, frames], 1.3))
        expected[:, frames] += block.attend(x[:, frames], own) * torch.tensor(shares).unsqueeze(-1)
    together = block.attend_in_views(x, views_on(x.device, found), steering)
    assert (together - expected).abs().max() <= 5e-7 * expected.abs().max()


@pytest.mark.parametrize("overlap", [4, 12])
def test_views_take_less_memory_than_the_feed_forward(overlap):
    block, x = block_and_tokens(200)
    found = views_on(x.device, tuple(views("standard_shifted", 50, overlap)))
    with PeakMemory() as attention:
        block.attend_in_views(x, found, Steering(50, views=found))
    with PeakMemory() as feed_forward:
        block.ff(block.ff_norm(x), Steering(50))
    assert attention.peak < feed_forward.peak
