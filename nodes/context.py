"""Clips of any length: which frames are sampled together."""

from comfy_api.latest import io

from ..sampling.run import watch
from ..sampling.windows import presets
from ..sampling.windows.fuse import ALL as FUSE_METHODS
from ..sampling.windows.handler import with_windows
from ..sampling.windows.plan import STANDARD_SHIFTED, WindowPlan


class ContextWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ContextWindows",
            display_name="Context Windows (AnimateDiff)",
            category="animatediff",
            description="Samples a clip of any length in overlapping windows of frames, in the memory of one window. "
            "ControlNet hints, masks and prompts per frame go with their frames.",
            search_aliases=[
                "animatediff",
                "context options",
                "long animation",
                "sliding window",
                "loop",
                "looped uniform",
                "上下文选项",
                "循环",
                "长动画",
            ],
            inputs=[
                io.Model.Input("model", tooltip="From Apply Motion Model."),
                io.Combo.Input(
                    "preset",
                    options=presets.CHOICES,
                    default="stable",
                    tooltip="stable: windows that move from step to step, so that no seam stays. "
                    "long: each frame only once through the checkpoint, motion in windows inside: soonest for long "
                    "clips. fast: the fewest windows. loop: the last frame flows into the first. custom: the settings "
                    "below.",
                ),
                io.Int.Input(
                    "context_length",
                    default=16,
                    min=1,
                    max=1024,
                    tooltip="Frames per window, no more than the motion model holds. 16 is what most were trained on.",
                ),
                io.Int.Input(
                    "context_overlap",
                    default=4,
                    min=0,
                    max=1023,
                    tooltip="custom: frames that a window shares with the next.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "context_schedule",
                    options=presets.SCHEDULES,
                    default=STANDARD_SHIFTED,
                    tooltip="custom: how the windows lie. standard_static: the same at each step. standard_shifted: "
                    "as many, moved to and fro. standard_uniform: "
                    "moved from step to step. looped_uniform: also across the end. batched: side by side, no overlap.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "fuse_method",
                    options=FUSE_METHODS,
                    tooltip="custom: how much each frame of a window counts where windows overlap. pyramid: most in "
                    "the middle. overlap-linear: ramps over the overlap. flat: all the same.",
                    advanced=True,
                ),
                io.Int.Input(
                    "context_stride",
                    default=1,
                    min=1,
                    max=8,
                    tooltip="custom, uniform schedules: also windows of every 2nd, 4th, ... 2^(stride - 1)th frame.",
                    advanced=True,
                ),
                io.Boolean.Input(
                    "closed_loop",
                    default=False,
                    tooltip="custom, looped_uniform: the last window goes on at frame 0.",
                    advanced=True,
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(
        cls,
        model,
        preset: str,
        context_length: int,
        context_overlap: int,
        context_schedule: str,
        fuse_method: str,
        context_stride: int,
        closed_loop: bool,
    ) -> io.NodeOutput:
        plan = planned(
            preset, context_length, context_overlap, context_schedule, fuse_method, context_stride, closed_loop
        )
        return io.NodeOutput(watch(with_windows(model, plan)))


def planned(
    preset: str,
    context_length: int,
    context_overlap: int,
    context_schedule: str,
    fuse_method: str,
    context_stride: int,
    closed_loop: bool,
) -> WindowPlan:
    """The windows that the node's values ask for. Raises ValueError."""
    if preset != presets.CUSTOM:
        return presets.preset(preset, context_length)
    return WindowPlan(context_schedule, context_length, context_overlap, context_stride, closed_loop, fuse_method)


NODES = [ContextWindows]
