"""Pictures of context options of shared workflows."""

import comfy.samplers
from comfy_api.latest import io

from ...sampling.pieces import windows_of
from ...sampling.preview import picture
from ...sampling.windows import plan_at
from .types import MANY, ContextOptions, form


def visualize_form(node_id: str, display_name: str, required: list, optional: list) -> io.Schema:
    inputs = [
        io.Model.Input("model", tooltip="The MODEL that is sampled."),
        *required,
        ContextOptions.Input("context_opts", optional=True, tooltip="The windows; without, those of the MODEL."),
        io.Int.Input(
            "visual_width", default=1440, min=32, max=16384, optional=True, tooltip="Of the picture, in pixels."
        ),
        io.Int.Input("latents_length", default=32, min=1, max=MANY, optional=True, tooltip="Frames of the clip."),
        *optional,
    ]
    output = io.Image.Output(display_name="IMAGE")
    return form(node_id, display_name, inputs, output, "Preview Windows (AnimateDiff)")


def sampler_and_scheduler() -> list[io.Input]:
    sampler, scheduler = comfy.samplers.KSampler.SAMPLERS, comfy.samplers.KSampler.SCHEDULERS
    return [
        io.Combo.Input("sampler_name", options=sampler, tooltip="As in the sampler."),
        io.Combo.Input("scheduler", options=scheduler, tooltip="As in the sampler."),
    ]


def steps():
    return io.Int.Input("steps", default=20, min=0, max=MANY, optional=True, tooltip="As in the sampler.")


def drawn(model, sigmas, context_opts, visual_width: int, latents_length: int, first_step: int = 0) -> io.NodeOutput:
    levels = sigmas.tolist()
    if len(levels) < 2:
        raise ValueError("The sampler takes no step, so there is nothing to draw. Give it 1 step or more, and denoise.")
    plans = context_opts.plans if context_opts else (windows_of(model, latents_length),)
    sampling = model.get_model_object("model_sampling")
    starts = [float(sampling.percent_to_sigma(plan.start_percent)) for plan in plans]
    holding = [plan_at(plans, starts, levels, step) for step in range(len(levels) - 1)]
    return io.NodeOutput(picture(holding, latents_length, levels[:-1], first_step, visual_width))


def sigmas_of(model, steps: int, sampler_name: str, scheduler: str, denoise: float = 1.0):
    """The noise levels that the host's KSampler takes."""
    words = {"sampler": sampler_name, "scheduler": scheduler, "denoise": denoise, "model_options": model.model_options}
    return comfy.samplers.KSampler(model, max(steps, 1), model.load_device, **words).sigmas


class VisualizeK(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        denoise = io.Float.Input(
            "denoise", default=1.0, min=0.0, max=1.0, step=0.01, optional=True, tooltip="As in the sampler."
        )
        required, optional = sampler_and_scheduler(), [steps(), denoise]
        return visualize_form("ADE_VisualizeContextOptionsK", "Visualize Context Options (K.)", required, optional)

    @classmethod
    def execute(
        cls,
        model,
        sampler_name: str,
        scheduler: str,
        context_opts=None,
        visual_width: int = 1440,
        latents_length: int = 32,
        steps: int = 20,
        denoise: float = 1.0,
    ) -> io.NodeOutput:
        sigmas = sigmas_of(model, steps, sampler_name, scheduler, denoise)
        return drawn(model, sigmas, context_opts, visual_width, latents_length)


class VisualizeKAdvanced(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        first = io.Int.Input("start_step", default=0, min=0, max=MANY, optional=True, tooltip="As start_at_step.")
        last = io.Int.Input("end_step", default=20, min=1, max=MANY, optional=True, tooltip="As end_at_step.")
        required, optional = sampler_and_scheduler(), [steps(), first, last]
        return visualize_form(
            "ADE_VisualizeContextOptionsKAdv", "Visualize Context Options (K. Adv.)", required, optional
        )

    @classmethod
    def execute(
        cls,
        model,
        sampler_name: str,
        scheduler: str,
        context_opts=None,
        visual_width: int = 1440,
        latents_length: int = 32,
        steps: int = 20,
        start_step: int = 0,
        end_step: int = 20,
    ) -> io.NodeOutput:
        sigmas = sigmas_of(model, steps, sampler_name, scheduler)[start_step : end_step + 1]
        return drawn(model, sigmas, context_opts, visual_width, latents_length, start_step)


class VisualizeCustom(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        sigmas = io.Sigmas.Input("sigmas", tooltip="As in the sampler.")
        return visualize_form(
            "ADE_VisualizeContextOptionsSCustom", "Visualize Context Options (S. Custom)", [sigmas], []
        )

    @classmethod
    def execute(
        cls, model, sigmas, context_opts=None, visual_width: int = 1440, latents_length: int = 32
    ) -> io.NodeOutput:
        return drawn(model, sigmas, context_opts, visual_width, latents_length)


NODES = [VisualizeK, VisualizeKAdvanced, VisualizeCustom]
