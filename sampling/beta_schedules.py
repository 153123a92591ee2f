"""Noise schedules by plain name -> the host's model sampling.

The host's names are swapped against diffusers': the host's "sqrt_linear" is diffusers' "linear" (evenly spaced betas),
the host's "linear" is diffusers' "scaled_linear" (evenly spaced roots of the betas). Nobody should have to know that,
so users see whom a schedule is for.
"""

import logging
from dataclasses import dataclass
from types import SimpleNamespace

from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import ModelSamplingDiscrete

AUTO = "auto"
KEEP = "keep the checkpoint's"

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class BetaSchedule:
    host_name: str
    """The host's word for how the betas are spaced."""
    beta_end: float
    """The last beta; the first is 0.00085 everywhere."""


BETA_SCHEDULES = {
    "AnimateDiff SD1.5": BetaSchedule("sqrt_linear", 0.012),
    "AnimateDiff SDXL": BetaSchedule("linear", 0.020),
    "Stable Diffusion": BetaSchedule("linear", 0.012),
}
"""Source: the inference configurations of guoyww/AnimateDiff (main, sdxl branch), and of SD1.5 and SDXL themselves."""

CHOICES = [AUTO, *BETA_SCHEDULES, KEEP]


def with_beta_schedule(model: ModelPatcher, name: str) -> ModelPatcher:
    """A clone of `model` with the noise schedule `name` of BETA_SCHEDULES, or KEEP.

    What the checkpoint predicts (noise or v) and a zero terminal SNR stay as they are.
    """
    if name == KEEP:
        return model
    if name not in BETA_SCHEDULES:
        raise ValueError(f"'{name}' is not a noise schedule. Choose one of: {', '.join(CHOICES)}.")
    current = model.get_model_object("model_sampling")
    if not isinstance(current, ModelSamplingDiscrete):
        log.warning("The checkpoint keeps its own noise schedule (%s), which has no betas.", type(current).__name__)
        return model
    schedule = BETA_SCHEDULES[name]
    settings = model.model.model_config.sampling_settings | {
        "beta_schedule": schedule.host_name,
        "linear_start": 0.00085,
        "linear_end": schedule.beta_end,
    }
    model = model.clone()
    sampling = type(current)(SimpleNamespace(sampling_settings=settings), zsnr=current.zsnr)
    model.add_object_patch("model_sampling", sampling)
    log.info("Noise schedule: %s (sigma %.4f to %.2f).", name, sampling.sigma_min, sampling.sigma_max)
    return model
