"""Rescaled guidance."""

import torch
from animatediff_native.sampling.rescale import rescaled


def clip(seed: int):
    return torch.randn(3, 4, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, COND, UNCOND, SIGMA = clip(1) * 5, clip(2), clip(3), torch.tensor([5.0, 5.0, 5.0], dtype=torch.float64)


def velocity(denoised):
    """v = alpha eps - sqrt(1 - alpha^2) x0 of the variance-preserving process, alpha^2 = 1 / (sigma^2 + 1)."""
    alpha = 1 / (25 + 1) ** 0.5
    return alpha * (X - denoised) / 5 - 5 * alpha * denoised


def test_none_is_plain_guidance():
    plain = UNCOND + (COND - UNCOND) * 7
    assert torch.allclose(rescaled(X, COND, UNCOND, SIGMA, 7.0, 0.0), plain)


def test_all_of_it_gives_the_spread_of_the_positive_prompt():
    result = velocity(rescaled(X, COND, UNCOND, SIGMA, 7.0, 1.0))
    spread = velocity(COND).std(dim=(1, 2, 3))
    assert torch.allclose(result.std(dim=(1, 2, 3)), spread)
    assert (velocity(UNCOND + (COND - UNCOND) * 7).std(dim=(1, 2, 3)) > 2 * spread).all()


def test_a_multiplier_per_frame():
    multiplier = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    result = rescaled(X, COND, UNCOND, SIGMA, 7.0, multiplier)
    for frame, number in enumerate((0.0, 0.4, 1.0)):
        assert torch.allclose(result[frame], rescaled(X, COND, UNCOND, SIGMA, 7.0, number)[frame])
    assert not torch.allclose(result[1], result[0])
