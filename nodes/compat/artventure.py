"""Forms for shared workflows of ArtVentureX's comfyui-animatediff: what its nodes are replaced by (`nodes.replaced`).

Its sampler puts the motion model on the MODEL, so that what is a chain of nodes elsewhere is one form here.
"""

import torch
from comfy_api.latest import io

import nodes as host_nodes

from ...motion.attach import attach
from ...motion.settings import MotionSettings
from ...sampling.run import watch
from ...sampling.sigmas.beta_schedules import with_beta_schedule
from ...sampling.windows.handler import with_windows
from ...sampling.windows.plan import LOOPED_UNIFORM, WindowPlan
from ..ksampler import cfg, denoise, sampler_name, scheduler, seed, steps
from ..lora import lora_file, lora_named
from .context import closed_loop, context_schedule
from .form import form
from .gen2 import loaded, model_name, with_loras
from .lora import strength

MotionModule = io.Custom("MOTION_MODULE")
"""A MOTION_MODEL."""
LoRAStack = io.Custom("MOTION_LORA_STACK")
"""A tuple of (MotionLoRA, strength)."""
SlidingWindow = io.Custom("SLIDING_WINDOW_OPTS")
"""A WindowPlan."""
DEFAULT_WINDOWS = WindowPlan(LOOPED_UNIFORM, fuse_method="flat")
"""What its sampler does without options: 16 frames, 4 of them shared, every window the same weight."""


@form(
    *("ADN_AnimateDiffModuleLoader", "Animate Diff Module Loader"),
    [model_name, LoRAStack.Input("lora_stack", optional=True, tooltip="From Animate Diff Lora Loader.")],
    MotionModule.Output(display_name="MOTION_MODULE"),
    "Load Motion Model",
)
def module_loader(model_name: str, lora_stack=None):
    return with_loras(loaded(model_name), lora_stack or ())


@form(
    *("ADN_AnimateDiffLoraLoader", "Animate Diff Lora Loader"),
    [
        lambda: lora_file("lora_name"),
        strength("alpha"),
        LoRAStack.Input("lora_stack", optional=True, tooltip="Motion LoRAs besides."),
    ],
    LoRAStack.Output(display_name="MOTION_LORA_STACK"),
    "Load Motion LoRA",
)
def lora_loader(lora_name: str, alpha: float, lora_stack=None):
    return (*(lora_stack or ()), (lora_named(lora_name), alpha))


@form(
    *("ADN_AnimateDiffSlidingWindowOptions", "Sliding Window Options"),
    [
        io.Int.Input("context_length", default=16, min=2, max=32, tooltip="Frames per window."),
        io.Int.Input("context_stride", default=1, min=1, max=32, tooltip="Also windows of every 2nd, 4th, frame."),
        io.Int.Input("context_overlap", default=4, min=0, max=32, tooltip="Frames shared with the next window."),
        context_schedule(),
        closed_loop(),
    ],
    SlidingWindow.Output(display_name="SLIDING_WINDOW_OPTS"),
    "Context Windows (AnimateDiff)",
)
def sliding_window_options(context_schedule: str, **plan):
    return WindowPlan(LOOPED_UNIFORM, fuse_method="flat", **plan)


@form(
    *("ADN_AnimateDiffSampler", "Animate Diff Sampler"),
    [
        MotionModule.Input("motion_module", tooltip="From Animate Diff Module Loader."),
        io.Combo.Input("inject_method", options=["default", "legacy"], tooltip="No use here."),
        io.Int.Input("frame_number", default=16, min=2, max=10000, tooltip="Frames of the clip."),
        io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint."),
        seed("Of the noise."),
        steps(),
        cfg(8.0, "How closely to the prompt."),
        sampler_name,
        scheduler,
        io.Conditioning.Input("positive", tooltip="What you want to see."),
        io.Conditioning.Input("negative", tooltip="What you do not want to see."),
        io.Latent.Input("latent_image", tooltip="Its last frame is repeated up to frame_number."),
        denoise("Less keeps some of it."),
        SlidingWindow.Input("sliding_window_opts", optional=True, tooltip="For clips longer than a window."),
    ],
    io.Latent.Output(display_name="LATENT"),
    "Apply Motion Model and KSampler",
)
def animatediff_sampler(
    motion_module, inject_method: str, frame_number: int, model, latent_image: dict, sliding_window_opts=None, **sampler
):
    plan = sliding_window_opts or DEFAULT_WINDOWS
    model = attach(model, motion_module, MotionSettings(norms="as ADE"))
    if frame_number > plan.context_length:
        model = with_windows(model, plan, goes_on=False)
    model = with_beta_schedule(watch(model), "AnimateDiff SD1.5")
    latent = {"samples": up_to(latent_image["samples"], frame_number)}
    return host_nodes.common_ksampler(model, latent=latent, **sampler)[0]


def up_to(samples: torch.Tensor, frames: int) -> torch.Tensor:
    """f c h w -> at least `frames` frames, the last one repeated."""
    missing = max(0, frames - len(samples))
    return torch.cat([samples, samples[-1:].expand(missing, *samples.shape[1:])])


NODES = [module_loader, lora_loader, sliding_window_options, animatediff_sampler]
