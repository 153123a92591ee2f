"""The forms that users fill in: every node of the pack."""

from . import (
    adjust,
    apply,
    blocks,
    context,
    freeinit,
    guidance,
    load,
    lora,
    noise,
    picture,
    preview,
    prompts,
    sampler,
    schedules,
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
    prompts,
    guidance,
    blocks,
    artventure,
]
NODES = [*(node for room in ROOMS for node in room.NODES), *COMPAT_NODES]
