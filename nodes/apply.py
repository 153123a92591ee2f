"""MODEL + MOTION_MODEL -> a MODEL that any sampler of the host animates."""

from comfy_api.latest import io

from ..motion.attach import attach
from ..motion.settings import STRONGEST, MotionSettings, in_range
from ..sampling.run import watch
from ..sampling.sigmas.beta_schedules import AUTO, CHOICES, with_beta_schedule
from ..sampling.values.schedules import times
from .inputs import schedule, strength
from .text import said
from .types import BlockWeights, MotionModel


def percent(name: str, default: float, tooltip: str):
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, tooltip=tooltip, advanced=True)


class ApplyMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ApplyMotionModel",
            display_name="AnimateDiff: Apply Motion Model",
            category="animatediff",
            description="Puts a motion model on a checkpoint. Every sampler that gets this MODEL then takes its batch "
            "of latents as the frames of one animation. Chain two of these to run two motion models.",
            search_aliases=[
                "animatediff",
                "animate",
                "animation",
                "text to video",
                "use evolved sampling",
                "evolved",
                "gen2",
                "beta schedule",
                "运动模型",
                "动态扩散",
                "动画",
                "视频",
                "文生视频",
            ],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint, with any LoRAs already applied."),
                MotionModel.Input(
                    "motion_model", tooltip="From Load Motion Model. It must be made for the checkpoint's kind."
                ),
                strength(
                    "motion_scale",
                    STRONGEST,
                    "How strongly frames attend to each other. 1 is as trained; a little more moves more.",
                ),
                strength("effect", 1.0, "How much of the motion model is used. 0 leaves every frame to itself."),
                io.Combo.Input(
                    "beta_schedule",
                    options=CHOICES,
                    default=AUTO,
                    tooltip="The noise schedule. auto takes the one that the motion model was trained with; "
                    "with another, colours wash out or frames flicker.",
                ),
                percent("start_percent", 0.0, "Where in the sampling the motion starts (0 is the first step)."),
                percent("end_percent", 1.0, "Where in the sampling the motion ends (1 is the last step)."),
                io.Combo.Input(
                    "norms",
                    options=["official", "as diffusers"],
                    default="official",
                    tooltip="official: the numbers of the code that the motion model was trained with. "
                    "as diffusers: those of the diffusers library, to compare with its renders.",
                    advanced=True,
                ),
                schedule("motion_scale_schedule", "Multiplies motion_scale over frames, regions or the sampling."),
                schedule("effect_schedule", "Multiplies effect over frames, regions or the sampling."),
                BlockWeights.Input("block_weights", optional=True, tooltip="Strengths of single blocks."),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(
        cls,
        model,
        motion_model,
        motion_scale: float,
        effect: float,
        beta_schedule: str,
        start_percent: float,
        end_percent: float,
        norms: str,
        motion_scale_schedule=None,
        effect_schedule=None,
        block_weights=(),
    ) -> io.NodeOutput:
        settings = MotionSettings(
            motion_scale=times(in_range("motion_scale", motion_scale, 0.0, STRONGEST), motion_scale_schedule),
            effect=times(in_range("effect", effect, 0.0, 1.0), effect_schedule),
            start_percent=in_range("start_percent", start_percent, 0.0, 1.0),
            end_percent=in_range("end_percent", end_percent, 0.0, 1.0),
            norms=norms,
            blocks=block_weights,
        )
        if beta_schedule == AUTO:
            beta_schedule = motion_model.model.format.family.beta_schedule
        model = with_beta_schedule(watch(attach(model, motion_model, settings)), beta_schedule)
        return io.NodeOutput(model, ui=said(f"Noise schedule: {beta_schedule}"))


NODES = [ApplyMotionModel]
