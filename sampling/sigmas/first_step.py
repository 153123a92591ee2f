"""At which step of a whole schedule a run begins: its sampler is given only the noise levels that are left."""

import logging

import comfy.samplers
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
    levels = sigmas.tolist()
    if len(levels) < 2 or levels[0] >= float(sampling.sigma_max) * (1 - 1e-4):
        return 0
    for steps in range(1, MOST_STEPS + 1):
        for name in SCHEDULERS:
            schedule = comfy.samplers.calculate_sigmas(sampling, name, steps).tolist()
            if (before := place_in(schedule, levels)) is not None:
                return before
    text = (
        "Noise levels from %.4g on are of no schedule of ComfyUI's of up to %d steps: windows begin as at a first step."
    )
    log.info(text, levels[0], MOST_STEPS)
    return 0
