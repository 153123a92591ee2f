"""AnimateDiff Loaders of shared workflows: motion model, windows and settings in one form."""

from comfy_api.latest import io

from ...motion.attach import MotionSettings
from .gen2 import beta_schedule, context_options, evolved, loaded, model_name, sample_settings
from .types import form


class LoaderWithContext(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return form(
            "ADE_AnimateDiffLoaderWithContext",
            "AnimateDiff Loader [Legacy]",
            [
                io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint."),
                model_name(),
                beta_schedule(),
                context_options(),
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
            ],
            io.Model.Output(display_name="MODEL"),
            "Load Motion Model and Apply Motion Model",
        )

    @classmethod
    def execute(
        cls,
        model,
        model_name: str,
        beta_schedule: str,
        context_options=(),
        sample_settings=None,
        motion_scale: float = 1.0,
        apply_v2_models_properly: bool = False,
    ) -> io.NodeOutput:
        norms = "as ADE" if apply_v2_models_properly else "as early ADE"
        m_models = ((loaded(model_name), MotionSettings(motion_scale, norms=norms)),)
        return io.NodeOutput(evolved(model, beta_schedule, m_models, context_options, sample_settings))


NODES = [LoaderWithContext]
