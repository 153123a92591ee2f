"""What few people change about training."""

from comfy_api.latest import io

from ..sampling.sigmas.beta_schedules import CHOICES
from ..training.levels import LEVELS, SCHEDULES
from ..training.plan import CHECKPOINTING, OPTIMIZERS, PRECISIONS, TrainingOptions
from .training_forms import ALIASES, CATEGORY, choice, number, real
from .types import TrainingOptions as Options


class TrainingOptionsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_TrainingOptions",
            display_name="Training Options",
            category=CATEGORY,
            description="What few people change about training: the optimizer, the noise, memory.",
            search_aliases=[*ALIASES, "optimizer", "adamw", "prodigy", "min snr", "ema", "训练选项", "优化器"],
            inputs=[
                choice(
                    "optimizer",
                    OPTIMIZERS,
                    "adamw",
                    "adamw 8 bit needs bitsandbytes and less memory; prodigy needs prodigyopt and a learning_rate of "
                    "1.",
                ),
                real("weight_decay", 0.01, 1.0, "How much weights are drawn to 0.", step=0.001),
                choice("schedule", SCHEDULES, "constant", "How the learning rate goes down until the last step."),
                number("warmup", 0, "Steps in which the learning rate rises to its value."),
                real("clip_norm", 1.0, 1000.0, "The longest gradient that a step takes as it is; 0 takes every one."),
                real("caption_dropout", 0.1, 1.0, "Share of clips that are shown with an empty caption."),
                real(
                    "noise_offset", 0.0, 1.0, "Noise that a whole frame has in common: for darker and brighter clips."
                ),
                real("min_snr_gamma", 0.0, 100.0, "5 weighs nearly clean clips less; 0 weighs all alike.", step=0.1),
                choice("levels", LEVELS, "uniform", "more high noise: motion is decided there."),
                real("start_percent", 0.0, 1.0, "Where in a sampling the noise levels begin that are trained."),
                real("end_percent", 1.0, 1.0, "Where in a sampling they end."),
                choice("beta_schedule", CHOICES, "auto", "The noise schedule. auto takes the motion model's own."),
                real("ema", 0.0, 0.99999, "Saves averaged weights: 0.9999 keeps that share at each step.", step=0.0001),
                choice(
                    "checkpointing",
                    CHECKPOINTING,
                    "auto",
                    "on takes a quarter longer and a fraction of the memory. auto: where memory needs it.",
                ),
                choice(
                    "precision", PRECISIONS, "auto", "What the UNet computes in; what is trained always has 32 bits."
                ),
            ],
            outputs=[Options.Output(display_name="options")],
        )

    @classmethod
    def execute(cls, **options) -> io.NodeOutput:
        return io.NodeOutput(TrainingOptions(**options))


NODES = [TrainingOptionsNode]
