"""Tables of noise levels, and mixtures of two. Plain tensors: sigmas[t] for timestep t, rising."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..values.schedules import EASINGS


@dataclass(frozen=True)
class SigmaTable:
    """The noise level of every timestep that may be sampled."""

    name: str
    sigmas: Tensor
    """(timesteps,), rising."""
    is_lcm: bool = False
    """Of a latent consistency model: few timesteps, and predictions mixed as these are."""


def weighted(a: SigmaTable, b: SigmaTable, weight: float | Tensor) -> SigmaTable:
    """`weight` of a and the rest of b; a tensor has a weight for each timestep."""
    _check_pair(a, b)
    return SigmaTable(f"{a.name}, {b.name}", a.sigmas * weight + b.sigmas * (1 - weight), a.is_lcm)


def interpolated(a: SigmaTable, b: SigmaTable, start: float, end: float, easing: str = "linear") -> SigmaTable:
    """The weight of a goes from `start` (the first step, the highest noise level) to `end`."""
    _check_pair(a, b)
    last = max(len(a.sigmas) - 1, 1)
    shares = [EASINGS[easing](1 - i / last) for i in range(len(a.sigmas))]
    weights = torch.tensor([start + (end - start) * share for share in shares])
    return weighted(a, b, weights)


def split(start: SigmaTable, end: SigmaTable, percent: float) -> SigmaTable:
    """`start` for the first `percent` (0 to 1) of the sampling, `end` for the rest."""
    _check_pair(start, end)
    low = int((1 - percent) * len(start.sigmas))
    return SigmaTable(f"{start.name}, {end.name}", torch.cat([end.sigmas[:low], start.sigmas[low:]]), start.is_lcm)


def place_in(schedule: Sequence[float], levels: Sequence[float]) -> int | None:
    """Where in a whole schedule a run's noise levels begin; None where they are no part of it. Both falling.

    A run that ends early may have a 0 for its last level.
    place_in([8, 4, 2, 1, 0], [4, 2, 0]) -> 1
    """
    taken = levels[:-1] if levels[-1] == 0 else levels
    for first in range(len(schedule) - len(levels) + 1):
        part = schedule[first : first + len(taken)]
        if all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(part, taken, strict=True)):
            return first
    return None


def _check_pair(a: SigmaTable, b: SigmaTable) -> None:
    if len(a.sigmas) != len(b.sigmas) or a.is_lcm != b.is_lcm:
        raise ValueError(
            f"The sigma schedules '{a.name}' ({len(a.sigmas)} timesteps) and '{b.name}' ({len(b.sigmas)}) do not go "
            "together. Use two lcm schedules of the same length, or two that are not."
        )
