"""Rescaled guidance: a large cfg without burnt colours."""

from torch import Tensor

from ..motion.strength import Amount


def rescaled(x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, cfg: Amount, multiplier: Amount) -> Tensor:
    """The guided clip (frames c h w), which has the spread of the positive prompt's as far as `multiplier` says.

    x: the noisy latents; cond, uncond: the denoised ones; sigma: one per frame; cfg, multiplier (0 to 1): numbers or
    (frames, 1, h or 1, w or 1). Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", equations
    14 to 16, on the model's v.
    """
    variance = sigma.view(-1, 1, 1, 1) ** 2 + 1
    mean, scale = x / variance, variance.sqrt() / sigma.view(-1, 1, 1, 1)
    positive, negative = (mean - cond) * scale, (mean - uncond) * scale
    guided = negative + (positive - negative) * cfg
    ratio = positive.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
    return mean - guided * (ratio * multiplier + 1 - multiplier) / scale
