"""How much of a hidden state goes through a layer at once, where its parts do not meet in it.

A CPU is fastest where a chunk and what the layer makes of it stay in its cache; elsewhere chunks bound the memory that
a feed-forward takes, and are as large as that allows.
"""

import math

import torch

CPU_TOKENS = 1024
"""Pixels of all frames in a chunk on a CPU."""
CPU_ELEMENTS = 2**20
"""Numbers of a hidden state that a CPU has in its cache anyway: they stay in one piece."""
ELEMENTS = 2**26
"""Numbers of the hidden state in a chunk elsewhere: 51 frames of 64 x 64 latents at 320 channels."""


def chunks(total: int, tokens: int, channels: int, device: torch.device, unit: int = 1) -> list[slice]:
    """Even slices of `total` parts (pictures, or pixels of all frames) of `tokens` tokens each, made of whole `unit`s.

    channels: of the hidden state. total is a multiple of unit.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        # The compiler makes its own, and slices would only make its work longer. In training, each slice would cost a
        # copy of the whole gradient; memory is bounded there by checkpointing.
        return [slice(0, total)]
    if device.type == "cpu":
        most = CPU_TOKENS if total * tokens * channels > CPU_ELEMENTS else total * tokens
    else:
        most = ELEMENTS // channels
    units = total // unit
    count = math.ceil(units / max(most // (tokens * unit), 1))
    bounds = [index * units // count * unit for index in range(count + 1)]
    return [slice(start, end) for start, end in zip(bounds, bounds[1:], strict=False)]
