"""AnimateDiff Loaders of shared workflows: motion model, windows and settings in one form."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.values.schedules import times
from . import gen2
from .form import form

REPLACED = "Load Motion Model and Apply Motion Model"
MODEL = io.Model.Output(display_name="MODEL")


def scaled(ad_settings, motion_scale):
    """The motion scale with that of the old Motion Model Settings, which only these loaders read."""
    return motion_scale if ad_settings is None else times(ad_settings.motion_scale, motion_scale)


def loading() -> list:
    """What both begin with."""
    first = [gen2.checkpoint(), gen2.model_name, gen2.beta_schedule()]
    return [*first, gen2.context_options(), gen2.motion_lora(), gen2.ad_settings()]


@form(
    *("ADE_AnimateDiffLoaderGen1", "AnimateDiff Loader"),
    [*loading(), gen2.ad_keyframes(), gen2.sample_settings(), *gen2.multivals(), gen2.per_block()],
    *(MODEL, REPLACED),
)
def loader_gen1(
    model,
    model_name: str,
    beta_schedule: str,
    context_options=None,
    motion_lora=(),
    ad_settings=None,
    sample_settings=None,
    scale_multival=1.0,
    **steering,
):
    motion_model = gen2.with_loras(gen2.loaded(model_name, ad_settings), motion_lora)
    settings = gen2.settings_of(scaled(ad_settings, scale_multival), **steering)
    return gen2.evolved(model, beta_schedule, ((motion_model, settings),), context_options, sample_settings)


@form(
    *("ADE_AnimateDiffLoaderWithContext", "AnimateDiff Loader [Legacy]"),
    [
        *loading(),
        gen2.sample_settings(),
        io.Float.Input(
            "motion_scale",
            default=1.0,
            min=0.0,
            step=0.001,
            optional=True,
            tooltip="How strongly frames attend to each other.",
        ),
        io.Boolean.Input(
            "apply_v2_models_properly",
            default=True,
            optional=True,
            tooltip="Off: a v2 motion model as early versions ran it, its norms averaged over frames.",
        ),
        gen2.ad_keyframes(),
    ],
    *(MODEL, REPLACED),
)
def loader_with_context(
    model,
    model_name: str,
    beta_schedule: str,
    context_options=None,
    motion_lora=(),
    ad_settings=None,
    sample_settings=None,
    motion_scale: float = 1.0,
    apply_v2_models_properly: bool = False,  # a prompt that names none is older than it
    ad_keyframes=(),
):
    motion_model = gen2.with_loras(gen2.loaded(model_name, ad_settings), motion_lora)
    settings = gen2.settings_of(scaled(ad_settings, motion_scale), ad_keyframes=ad_keyframes)
    if not apply_v2_models_properly:
        settings = replace(settings, norms="as early ADE")
    return gen2.evolved(model, beta_schedule, ((motion_model, settings),), context_options, sample_settings)


NODES = [loader_gen1, loader_with_context]
