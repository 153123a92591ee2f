"""Sampling a clip several times over, each time from noise that the last one improved (FreeInit).

Inside one run of the host (`SAMPLER_SAMPLE`): models are loaded once, latents stay scaled, and the progress bar counts
all iterations. `official` adds the first iteration's noise again, as the paper does; the compat form adds the last
one's to unscaled latents, as ComfyUI-AnimateDiff-Evolved does.
"""

import logging
from dataclasses import dataclass, replace

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy.samplers import CFGGuider
from torch import Tensor

from ..motion.options import KEY, MotionRun
from .noise.draw import NoiseOptions
from .noise.freeinit import AS_ADE, FreeInit, reinitialized
from .run import chosen_noise, noise_options, watch
from .windows.caches import count_iteration, of_iteration

ITERATIONS = f"{KEY}_iterations"
"""The MODEL's attachment that holds its Iterations."""

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class Iterations:
    count: int = 3
    freeinit: FreeInit | None = None
    """How an iteration's noise comes from the last one's clip; without it, that clip is the next one's latents."""
    seed_offset: int = 1
    """Added to the seed of the noise once per iteration."""
    batch_offset: int = 0
    """Frames of the random stream that are left out, once per iteration."""

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"iterations is {self.count}, and must be 1 or more.")


def with_iterations(model: ModelPatcher, iterations: Iterations) -> ModelPatcher:
    """A clone of `model` whose samplers run several times over."""
    model = watch(model)
    model.set_attachments(ITERATIONS, iterations)
    inner = list(model.get_wrappers(WrappersMP.SAMPLER_SAMPLE, KEY))
    if sample_repeatedly not in inner:  # it goes around those that cut the sampling into parts
        model.remove_wrappers_with_key(WrappersMP.SAMPLER_SAMPLE, KEY)
        for wrapper in (sample_repeatedly, *inner):
            model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, KEY, wrapper)
    return model


def sample_repeatedly(
    executor, guider, sigmas, extra_args, callback, noise, latent_image, denoise_mask=None, disable_pbar=False
):
    """SAMPLER_SAMPLE wrapper. noise, latent_image: frames c h w, as the UNet sees them, on its device."""
    settings: Iterations = guider.model_patcher.get_attachment(ITERATIONS)
    run: MotionRun = extra_args["model_options"]["transformer_options"][KEY]
    if not run.adds_noise:
        log.info("This sampler adds no noise, so there is nothing to iterate: sampled once.")
        return executor(guider, sigmas, extra_args, callback, noise, latent_image, denoise_mask, disable_pbar)
    if settings.count > 1 and float(sigmas[-1]) > 0:
        raise ValueError(
            "Iterations (FreeInit) need a finished clip each time, and this sampler stops before its last step. "
            "Let it take every step: KSampler, or return_with_leftover_noise off."
        )
    run.iterations = settings.count
    start = Start(settings, guider, run, noise, latent_image)
    result = latent_image
    for iteration in range(settings.count):
        noise, latents = start.of(iteration, noise, result)
        run.iteration, run.step, run.levels, run.caches = iteration, 0, [], []
        told, own_args = of_all(callback, iteration, settings.count), of_iteration(extra_args)
        result = executor(guider, sigmas, own_args, told, noise, latents, denoise_mask, disable_pbar)
        count_iteration(own_args, extra_args, settings.count)
    return result


@dataclass(frozen=True)
class Start:
    """What each iteration of one run begins from."""

    settings: Iterations
    guider: CFGGuider
    run: MotionRun
    noise: Tensor
    latents: Tensor
    """The first iteration's: frames c h w."""

    def of(self, iteration: int, noise: Tensor, result: Tensor) -> tuple[Tensor, Tensor]:
        """(noise, latents) of an iteration. noise, result: the last one's."""
        freeinit = self.settings.freeinit
        if iteration == 0 and not (freeinit and freeinit.apply_to_first):
            return self.noise, self.latents
        fresh = self.fresh_noise(iteration)
        if freeinit is None:
            return fresh, result
        base = self.guider.inner_model
        levels = base.model_sampling.sigmas
        sigma = float(levels[max(freeinit.sigma_step - 1000, -len(levels))])
        known = noise if freeinit.manner == AS_ADE else self.noise
        return reinitialized(freeinit, result, known, fresh, sigma, base.latent_format.scale_factor), self.latents

    def fresh_noise(self, iteration: int) -> Tensor:
        """What the sampler would start from with another seed."""
        seed_offset, batch_offset = (
            each * iteration for each in (self.settings.seed_offset, self.settings.batch_offset)
        )
        if not seed_offset and not batch_offset:
            return self.noise
        options = noise_options(self.guider.model_patcher) or NoiseOptions()
        base = options.base
        base = replace(base, seed_offset=base.seed_offset + seed_offset, batch_offset=base.batch_offset + batch_offset)
        handler = self.guider.model_options.get("context_handler")
        if base.seed_override is None:  # the seed by its name: a drawing without any choice is read as the host's noise
            base = replace(base, seed_override=self.run.seed)
        options = replace(options, base=base, samplers_own=False)
        return chosen_noise(options, self.noise, self.run.seed, handler, self.run.first_frame)


def of_all(callback, iteration: int, iterations: int):
    """`callback` that counts the steps of all iterations as one run."""
    if callback is None:
        return None
    return lambda step, x0, x, steps: callback(iteration * steps + step, x0, x, iterations * steps)
