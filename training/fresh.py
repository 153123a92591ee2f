"""Weights to begin with. Pure mathematics."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ..motion.formats import MotionFormat, state_shapes
from ..motion.low_rank import Factors
from .draws import generator


def motion_state(motion_format: MotionFormat, seed: int) -> dict[str, Tensor]:
    """A new motion model under canonical names: torch's own initialisation, and `proj_out` zero.

    So it changes nothing at step 0. Source: AnimateDiff, arXiv:2307.04725, section 4.2.
    """
    shapes = state_shapes(motion_format)
    return {key: _initial(key, shape, shapes, seed) for key, shape in shapes.items()}


def _initial(key: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]], seed: int) -> Tensor:
    if ".proj_out." in key:
        return torch.zeros(shape)
    weight = shapes[key.rpartition(".")[0] + ".weight"]
    if len(weight) == 1:  # of a norm
        return torch.ones(shape) if key.endswith("weight") else torch.zeros(shape)
    bound = 1 / math.sqrt(math.prod(weight[1:]))
    return (torch.rand(shape, generator=generator(seed, 0, 0, key)) * 2 - 1) * bound


def low_rank(layers: Iterable[tuple[str, tuple[int, int]]], rank: int, seed: int) -> dict[str, Factors]:
    """New factors of linear layers (name, (out, in)): down is normal with deviation 1 / rank, up is zero.

    Source: guoyww/AnimateDiff and MotionDirector, which both start so.
    """
    return {
        name: Factors(
            down=torch.randn(rank, inputs, generator=generator(seed, 0, 0, name)) / rank,
            up=torch.zeros(outputs, rank),
        )
        for name, (outputs, inputs) in layers
    }


def widened(new: Factors, found: Factors | None) -> Factors:
    """`found` with the further ranks of `new`, whose `up` is zero: so their product stays that of `found`."""
    if found is None:
        return new
    rank = found.down.shape[0]
    return Factors(
        down=torch.cat([found.down.float(), new.down[rank:]]),
        up=torch.cat([found.up.float() * found.scale, new.up[:, rank:]], dim=1),
    )
