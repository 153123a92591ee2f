"""Which of several settings holds at a point of the sampling. Plain numbers.

Source: the rule of ComfyUI-AnimateDiff-Evolved's keyframes, context options and guidance keyframes alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ...motion.settings import Keyframe
from ...motion.strength import Amount, Moment, Strength, amount_at


def holding(starts: Sequence[float], guarantees: Sequence[int], levels: Sequence[float], highest: float) -> int:
    """The index of the entry that holds at the last of `levels`.

    starts: the noise level (sigma) at which each entry may begin, falling; guarantees: for how many levels it then
    holds at least; levels: the noise levels so far; highest: the run's first. The next entry takes over once its start
    is reached and the current one has had its guaranteed levels; one that began above `highest` is owed none.
    """

    def guaranteed(index: int) -> int:
        return guarantees[index] if starts[index] <= highest else 0

    current, used = 0, 0
    for level in levels:
        if used >= guaranteed(current):
            for later in range(current + 1, len(starts)):
                if starts[later] < level:
                    break
                current, used = later, 0
                if guaranteed(later) > 0:
                    break
        used += 1
    return current


Key = TypeVar("Key")
"""What has a `start_percent` and `guarantee_steps`."""


def begun(keys: Sequence[Key], moment: Moment, top: float = math.inf) -> list[Key]:
    """In the order of their starts, up to the one that holds at that moment.

    top: the noise level at which those of 0 % begin.
    """
    keys = sorted(keys, key=lambda key: key.start_percent)
    starts = [min(moment.percent_to_sigma(key.start_percent), top) for key in keys]
    guarantees = [key.guarantee_steps for key in keys]
    return keys[: holding(starts, guarantees, moment.levels, moment.highest) + 1]


@dataclass(frozen=True)
class Keyed:
    """A strength from `start_percent` of the sampling on."""

    start_percent: float
    strength: Strength
    guarantee_steps: int = 1


@dataclass(frozen=True)
class InTurns:
    """A strength that several take turns in; called with a Moment, what the one that holds gives.

    One that begins at 0 % is owed its steps where the run begins at the checkpoint's highest noise level; other
    keyframes that begin there are owed none.
    """

    keys: tuple[Keyed, ...]

    def __call__(self, moment: Moment) -> Amount:
        whole = math.isclose(moment.sigma_max, moment.highest, rel_tol=1e-5)
        top = moment.highest if whole else moment.sigma_max
        return amount_at(begun(self.keys, moment, top)[-1].strength, moment)


@dataclass(frozen=True)
class Keyframes:
    """Keyframes of a motion model; called with a Moment, the one that holds. Before the first one nothing is set."""

    frames: tuple[Keyframe, ...]

    def __call__(self, moment: Moment) -> Keyframe:
        from_the_start = any(frame.start_percent <= 0 for frame in self.frames)
        return inherited(begun(self.frames if from_the_start else (Keyframe(), *self.frames), moment))


def inherited(frames: Sequence[Keyframe]) -> Keyframe:
    """The last of `frames`, what it leaves open taken from those before it."""
    result = Keyframe()
    for frame in frames:
        if not frame.inherit_missing:
            result = Keyframe()
        given = {
            name: value
            for name in ("motion_scale", "effect", "blocks", "share", "camera")
            if (value := getattr(frame, name)) is not None
        }
        result = replace(result, **given)
    return result
