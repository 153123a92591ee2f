"""A ControlNet's hints as the host fits them to the latents, kept on their device for a run.

The host cuts, scales and encodes hints whenever a ControlNet has none that are ready. Each window gets a copy of the
ControlNet, so that would be in every window and step. What the host made of a hint is taken from the copy after the
first call that needed it, and given to the copies of later ones, ready.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import comfy.model_management
import torch
from comfy.controlnet import ControlNet
from torch import Tensor

from .blend import on_device

SHARE = 0.1
"""Of the memory that is free when a run's first hints are fitted: what all of them may take, or none is kept."""


@dataclass
class FittedHints:
    """Of one ControlNet in one run."""

    control: ControlNet
    rows: Tensor | None = None
    """(hints c h w) on their device; those of `known` are filled in."""
    known: set[int] = field(default_factory=set)
    is_kept: bool = True

    @property
    def count(self) -> int:
        return len(self.control.cond_hint_original)

    def give(self, part: ControlNet, frames: Sequence[int]) -> None:
        """The copy `part` gets the hints of these frames ready, where the host has fitted them all before."""
        wanted = tuple(frame % self.count for frame in frames) if self.count > 1 else (0,)
        if self.known.issuperset(wanted):
            part.cond_hint = self.rows[on_device(wanted, self.rows.device, torch.long)]

    def take(self, part: ControlNet, frames: Sequence[int]) -> None:
        """What the host made of the hints of these frames, for the copy `part`."""
        wanted = [frame % self.count for frame in frames] if self.count > 1 else [0]
        fitted = part.cond_hint
        if not self.is_kept or fitted is None or len(fitted) < len(wanted) or self.known.issuperset(wanted):
            return
        if self.rows is None:
            free = comfy.model_management.get_free_memory(fitted.device)
            self.is_kept = self.count * fitted[0].nbytes <= SHARE * free
            if not self.is_kept:
                return
            self.rows = fitted.new_empty(self.count, *fitted.shape[1:])
        if fitted.shape[1:] == self.rows.shape[1:]:  # a regional prompt sees a part of the picture
            self.rows[on_device(tuple(wanted), fitted.device, torch.long)] = fitted[: len(wanted)]
            self.known.update(wanted)


def fits_hints_as_known(control) -> bool:
    """Whether it takes its hints ready from `cond_hint`, one row for each frame: others may keep more than that."""
    return (
        getattr(type(control), "get_control", None) is ControlNet.get_control and control.cond_hint_original is not None
    )
