"""Guidance (CFG) over frames, regions and the sampling, for every guider with a positive and a negative prompt."""

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.attach import KEY, MotionRun, moment_at
from ..motion.strength import Amount, Part, Strength, amount_at, spread
from .run import GUIDANCE, watch


def with_guidance(model: ModelPatcher, cfg: Strength) -> ModelPatcher:
    """A clone of `model` that is guided by `cfg`, whatever the sampler's own.

    A cfg function that is on the MODEL already (RescaleCFG) goes on with this cfg.
    """
    model = watch(model)
    before = model.model_options.get("sampler_cfg_function")

    def guided(arguments: dict) -> Tensor:
        cfg_now = guidance_now(cfg, arguments)
        if before is not None:
            return before(arguments | {"cond_scale": cfg_now})
        return arguments["uncond"] + (arguments["cond"] - arguments["uncond"]) * cfg_now

    model.set_model_sampler_cfg_function(guided, disable_cfg1_optimization=True)
    model.set_attachments(GUIDANCE, True)
    return model


def guidance_now(cfg: Strength, arguments: dict) -> Amount:
    """A number, or (frames, 1, h or 1, w or 1) for the latents of this evaluation."""
    options, latents = arguments["model_options"]["transformer_options"], arguments["input"]
    run: MotionRun = options[KEY]
    run.guided = True
    length = run.first_frame + run.full_length
    moment = moment_at(run, arguments["sigma"], options, arguments["model"].model_sampling, length)
    frames = range(run.first_frame, run.first_frame + latents.shape[0])
    return spread(amount_at(cfg, moment), Part(list(frames)), latents)
