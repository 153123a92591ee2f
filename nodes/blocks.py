"""Strengths of single blocks of a motion model."""

from comfy_api.latest import io

from ..motion.settings import PARTS, STRONGEST, BlockStrength, in_range
from ..sampling.values.schedules import times
from .inputs import schedule, strength
from .types import BlockWeights

EVERY = "all"


class BlockWeightsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_BlockWeights",
            display_name="Block Weights (AnimateDiff)",
            category="animatediff/schedules",
            description="Strengths of some of a motion model's blocks, on top of those of Apply Motion Model. Chain "
            "several; where two speak of the same block, the later one counts.",
            search_aliases=["animatediff", "per block", "block weight", "分块", "区块"],
            inputs=[
                io.Combo.Input(
                    "part",
                    options=[EVERY, *PARTS],
                    tooltip="down: from the picture to its gist. mid: the gist (v2 only). up: back to the picture.",
                ),
                io.Int.Input(
                    "level",
                    default=-1,
                    min=-1,
                    max=3,
                    tooltip="Which block of the part: down 0 and up 3 (SDXL: up 2) are the finest. -1: all.",
                ),
                io.Int.Input(
                    "module",
                    default=-1,
                    min=-1,
                    max=2,
                    tooltip="Which motion module of the block. -1: all.",
                    advanced=True,
                ),
                strength("effect", 1.0, "How much of these modules is used."),
                strength("motion_scale", STRONGEST, "How strongly frames attend to each other here."),
                strength(
                    "motion_scale_2",
                    STRONGEST,
                    "Multiplies motion_scale in the second attention of each module.",
                    advanced=True,
                ),
                schedule("effect_schedule", "Multiplies effect."),
                schedule("motion_scale_schedule", "Multiplies motion_scale."),
                BlockWeights.Input("block_weights", optional=True, tooltip="From another of these."),
            ],
            outputs=[BlockWeights.Output(display_name="block_weights")],
        )

    @classmethod
    def execute(
        cls,
        part: str,
        level: int,
        module: int,
        effect: float,
        motion_scale: float,
        motion_scale_2: float,
        effect_schedule=None,
        motion_scale_schedule=None,
        block_weights=(),
    ) -> io.NodeOutput:
        for name, value in (("motion_scale", motion_scale), ("motion_scale_2", motion_scale_2)):
            in_range(name, value, 0.0, STRONGEST)
        scale = times(motion_scale, motion_scale_schedule)
        block = BlockStrength(
            part=None if part == EVERY else part,
            level=None if level < 0 else level,
            module=None if module < 0 else module,
            effect=times(in_range("effect", effect, 0.0, 1.0), effect_schedule),
            scales=(scale, times(motion_scale_2, scale)),
        )
        return io.NodeOutput((block, *block_weights))


NODES = [BlockWeightsNode]
