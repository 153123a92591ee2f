"""Training of motion LoRAs, motion models and domain adapters."""

import logging
from pathlib import Path

import comfy.sd
import comfy.utils
import folder_paths
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..motion.load import MOTION_LORAS, load_motion_model
from ..motion.lora import load_motion_lora, with_motion_lora
from ..sampling.said import say
from ..training.losses import LOSSES
from ..training.plan import (
    DOMAIN_ADAPTER,
    LAYERS,
    MOTION_MODEL,
    NEW_MODELS,
    PRESETS,
    TrainingPlan,
    lora_plan,
)
from ..training.report import Sampling
from ..training.runs import Order, run, write
from .text import said
from .training_forms import (
    ALIASES,
    CATEGORY,
    GO_ON,
    RUN_OUTPUTS,
    choice,
    clips_input,
    name_input,
    number,
    rate_input,
    run_inputs,
)
from .types import MotionModel

PRESETS_OWN, NOTHING = "the preset's", "nothing"

log = logging.getLogger("animatediff")


def done(order: Order, write_plan: bool, loaded) -> io.NodeOutput:
    """Runs it, or writes it down. loaded(path) gives what comes out at the node's first output, from the file."""
    if write_plan:
        path = write(order)
        words = f"Written: {path}\nTrain it by: python custom_nodes/animatediff-native train {path}"
        return io.NodeOutput(ExecutionBlocker(None), ExecutionBlocker(None), str(path), ui=said(words))
    told = []

    def tell(text: str) -> None:
        told.append(text)
        say([text], instead=True)

    try:
        state, (path, *_) = run(order, tell)
    except BaseException:  # a run that is cancelled, above all
        if told:
            log.info("%s", told[-1])
        raise
    return io.NodeOutput(loaded(path), {"loss": state.losses}, str(path), ui=said(told[-1]) if told else None)


def without_none(**inputs) -> dict:
    return {name: value for name, value in inputs.items() if value is not None}


class TrainMotionLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_TrainMotionLoRA",
            display_name="Train Motion LoRA (AnimateDiff)",
            category=CATEGORY,
            description="Teaches a motion model one movement from clips, as a small file for Load Motion LoRA. Shows "
            "its progress, the loss and a sample clip while it runs. Cancel saves; Run goes on.",
            search_aliases=[*ALIASES, "train motion lora", "camera move", "motion director", "训练运动LoRA"],
            is_output_node=True,
            is_experimental=True,
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint, as its loader gives it. It is not changed."),
                MotionModel.Input(
                    "motion_model", tooltip="The one that the LoRA is for, mostly v2. It is not changed."
                ),
                clips_input("what shall be learnt. 20 to 50 clips of one movement, or one clip (preset one video)."),
                name_input("my_motion", "animatediff_motion_lora"),
                choice(
                    "preset",
                    PRESETS,
                    "camera move",
                    "camera move: as the official ones. one video: its motion apart from its looks, which go into a "
                    "LoRA of their own. many videos: a new kind of motion.",
                ),
                number("steps", 0, "0 is the preset's: 2000, 400 or 12000."),
                number("rank", 0, "Size of the LoRA; 0 is the preset's: 64, 32 or 128.", 0, 1280),
                rate_input(0.0, "0 is the preset's: 0.0001, 0.0005 or 0.00001."),
                choice(
                    "layers",
                    [PRESETS_OWN, *LAYERS],
                    PRESETS_OWN,
                    "attention: as the official ones. With the feed-forward, more is learnt from less, looks as well.",
                ),
                choice(
                    "loss",
                    [PRESETS_OWN, *LOSSES],
                    PRESETS_OWN,
                    "plain: all of the clip. motion only: what changes between its frames counts more. motion and "
                    "appearance: and its looks go into a LoRA of their own, in models/loras.",
                ),
                *run_inputs(250, 500),
                choice(
                    "start_from",
                    [NOTHING, *folder_paths.get_filename_list(MOTION_LORAS)],
                    NOTHING,
                    "A motion LoRA that goes on learning; its rank may be less than rank. nothing: one that begins "
                    "anew.",
                    optional=True,
                ),
            ],
            outputs=[
                MotionModel.Output(display_name="motion_model", tooltip="With the LoRA at strength 1."),
                *RUN_OUTPUTS,
            ],
        )

    @classmethod
    def execute(
        cls, model, motion_model, clips, name: str, preset: str, layers: str, loss: str, resume: str, write_plan: bool,
        options=None, sample_prompt=None, vae=None, start_from: str = NOTHING, **numbers,
    ) -> io.NodeOutput:  # fmt: skip
        chosen = {"layers": layers, "loss": loss, "start_from": start_from}
        named = {key: value for key, value in chosen.items() if value not in (PRESETS_OWN, NOTHING)}
        plan = lora_plan(name, preset, **numbers, **named, options=options)
        order = Order(model, motion_model, clips, plan, Sampling(sample_prompt, vae), resume == GO_ON)
        return done(order, write_plan, lambda path: with_file(motion_model, path))


def with_file(motion_model, path: Path):
    return with_motion_lora(motion_model, load_motion_lora(str(path)), 1.0)[0]


class TrainMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_TrainMotionModel",
            display_name="Train Motion Model (AnimateDiff)",
            category=CATEGORY,
            description="Trains a whole motion model on clips: a new one, or one that goes on learning. For many clips "
            "and many hours; for one movement, Train Motion LoRA is enough.",
            search_aliases=[*ALIASES, "train motion module", "train motion model", "训练运动模型"],
            is_output_node=True,
            is_experimental=True,
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint, as its loader gives it. It is not changed."),
                clips_input("thousands of clips for a new motion model, hundreds for one that goes on."),
                name_input("my_motion_model", "animatediff_models"),
                choice("new_model", NEW_MODELS, "v3", "The layout of a new motion model: v3 or v2 for SD1.5, or SDXL."),
                number("steps", 10_000, "How many.", 1),
                rate_input(1e-4, "0.0001 is usual; less (0.00001) for one that goes on."),
                *run_inputs(500, 1000),
                MotionModel.Input(
                    "motion_model", optional=True, tooltip="One that goes on learning; without it, a new one begins."
                ),
            ],
            outputs=[MotionModel.Output(display_name="motion_model", tooltip="As its file holds it."), *RUN_OUTPUTS],
        )

    @classmethod
    def execute(
        cls, model, clips, name: str, resume: str, write_plan: bool, options=None, sample_prompt=None, vae=None,
        motion_model=None, **settings,
    ) -> io.NodeOutput:  # fmt: skip
        plan = TrainingPlan(MOTION_MODEL, name, **settings, **without_none(options=options))
        order = Order(model, motion_model, clips, plan, Sampling(sample_prompt, vae), resume == GO_ON)
        return done(order, write_plan, lambda path: load_motion_model(str(path)))


class TrainDomainAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_TrainDomainAdapter",
            display_name="Train Domain Adapter",
            category=CATEGORY,
            description="Learns what single frames of clips look like (watermarks, blur, style) as a LoRA of the "
            "checkpoint, so that a motion model that is trained with it on need not. Later it is left off.",
            search_aliases=[*ALIASES, "domain adapter", "v3_sd15_adapter", "train lora", "域适配器"],
            is_output_node=True,
            is_experimental=True,
            inputs=[
                io.Model.Input("model", tooltip="The checkpoint, as its loader gives it. It is not changed."),
                clips_input("the clips that a motion model will be trained on, or pictures; single frames are learnt."),
                name_input("my_adapter", "loras"),
                number("steps", 2000, "How many.", 1),
                number("rank", 128, "Size of the LoRA; the official one has 128.", 1, 1280),
                rate_input(1e-4, "0.0001 is usual."),
                *run_inputs(250, 500),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="With the adapter at strength 1."), *RUN_OUTPUTS],
        )

    @classmethod
    def execute(
        cls, model, clips, name: str, resume: str, write_plan: bool, options=None, sample_prompt=None, vae=None,
        **settings,
    ) -> io.NodeOutput:  # fmt: skip
        plan = TrainingPlan(DOMAIN_ADAPTER, name, **settings, **without_none(options=options))
        order = Order(model, None, clips, plan, Sampling(sample_prompt, vae), resume == GO_ON)
        return done(order, write_plan, lambda path: with_adapter(model, path))


def with_adapter(model, path: Path):
    return comfy.sd.load_lora_for_models(model, None, comfy.utils.load_torch_file(str(path)), 1.0, 0.0)[0]


NODES = [TrainMotionLoRA, TrainMotionModel, TrainDomainAdapter]
