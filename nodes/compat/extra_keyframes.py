"""Keyframes of the context extras of shared workflows."""

from collections.abc import Callable
from dataclasses import dataclass

from comfy_api.latest import io

from ...sampling.references.settings import LinkKeyframe
from .context import REPLACED
from .form import form
from .timing import eased, guarantee_steps, interpolation, percent, print_keyframes, spaced, span
from .types import Multival, ReferenceKeyframes, ReferenceMode, ReferenceTune, ReuseKeyframes


@dataclass(frozen=True)
class Extra:
    """One of the context extras that have keyframes."""

    name: str
    socket: type
    has_mode_and_tune: bool
    starts_at: float
    """The start_percent of a prompt that names none."""

    def form(self, node_id: str, title: str, inputs: list[io.Input]):
        output = self.socket.Output(display_name=f"{self.name.upper()}_KF")
        return form(node_id, f"{self.name} {title}", inputs, output, REPLACED)

    def replaced(self) -> list[io.Input]:
        """What a keyframe changes, behind the keyframes before it."""
        inputs = [
            self.socket.Input("prev_kf", optional=True, tooltip="Keyframes at other times."),
            Multival.Input("mult_multival", optional=True, tooltip="Multiplies the strength."),
        ]
        if self.has_mode_and_tune:
            inputs.append(ReferenceMode.Input("mode_replace", optional=True, tooltip="Instead of its mode."))
            inputs.append(ReferenceTune.Input("tune_replace", optional=True, tooltip="Instead of its tune."))
        return inputs


CONTEXT_REF = Extra("ContextRef", ReferenceKeyframes, has_mode_and_tune=True, starts_at=1.0)
NAIVE_REUSE = Extra("NaiveReuse", ReuseKeyframes, has_mode_and_tune=False, starts_at=0.0)


def mult(name: str, tooltip: str, optional: bool = False):
    return percent(name, 1.0, tooltip, optional)


def inherit_missing(optional: bool = False):
    tooltip = "What is left open stays as the keyframes before it set it."
    return io.Boolean.Input("inherit_missing", default=True, optional=optional, tooltip=tooltip)


def keyframe(node_id: str, extra: Extra) -> type[io.ComfyNode]:
    """A form for one keyframe."""
    start = "Where in the sampling this keyframe begins (0 is the first step)."
    inputs = [
        *extra.replaced(),
        mult("mult", "Multiplies the strength.", optional=True),
        percent("start_percent", 0.0, start, optional=True),
        guarantee_steps(),
        inherit_missing(optional=True),
    ]

    @extra.form(node_id, "Keyframe", inputs)
    def node(
        prev_kf=(),
        mult_multival=None,
        mode_replace=None,
        tune_replace=None,
        mult: float = 1.0,
        start_percent: float = extra.starts_at,
        guarantee_steps: int = 1,
        inherit_missing: bool = True,
    ):
        what = (mult_multival, tune_replace, mode_replace, inherit_missing)
        return (*prev_kf, LinkKeyframe(start_percent, mult, *what, guarantee_steps))

    return node


def keyframes_over(
    node_id: str, title: str, extra: Extra, values: list[io.Input], mults: Callable[..., list[float]]
) -> type[io.ComfyNode]:
    """A form for several keyframes, spread over a part of the sampling. mults: what it makes of `values`."""

    @extra.form(node_id, title, [*values, inherit_missing(), print_keyframes(), *extra.replaced()])
    def node(
        start_percent: float,
        end_percent: float,
        inherit_missing: bool,
        print_keyframes: bool,
        prev_kf=(),
        mult_multival=None,
        mode_replace=None,
        tune_replace=None,
        **own,
    ):
        what = (mult_multival, tune_replace, mode_replace, inherit_missing)
        return (*prev_kf, *keyframes(mults(**own), start_percent, end_percent, what))

    return node


def keyframes_between(node_id: str, extra: Extra) -> type[io.ComfyNode]:
    """A form for keyframes whose mults go from one number to another."""
    values = [
        *span(0.0, 1.0),
        mult("mult_start", "The first one's mult."),
        mult("mult_end", "The last one's mult."),
        interpolation(),
        io.Int.Input("intervals", default=50, min=2, max=100, tooltip="How many keyframes."),
    ]

    def mults(mult_start: float, mult_end: float, interpolation: str, intervals: int) -> list[float]:
        return eased(mult_start, mult_end, interpolation, intervals)

    return keyframes_over(node_id, "Keyframes Interp.", extra, values, mults)


def keyframes_from_list(node_id: str, extra: Extra) -> type[io.ComfyNode]:
    """A form for a keyframe for each mult of a list."""
    words = {"default": -1, "min": -1, "step": 0.001, "tooltip": "Mults, one after the other."}
    values = [io.Float.Input("mults_float", force_input=True, **words), *span(0.0, 1.0)]

    def mults(mults_float) -> list[float]:
        return mults_float if isinstance(mults_float, list) else [mults_float]

    return keyframes_over(node_id, "Keyframes From List", extra, values, mults)


def keyframes(mults: list[float], start: float, end: float, what: tuple) -> list[LinkKeyframe]:
    """what: strength, tune, mode and inherit_missing of each of them."""
    return [LinkKeyframe(begin, mult, *what, steps) for begin, mult, steps in spaced(mults, start, end)]


NODES = [
    keyframe("ADE_ContextExtras_ContextRef_Keyframe", CONTEXT_REF),
    keyframes_between("ADE_ContextExtras_ContextRef_KeyframeInterpolation", CONTEXT_REF),
    keyframes_from_list("ADE_ContextExtras_ContextRef_KeyframeFromList", CONTEXT_REF),
    keyframe("ADE_ContextExtras_NaiveReuse_Keyframe", NAIVE_REUSE),
    keyframes_between("ADE_ContextExtras_NaiveReuse_KeyframeInterpolation", NAIVE_REUSE),
    keyframes_from_list("ADE_ContextExtras_NaiveReuse_KeyframeFromList", NAIVE_REUSE),
]
