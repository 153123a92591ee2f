"""Changes of a motion model's position tables and weights."""

from comfy_api.latest import io

from ..motion.adjust import Adjustments, PositionAdjust, WeightAdjust
from ..motion.load import readjusted
from ..motion.settings import in_range
from .text import said
from .types import MotionModel


def positions(name: str, tooltip: str):
    return io.Int.Input(name, default=0, min=0, max=1024, tooltip=tooltip)


def multiplier(name: str, tooltip: str):
    return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.001, tooltip=tooltip, advanced=True)


class AdjustMotionModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_AdjustMotionModel",
            display_name="Adjust Motion Model",
            category="animatediff",
            description="Stretches a motion model's sense of time, so that the same motion takes more frames, or makes "
            "its weights stronger or weaker. Put it right behind Load Motion Model.",
            search_aliases=[
                "animatediff",
                "adjust pe",
                "sweetspot",
                "adjust weight",
                "motion pe stretch",
                "ad settings",
                "运动模型",
                "动态模型设置",
            ],
            inputs=[
                MotionModel.Input("motion_model", tooltip="From Load Motion Model."),
                positions(
                    "use_frames",
                    "Only the first so many positions are used: 16, where the model is at its best. 0: all.",
                ),
                positions(
                    "stretch_to",
                    "Spreads these over so many frames, which may then be sampled at once. 0: as they are.",
                ),
                multiplier("weights", "Multiplies every weight of the motion model. A little goes a long way."),
                multiplier("attention_weights", "Multiplies the weights of its attentions."),
            ],
            outputs=[MotionModel.Output(display_name="motion_model")],
        )

    @classmethod
    def execute(
        cls, motion_model, use_frames: int, stretch_to: int, weights: float, attention_weights: float
    ) -> io.NodeOutput:
        mult = {
            "all": in_range("weights", weights, 0.0, 2.0),
            "attn": in_range("attention_weights", attention_weights, 0.0, 2.0),
        }
        tables = (PositionAdjust(cap=use_frames, length=stretch_to),) if use_frames or stretch_to else ()
        changed = (WeightAdjust(mult=mult),) if set(mult.values()) != {1.0} else ()
        motion_model = readjusted(motion_model, Adjustments(tables, changed))
        return io.NodeOutput(motion_model, ui=said(motion_model.model.format.summary()))


NODES = [AdjustMotionModel]
