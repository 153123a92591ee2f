"""How strongly something acts: a number, or one per frame and pixel, or what a schedule makes of the moment.

Pure mathematics. Who makes schedules (`sampling`) is not known here: a schedule is whatever is called with a Moment.
Motion scale, effect, a LoRA's and a picture's strength, and cfg are each a `Strength`. A tensor that is the same
everywhere becomes a number, so a constant schedule gives the same bits as the number. In a call a tensor is cut to the
frames of its window and brought to the device once (`Amounts`), then to the size of each layer (`Seen`). A regional
prompt with an area shows the UNet a part of the picture: `Seen` holds each cond's own. Asking a GPU for the noise level
makes it wait, so a `Moment` has it only where some strength, range or keyframe depends on it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
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
    sigma_max: float = math.inf
    """The checkpoint's highest noise level."""

    def is_within(self, start_percent: float, end_percent: float, level: float) -> bool:
        """Whether the noise level `level` lies in that part of a whole sampling."""
        return self.percent_to_sigma(end_percent) <= level <= self.percent_to_sigma(start_percent)


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
    if not isinstance(b, Tensor) and b == 1.0:
        return a
    a, b = alike(a, b)
    return a * b


def total(a: Amount, b: Amount) -> Amount:
    """The sum, as `product`."""
    a, b = alike(a, b)
    return a + b


def alike(a: Amount, b: Amount) -> tuple[Amount, Amount]:
    """Two tensors in the larger one's picture and the longer one's frames, in any order; numbers stay as they are."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return a, b
    small, large = sorted((a, b), key=lambda each: each.shape[-2] * each.shape[-1])
    frames = max(len(a), len(b))
    return rows(resized(small, *large.shape[-2:]), range(frames)), rows(large, range(frames))


def resized(amount: Tensor, height: int, width: int) -> Tensor:
    """(frames, height, width), bilinear; one value per frame stays so."""
    if amount.shape[-2:] in ((1, 1), (height, width)):
        return amount
    return F.interpolate(amount.unsqueeze(1).float(), size=(height, width), mode="bilinear").squeeze(1)


def rows(amount: Tensor, frames: Sequence[int]) -> Tensor:
    """The rows (frames ...) of these frames; after the last row, that one holds on."""
    return amount[[min(frame, len(amount) - 1) for frame in frames]]


@dataclass(frozen=True)
class Area:
    """The part of the picture that a regional prompt sees, in pixels of the latents; may reach beyond the picture."""

    top: int
    left: int
    height: int
    width: int
    of_height: int
    of_width: int

    def of(self, amount: Tensor) -> Tensor:
        """That part of an amount (frames, height, width); one value per frame stays so."""
        whole = resized(amount, self.of_height, self.of_width)
        if whole.shape[-2:] == (1, 1):
            return whole
        return whole[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Part:
    """What one call of the UNet sees of the whole clip."""

    frames: Sequence[int]
    """The frames of all videos of one cond, as they lie in the batch; the conds follow one another."""
    areas: tuple[Area | None, ...] = ()
    """Of each cond; empty where every cond sees the whole picture."""


@dataclass(frozen=True)
class Seen:
    """What the pictures of one call see of an amount, on their device."""

    different: tuple[Tensor, ...]
    """(frames, height, width): one for all conds, or one for each of their areas."""
    conds: tuple[int, ...]
    """Which of them each cond sees."""

    def over(self, like: Tensor) -> Tensor:
        """For the pictures `like` ((conds videos frames) c h w): (pictures, 1, h or 1, w or 1)."""
        fitted = [resized(each, *like.shape[-2:]) for each in self.different]
        return torch.cat([fitted[cond] for cond in self.conds]).unsqueeze(1).to(like)


def over(amount: float | Seen, like: Tensor) -> float | Tensor:
    """What of an amount acts on the pictures `like` ((conds videos frames) c h w)."""
    return amount.over(like) if isinstance(amount, Seen) else amount


def seen(amount: Tensor, part: Part, pictures: int, device: torch.device) -> Seen:
    """amount: (frames of the whole clip, height, width). pictures: how many a call has."""
    own = rows(amount, part.frames)
    conds = pictures // len(part.frames)
    areas = part.areas if len(part.areas) == conds else (None,) * conds
    different = list(dict.fromkeys(areas))
    parts = tuple((own if area is None else area.of(own)).to(device) for area in different)
    return Seen(parts, tuple(different.index(area) for area in areas))


class Amounts:
    """The amounts of one call, each brought to its device once."""

    def __init__(self, part: Part, pictures: int, device: torch.device):
        """pictures: how many a call has."""
        self.part, self.pictures, self.device = part, pictures, device
        self.found: dict[int, tuple[Tensor, Seen]] = {}

    def of(self, amount: Amount) -> float | Seen:
        if not isinstance(amount, Tensor):
            return amount
        if id(amount) not in self.found:
            self.found[id(amount)] = amount, seen(amount, self.part, self.pictures, self.device)
        return self.found[id(amount)][1]


def spread(amount: Amount, part: Part, like: Tensor) -> Amount:
    """A tensor for the pictures `like` ((videos frames) c h w): (pictures, 1, h or 1, w or 1). A number stays one."""
    if not isinstance(amount, Tensor):
        return amount
    return seen(amount, part, len(like), like.device).over(like)
