"""Load AnimateDiff LoRA of shared workflows."""

from comfy_api.latest import io

from ..lora import lora_file, lora_named
from .types import MotionLoRAs, form


def strength(name: str):
    return io.Float.Input(name, default=1.0, min=0.0, max=10.0, step=0.001, tooltip="1 is as trained.")


class LoRALoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        previous = MotionLoRAs.Input("prev_motion_lora", optional=True, tooltip="Motion LoRAs besides.")
        inputs = [lora_file("name"), strength("strength"), previous]
        output = MotionLoRAs.Output(display_name="MOTION_LORA")
        return form("ADE_AnimateDiffLoRALoader", "Load AnimateDiff LoRA", inputs, output, "Load Motion LoRA")

    @classmethod
    def execute(cls, name: str, strength: float, prev_motion_lora=()) -> io.NodeOutput:
        return io.NodeOutput((*prev_motion_lora, (lora_named(name), strength)))


NODES = [LoRALoader]
