"""Motion file -> MOTION_MODEL."""

import folder_paths
from comfy_api.latest import io

from ..motion.load import MOTION_MODELS, load_motion_model
from .text import said
from .types import MotionModel


class LoadMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_LoadMotionModel",
            display_name="AnimateDiff: Load Motion Model",
            category="animatediff",
            description="Loads a motion model: the file that makes a checkpoint's pictures move. "
            "Its kind is read from its contents and shown on the node.",
            search_aliases=[
                "animatediff",
                "animatediff loader",
                "load motion model",
                "animation",
                "text to video",
                "motion module",
                "mm_sd_v15",
                "animatelcm",
                "hotshot",
                "evolved",
                "运动模型",
                "动态模型",
                "动态扩散",
                "动画",
                "视频",
                "文生视频",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=folder_paths.get_filename_list(MOTION_MODELS),
                    tooltip="A file in models/animatediff_models. Choose one that was made for your checkpoint's kind "
                    "(SD1.5 or SDXL).",
                )
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
        )

    @classmethod
    def execute(cls, model_name: str) -> io.NodeOutput:
        motion_model = load_motion_model(folder_paths.get_full_path_or_raise(MOTION_MODELS, model_name))
        return io.NodeOutput(motion_model, ui=said(motion_model.model.format.summary()))


NODES = [LoadMotionModel]
