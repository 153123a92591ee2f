"""Pictures of context options of shared workflows."""

import comfy.samplers
from comfy_api.latest import io
from torch import Tensor

from ...sampling.pieces import windows_of
from ...sampling.windows.drawing import picture
from ...sampling.windows.plan import WindowPlan, plan_at
from ..ksampler import denoise, sampler_name, scheduler
from .form import form
from .types import MANY, ContextOptions

SAMPLER = [lambda: sampler_name("As in the sampler."), lambda: scheduler("As in the sampler.")]
MOST_STEPS = 10000
"""As KSampler has."""
SIZE = {"default": 1440, "min": 32, "max": 16384, "optional": True}


def steps():
    return io.Int.Input("steps", default=20, min=0, max=MANY, optional=True, tooltip="As in the sampler.")


def visualize_form(
    node_id: str, kind: str, levels: list, *which: io.Input, end: int | None = None
) -> type[io.ComfyNode]:
    """A form that draws the windows of each step.

    levels: the inputs that say which noise levels there are; which: those that choose some of them; end: the end_step
    of a prompt that names none.
    """
    inputs = [
        io.Model.Input("model", tooltip="The MODEL that is sampled."),
        *levels,
        ContextOptions.Input("context_opts", optional=True, tooltip="The windows; without, those of the MODEL."),
        io.Int.Input("visual_width", tooltip="Of the picture, in pixels.", **SIZE),
        io.Int.Input("latents_length", default=32, min=1, max=MANY, optional=True, tooltip="Frames of the clip."),
        *which,
    ]
    name, output = f"Visualize Context Options ({kind})", io.Image.Output(display_name="IMAGE")

    @form(node_id, name, inputs, output, "Preview Windows (AnimateDiff)")
    def visualized(
        model,
        sampler_name: str = "euler",
        scheduler: str = "normal",
        sigmas=None,
        context_opts=None,
        visual_width: int = 1440,
        latents_length: int = 32,
        steps: int = 20,
        denoise: float = 1.0,
        start_step: int = 0,
        end_step: int | None = end,
    ):
        if sigmas is None:
            sigmas = sigmas_of(model, steps, sampler_name, scheduler, denoise)
        drawn = sigmas[start_step : None if end_step is None else end_step + 1]
        plans = context_opts.plans if context_opts else (windows_of(model, latents_length),)
        holding = plans_of_steps(model, plans, drawn.tolist())
        return picture(holding, latents_length, drawn[:-1].tolist(), start_step, visual_width)

    return visualized


def sigmas_of(model, steps: int, sampler_name: str, scheduler: str, denoise: float = 1.0) -> Tensor:
    """The noise levels that the host's KSampler takes."""
    if steps > MOST_STEPS:
        raise ValueError(f"steps is {steps}, and no sampler takes more than {MOST_STEPS}. Use fewer.")
    words = {"sampler": sampler_name, "scheduler": scheduler, "denoise": denoise, "model_options": model.model_options}
    return comfy.samplers.KSampler(model, max(steps, 1), model.load_device, **words).sigmas


def plans_of_steps(model, plans: tuple[WindowPlan, ...], levels: list[float]) -> list[WindowPlan]:
    """Which of `plans` holds at each step of a sampling of these noise levels."""
    if len(levels) < 2:
        raise ValueError("The sampler takes no step, so there is nothing to draw. Give it 1 step or more, and denoise.")
    sampling = model.get_model_object("model_sampling")
    starts = [float(sampling.percent_to_sigma(plan.start_percent)) for plan in plans]
    return [plan_at(plans, starts, levels, step) for step in range(len(levels) - 1)]


NODES = [
    visualize_form(
        "ADE_VisualizeContextOptionsK",
        "K.",
        SAMPLER,
        steps(),
        denoise("As in the sampler.", optional=True),
    ),
    visualize_form(
        "ADE_VisualizeContextOptionsKAdv",
        "K. Adv.",
        SAMPLER,
        steps(),
        io.Int.Input("start_step", default=0, min=0, max=MANY, optional=True, tooltip="As start_at_step."),
        io.Int.Input("end_step", default=20, min=1, max=MANY, optional=True, tooltip="As end_at_step."),
        end=20,
    ),
    visualize_form(
        "ADE_VisualizeContextOptionsSCustom", "S. Custom", [io.Sigmas.Input("sigmas", tooltip="As in the sampler.")]
    ),
]
