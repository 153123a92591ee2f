"""Guidance (CFG) over frames, regions and the sampling."""

from comfy_api.latest import io

from ..motion.settings import in_range
from ..sampling.guidance import with_guidance
from ..sampling.values.schedules import times
from .inputs import schedule
from .ksampler import cfg


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
                cfg(7.5, "How strongly the prompt is followed, instead of the sampler's cfg."),
                schedule("schedule", "Multiplies cfg."),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, cfg: float, schedule=None) -> io.NodeOutput:
        return io.NodeOutput(with_guidance(model, times(in_range("cfg", cfg, 0.0, 100.0), schedule)))


NODES = [GuidanceSchedule]
