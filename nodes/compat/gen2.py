"""Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling."""

import folder_paths
from comfy_api.latest import io

from ...motion.attach import MotionSettings, attach
from ...motion.load import MOTION_MODELS, load_motion_model
from ...sampling.beta_schedules import KEEP, with_beta_schedule
from ...sampling.handler import with_windows
from ...sampling.run import watch
from .context import ContextOptions

MotionModelADE = io.Custom("MOTION_MODEL_ADE")
MotionModels = io.Custom("M_MODELS")
"""A tuple of (motion model, settings); the first runs first."""

CATEGORY = "animatediff/compatibility"

BETA_SCHEDULES = {
    "sqrt_linear (AnimateDiff)": "AnimateDiff SD1.5",
    "linear (AnimateDiff-SDXL)": "AnimateDiff SDXL",
    "linear (HotshotXL/default)": "Stable Diffusion",
}
"""Their words -> ours."""
AUTOSELECT = "autoselect"
USE_EXISTING = "use existing"


class LoadAnimateDiffModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADE_LoadAnimateDiffModel",
            display_name="Load AnimateDiff Model",
            category=CATEGORY,
            description="For shared workflows. In new ones use Load Motion Model.",
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=folder_paths.get_filename_list(MOTION_MODELS),
                    tooltip="A file in models/animatediff_models.",
                )
            ],
            outputs=[MotionModelADE.Output(display_name="MOTION_MODEL")],
            is_deprecated=True,
        )

    @classmethod
    def execute(cls, model_name: str) -> io.NodeOutput:
        return io.NodeOutput(load_motion_model(folder_paths.get_full_path_or_raise(MOTION_MODELS, model_name)))


class ApplyAnimateDiffModelSimple(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADE_ApplyAnimateDiffModelSimple",
            display_name="Apply AnimateDiff Model",
            category=CATEGORY,
            description="For shared workflows. In new ones use Apply Motion Model.",
            inputs=[MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model.")],
            outputs=[MotionModels.Output(display_name="M_MODELS")],
            is_deprecated=True,
        )

    @classmethod
    def execute(cls, motion_model) -> io.NodeOutput:
        return io.NodeOutput(((motion_model, MotionSettings(norms="as ADE")),))


class UseEvolvedSampling(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADE_UseEvolvedSampling",
            display_name="Use Evolved Sampling",
            category=CATEGORY,
            description="For shared workflows. In new ones use Apply Motion Model.",
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint."),
                io.Combo.Input(
                    "beta_schedule",
                    options=[AUTOSELECT, USE_EXISTING, *BETA_SCHEDULES],
                    default=AUTOSELECT,
                    tooltip="The noise schedule. autoselect takes the motion model's.",
                ),
                MotionModels.Input("m_models", optional=True, tooltip="From Apply AnimateDiff Model."),
                ContextOptions.Input("context_options", optional=True, tooltip="Windows for clips of any length."),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            is_deprecated=True,
        )

    @classmethod
    def execute(cls, model, beta_schedule: str, m_models=(), context_options=()) -> io.NodeOutput:
        for motion_model, settings in m_models:
            model = attach(model, motion_model, settings)
        if context_options:
            model = with_windows(model, *context_options)
        return io.NodeOutput(with_beta_schedule(watch(model), beta_schedule_of(beta_schedule, m_models)))


def beta_schedule_of(choice: str, m_models: tuple) -> str:
    """Their choice in our words; autoselect asks the motion model that was applied last."""
    if choice == AUTOSELECT and m_models:
        return m_models[-1][0].model.format.family.beta_schedule
    return BETA_SCHEDULES.get(choice, KEEP)


NODES = [LoadAnimateDiffModel, ApplyAnimateDiffModelSimple, UseEvolvedSampling]
