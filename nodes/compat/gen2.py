"""Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling."""

import folder_paths
from comfy_api.latest import io

from ...motion.attach import attach
from ...motion.load import AS_IN_THE_FILE, MOTION_MODELS, MotionFile, made_from
from ...motion.lora import with_motion_lora
from ...motion.settings import MotionSettings
from ...motion.strength import Strength
from ...sampling.run import watch
from ...sampling.sigmas.beta_schedules import with_beta_schedule, with_sigma_table
from ...sampling.values import keyframes
from ...sampling.windows.handler import with_windows
from . import types
from .form import form
from .noise import with_settings
from .sigmas import SCHEDULES, table_of
from .timing import percent

AUTOSELECT = "autoselect"
USE_EXISTING = "use existing"
AUTO = {
    "AnimateDiff SD1.5": "sqrt_linear (AnimateDiff)",
    "AnimateDiff SDXL": "linear (AnimateDiff-SDXL)",
    "Stable Diffusion": "linear (HotshotXL/default)",
    "AnimateLCM": "lcm",
}
"""A family's noise schedule in our words -> what autoselect takes for it."""


MODELS = types.MotionModels.Output(display_name="M_MODELS")


def checkpoint():
    return io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint.")


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
    return types.ContextOptions.Input("context_options", optional=True, tooltip="Windows for clips of any length.")


def sample_settings():
    return types.SampleSettings.Input(
        "sample_settings", optional=True, tooltip="Other noise, and sampling several times."
    )


def ad_settings():
    return types.AdSettings.Input("ad_settings", optional=True, tooltip="Changes of the motion model's weights.")


def motion_lora():
    return types.MotionLoRAs.Input("motion_lora", optional=True, tooltip="From Load AnimateDiff LoRA.")


def multivals() -> list[io.Input]:
    return [
        types.Multival.Input("scale_multival", optional=True, tooltip="The motion scale."),
        types.Multival.Input("effect_multival", optional=True, tooltip="How much of the motion model is used."),
    ]


def ad_keyframes():
    return types.Keyframes.Input("ad_keyframes", optional=True, tooltip="Strengths over the sampling.")


def per_block():
    return types.PerBlock.Input("per_block", optional=True, tooltip="Strengths of single blocks.")


def steering_in_a_range() -> list[io.Input]:
    """What the advanced forms have behind the motion model."""
    return [
        percent("start_percent", 0.0, "Where in the sampling it starts."),
        percent("end_percent", 1.0, "Where in the sampling it ends."),
        motion_lora(),
        *multivals(),
        ad_keyframes(),
        types.MotionModels.Input("prev_m_models", optional=True, tooltip="Motion models that run before."),
        per_block(),
    ]


@form(
    *("ADE_LoadAnimateDiffModel", "Load AnimateDiff Model"),
    [model_name, ad_settings()],
    types.MotionModelADE.Output(display_name="MOTION_MODEL"),
    "Load Motion Model",
)
def load_animatediff_model(model_name: str, ad_settings=None):
    return loaded(model_name, ad_settings)


@form(
    *("ADE_ApplyAnimateDiffModelSimple", "Apply AnimateDiff Model"),
    [
        types.MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model."),
        motion_lora(),
        *multivals(),
        ad_keyframes(),
        per_block(),
    ],
    *(MODELS, "Apply Motion Model"),
)
def apply_animatediff_model_simple(motion_model, motion_lora=(), **steering):
    return ((with_loras(motion_model, motion_lora), settings_of(**steering)),)


@form(
    *("ADE_ApplyAnimateDiffModel", "Apply AnimateDiff Model (Adv.)"),
    [types.MotionModelADE.Input("motion_model", tooltip="From Load AnimateDiff Model."), *steering_in_a_range()],
    *(MODELS, "Apply Motion Model"),
)
def apply_animatediff_model(motion_model, motion_lora=(), prev_m_models=(), **steering):
    return (*prev_m_models, (with_loras(motion_model, motion_lora), settings_of(**steering)))


@form(
    *("ADE_UseEvolvedSampling", "Use Evolved Sampling"),
    [
        checkpoint(),
        beta_schedule(),
        types.MotionModels.Input("m_models", optional=True, tooltip="From Apply AnimateDiff Model."),
        context_options(),
        sample_settings(),
    ],
    io.Model.Output(display_name="MODEL"),
    "Apply Motion Model",
)
def use_evolved_sampling(model, beta_schedule: str, m_models=(), context_options=None, sample_settings=None):
    return evolved(model, beta_schedule, m_models, context_options, sample_settings)


def loaded(name: str, ad_settings=None, encoder_path: str = ""):
    adjustments = AS_IN_THE_FILE if ad_settings is None else ad_settings.adjustments
    path = folder_paths.get_full_path_or_raise(MOTION_MODELS, name)
    return made_from(MotionFile(path, adjustments, encoder_path=encoder_path))


def with_loras(motion_model, motion_lora: tuple):
    for lora, strength in motion_lora:
        motion_model, _ = with_motion_lora(motion_model, lora, strength)
    return motion_model


def settings_of(
    scale_multival: Strength = 1.0,
    effect_multival: Strength = 1.0,
    ad_keyframes: tuple = (),
    per_block: tuple = (),
    start_percent: float = 0.0,
    end_percent: float = 1.0,
) -> MotionSettings:
    """Of the inputs that steer a motion model."""
    keys = keyframes.Keyframes(ad_keyframes) if ad_keyframes else None
    strengths = (scale_multival, effect_multival, start_percent, end_percent)
    return MotionSettings(*strengths, norms="as ADE", blocks=per_block, keyframes=keys)


def evolved(model, beta_schedule: str, m_models=(), context_options=None, sample_settings=None):
    """What every loader and Use Evolved Sampling do to the MODEL."""
    for motion_model, settings in m_models:
        model = attach(model, motion_model, settings)
    if context_options:
        model = with_windows(model, *context_options.plans, links=context_options.extras, goes_on=False)
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


NODES = [load_animatediff_model, apply_animatediff_model_simple, apply_animatediff_model, use_evolved_sampling]
