"""At which step of a whole schedule a run begins: its sampler is given only the noise levels that are left."""

import logging
from dataclasses import dataclass, field
from functools import lru_cache

import comfy.samplers
from comfy.model_sampling import ModelSamplingDiscrete
from torch import Tensor

from .tables import place_in

SCHEDULERS = (
    *("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta"),
    *("linear_quadratic", "kl_optimal"),
)
"""The host's own. Those that other packs add may refuse few steps."""
MOST_STEPS = 100
"""Longer schedules are not looked through."""

log = logging.getLogger("animatediff")


def steps_before(sigmas: Tensor, sampling) -> int:
    """How many steps come before a run's noise levels in the shortest of the host's schedules that holds them.

    sigmas: (steps + 1,), falling, as a sampler gets them: all of a schedule, or a part (start_at_step, SplitSigmas, a
    denoise below 1). sampling: the MODEL's `model_sampling`. 0 where no schedule of the host holds them.
    """
    levels = tuple(sigmas.tolist())
    if len(levels) < 2 or levels[0] >= float(sampling.sigma_max) * (1 - 1e-4):
        return 0
    found = looked_up(Search(levels, type(sampling), tuple(sampling.sigmas.tolist()), sampling))
    if found is None:
        text = (
            "Noise levels from %.4g on are of no schedule of ComfyUI's of up to %d steps: windows begin as at a first "
            "step."
        )
        log.info(text, levels[0], MOST_STEPS)
    return found or 0


@dataclass(frozen=True)
class Search:
    """What is looked for, and where. The answer hangs on the numbers: it is kept for the next run with the same."""

    levels: tuple[float, ...]
    kind: type
    table: tuple[float, ...]
    """The sampling's noise levels."""
    sampling: ModelSamplingDiscrete = field(compare=False)


@lru_cache(maxsize=64)
def looked_up(search: Search) -> int | None:
    """Seconds, where no schedule holds the levels."""
    for steps in range(1, MOST_STEPS + 1):
        for name in SCHEDULERS:
            schedule = comfy.samplers.calculate_sigmas(search.sampling, name, steps).tolist()
            if (before := place_in(schedule, search.levels)) is not None:
                return before
    return None
