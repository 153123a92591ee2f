"""Custom CFG of shared workflows."""

from comfy_api.latest import io

from ...sampling.keyframes import Keyed
from ...sampling.schedules import EASINGS
from .sigmas import EASE
from .types import MANY, CustomCFG, Multival, form

REPLACED = "Guidance Schedule (AnimateDiff)"


def cfg_form(node_id: str, display_name: str, *inputs: io.Input) -> io.Schema:
    return form(node_id, display_name, list(inputs), CustomCFG.Output(display_name="CUSTOM_CFG"), REPLACED)


def cfg(name: str = "cfg"):
    return io.Float.Input(name, default=8.0, min=0.0, max=100.0, step=0.1, tooltip="Instead of the sampler's cfg.")


def cfg_multival():
    return Multival.Input("cfg_multival", tooltip="Instead of the sampler's cfg: a number, or one per frame and pixel.")


def percent(name: str, default: float):
    tooltip = "Where in the sampling (0 is the first step)."
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, tooltip=tooltip)


def guarantee():
    return io.Int.Input("guarantee_steps", default=1, min=0, max=MANY, tooltip="For how many steps at least.")


def previous():
    return CustomCFG.Input("prev_custom_cfg", optional=True, tooltip="Guidance at other times.")


def interpolation():
    return io.Combo.Input("interpolation", options=list(EASE), tooltip="The way in between.")


def printed():
    return io.Boolean.Input("print_keyframes", default=False, tooltip="No use here: they are not printed.")


def spaced(values: list[float], start: float, end: float) -> tuple[Keyed, ...]:
    """A keyframe for each value, evenly from `start` to `end`; only the first is owed a step."""
    last = max(len(values) - 1, 1)
    return tuple(
        Keyed(start + (end - start) * index / last, value, 1 if index == 0 else 0) for index, value in enumerate(values)
    )


class CustomCFGSimple(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return cfg_form("ADE_CustomCFGSimple", "Custom CFG", cfg())

    @classmethod
    def execute(cls, cfg: float) -> io.NodeOutput:
        return io.NodeOutput((Keyed(0.0, cfg),))


class CustomCFGMultival(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return cfg_form("ADE_CustomCFG", "Custom CFG [Multival]", cfg_multival())

    @classmethod
    def execute(cls, cfg_multival) -> io.NodeOutput:
        return io.NodeOutput((Keyed(0.0, cfg_multival),))


class CustomCFGKeyframe(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [cfg(), percent("start_percent", 0.0), guarantee(), previous()]
        return cfg_form("ADE_CustomCFGKeyframeSimple", "Custom CFG Keyframe", *inputs)

    @classmethod
    def execute(cls, cfg: float, start_percent: float, guarantee_steps: int, prev_custom_cfg=()) -> io.NodeOutput:
        return io.NodeOutput((*prev_custom_cfg, Keyed(start_percent, cfg, guarantee_steps)))


class CustomCFGKeyframeMultival(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [cfg_multival(), percent("start_percent", 0.0), guarantee(), previous()]
        return cfg_form("ADE_CustomCFGKeyframe", "Custom CFG Keyframe [Multival]", *inputs)

    @classmethod
    def execute(cls, cfg_multival, start_percent: float, guarantee_steps: int, prev_custom_cfg=()) -> io.NodeOutput:
        return io.NodeOutput((*prev_custom_cfg, Keyed(start_percent, cfg_multival, guarantee_steps)))


class CustomCFGInterpolation(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            percent("start_percent", 0.0),
            percent("end_percent", 1.0),
            cfg("cfg_start"),
            cfg("cfg_end"),
            interpolation(),
            io.Int.Input("intervals", default=50, min=2, max=100, tooltip="In how many steps it changes."),
            printed(),
            previous(),
        ]
        return cfg_form("ADE_CustomCFGKeyframeInterpolation", "Custom CFG Keyframes Interp.", *inputs)

    @classmethod
    def execute(
        cls,
        start_percent: float,
        end_percent: float,
        cfg_start: float,
        cfg_end: float,
        interpolation: str,
        intervals: int,
        print_keyframes: bool,
        prev_custom_cfg=(),
    ) -> io.NodeOutput:
        ease = EASINGS[EASE[interpolation]]
        values = [cfg_start + (cfg_end - cfg_start) * ease(index / (intervals - 1)) for index in range(intervals)]
        return io.NodeOutput((*prev_custom_cfg, *spaced(values, start_percent, end_percent)))


class CustomCFGFromList(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        numbers = io.Float.Input(
            "cfgs_float", default=-1, min=-1, step=0.001, force_input=True, tooltip="Numbers, one after the other."
        )
        inputs = [numbers, percent("start_percent", 0.0), percent("end_percent", 1.0), printed(), previous()]
        return cfg_form("ADE_CustomCFGKeyframeFromList", "Custom CFG Keyframes From List", *inputs)

    @classmethod
    def execute(
        cls, cfgs_float, start_percent: float, end_percent: float, print_keyframes: bool, prev_custom_cfg=()
    ) -> io.NodeOutput:
        values = cfgs_float if isinstance(cfgs_float, list) else [cfgs_float]
        return io.NodeOutput((*prev_custom_cfg, *spaced(values, start_percent, end_percent)))


NODES = [
    CustomCFGSimple,
    CustomCFGMultival,
    CustomCFGKeyframe,
    CustomCFGKeyframeMultival,
    CustomCFGInterpolation,
    CustomCFGFromList,
]
