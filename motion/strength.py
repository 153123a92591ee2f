"""How strongly something acts: a number, or one per frame and pixel, or what a schedule makes of the moment.

Pure mathematics. Who makes schedules (`sampling`) is not known here: a schedule is whatever is called with a Moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

Amount = float | Tensor
"""A number for all, or a tensor (frames, height, width): rows for the frames of the whole clip, the last one holding
on, at any resolution (1 x 1 for a value per frame)."""


@dataclass(frozen=True)
class Moment:
    """When a strength is asked for: one call of the model. The noise levels are there where anything asks for them."""

    full_length: int
    """Frames of the whole clip."""
    levels: Sequence[float] = ()
    """The noise levels (sigma) that were evaluated so far, each once, the present one last."""
    highest: float = 0.0
    """The run's first noise level."""
    percent: float = 0.0
    """Where in a whole sampling the present noise level lies: 0 is its first step, 1 its end."""
    percent_to_sigma: Callable[[float], float] | None = None
    """Of the checkpoint."""


Schedule = Callable[[Moment], Amount]
Strength = Amount | Schedule


def amount_at(strength: Strength, moment: Moment) -> Amount:
    """What `strength` is at that moment. One that is the same everywhere comes as a number."""
    amount = strength(moment) if callable(strength) else strength
    if isinstance(amount, Tensor) and amount.numel() and bool((amount == amount.flatten()[0]).all()):
        return float(amount.flatten()[0])
    return amount


def is_zero(amount: Amount) -> bool:
    """Whether it is the number 0."""
    return not isinstance(amount, Tensor) and amount == 0.0


def product(a: Amount, b: Amount) -> Amount:
    """Tensors are brought to the larger picture and the longer clip, the last frame holding on."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return a * b
    small, large = sorted((a, b), key=lambda each: each.shape[-2] * each.shape[-1])
    frames = max(len(a), len(b))
    return rows(resized(small, *large.shape[-2:]), range(frames)) * rows(large, range(frames))


def resized(amount: Tensor, height: int, width: int) -> Tensor:
    """(frames, height, width), bilinear; one value per frame stays so."""
    if amount.shape[-2:] in ((1, 1), (height, width)):
        return amount
    return F.interpolate(amount.unsqueeze(1).float(), size=(height, width), mode="bilinear").squeeze(1)


def rows(amount: Tensor, frames: Sequence[int]) -> Tensor:
    """The rows of these frames; after the last row, that one holds on."""
    return amount[[min(frame, len(amount) - 1) for frame in frames]]


def spread(amount: Amount, frames: Sequence[int], like: Tensor) -> Amount:
    """A tensor for the pictures `like` ((videos frames) c h w): (pictures, 1, h or 1, w or 1). A number stays one.

    frames: the frames of all videos of one cond, as they lie in the batch; the conds follow one another.
    """
    if not isinstance(amount, Tensor):
        return amount
    own = resized(rows(amount, frames), *like.shape[-2:]).unsqueeze(1).to(like)
    return own.repeat(like.shape[0] // len(frames), 1, 1, 1)
