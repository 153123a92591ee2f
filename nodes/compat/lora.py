"""Load AnimateDiff LoRA of shared workflows."""

import folder_paths
from comfy_api.latest import io

from ...motion.load import MOTION_LORAS
from ...motion.lora import load_motion_lora
from .types import MotionLoRAs, form


class LoRALoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            io.Combo.Input(
                "name",
                options=folder_paths.get_filename_list(MOTION_LORAS),
                tooltip="A file in models/animatediff_motion_lora.",
            ),
            io.Float.Input("strength", default=1.0, min=0.0, max=10.0, step=0.001, tooltip="1 is as trained."),
            MotionLoRAs.Input("prev_motion_lora", optional=True, tooltip="Motion LoRAs besides."),
        ]
        output = MotionLoRAs.Output(display_name="MOTION_LORA")
        return form("ADE_AnimateDiffLoRALoader", "Load AnimateDiff LoRA", inputs, output, "Load Motion LoRA")

    @classmethod
    def execute(cls, name: str, strength: float, prev_motion_lora=()) -> io.NodeOutput:
        lora = load_motion_lora(folder_paths.get_full_path_or_raise(MOTION_LORAS, name))
        return io.NodeOutput((*prev_motion_lora, (lora, strength)))


NODES = [LoRALoader]
