"""Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling."""

import folder_paths
from comfy_api.latest import io

from ...motion.attach import attach
from ...motion.load import AS_IN_THE_FILE, MOTION_MODELS, load_motion_model
from ...motion.lora import with_motion_lora
from ...motion.settings import MotionSettings
from ...sampling.run import watch
from ...sampling.sigmas.beta_schedules import with_beta_schedule, with_sigma_table
from ...sampling.values import keyframes
from ...sampling.windows.handler import with_windows
from .noise import with_settings
from .sigmas import SCHEDULES, table_of
from .timing import percent
from .types import (
    AdSettings,
    ContextOptions,
    Keyframes,
    MotionLoRAs,
    MotionModelADE,
    MotionModels,
    Multival,
    PerBlock,
    SampleSettings,
    form,
)

AUTOSELECT = "autoselect"
USE_EXISTING = "use existing"
AUTO = {
    "AnimateDiff SD1.5": "sqrt_linear (AnimateDiff)",
    "AnimateDiff SDXL": "linear (AnimateDiff-SDXL)",
    "Stable Diffusion": "linear (HotshotXL/default)",
    "AnimateLCM": "lcm",
}
"""A family's noise schedule in our words -> what autoselect takes for it."""


def model_name():
    return io.Combo.Input(
        "model_name",
        options=folder_paths.get_filename_list(MOTION_MODELS),
        tooltip="A file in models/animatediff_models.",
    )


def beta_schedule(default: str = AUTOSELECT):
    return io.Combo.Input(
        "beta_schedule",
        options=[AUTOSELECT, USE_EXISTING, *SCHEDULES],
        default=default,
        tooltip="The noise schedule. autoselect takes the motion model's.",
    )


def context_options():
    return ContextOptions.Input("context_options", optional=True, tooltip="Windows for clips of any length.")


def sample_settings():
    return SampleSettings.Input("sample_settings", optional=True, tooltip="Other noise, and sampling several times.")


def ad_settings():
    return AdSettings.Input("ad_settings", optional=True, tooltip="Changes of the motion model's weights.")


def motion_lora():
    return MotionLoRAs.Input("motion_lora", optional=True, tooltip="From Load AnimateDiff LoRA.")


def multivals() -> list[io.Input]:
    return [
        Multival.Input("scale_multival", optional=True, tooltip="The motion scale."),
        Multival.Input("effect_multival", optional=True, tooltip="How much of the motion model is used."),
    ]


def ad_keyframes():
    return Keyframes.Input("ad_keyframes", optional=True, tooltip="Strengths over the sampling.")


def per_block():
    return PerBlock.Input("per_block", optional=True, tooltip="Strengths of single blocks.")


def steering_in_a_range() -> list[io.Input]:
    """What the advanced forms have behind the motion model."""
    return [
        percent("start_percent", 0.0, "Where in the sampling it starts."),
        percent("end_percent", 1.0, "Where in the sampling it ends."),
        motion_lora(),
        *multivals(),
        ad_keyframes(),
        MotionModels.Input("prev_m_models", optional=True, tooltip="Motion models that run before."),
        per_block(),
    ]


class LoadAnimateDiffModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        output = MotionModelADE.Output(display_name="MOTION_MODEL")
        ids = "ADE_LoadAnimateDiffModel", "Load AnimateDiff Model"
        return form(*ids, [model_name(), ad_settings()], output, "Load Motion Model")

    @classmethod
    def execute(cls, model_name: str, ad_settings=None) -> io.NodeOutput:
        return io.NodeOutput(loaded(model_name, ad_settings))


class ApplyAnimateDiffModelSimple(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_ApplyAnimateDiffModelSimple",
            "Apply AnimateDiff Model",
            [
                MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model."),
                motion_lora(),
                *multivals(),
                ad_keyframes(),
                per_block(),
            ],
            MotionModels.Output(display_name="M_MODELS"),
            "Apply Motion Model",
        )

    @classmethod
    def execute(
        cls, motion_model, motion_lora=(), scale_multival=1.0, effect_multival=1.0, ad_keyframes=(), per_block=()
    ) -> io.NodeOutput:
        settings = settings_of(scale_multival, effect_multival, ad_keyframes, per_block)
        return io.NodeOutput(((with_loras(motion_model, motion_lora), settings),))


class ApplyAnimateDiffModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model."),
            *steering_in_a_range(),
        ]
        output = MotionModels.Output(display_name="M_MODELS")
        ids = "ADE_ApplyAnimateDiffModel", "Apply AnimateDiff Model (Adv.)"
        return form(*ids, inputs, output, "Apply Motion Model")

    @classmethod
    def execute(
        cls,
        motion_model,
        start_percent: float,
        end_percent: float,
        motion_lora=(),
        scale_multival=1.0,
        effect_multival=1.0,
        ad_keyframes=(),
        prev_m_models=(),
        per_block=(),
    ) -> io.NodeOutput:
        span = start_percent, end_percent
        settings = settings_of(scale_multival, effect_multival, ad_keyframes, per_block, span)
        return io.NodeOutput((*prev_m_models, (with_loras(motion_model, motion_lora), settings)))


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
    def execute(
        cls, model, beta_schedule: str, m_models=(), context_options=None, sample_settings=None
    ) -> io.NodeOutput:
        return io.NodeOutput(evolved(model, beta_schedule, m_models, context_options, sample_settings))


def loaded(name: str, ad_settings=None, encoder_path: str = ""):
    adjustments = AS_IN_THE_FILE if ad_settings is None else ad_settings.adjustments
    return load_motion_model(
        folder_paths.get_full_path_or_raise(MOTION_MODELS, name), adjustments, encoder_path=encoder_path
    )


def with_loras(motion_model, motion_lora: tuple):
    for lora, strength in motion_lora:
        motion_model, _ = with_motion_lora(motion_model, lora, strength)
    return motion_model


def settings_of(
    scale=1.0, effect=1.0, ad_keyframes: tuple = (), per_block: tuple = (), span: tuple[float, float] = (0.0, 1.0)
) -> MotionSettings:
    """span: start_percent and end_percent."""
    keys = keyframes.Keyframes(ad_keyframes) if ad_keyframes else None
    return MotionSettings(scale, effect, *span, norms="as ADE", blocks=per_block, keyframes=keys)


def evolved(model, beta_schedule: str, m_models=(), context_options=None, sample_settings=None):
    """What every loader and Use Evolved Sampling do to the MODEL."""
    for motion_model, settings in m_models:
        model = attach(model, motion_model, settings)
    if context_options:
        model = with_windows(model, *context_options.plans, extras=context_options.extras, goes_on=False)
    model = with_named_schedule(watch(model), beta_schedule, m_models)
    return with_settings(model, sample_settings)


def with_named_schedule(model, choice: str, m_models: tuple):
    """autoselect asks the motion model that was applied last."""
    if choice == AUTOSELECT:
        choice = AUTO[m_models[-1][0].model.format.family.beta_schedule] if m_models else USE_EXISTING
    if choice == USE_EXISTING:
        return model
    same = {theirs: ours for ours, theirs in AUTO.items() if not SCHEDULES[theirs][0].lcm_timesteps}
    if choice in same:
        return with_beta_schedule(model, same[choice])
    return with_sigma_table(model, table_of(choice))


NODES = [LoadAnimateDiffModel, ApplyAnimateDiffModelSimple, ApplyAnimateDiffModel, UseEvolvedSampling]
