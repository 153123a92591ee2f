"""Inputs that several of our own forms have."""

from comfy_api.latest import io

from .types import StrengthSchedule


def strength(name: str, most: float, tooltip: str, **words):
    """From 0 to `most`, and 1 unless `words`, which are io.Float.Input's, say otherwise."""
    return io.Float.Input(name, **({"default": 1.0, "min": 0.0, "max": most, "step": 0.01, "tooltip": tooltip} | words))


def schedule(name: str, tooltip: str):
    return StrengthSchedule.Input(name, optional=True, tooltip=tooltip)
