"""AnimateDiff Loaders of shared workflows: motion model, windows and settings in one form."""

from dataclasses import replace

from comfy_api.latest import io

from ...sampling.values.schedules import times
from .gen2 import (
    ad_keyframes,
    ad_settings,
    beta_schedule,
    context_options,
    evolved,
    loaded,
    model_name,
    motion_lora,
    multivals,
    per_block,
    sample_settings,
    settings_of,
    with_loras,
)
from .types import form

REPLACED = "Load Motion Model and Apply Motion Model"


def model():
    return io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint.")


def scaled(ad_settings, motion_scale):
    """The motion scale with that of the old Motion Model Settings, which only these loaders read."""
    return motion_scale if ad_settings is None else times(ad_settings.motion_scale, motion_scale)


def loading() -> list[io.Input]:
    """What both begin with."""
    return [model(), model_name(), beta_schedule(), context_options(), motion_lora(), ad_settings()]


class LoaderGen1(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [*loading(), ad_keyframes(), sample_settings(), *multivals(), per_block()]
        output = io.Model.Output(display_name="MODEL")
        return form("ADE_AnimateDiffLoaderGen1", "AnimateDiff Loader", inputs, output, REPLACED)

    @classmethod
    def execute(
        cls,
        model,
        model_name: str,
        beta_schedule: str,
        context_options=None,
        motion_lora=(),
        ad_settings=None,
        ad_keyframes=(),
        sample_settings=None,
        scale_multival=1.0,
        effect_multival=1.0,
        per_block=(),
    ) -> io.NodeOutput:
        motion_model = with_loras(loaded(model_name, ad_settings), motion_lora)
        settings = settings_of(scaled(ad_settings, scale_multival), effect_multival, ad_keyframes, per_block)
        own = ((motion_model, settings),)
        return io.NodeOutput(evolved(model, beta_schedule, own, context_options, sample_settings))


class LoaderWithContext(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            *loading(),
            sample_settings(),
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
            ad_keyframes(),
        ]
        output = io.Model.Output(display_name="MODEL")
        return form("ADE_AnimateDiffLoaderWithContext", "AnimateDiff Loader [Legacy]", inputs, output, REPLACED)

    @classmethod
    def execute(
        cls,
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
    ) -> io.NodeOutput:
        motion_model = with_loras(loaded(model_name, ad_settings), motion_lora)
        settings = settings_of(scaled(ad_settings, motion_scale), 1.0, ad_keyframes)
        if not apply_v2_models_properly:
            settings = replace(settings, norms="as early ADE")
        own = ((motion_model, settings),)
        return io.NodeOutput(evolved(model, beta_schedule, own, context_options, sample_settings))


NODES = [LoaderGen1, LoaderWithContext]
