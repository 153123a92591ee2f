"""The forms that users fill in: every node of the pack."""

from . import (
    adjust,
    apply,
    blocks,
    context,
    freeinit,
    grid,
    guidance,
    load,
    lora,
    measure,
    noise,
    picture,
    preview,
    prompts,
    sampler,
    schedules,
    sound,
    sparse,
)
from .compat import NODES as COMPAT_NODES
from .compat import artventure

ROOMS = [
    load,
    lora,
    adjust,
    picture,
    sparse,
    apply,
    context,
    sampler,
    preview,
    noise,
    freeinit,
    schedules,
    sound,
    prompts,
    guidance,
    blocks,
    grid,
    measure,
    artventure,
]
NODES = [*(node for room in ROOMS for node in room.NODES), *COMPAT_NODES]
