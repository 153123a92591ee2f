"""Load AnimateDiff LoRA of shared workflows."""

from comfy_api.latest import io

from ..lora import lora_file, lora_named
from .form import form
from .types import MotionLoRAs


def strength(name: str):
    return io.Float.Input(name, default=1.0, min=0.0, max=10.0, step=0.001, tooltip="1 is as trained.")


@form(
    *("ADE_AnimateDiffLoRALoader", "Load AnimateDiff LoRA"),
    [
        lambda: lora_file("name"),
        strength("strength"),
        MotionLoRAs.Input("prev_motion_lora", optional=True, tooltip="Motion LoRAs besides."),
    ],
    MotionLoRAs.Output(display_name="MOTION_LORA"),
    "Load Motion LoRA",
)
def lora_loader(name: str, strength: float, prev_motion_lora=()):
    return (*prev_motion_lora, (lora_named(name), strength))


NODES = [lora_loader]
