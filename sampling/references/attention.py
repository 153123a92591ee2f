"""Reference attention: a window of frames looks also at what another one held.

Sources: the `reference_only` and `reference_adain` preprocessors of sd-webui-controlnet, in the numbers that
ComfyUI-Advanced-ControlNet gives them for context windows (ContextRef). AdaIN: arXiv:1703.06868, eq. 8.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...motion.strength import Amount, resized, rows

FIRST, SLIDING, INDEXES = "first", "sliding", "indexes"
LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Mode:
    """Which windows of a step are kept for the later ones to look at."""

    kind: str = FIRST
    """first: the first of the step. sliding: every (sliding_width - 1)th. indexes: the first with each of `indexes`."""
    sliding_width: int = 2
    indexes: frozenset[int] = frozenset({0})
    """Frames of the clip."""

    def __post_init__(self):
        if self.sliding_width < 2:
            raise ValueError(f"sliding_width is {self.sliding_width}, and must be 2 or more.")


@dataclass(frozen=True)
class Tune:
    """How much of the reference is taken, in the self-attentions and in the blocks' means and variances (AdaIN)."""

    attention_fidelity: float = 1.0
    """How little the negative prompt's half sees of the reference; at 1 nothing."""
    attention_weight: float = 1.0
    """How many of the self-attentions take part, the widest first."""
    attention_strength: float = 1.0
    adain_fidelity: float = 0.0
    adain_weight: float = 0.0
    """How many of the blocks take part, the deepest first."""
    adain_strength: float = 0.0

    @property
    def uses_attention(self) -> bool:
        return self.attention_weight > 0.0 and self.attention_strength > 0.0

    @property
    def uses_adain(self) -> bool:
        return self.adain_weight > 0.0 and self.adain_strength > 0.0


def turns(mode: Mode, windows: Sequence[Sequence[int]]) -> list[tuple[bool, bool]]:
    """For each window of a step: (whether it looks at the kept one, whether it is kept from then on)."""
    waiting, found = set(mode.indexes), []
    for number, window in enumerate(windows):
        kept = number == 0
        if mode.kind == SLIDING:
            kept = number % (mode.sliding_width - 1) == 0
        elif mode.kind == INDEXES:
            kept = bool(waiting.intersection(window))
            waiting.difference_update(window)
        found.append((number > 0, kept))
    return found


def attentions_that_take_part(widths: Sequence[int], weight: float) -> list[bool]:
    """widths: channels of the UNet's self-attentions in their order. At weight 1 all, at 1/2 the wider half."""
    order = sorted(range(len(widths)), key=lambda index: -widths[index])
    return [order.index(index) / len(widths) < weight for index in range(len(widths))]


ADAIN_INPUTS = {"sd15": (4, 5, 7, 8, 10, 11), "sdxl": (4, 5, 7, 8)}
ADAIN_OUTPUTS = {"sd15": range(8), "sdxl": range(6)}


def adain_blocks(base: str, weight: float) -> set[tuple[str, int]]:
    """The blocks of the UNet (part, index) whose means and variances are taken. base: sd15 or sdxl."""
    inputs, outputs = ADAIN_INPUTS[base], ADAIN_OUTPUTS[base]
    threshold = {("middle", 0): 0.0}
    threshold |= {("input", block): 2 - 2 * rank / len(inputs) for rank, block in enumerate(inputs)}
    threshold |= {("output", block): 2 * rank / len(outputs) for rank, block in enumerate(outputs)}
    return {block for block, least in threshold.items() if weight > least}


def mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """x: b c h w -> b c 1 1 each, in float32: in half precision a spread of 300 has a variance of infinity."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
    return mean, variance


def with_statistics(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """x (b c h w) with the mean and the variance (b c 1 1) of another."""
    own_mean, own_variance = mean_and_variance(x)
    scale = (variance.clamp(min=LEAST_VARIANCE) / own_variance.clamp(min=LEAST_VARIANCE)).sqrt()
    return ((x - own_mean) * scale + mean).to(x.dtype)


def mixed(plain: Tensor, referenced: Tensor, strength: Amount) -> Tensor:
    if not isinstance(strength, Tensor) and strength == 1.0:
        return referenced
    return referenced * strength + plain * (1 - strength)


def for_frames(kept: Tensor, frames: int) -> Tensor:
    """A kept window (frames ...) for one of another length, which the last of a clip may have."""
    return kept if len(kept) == frames else rows(kept, range(frames))


def over_tokens(amount: Amount, frames: Iterable[int], tokens: int, latents: Sequence[int]) -> Amount:
    """A strength for tokens: (frames tokens 1), or (frames 1 1) where it is the same all over. A number stays one.

    latents: the clip's (b, c, h, w); the tokens are those of a picture that was halved some times.
    """
    if not isinstance(amount, Tensor):
        return amount
    height, width = latents[-2:]
    amount = resized(rows(amount, list(frames)), height, width)
    while height * width > tokens and height * width > 1:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return resized(amount, height, width).flatten(1).unsqueeze(-1)


def over_pixels(amount: Amount, frames: Iterable[int], x: Tensor, latents: Sequence[int]) -> Amount:
    """A strength for x (frames c h w): (frames 1 h w), or (frames 1 1 1). A number stays one."""
    if not isinstance(amount, Tensor):
        return amount
    amount = resized(rows(amount, list(frames)), *latents[-2:])
    return resized(amount, *x.shape[-2:]).unsqueeze(1)
