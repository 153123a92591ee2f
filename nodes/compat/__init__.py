"""The node ids of shared workflows (ComfyUI-AnimateDiff-Evolved's): thin forms over what our own nodes call."""

from . import (
    adjust,
    combine,
    context,
    context_extras,
    extra_keyframes,
    extras,
    gen1,
    gen2,
    guidance,
    i2v,
    inject,
    iterations,
    lora,
    noise,
    preview,
    prompts,
    sigmas,
    strength,
)
from .foreign import refusing_foreign

ROOMS = [
    *(gen2, gen1, i2v, extras, lora, adjust, strength, context, context_extras, extra_keyframes),
    *(preview, noise, iterations, inject, combine, guidance, sigmas, prompts),
]
NODES = [refusing_foreign(node) for room in ROOMS for node in room.NODES]
