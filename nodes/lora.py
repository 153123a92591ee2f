"""Motion LoRA file on a MOTION_MODEL."""

import folder_paths
from comfy_api.latest import io

from ..motion.load import MOTION_LORAS
from ..motion.lora import load_motion_lora, with_motion_lora
from ..motion.low_rank import MotionLoRA
from ..motion.settings import STRONGEST
from .inputs import schedule, strength
from .text import said
from .types import MotionModel


def lora_file(name: str):
    files = folder_paths.get_filename_list(MOTION_LORAS)
    return io.Combo.Input(name, options=files, tooltip="A file in models/animatediff_motion_lora.")


def lora_named(lora_name: str) -> MotionLoRA:
    return load_motion_lora(folder_paths.get_full_path_or_raise(MOTION_LORAS, lora_name))


class LoadMotionLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_LoadMotionLoRA",
            display_name="AnimateDiff: Load Motion LoRA (Camera)",
            category="animatediff",
            description="Adds a motion LoRA (a camera move, say) to a motion model. Chain several; their strengths add "
            "up. How much of the file fitted is shown on the node.",
            search_aliases=[
                "animatediff",
                "motion lora",
                "animatediff lora",
                "camera",
                "zoom",
                "pan",
                "tilt",
                "roll",
                "运动LoRA",
                "动态LoRA",
                "运镜",
            ],
            inputs=[
                MotionModel.Input("motion_model", tooltip="The motion model that the LoRA was made for (mostly v2)."),
                lora_file("lora_name"),
                strength(
                    "strength",
                    STRONGEST,
                    "1 is as trained. Less than 0 goes the other way, if the LoRA can.",
                    min=-STRONGEST,
                ),
                schedule("strength_schedule", "Multiplies the strength over frames, regions or the sampling."),
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
        )

    @classmethod
    def execute(cls, motion_model, lora_name: str, strength: float, strength_schedule=None) -> io.NodeOutput:
        motion_model, line = with_motion_lora(motion_model, lora_named(lora_name), strength, strength_schedule)
        return io.NodeOutput(motion_model, ui=said(line))


NODES = [LoadMotionLoRA]
