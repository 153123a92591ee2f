"""Guidance (CFG) over frames, regions and the sampling."""

from comfy_api.latest import io

from ..motion.settings import in_range
from ..sampling.guidance import with_guidance
from ..sampling.schedules import times
from .types import StrengthSchedule


class GuidanceSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_GuidanceSchedule",
            display_name="Guidance Schedule (AnimateDiff)",
            category="animatediff/schedules",
            description="Replaces the sampler's cfg by one that may change over frames, regions or the sampling.",
            search_aliases=["animatediff", "custom cfg", "cfg schedule", "自定义CFG"],
            inputs=[
                io.Model.Input("model", tooltip="From Apply Motion Model, or any checkpoint."),
                io.Float.Input(
                    "cfg",
                    default=7.5,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How strongly the prompt is followed, instead of the sampler's cfg.",
                ),
                StrengthSchedule.Input("schedule", optional=True, tooltip="Multiplies cfg."),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, cfg: float, schedule=None) -> io.NodeOutput:
        return io.NodeOutput(with_guidance(model, times(in_range("cfg", cfg, 0.0, 100.0), schedule)))


NODES = [GuidanceSchedule]
