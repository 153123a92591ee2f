"""What is done in the world of `drifting`: motion LoRAs are trained by this pack, clips sampled by the host's sampler,
and the error on clips that nobody has learnt is looked at. Import after the host is on `sys.path`."""

from dataclasses import replace
from pathlib import Path

import comfy.model_management
import comfy.sample
import drifting
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule
from animatediff_native.training.files import running_factors
from animatediff_native.training.layouts import lora_state
from animatediff_native.training.step import denoised, encoded
from small_training import plan, trained
from torch import Tensor

LEARNT = plan(
    steps=120, batch=2, rank=16, learning_rate=5e-3, caption_dropout=0.0, schedule="cosine", warmup=10, end_percent=0.5
)
"""How a motion LoRA for a change of light is trained: in half a minute, in the first half of a sampling."""
MOVING = {
    "steps": 500,
    "batch": 4,
    "learning_rate": 8e-3,
    "options": replace(LEARNT.options, end_percent=0.25),
}
"""What is otherwise for a direction: two minutes, in the quarter of a sampling in which the direction is decided."""


def lora_of(world, clips, folder: Path, watcher=None, **changes) -> MotionLoRA:
    """A motion LoRA that has learnt `clips`, in half precision as its file has it."""
    _, state = trained(*world, drifting.examples(clips), replace(LEARNT, **changes), folder, watcher)
    factors = lora_state(running_factors(state.parameters))
    return MotionLoRA("learnt", factors_of({name: value.half() for name, value in factors.items()}))


def animated(world, *loras: tuple[MotionLoRA, float]):
    model, motion = world
    for lora, strength in loras:
        motion, _ = with_motion_lora(motion, lora, strength)
    return with_beta_schedule(attach(model, motion, MotionSettings()), drifting.SCHEDULE)


def sampled(model, seed: int, colour: str | None = None, steps: int = 12) -> Tensor:
    """A clip of the host's sampler, frames c h w; the colour goes round with the seed where none is named."""
    latents = torch.zeros(drifting.FRAMES, 4, drifting.SIZE, drifting.SIZE)
    noise = comfy.sample.prepare_noise(latents, seed)
    prompt = drifting.conditioning(colour or list(drifting.COLOURS)[seed % len(drifting.COLOURS)])
    words = {"disable_pbar": True, "seed": seed}
    found = comfy.sample.sample(model, noise, steps, 1.0, "euler", "ddim_uniform", prompt, prompt, latents, **words)
    return found * drifting.SCALE


def errors(model, clips, sigmas=(6.0, 12.0, 20.0), seed: int = 3) -> Tensor:
    """(clips,): how far the noise is missed, always with the same noise, from levels where the direction of a clip is
    seen to those where it is guessed."""
    comfy.model_management.load_models_gpu([model, *model.get_nested_additional_models()])
    model.pre_run()
    generator, found = torch.Generator().manual_seed(seed), []
    with torch.no_grad():
        for clean, colour in clips:
            conds = [encoded(model, drifting.conditioning(colour), clean.shape)] * len(sigmas)
            levels = torch.tensor(sigmas)
            noise = torch.randn(len(sigmas), *clean.shape, generator=generator) * levels.view(-1, 1, 1, 1, 1)
            off = (denoised(model, clean + noise, levels, conds) - clean) / levels.view(-1, 1, 1, 1, 1)
            found.append(off.square().mean())
    model.cleanup()
    return torch.stack(found)


def beyond(values: Tensor) -> float:
    """Their mean, in standard errors of it."""
    return float(values.mean() / (values.std() / len(values) ** 0.5))
