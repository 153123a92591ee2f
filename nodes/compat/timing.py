"""When in the sampling: inputs that several forms of shared workflows have, and values spread over it."""

from comfy_api.latest import io

from ...sampling.values.schedules import EASINGS
from .types import MANY

EASE = {"linear": "linear", "ease_in": "ease in", "ease_out": "ease out", "ease_in_out": "ease"}
"""Their names for ways in between -> ours."""


def percent(
    name: str, default: float, tooltip: str = "Where in the sampling (0 is the first step).", optional: bool = False
):
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, optional=optional, tooltip=tooltip)


def span(start: float, end: float, optional: bool = False) -> list[io.Input]:
    return [
        percent("start_percent", start, "Where in the sampling it begins (0 is the first step).", optional),
        percent("end_percent", end, "Where in the sampling it ends (1 is the last step).", optional),
    ]


def guarantee_steps(optional: bool = True, tooltip: str = "For how many steps at least."):
    return io.Int.Input("guarantee_steps", default=1, min=0, max=MANY, optional=optional, tooltip=tooltip)


def interpolation():
    return io.Combo.Input("interpolation", options=list(EASE), tooltip="The way in between.")


def print_keyframes():
    return io.Boolean.Input("print_keyframes", default=False, tooltip="No use here: they are not printed.")


def eased(first: float, last: float, way: str, count: int) -> list[float]:
    """`count` values from `first` to `last`. way: one of EASE."""
    ease = EASINGS[EASE[way]]
    return [first + (last - first) * ease(index / (count - 1)) for index in range(count)]


def spaced(values: list[float], start: float, end: float) -> list[tuple[float, float, int]]:
    """(percent, value, guaranteed steps), evenly from `start` to `end`; only the first is owed a step."""
    last = max(len(values) - 1, 1)
    return [(start + (end - start) * index / last, value, 1 if index == 0 else 0) for index, value in enumerate(values)]
