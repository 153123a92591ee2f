"""FreeInit: the slow changes of a finished clip's noise are kept, the fast ones drawn anew. Pure mathematics.

Source: FreeInit, arXiv:2312.07537, section 4 and equations 5-9. Tensors are (frames, channels, height, width).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...motion.settings import in_range

OFFICIAL, AS_ADE, DINKINIT = "official", "as ADE", "DinkInit_v1"
"""`official`: the clip gets its first noise again, as in the paper. The others are ComfyUI-AnimateDiff-Evolved's:
`as ADE` gives it the last iteration's, `DinkInit_v1` its first."""


@dataclass(frozen=True)
class FreeInit:
    """The low-pass filter, and how the clip is noised again."""

    filter: str = "butterworth"
    d_s: float = 0.25
    """Spatial stop frequency, 1 being the highest frequency of the latents."""
    d_t: float = 0.25
    """Temporal stop frequency."""
    n: int = 4
    """Order of the butterworth filter."""
    manner: str = OFFICIAL
    sigma_step: int = 999
    """The timestep whose noise level the clip is brought back to; 999 is the highest."""
    apply_to_first: bool = False
    """Also before the first iteration, on the latents that came in."""

    def __post_init__(self):
        if self.filter not in FILTERS:
            raise ValueError(f"'{self.filter}' is not a filter of FreeInit. Choose one of: {', '.join(FILTERS)}.")
        in_range("d_s", self.d_s, 0.0, 1.0)
        in_range("d_t", self.d_t, 0.0, 1.0)
        if self.manner not in RENOISED:
            raise ValueError(f"'{self.manner}' is not a kind of FreeInit. Choose one of: {', '.join(RENOISED)}.")


def reinitialized(settings: FreeInit, latents: Tensor, noise: Tensor, fresh: Tensor, sigma: float, scale: float):
    """The noise of the next iteration, of unit variance as a sampler expects it.

    latents: the finished clip, as the UNet sees it (scaled); noise: what it started from, or the last iteration's;
    fresh: new noise; scale: the latent format's factor.
    """
    noised = RENOISED[settings.manner](latents, noise, sigma, scale)
    low_pass = low_pass_filter(settings, latents.shape).to(latents)
    return mixed(noised, fresh, low_pass)


def mixed(low: Tensor, high: Tensor, low_pass: Tensor) -> Tensor:
    """The frequencies that `low_pass` (frames 1 height width) lets through from `low`, the others from `high`."""
    axes = (0, 2, 3)
    low, high = (torch.fft.fftshift(torch.fft.fftn(each, dim=axes), dim=axes) for each in (low, high))
    both = low * low_pass + high * (1 - low_pass)
    return torch.fft.ifftn(torch.fft.ifftshift(both, dim=axes), dim=axes).real


def official(latents: Tensor, noise: Tensor, sigma: float, scale: float) -> Tensor:
    """The diffused clip: sqrt(alpha) x0 + sqrt(1 - alpha) noise, with alpha = 1 / (sigma^2 + 1)."""
    return (latents + noise * sigma) / (sigma**2 + 1) ** 0.5


def as_ade(latents: Tensor, noise: Tensor, sigma: float, scale: float) -> Tensor:
    """The same on unscaled latents at sigma / scale."""
    return (latents + noise * sigma) / (sigma**2 + scale**2) ** 0.5


def dinkinit(latents: Tensor, noise: Tensor, sigma: float, scale: float) -> Tensor:
    return (latents / scale + noise * sigma) / (sigma**2 + 1)


RENOISED: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {
    OFFICIAL: official,
    AS_ADE: as_ade,
    DINKINIT: dinkinit,
}


@lru_cache(maxsize=8)
def low_pass_filter(settings: FreeInit, shape: torch.Size) -> Tensor:
    """(frames, 1, height, width) for latents of `shape`, 0 to 1, the lowest frequency in the middle."""
    frames, _, height, width = shape
    if settings.d_s == 0 or settings.d_t == 0:
        return torch.zeros(frames, 1, height, width)
    if settings.filter == "box":
        return box(settings, frames, height, width).unsqueeze(1)
    t, y, x = (2 * torch.arange(size) / size - 1 for size in (frames, height, width))
    t = settings.d_s / settings.d_t * t
    squared = t.view(-1, 1, 1) ** 2 + y.view(1, -1, 1) ** 2 + x.view(1, 1, -1) ** 2
    return FILTERS[settings.filter](squared, settings).unsqueeze(1)


def gaussian(squared: Tensor, settings: FreeInit) -> Tensor:
    return torch.exp(-squared / (2 * settings.d_s**2))


def butterworth(squared: Tensor, settings: FreeInit) -> Tensor:
    return 1 / (1 + (squared / settings.d_s**2) ** settings.n)


def ideal(squared: Tensor, settings: FreeInit) -> Tensor:
    """1 up to 2 d_s: the published code's threshold, on the squared distance."""
    return (squared <= 2 * settings.d_s).float()


def box(settings: FreeInit, frames: int, height: int, width: int) -> Tensor:
    found = torch.zeros(frames, height, width)
    reach = round(height // 2 * settings.d_s)
    span = round(frames // 2 * settings.d_t)
    ranges = ((frames // 2, span), (height // 2, reach), (width // 2, reach))
    found[tuple(slice(middle - far, middle + far) for middle, far in ranges)] = 1.0
    return found


FILTERS = {"gaussian": gaussian, "butterworth": butterworth, "ideal": ideal, "box": box}
