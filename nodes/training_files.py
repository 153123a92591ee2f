"""Motion models and motion LoRAs of any graph, as files."""

from comfy_api.latest import io

from ..motion.load import MOTION_LORAS, MOTION_MODELS
from ..training.export import DTYPES, export_path, save_motion_lora, save_motion_model
from ..training.layouts import LAYOUTS
from .text import said
from .training_forms import CATEGORY, choice, name_input
from .types import MotionModel


def file_inputs(folder: str) -> list:
    return [
        name_input("my_motion", folder),
        choice(
            "layout",
            LAYOUTS,
            "guoyww",
            "Names inside the file. guoyww: this pack and nearly every other program. diffusers: that library.",
        ),
        choice("dtype", DTYPES, "float16", "float32 takes twice the room and loses nothing."),
    ]


class SaveMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_SaveMotionModel",
            display_name="Save Motion Model (AnimateDiff)",
            category=CATEGORY,
            description="Writes a motion model to models/animatediff_models as it is here: adjusted, and with its "
            "motion LoRAs merged in.",
            search_aliases=["animatediff", "save motion module", "merge motion lora", "保存运动模型", "合并"],
            is_output_node=True,
            inputs=[
                MotionModel.Input("motion_model", tooltip="From Load Motion Model, a Train node, or what lies behind."),
                *file_inputs(MOTION_MODELS),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The path of the file.")],
        )

    @classmethod
    def execute(cls, motion_model, name: str, layout: str, dtype: str) -> io.NodeOutput:
        path = save_motion_model(motion_model, export_path(MOTION_MODELS, name), layout, dtype)
        return io.NodeOutput(str(path), ui=said(f"Saved: {path}"))


class SaveMotionLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_SaveMotionLoRA",
            display_name="Save Motion LoRA (AnimateDiff)",
            category=CATEGORY,
            description="Writes all motion LoRAs of a motion model to models/animatediff_motion_lora as one file, each "
            "at its strength.",
            search_aliases=["animatediff", "merge motion lora", "combine lora", "保存运动LoRA", "合并"],
            is_output_node=True,
            inputs=[
                MotionModel.Input("motion_model", tooltip="From Load Motion LoRA; several in a row become one."),
                *file_inputs(MOTION_LORAS),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The path of the file.")],
        )

    @classmethod
    def execute(cls, motion_model, name: str, layout: str, dtype: str) -> io.NodeOutput:
        path = save_motion_lora(motion_model, export_path(MOTION_LORAS, name), layout, dtype)
        return io.NodeOutput(str(path), ui=said(f"Saved: {path}"))


NODES = [SaveMotionModel, SaveMotionLoRA]
