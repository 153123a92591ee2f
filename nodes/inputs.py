"""Inputs that several of our own forms have."""

from collections.abc import Callable

from comfy_api.latest import io

from .types import StrengthSchedule


def strength(name: str, most: float, tooltip: str, **words):
    """From 0 to `most`, and 1 unless `words`, which are io.Float.Input's, say otherwise."""
    return io.Float.Input(name, **({"default": 1.0, "min": 0.0, "max": most, "step": 0.01, "tooltip": tooltip} | words))


def schedule(name: str, tooltip: str):
    return StrengthSchedule.Input(name, optional=True, tooltip=tooltip)


def mistake_in(text: str | None, read: Callable[[str], object]) -> bool | str:
    """For `validate_inputs`, which the host asks before anything runs: True, or what is wrong with a text on a node.

    A text that comes through a socket is None then: it is read when the node runs.
    """
    try:
        if text is not None:
            read(text)
    except ValueError as mistake:
        return str(mistake)
    return True
