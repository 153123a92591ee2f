"""The noise that samplers add while they sample (the ancestral ones, LCM, DDPM, SDE solvers).

A `noise_sampler` is handed to the sampler function, in a copy of the sampler that an `OUTER_SAMPLE` wrapper passes on,
for k-diffusion functions that would take the host's default noise. The Brownian trees of `dpmpp_sde`, `dpmpp_2m_sde`
and `dpmpp_3m_sde` stay the host's, as in ComfyUI-AnimateDiff-Evolved.
"""

import copy
import functools
import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy.samplers import KSAMPLER
from torch import Tensor

from ..motion.options import KEY, MotionRun
from .noise.draw import SEEDS
from .run import watch

ANCESTRAL = f"{KEY}_ancestral"
"""The MODEL's attachment that holds its AncestralNoise."""

DEFAULT, CONSTANT = ANCESTRAL_TYPES = ("default", "constant")
"""Other noise for each frame, or one frame's for all."""

BROWNIAN = re.compile(r"^sample_dpmpp_\w*sde")
"""Samplers of the host whose noise is a Brownian tree's, which depends on the noise levels."""

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class AncestralNoise:
    noise_type: str = DEFAULT
    seed_offset: int = 0
    """Added to the seed."""
    seed: int | None = None
    """Instead of the sampler's."""

    def __post_init__(self):
        if self.noise_type not in ANCESTRAL_TYPES:
            raise ValueError(f"'{self.noise_type}' is not a noise type. Choose one of: {', '.join(ANCESTRAL_TYPES)}.")

    def sampler(self, like: Tensor, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        """What k-diffusion calls a noise sampler: (sigma, next sigma) -> noise as `like` (frames c h w)."""
        seed = (seed if self.seed is None else self.seed) + self.seed_offset
        generator = torch.Generator(like.device).manual_seed(seed % SEEDS)
        shape = (1 if self.noise_type == CONSTANT else like.shape[0], *like.shape[1:])
        words = {"dtype": like.dtype, "device": like.device, "generator": generator}
        return lambda sigma, sigma_next: torch.randn(shape, **words).expand(like.shape)


def with_ancestral_noise(model: ModelPatcher, noise: AncestralNoise) -> ModelPatcher:
    """A clone of `model` whose samplers add `noise` while they sample."""
    model = watch(model)
    model.set_attachments(ANCESTRAL, noise)
    if sample_with_ancestral_noise not in model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, sample_with_ancestral_noise)
    return model


def sample_with_ancestral_noise(executor, noise, latent_image, sampler, *others, **kwargs):
    """OUTER_SAMPLE wrapper, within the one that opens the run."""
    guider = executor.class_obj
    own: AncestralNoise = guider.model_patcher.get_attachment(ANCESTRAL)
    run: MotionRun = guider.model_options["transformer_options"][KEY]
    if takes_noise_sampler(sampler):
        sampler = copy.copy(sampler)
        sampler.sampler_function = noised(sampler.sampler_function, own, run.seed)
    else:
        log.info("Ancestral Options are without effect: this sampler adds no noise while it samples, or only its own.")
    return executor(noise, latent_image, sampler, *others, **kwargs)


def takes_noise_sampler(sampler) -> bool:
    """Whether it is one of the host's k-diffusion functions that add the host's default noise."""
    if not isinstance(sampler, KSAMPLER):
        return False
    function = inspect.unwrap(sampler.sampler_function)
    if function.__name__ == "dpm_adaptive_function":  # hands its words on to sample_dpm_adaptive
        return True
    own = function.__module__ == "comfy.k_diffusion.sampling" and not BROWNIAN.match(function.__name__)
    return own and "noise_sampler" in inspect.signature(function).parameters


def noised(function: Callable, noise: AncestralNoise, seed: int) -> Callable:
    """The sampler function with `noise`, which begins anew with each call, as the host's does."""

    @functools.wraps(function)
    def sample(model, x, sigmas, **words):
        return function(model, x, sigmas, **({"noise_sampler": noise.sampler(x, seed)} | words))

    return sample
