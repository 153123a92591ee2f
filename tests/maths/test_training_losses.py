"""What a training step makes small, and at which noise levels."""

import pytest
import torch
from animatediff_native.training.levels import HIGH_NOISE, Levels, learning_rate_factor
from animatediff_native.training.losses import min_snr, motion_only, plain, residual
from einops import rearrange
from oracles import data


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("anchor", range(6))
def test_motion_only_is_motiondirectors(anchor):
    tensors = data("motiondirector_loss")
    off = rearrange(tensors["pred"] - tensors["target"], "b c f h w -> b f c h w")
    torch.testing.assert_close(motion_only(off, torch.tensor([anchor])), tensors[f"loss.anchor{anchor}"])
    torch.testing.assert_close(plain(off), tensors["mse"])


def test_motion_only_takes_each_clips_own_anchor():
    off = seeded(2, 6, 4, 3, 3)
    both = motion_only(off, torch.tensor([1, 4]))
    alone = [motion_only(off[i : i + 1], torch.tensor([anchor])) for i, anchor in ((0, 1), (1, 4))]
    torch.testing.assert_close(both, torch.cat(alone))


@pytest.mark.parametrize("predicts_v", [False, True])
def test_the_residual_is_that_of_the_prediction(predicts_v):
    clean, noise, off = (seeded(3, 2, 4, 5, 5, seed=seed) for seed in (1, 2, 3))
    sigma = torch.tensor([0.1, 1.0, 20.0])
    s = sigma.view(-1, 1, 1, 1, 1)
    x = clean + s * noise
    if predicts_v:
        target = (noise - s * clean) / (s**2 + 1).sqrt()
        denoised = x / (s**2 + 1) - (target + off) * s / (s**2 + 1).sqrt()
    else:
        denoised = x - (noise + off) * s
    torch.testing.assert_close(residual(denoised, clean, sigma, predicts_v), off, atol=1e-4, rtol=1e-4)


def test_min_snr_weighs_little_noise_less():
    sigma = torch.tensor([0.1, 1.0, 10.0])
    assert min_snr(sigma, 0.0, False).tolist() == [1, 1, 1]
    torch.testing.assert_close(min_snr(sigma, 5.0, False), torch.tensor([0.05, 1.0, 1.0]))
    torch.testing.assert_close(min_snr(sigma, 5.0, True), torch.tensor([5 / 101, 0.5, 0.01 / 1.01]))


def test_levels_are_drawn_from_their_part_of_the_sampling():
    sigmas = torch.linspace(0.03, 14.6, 1000)
    drawn = [index / 1000 for index in range(1000)]
    whole = [Levels().timestep(number, sigmas) for number in drawn]
    assert whole == list(range(1000))
    first_half = [Levels(end_percent=0.5).timestep(number, sigmas) for number in drawn]
    assert min(first_half) == 500 and max(first_half) == 999
    high = [Levels(HIGH_NOISE).timestep(number, sigmas) for number in drawn]
    assert sum(high) / 1000 > 660 and max(high) == 999


def test_pure_noise_is_never_drawn():
    sigmas = torch.linspace(0.03, 4518.0, 1000)
    assert max(Levels().timestep(number / 1000, sigmas) for number in range(1001)) == 998


def test_learning_rates():
    assert [learning_rate_factor("constant", 2, step, 10) for step in (0, 1, 2, 9)] == [0.5, 1, 1, 1]
    assert learning_rate_factor("cosine", 0, 5, 10) == pytest.approx(0.5)
    assert learning_rate_factor("linear", 0, 5, 10) == pytest.approx(0.5)
    assert learning_rate_factor("linear", 0, 10, 10) == 0
