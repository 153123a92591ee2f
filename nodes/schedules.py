"""Values over frames and over the sampling."""

from comfy_api.latest import io

from ..sampling.values.schedules import Curve, FrameValues, Region, parsed, step_values
from ..sampling.values.schedules import times as product_of  # `times` is an input
from .inputs import mistake_in, schedule
from .types import StrengthSchedule

NOT_CONNECTED = object()
CurveSocket = io.Custom("CURVE")
"""The host's: from 0 to 1, evaluated by `interp(x)`."""


def value(name: str, default: float, tooltip: str):
    limits = {"min": -100.0, "max": 100.0, "step": 0.01}
    return io.Float.Input(name, default=default, optional=True, tooltip=tooltip, advanced=True, **limits)


def curve_inputs(over: str) -> list[io.Input]:
    return [
        CurveSocket.Input(
            "curve",
            optional=True,
            tooltip=f"Instead of the text: a curve, left to right over {over}.",
            extra_dict={"forceInput": True},  # else the page makes a widget of it, which is always set
        ),
        value("curve_low", 0.0, "The value at the bottom of the curve."),
        value("curve_high", 1.0, "The value at the top of the curve."),
        schedule("times", "Another schedule: the two are multiplied."),
    ]


class FrameSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_FrameSchedule",
            display_name="Frame Schedule (AnimateDiff)",
            category="animatediff/schedules",
            description="A value for each frame of the clip, and for a region where there is a mask. For motion scale, "
            "effect, motion LoRAs, a picture's strength and guidance.",
            search_aliases=["animatediff", "multival", "value schedule", "keyframe", "curve", "关键帧", "多值", "曲线"],
            inputs=[
                io.String.Input(
                    "text",
                    default="0: 1.0",
                    multiline=True,
                    tooltip="Frame: value, as in 0: 1.0, 16: 0.6, 32: 1.2 ease. Between them it goes linear, or ease, "
                    "ease in, ease out, jump as the later one says. -1 is the last frame, 50% the middle.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the value holds (white): one mask, or one per frame.",
                ),
                value("outside", 0.0, "The value where the mask is black."),
                *curve_inputs("the clip"),
            ],
            outputs=[StrengthSchedule.Output(display_name="schedule")],
        )

    @classmethod
    def validate_inputs(cls, text: str | None = None, curve=NOT_CONNECTED) -> bool | str:
        return curve is not NOT_CONNECTED or mistake_in(text, parsed)

    @classmethod
    def execute(
        cls,
        text: str,
        mask=None,
        outside: float = 0.0,
        curve=None,
        curve_low: float = 0.0,
        curve_high: float = 1.0,
        times=None,
    ) -> io.NodeOutput:
        values = FrameValues(parsed(text)) if curve is None else Curve(curve.interp, curve_low, curve_high, "frames")
        return io.NodeOutput(product_of(values if mask is None else Region(mask, values, outside), times))


class StepSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_StepSchedule",
            display_name="Step Schedule (AnimateDiff)",
            category="animatediff/schedules",
            description="A value that changes over the sampling. For motion scale, effect, motion LoRAs, a picture's "
            "strength and guidance.",
            search_aliases=["animatediff", "keyframe", "timestep", "curve", "关键帧", "时间步"],
            inputs=[
                io.String.Input(
                    "text",
                    default="0%: 1.0, 100%: 1.0",
                    multiline=True,
                    tooltip="Part of the sampling: value, as in 0%: 1.0, 50%: 0.6 jump. Between them it goes linear, "
                    "or ease, ease in, ease out, jump as the later one says.",
                ),
                io.Int.Input(
                    "guarantee_steps",
                    default=1,
                    min=0,
                    max=10000,
                    optional=True,
                    tooltip="For how many steps each value holds at least, however few steps there are.",
                    advanced=True,
                ),
                *curve_inputs("the sampling"),
            ],
            outputs=[StrengthSchedule.Output(display_name="schedule")],
        )

    @classmethod
    def validate_inputs(cls, text: str | None = None, curve=NOT_CONNECTED) -> bool | str:
        return curve is not NOT_CONNECTED or mistake_in(text, step_values)

    @classmethod
    def execute(
        cls,
        text: str,
        guarantee_steps: int = 1,
        curve=None,
        curve_low: float = 0.0,
        curve_high: float = 1.0,
        times=None,
    ) -> io.NodeOutput:
        if curve is None:
            values = step_values(text, guarantee_steps)
        else:
            values = Curve(curve.interp, curve_low, curve_high, "steps")
        return io.NodeOutput(product_of(values, times))


NODES = [FrameSchedule, StepSchedule]
