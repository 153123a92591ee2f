"""Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling."""

import folder_paths
from comfy_api.latest import io

from ...motion.attach import MotionSettings, attach
from ...motion.load import MOTION_MODELS, load_motion_model
from ...sampling.beta_schedules import KEEP, with_beta_schedule
from ...sampling.handler import with_windows
from ...sampling.run import watch
from .noise import with_settings
from .types import ContextOptions, MotionModelADE, MotionModels, SampleSettings, form

BETA_SCHEDULES = {
    "sqrt_linear (AnimateDiff)": "AnimateDiff SD1.5",
    "linear (AnimateDiff-SDXL)": "AnimateDiff SDXL",
    "linear (HotshotXL/default)": "Stable Diffusion",
}
"""Their words -> ours."""
AUTOSELECT = "autoselect"
USE_EXISTING = "use existing"


def model_name():
    return io.Combo.Input(
        "model_name",
        options=folder_paths.get_filename_list(MOTION_MODELS),
        tooltip="A file in models/animatediff_models.",
    )


def beta_schedule():
    return io.Combo.Input(
        "beta_schedule",
        options=[AUTOSELECT, USE_EXISTING, *BETA_SCHEDULES],
        default=AUTOSELECT,
        tooltip="The noise schedule. autoselect takes the motion model's.",
    )


def context_options():
    return ContextOptions.Input("context_options", optional=True, tooltip="Windows for clips of any length.")


def sample_settings():
    return SampleSettings.Input("sample_settings", optional=True, tooltip="Other noise, and sampling several times.")


class LoadAnimateDiffModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        output = MotionModelADE.Output(display_name="MOTION_MODEL")
        return form("ADE_LoadAnimateDiffModel", "Load AnimateDiff Model", [model_name()], output, "Load Motion Model")

    @classmethod
    def execute(cls, model_name: str) -> io.NodeOutput:
        return io.NodeOutput(loaded(model_name))


class ApplyAnimateDiffModelSimple(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_ApplyAnimateDiffModelSimple",
            "Apply AnimateDiff Model",
            [MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model.")],
            MotionModels.Output(display_name="M_MODELS"),
            "Apply Motion Model",
        )

    @classmethod
    def execute(cls, motion_model) -> io.NodeOutput:
        return io.NodeOutput(((motion_model, MotionSettings(norms="as ADE")),))


class UseEvolvedSampling(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_UseEvolvedSampling",
            "Use Evolved Sampling",
            [
                io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint."),
                beta_schedule(),
                MotionModels.Input("m_models", optional=True, tooltip="From Apply AnimateDiff Model."),
                context_options(),
                sample_settings(),
            ],
            io.Model.Output(display_name="MODEL"),
            "Apply Motion Model",
        )

    @classmethod
    def execute(cls, model, beta_schedule: str, m_models=(), context_options=(), sample_settings=None) -> io.NodeOutput:
        return io.NodeOutput(evolved(model, beta_schedule, m_models, context_options, sample_settings))


def loaded(name: str):
    return load_motion_model(folder_paths.get_full_path_or_raise(MOTION_MODELS, name))


def evolved(model, beta_schedule: str, m_models=(), context_options=(), sample_settings=None):
    """What every loader and Use Evolved Sampling do to the MODEL."""
    for motion_model, settings in m_models:
        model = attach(model, motion_model, settings)
    if context_options:
        model = with_windows(model, *context_options)
    model = with_settings(watch(model), sample_settings)
    return with_beta_schedule(model, beta_schedule_of(beta_schedule, m_models))


def beta_schedule_of(choice: str, m_models: tuple) -> str:
    """Their choice in our words; autoselect asks the motion model that was applied last."""
    if choice == AUTOSELECT and m_models:
        return m_models[-1][0].model.format.family.beta_schedule
    return BETA_SCHEDULES.get(choice, KEEP)


NODES = [LoadAnimateDiffModel, ApplyAnimateDiffModelSimple, UseEvolvedSampling]
