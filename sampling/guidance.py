"""Guidance over frames, regions and the sampling, for every guider with a positive and a negative prompt.

cfg, rescaled cfg, and perturbed-attention guidance (Ahn et al., "Self-Rectifying Diffusion Sampling with
Perturbed-Attention Guidance", on the host's place: the self-attention of the middle block).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import comfy.model_patcher
import comfy.samplers
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.moments import moment_at
from ..motion.options import KEY, MotionRun
from ..motion.strength import Amount, Part, Strength, amount_at, is_zero, spread
from .rescale import rescaled
from .run import GUIDANCE, watch

CfgFunction = Callable[[dict], Tensor]
"""What the host calls with the two predictions; the noise that is guided comes back."""


def with_guidance(model: ModelPatcher, cfg: Strength) -> ModelPatcher:
    """A clone of `model` that is guided by `cfg`, whatever the sampler's own.

    A cfg function that is on the MODEL already (RescaleCFG) goes on with this cfg.
    """
    model = watch(model)
    guided = Guided(cfg, model.model_options.get("sampler_cfg_function", plain))
    model.set_model_sampler_cfg_function(guided, disable_cfg1_optimization=True)
    model.set_attachments(GUIDANCE, True)
    return model


def with_rescale(model: ModelPatcher, multiplier: Strength) -> ModelPatcher:
    """A clone of `model` whose guidance is rescaled; 0 leaves what the MODEL did before."""
    model = watch(model)
    before = model.model_options.get("sampler_cfg_function", plain)
    if isinstance(before, Guided):
        function = replace(before, then=Rescaled(multiplier, before.then))
    else:
        function = Rescaled(multiplier, before)
    model.set_model_sampler_cfg_function(function)
    return model


def with_perturbed_attention(model: ModelPatcher, scale: Strength) -> ModelPatcher:
    """A clone of `model` that is also led away from what it gives with broken self-attention, as far as `scale` says.

    One more evaluation of the positive prompt at each step where `scale` is not 0.
    """
    model = watch(model)
    model.set_model_sampler_post_cfg_function(Perturbed(scale))
    return model


def plain(arguments: dict) -> Tensor:
    return arguments["uncond"] + (arguments["cond"] - arguments["uncond"]) * arguments["cond_scale"]


@dataclass(frozen=True)
class Guided:
    """The host's `sampler_cfg_function`, with another cfg."""

    cfg: Strength
    then: CfgFunction = plain

    def __call__(self, arguments: dict) -> Tensor:
        arguments["model_options"]["transformer_options"][KEY].guided = True
        return self.then(arguments | {"cond_scale": amount_now(self.cfg, arguments)})


@dataclass(frozen=True)
class Rescaled:
    """The host's `sampler_cfg_function`, rescaled."""

    multiplier: Strength
    otherwise: CfgFunction = plain

    def __call__(self, arguments: dict) -> Tensor:
        multiplier = amount_now(self.multiplier, arguments)
        if is_zero(multiplier):
            return self.otherwise(arguments)
        x, cond, uncond = (arguments[name] for name in ("input", "cond_denoised", "uncond_denoised"))
        return x - rescaled(x, cond, uncond, arguments["sigma"], arguments["cond_scale"], multiplier)


@dataclass(frozen=True)
class Perturbed:
    """One of the host's `sampler_post_cfg_function`s."""

    scale: Strength

    def __call__(self, arguments: dict) -> Tensor:
        scale = amount_now(self.scale, arguments)
        if is_zero(scale):
            return arguments["denoised"]
        options = comfy.model_patcher.set_model_options_patch_replace(
            arguments["model_options"].copy(), values_alone, "attn1", "middle", 0
        )
        (perturbed,) = comfy.samplers.calc_cond_batch(
            arguments["model"], [arguments["cond"]], arguments["input"], arguments["sigma"], options
        )
        return arguments["denoised"] + (arguments["cond_denoised"] - perturbed) * scale


def values_alone(q: Tensor, k: Tensor, v: Tensor, extra_options: dict, mask=None) -> Tensor:
    """Self-attention in which each token sees only itself."""
    return v


def amount_now(strength: Strength, arguments: dict) -> Amount:
    """A number, or (frames, 1, h or 1, w or 1) for the latents of this evaluation."""
    options, latents = arguments["model_options"]["transformer_options"], arguments["input"]
    run: MotionRun = options[KEY]
    moment = moment_at(run, arguments["sigma"], options, arguments["model"].model_sampling)
    frames = range(run.first_frame, run.first_frame + latents.shape[0])
    return spread(amount_at(strength, moment), Part(list(frames)), latents)
