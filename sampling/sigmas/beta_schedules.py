"""Noise schedules by plain name -> the host's model sampling.

The host's names are swapped against diffusers': the host's "sqrt_linear" is diffusers' "linear" (evenly spaced betas),
the host's "linear" is diffusers' "scaled_linear" (evenly spaced roots of the betas). Nobody should have to know that,
so users see whom a schedule is for. A schedule is an object patch on `model_sampling`, of the same class as the
checkpoint's own: what it predicts and a zero terminal SNR stay. Sampler `euler` with scheduler `ddim_uniform` and 20 or
25 steps gives the official DDIM timesteps.
"""

import logging
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from comfy.ldm.modules.diffusionmodules.util import make_beta_schedule
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import EPS, ModelSamplingDiscrete, rescale_zero_terminal_snr_sigmas
from comfy_extras.nodes_model_advanced import LCM, ModelSamplingDiscreteDistilled
from torch import Tensor

from .tables import SigmaTable

AUTO = "auto"
KEEP = "keep the checkpoint's"
TIMESTEPS = 1000
"""That every base model was trained with."""

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class BetaSchedule:
    host_name: str
    """The host's word for how the betas are spaced."""
    beta_end: float = 0.012
    beta_start: float = 0.00085
    """As everywhere."""
    lcm_timesteps: int = 0
    """How many of the 1000 timesteps a latent consistency model was made for; 0 for other models."""
    zsnr: bool = False
    """Rescaled to a zero terminal signal-to-noise ratio."""

    @property
    def settings(self) -> dict:
        """As the host's model configurations have it."""
        return {"beta_schedule": self.host_name, "linear_start": self.beta_start, "linear_end": self.beta_end}


BETA_SCHEDULES = {
    "AnimateDiff SD1.5": BetaSchedule("sqrt_linear"),
    "AnimateDiff SDXL": BetaSchedule("linear", 0.020),
    "AnimateLCM": BetaSchedule("sqrt_linear", lcm_timesteps=100),
    "Stable Diffusion": BetaSchedule("linear"),
}
"""Source: the inference configurations of guoyww/AnimateDiff (main, sdxl branch), of AnimateLCM
(original_inference_steps 100), and of SD1.5 and SDXL themselves."""

CHOICES = [AUTO, *BETA_SCHEDULES, KEEP]


def with_beta_schedule(model: ModelPatcher, name: str) -> ModelPatcher:
    """A clone of `model` with the noise schedule `name` of BETA_SCHEDULES, or KEEP.

    What the checkpoint predicts (noise or v) and a zero terminal SNR stay as they are.
    """
    if name == KEEP:
        return model
    if name not in BETA_SCHEDULES:
        raise ValueError(f"'{name}' is not a noise schedule. Choose one of: {', '.join(CHOICES)}.")
    schedule = BETA_SCHEDULES[name]
    if schedule.lcm_timesteps:
        return with_sigma_table(model, sigma_table(name, schedule))
    if (current := _discrete(model)) is None:
        return model
    settings = model.model.model_config.sampling_settings | schedule.settings
    return _with_sampling(model, type(current)(SimpleNamespace(sampling_settings=settings), zsnr=current.zsnr), name)


def sigma_table(name: str, schedule: BetaSchedule) -> SigmaTable:
    """The noise levels of a schedule: sigma^2 = (1 - a) / a, with a the product of all 1 - beta so far."""
    betas = torch.as_tensor(
        make_beta_schedule(schedule.host_name, TIMESTEPS, schedule.beta_start, schedule.beta_end, cosine_s=8e-3)
    )
    alphas = torch.cumprod(1 - betas, dim=0)
    sigmas = ((1 - alphas) / alphas) ** 0.5
    if count := schedule.lcm_timesteps:
        sigmas = sigmas[TIMESTEPS - 1 - (TIMESTEPS // count) * torch.arange(count).flip(0)]
    if schedule.zsnr:
        sigmas = rescale_zero_terminal_snr_sigmas(sigmas)
    return SigmaTable(name, sigmas.float(), is_lcm=bool(count))


def with_sigma_table(model: ModelPatcher, table: SigmaTable) -> ModelPatcher:
    """A clone of `model` with those noise levels. An LCM table also mixes predictions as such models do."""
    if (current := _discrete(model)) is None:
        return model
    return _with_sampling(model, sampling_of(table, type(current)), table.name)


def sampling_of(table: SigmaTable, kind: type[ModelSamplingDiscrete] = ModelSamplingDiscrete) -> ModelSamplingDiscrete:
    """The host's model sampling with those noise levels; `kind` says what the checkpoint predicts."""
    sampling = lcm_sampling(len(table.sigmas), kind)() if table.is_lcm else kind(zsnr=False)
    sampling.set_sigmas(table.sigmas)
    return sampling


def lcm_sampling(timesteps: int, kind: type = EPS) -> type:
    """The host's model sampling for a latent consistency model of so many timesteps. Source: arXiv:2310.04378.

    kind: says what the checkpoint predicts; the host's own LCM takes everything for noise.
    """

    class LCMSampling(ModelSamplingDiscreteDistilled, LCM):
        original_timesteps = timesteps

    kind = getattr(kind, "predicts", kind)
    if issubclass(kind, LCM) or getattr(kind, "calculate_denoised", None) in (None, EPS.calculate_denoised):
        return LCMSampling

    class LCMSamplingOfOthers(LCMSampling):
        predicts = kind

        def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
            denoised = kind.calculate_denoised(self, sigma, model_output, model_input)
            noise = (model_input - denoised) / sigma.view(sigma.shape[:1] + (1,) * (model_input.ndim - 1))
            return super().calculate_denoised(sigma, noise, model_input)

    return LCMSamplingOfOthers


def _discrete(model: ModelPatcher) -> ModelSamplingDiscrete | None:
    """The MODEL's sampling, if it has betas."""
    current = model.get_model_object("model_sampling")
    if isinstance(current, ModelSamplingDiscrete):
        return current
    log.warning("The checkpoint keeps its own noise schedule (%s), which has no betas.", type(current).__name__)
    return None


def _with_sampling(model: ModelPatcher, sampling, name: str) -> ModelPatcher:
    model = model.clone()
    model.add_object_patch("model_sampling", sampling)
    log.info("Noise schedule: %s (sigma %.4f to %.2f).", name, sampling.sigma_min, sampling.sigma_max)
    return model
