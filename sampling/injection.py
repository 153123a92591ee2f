"""Pictures that are laid over a clip while it is sampled.

The sampling is cut inside one run (`SAMPLER_SAMPLE`), so windows, keyframes and the progress bar count on. At a cut the
VAE decodes what the sampler sees, the picture is laid over it, and the difference of the two encodings is added to the
noisy latents. Models that the VAE pushed off the GPU are loaded again, as the host's ControlNets do. Where a noise mask
holds pixels, nothing is injected.
"""

import logging
from dataclasses import dataclass

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy.sd import VAE
from torch import Tensor

from ..motion.options import KEY, MotionRun
from ..motion.settings import in_range
from ..motion.strength import Moment, Part, Strength, amount_at, spread
from .paste import cuts, pasted, stretched
from .run import watch

INJECTIONS = f"{KEY}_injections"
"""The MODEL's attachment that holds its Injections."""

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class Injection:
    """A picture, or one per frame, that is laid over what the sampler sees at a point of the sampling."""

    image: Tensor
    """(m height width 3); the last picture holds on."""
    vae: VAE
    start_percent: float = 0.0
    times: int = 1
    """Before how many steps in a row."""
    mask: Tensor | None = None
    """(m height width), 0 to 1: where the picture counts; everywhere if None."""
    strength: Strength = 1.0
    """0 leaves the latents as they are."""
    stretch: bool = True
    """Over the whole frame; else the picture keeps its size."""
    place: tuple[int, int] = (0, 0)
    """Left and top of the picture in the frame, in pixels."""

    def __post_init__(self):
        in_range("start_percent", self.start_percent, 0.0, 1.0)
        if self.times < 1:
            raise ValueError(f"guarantee_steps is {self.times}, and must be 1 or more.")


def with_injections(model: ModelPatcher, injections: tuple[Injection, ...]) -> ModelPatcher:
    """A clone of `model` whose samplers lay pictures over the clip on the way."""
    model = watch(model)
    model.set_attachments(INJECTIONS, tuple(sorted(injections, key=lambda each: each.start_percent)))
    if sample_with_injections not in model.get_wrappers(WrappersMP.SAMPLER_SAMPLE, KEY):
        model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, KEY, sample_with_injections)
    return model


def sample_with_injections(
    executor, guider, sigmas, extra_args, callback, noise, latent_image, denoise_mask=None, disable_pbar=False
):
    """SAMPLER_SAMPLE wrapper. noise, latent_image: frames c h w, as the UNet sees them, on its device."""
    injections: tuple[Injection, ...] = guider.model_patcher.get_attachment(INJECTIONS)
    run: MotionRun = extra_args["model_options"]["transformer_options"][KEY]
    places = places_of(injections, guider.inner_model.model_sampling, sigmas)
    log.info("%d image injections lie within this sampler's steps.", len(places))
    begin = 0
    for end, which in places:
        seen = {}
        told = of_part(callback, begin, len(sigmas) - 1, seen)
        part = sigmas[begin : end + 1]
        x = executor(guider, part, extra_args, told, noise, latent_image, denoise_mask, disable_pbar)
        new = injected(injections[which], guider.inner_model, x, seen, run)
        if denoise_mask is not None:
            new = x + (new - x) * denoise_mask
        noise, begin = (new - latent_image) / sigmas[end], end
    told = of_part(callback, begin, len(sigmas) - 1, {})
    return executor(guider, sigmas[begin:], extra_args, told, noise, latent_image, denoise_mask, disable_pbar)


def places_of(injections: tuple[Injection, ...], sampling, sigmas: Tensor) -> list[tuple[int, int]]:
    """[(step, injection)] in a sampling of `sigmas`."""
    starts = [torch.tensor(float(sampling.percent_to_sigma(each.start_percent))) for each in injections]
    timesteps = ([float(sampling.timestep(sigma)) for sigma in levels] for levels in (sigmas, starts))
    return cuts(*timesteps, [each.times for each in injections])


def of_part(callback, begin: int, steps: int, seen: dict):
    """`callback` for a part that starts at step `begin` of `steps`; `seen` gets what the sampler sees, as "x0"."""

    def told(step, x0, x, _):
        seen["x0"] = x0
        if callback is not None:
            callback(begin + step, x0, x, steps)

    return told


def injected(injection: Injection, base, x: Tensor, seen: dict, run: MotionRun) -> Tensor:
    """`x` (frames c h w, noisy, as the UNet sees it) whose picture has the injected one over it, its noise as before.

    The VAE works on what the sampler sees, and what it loses on the way is left in x.
    """
    if "x0" not in seen:
        raise RuntimeError("This sampler does not show its steps, so no image can be injected. Use another sampler.")
    frames = range(run.first_frame, run.first_frame + len(x))
    latents, clean = (base.process_latent_out(each.to(torch.float32)) for each in (x, seen["x0"]))
    vae = injection.vae
    loaded = comfy.model_management.loaded_models(only_currently_used=True)
    try:
        pictures = vae.decode(clean)[..., :3]
        before = vae.encode(pictures)
        image = injection.image[..., :3].to(pictures)
        image = stretched(image, pictures) if injection.stretch else image
        after = vae.encode(pasted(pictures, image, injection.mask, frames, injection.place))
    finally:
        comfy.model_management.load_models_gpu(loaded)
    if before.shape != latents.shape:
        raise ValueError(
            f"The VAE of Image Injection makes latents of {tuple(before.shape)}, and the clip's are "
            f"{tuple(latents.shape)}. Connect the checkpoint's own VAE."
        )
    strength = amount_at(injection.strength, Moment(run.full_length))
    change = (after - before).to(latents) * spread(strength, Part(list(frames)), latents)
    return base.process_latent_in(latents + change).to(x)
