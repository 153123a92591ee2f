"""MODEL + MOTION_MODEL -> a MODEL that any sampler of the host animates."""

from comfy_api.latest import io

from ..motion.attach import MotionSettings, attach
from ..sampling.beta_schedules import AUTO, CHOICES, with_beta_schedule
from ..sampling.run import watch
from .text import show
from .types import MotionModel


class ApplyMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ApplyMotionModel",
            display_name="Apply Motion Model",
            category="animatediff",
            description="Puts a motion model on a checkpoint. Every sampler that gets this MODEL then takes its batch "
            "of latents as the frames of one animation. Chain two of these to run two motion models.",
            search_aliases=["animatediff", "animate", "use evolved sampling"],
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 or SDXL checkpoint, with any LoRAs already applied."),
                MotionModel.Input(
                    "motion_model", tooltip="From Load Motion Model. It must be made for the checkpoint's kind."
                ),
                io.Float.Input(
                    "motion_scale",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="How strongly frames attend to each other. 1 is as trained; a little more moves more.",
                ),
                io.Float.Input(
                    "effect",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the motion model is used. 0 leaves every frame to itself.",
                ),
                io.Combo.Input(
                    "beta_schedule",
                    options=CHOICES,
                    default=AUTO,
                    tooltip="The noise schedule. auto takes the one that the motion model was trained with; "
                    "with another, colours wash out or frames flicker.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    tooltip="Where in the sampling the motion starts (0 is the first step).",
                    advanced=True,
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    tooltip="Where in the sampling the motion ends (1 is the last step).",
                    advanced=True,
                ),
                io.Combo.Input(
                    "norms",
                    options=["official", "as diffusers"],
                    default="official",
                    tooltip="official: the numbers of the code that the motion model was trained with. "
                    "as diffusers: those of the diffusers library, to compare with its renders.",
                    advanced=True,
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, model, motion_model, motion_scale, effect, beta_schedule, start_percent, end_percent, norms
    ) -> io.NodeOutput:
        settings = MotionSettings(motion_scale, effect, start_percent, end_percent, norms)
        schedule = motion_model.model.format.family.beta_schedule if beta_schedule == AUTO else beta_schedule
        model = with_beta_schedule(watch(attach(model, motion_model, settings)), schedule)
        show(cls, f"Noise schedule: {schedule}")
        return io.NodeOutput(model)


NODES = [ApplyMotionModel]
