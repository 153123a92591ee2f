"""What a training step makes small. Pure mathematics.

All of it is written with the residual: what the UNet's prediction (noise or v) is off by, (clips, frames, c, h, w).
Sources: DDPM, arXiv:2006.11239, equation 14; min-SNR, arXiv:2303.09556; MotionDirector, arXiv:2310.08465, section 3.2.
"""

import math

import torch
from torch import Tensor

PLAIN = "plain"
MOTION_ONLY = "motion only"
MOTION_AND_APPEARANCE = "motion and appearance"
LOSSES = (PLAIN, MOTION_ONLY, MOTION_AND_APPEARANCE)


def residual(denoised: Tensor, clean: Tensor, sigma: Tensor, predicts_v: bool) -> Tensor:
    """The prediction minus its target, from what the host's model gives: the denoised latents.

    x = clean + sigma noise, and denoised = x - sigma prediction, so prediction - noise = (clean - denoised) / sigma.
    With v, denoised = x / (1 + sigma^2) - v sigma / sqrt(1 + sigma^2), so it is sqrt(1 + sigma^2) times as much.
    denoised, clean: (clips, frames, c, h, w); sigma: (clips,).
    """
    sigma = sigma.view(-1, 1, 1, 1, 1)
    off = (clean - denoised) / sigma
    return off * (sigma**2 + 1).sqrt() if predicts_v else off


def plain(off: Tensor) -> Tensor:
    """(clips,): the mean square."""
    return off.square().flatten(1).mean(1)


def motion_only(off: Tensor, anchors: Tensor) -> Tensor:
    """(clips,): the mean square, and that of the frames freed of what the anchor frame looks like.

    phi(x)_i = sqrt(2) x_i - x_anchor is linear, so phi(prediction) - phi(target) is phi(residual). anchors: (clips,).
    """
    anchor = off[torch.arange(len(off)), anchors].unsqueeze(1)
    return plain(off) + plain(math.sqrt(2) * off - anchor)


def min_snr(sigma: Tensor, gamma: float, predicts_v: bool) -> Tensor:
    """The weight of each clip's loss; 1 where gamma is 0. SNR = 1 / sigma^2."""
    if gamma <= 0:
        return torch.ones_like(sigma)
    snr = sigma**-2.0
    return snr.clamp(max=gamma) / (snr + 1 if predicts_v else snr)
