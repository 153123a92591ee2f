"""At which noise levels a clip is shown, and the learning rate of each step. Pure mathematics."""

import math
from dataclasses import dataclass

from torch import Tensor

UNIFORM = "uniform"
HIGH_NOISE = "more high noise"
LEVELS = (UNIFORM, HIGH_NOISE)

CONSTANT, COSINE, LINEAR = "constant", "cosine", "linear"
SCHEDULES = (CONSTANT, COSINE, LINEAR)

INFINITE = 4000.0
"""A schedule with a zero terminal SNR puts its last noise level above this: there is nothing of the clip left in it."""


@dataclass(frozen=True)
class Levels:
    """Which timesteps are drawn, of a schedule of noise levels."""

    kind: str = UNIFORM
    """One of LEVELS. Motion is decided at high noise: HIGH_NOISE draws them as the root of a uniform number."""
    start_percent: float = 0.0
    """Where in a sampling the drawn levels begin: 0 is pure noise."""
    end_percent: float = 1.0

    def timestep(self, drawn: float, sigmas: Tensor) -> int:
        """An index of `sigmas` (ascending) for a number drawn from 0 to 1."""
        count = len(sigmas) - int(float(sigmas[-1]) > INFINITE)
        part = math.sqrt(drawn) if self.kind == HIGH_NOISE else drawn
        low, high = 1 - self.end_percent, 1 - self.start_percent
        return min(int((low + part * (high - low)) * count), count - 1)


def learning_rate_factor(schedule: str, warmup: int, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step (counted from 0) of so many."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    if schedule == COSINE:
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return max(1.0 - done, 0.0) if schedule == LINEAR else 1.0
