"""Changes of a motion model's weights and position tables while it is loaded. Pure mathematics.

Source: the adjustments of ComfyUI-AnimateDiff-Evolved. Stretching the positions slows the motion down and lets more
frames be sampled together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from .formats import TABLE, MotionFormat, sites
from .temporal import sinusoid


@dataclass(frozen=True)
class PositionAdjust:
    """What is done to each position table (frames, channels), in the order of these fields; 0 leaves a step out."""

    stretch: int = 0
    """Spreads the table over that many frames more."""
    drop: int = 0
    """Leaves out its first frames."""
    cap: int = 0
    """Keeps only so many."""
    length: int = 0
    """Spreads what is left over so many frames."""
    drop_after: int = 0
    """Leaves out the first frames of the result."""

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} is {value}, and must be 0 or more.")

    def of(self, table: Tensor) -> Tensor:
        """table: (frames, channels)."""
        if self.stretch:
            table = spread_over(table, len(table) + self.stretch)
        table = table[self.drop :]
        if self.cap:
            table = table[: self.cap]
        if self.length and len(table):
            table = spread_over(table, self.length)
        table = table[self.drop_after :]
        if not len(table):
            raise ValueError("The position adjustment leaves no frame of the motion model's. Leave out fewer of them.")
        return table


def spread_over(table: Tensor, frames: int) -> Tensor:
    """(frames, channels) by linear interpolation, as a picture is resized."""
    return F.interpolate(table[None, None], size=(frames, table.shape[1]), mode="bilinear", align_corners=False)[0, 0]


PARTS = ("all", "pe", "attn", "attn_q", "attn_k", "attn_v", "attn_out_weight", "attn_out_bias", "other")
"""What a WeightAdjust can name. pe: the position tables. other: whatever belongs to no attention."""


@dataclass(frozen=True)
class WeightAdjust:
    """w -> (w + add[part]) x mult[part], for each part that a weight belongs to, the wider one first."""

    add: Mapping[str, float] = field(default_factory=dict)
    mult: Mapping[str, float] = field(default_factory=dict)

    def of(self, key: str, value: Tensor) -> Tensor:
        for part in parts_of(key):
            value = (value + self.add.get(part, 0.0)) * self.mult.get(part, 1.0)
        return value


def parts_of(key: str) -> list[str]:
    """Which of PARTS a canonical key belongs to."""
    if "attention_blocks" not in key:
        return ["all", "other"]
    if key.endswith("pos_encoder.pe"):
        return ["all", "pe"]
    own = {
        "to_q.weight": "attn_q",
        "to_k.weight": "attn_k",
        "to_v.weight": "attn_v",
        "to_out.0.weight": "attn_out_weight",
        "to_out.0.bias": "attn_out_bias",
    }
    return ["all", "attn", *(part for name, part in own.items() if key.endswith(f".{name}"))]


@dataclass(frozen=True)
class Adjustments:
    positions: tuple[PositionAdjust, ...] = ()
    weights: tuple[WeightAdjust, ...] = ()

    def of(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """state: canonical keys, position tables (1, frames, channels) among them. Weights keep their dtype."""
        result = {}
        for key, value in state.items():
            changed = value.float() if self.weights else value
            for adjust in self.weights:
                changed = adjust.of(key, changed)
            if TABLE.search(key):
                changed = changed.float()
                for position in self.positions:
                    changed = position.of(changed[0])[None]
                result[key] = changed
            else:
                result[key] = changed.to(value.dtype)
        return result


def with_tables(state: Mapping[str, Tensor], motion_format: MotionFormat) -> dict[str, Tensor]:
    """`state` with the position tables that its file leaves out (AnimateLCM), so that they can be adjusted."""
    result = dict(state)
    for site, channels in sites(motion_format).items():
        for attention in range(motion_format.attentions):
            block = f"{site}.temporal_transformer.transformer_blocks.0.attention_blocks.{attention}"
            result.setdefault(f"{block}.pos_encoder.pe", sinusoid(motion_format.table_length, channels)[None])
    return result


def table_length(state: Mapping[str, Tensor]) -> int:
    """The shortest position table of `state`; 0 where it has none."""
    return min((value.shape[1] for key, value in state.items() if TABLE.search(key)), default=0)
