"""Inputs and outputs that the training forms have in common."""

from comfy_api.latest import io

from .types import LossMap, TrainingExamples
from .types import TrainingOptions as Options

CATEGORY = "animatediff/training"
GO_ON, ANEW = RESUMES = ("go on", "start anew")
ALIASES = ["animatediff", "train", "training", "finetune", "训练", "微调"]


def number(name: str, default: int, tooltip: str, least: int = 0, most: int = 1_000_000, **words):
    return io.Int.Input(name, default=default, min=least, max=most, tooltip=tooltip, **words)


def real(name: str, default: float, most: float, tooltip: str, step: float = 0.01, **words):
    return io.Float.Input(name, default=default, min=0.0, max=most, step=step, round=False, tooltip=tooltip, **words)


def choice(name: str, options, default: str, tooltip: str, **words):
    return io.Combo.Input(name, options=list(options), default=default, tooltip=tooltip, **words)


def clips_input(what: str):
    return TrainingExamples.Input("clips", tooltip=f"From Encode Clips: {what}")


def name_input(default: str, folder: str):
    return io.String.Input("name", default=default, tooltip=f"Of the file in models/{folder}, without its ending.")


def rate_input(default: float, tooltip: str):
    return real("learning_rate", default, 1.0, tooltip, step=1e-6)


def run_inputs(sample_every: int, save_every: int) -> list:
    """What every Train node has at its end."""
    return [
        number("batch", 1, "Clips that go through the UNet together. More takes more memory.", 1, 256),
        number(
            "accumulate", 1, "Batches whose gradients make one step: as a larger batch, without its memory.", 1, 1024
        ),
        number(
            "seed",
            42,
            "Of everything that is drawn. The same seed, clips and settings give the same file.",
            0,
            2**64 - 1,
            control_after_generate=False,  # a run goes on with the seed that it had
        ),
        number("sample_every", sample_every, "Steps between sample clips and looks at held-out clips; 0 for never."),
        number("save_every", save_every, "Steps between saves. A run that is cancelled is saved, too.", 1),
        number("keep", 4, "How many of its saves stay, to go on from.", 1, 1000, advanced=True),
        choice(
            "resume",
            RESUMES,
            GO_ON,
            "go on: a run of this name that was stopped continues where it was, bit for bit. start anew: it is "
            "forgotten.",
        ),
        io.Boolean.Input(
            "write_plan",
            default=False,
            tooltip="Writes plan.json and the encoded clips in place of training: to train later, without the page or "
            "on several GPUs.",
            advanced=True,
        ),
        Options.Input("options", optional=True, tooltip="From Training Options; without it, what most people need."),
        io.Conditioning.Input(
            "sample_prompt", optional=True, tooltip="What sample clips show; without it, the first clip's caption."
        ),
        io.Vae.Input("vae", optional=True, tooltip="Decodes sample clips; without it, they are rough colours."),
    ]


RUN_OUTPUTS = [
    LossMap.Output(display_name="loss", tooltip="The loss of each step, for Plot Loss Graph."),
    io.String.Output(display_name="file", tooltip="The path of the file; of plan.json where only the plan is written."),
]
