"""What users set for one motion model on one MODEL, and what it comes to in one call. Pure mathematics."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from .formats import NORM_MODES
from .strength import Amount, Moment, Schedule, Strength, amount_at, is_zero, product

STRONGEST = 10.0
"""The most that a strength may be: a motion scale, a motion LoRA's, a picture's."""
PARTS = ("down", "mid", "up")
SITE = re.compile(r"^(down|mid|up)_blocks?(?:\.(\d+))?\.motion_modules\.(\d+)$")


@dataclass(frozen=True)
class BlockStrength:
    """Strengths of some motion modules; the first entry of a list that fits a module is the one that counts."""

    part: str | None = None
    """One of PARTS; None for all."""
    level: int | None = None
    """Which of the part's blocks, as diffusers counts: down from the largest picture, up from the smallest."""
    module: int | None = None
    """Which motion module of the block."""
    effect: Strength = 1.0
    scales: tuple[Strength, ...] = (1.0,)
    """Motion scale of each attention of a module; the last one holds for those after it."""

    def fits(self, site: str) -> bool:
        part, level, module = SITE.match(site).groups()
        return (
            self.part in (None, part) and self.level in (None, int(level or 0)) and self.module in (None, int(module))
        )


@dataclass(frozen=True)
class Keyframe:
    """Other strengths from `start_percent` of the sampling on; None keeps the last keyframe's (or none)."""

    start_percent: float = 0.0
    motion_scale: Strength | None = None
    effect: Strength | None = None
    blocks: tuple[BlockStrength, ...] | None = None
    inherit_missing: bool = True
    guarantee_steps: int = 1
    share: Strength | None = None
    """Multiplies the picture's (`ReferencePicture.share`)."""
    camera: Strength | None = None
    """Multiplies the strength of its cameras."""


@dataclass(frozen=True, eq=False)
class ReferencePicture:
    """The picture that a motion model starts from: with an image encoder (AnimateLCM-I2V), or by PIA's channels."""

    latents: Tensor | Callable[[Tensor], Tensor]
    """n 4 h w as the VAE gives them, at any size: one picture for all frames, or the clip's frames in turn. Or what
    makes them when it is called with the latents of a call, whose size is the clip's."""
    drift: float = 0.0
    """How strongly the picture's features depend on a frame's place in the clip; 0.8 in training."""
    when_disabled: bool = False
    """Whether they are added also where the motion model has no effect, or is out of its range."""
    strength: Strength = 1.0
    """Multiplies what the picture adds; 1 is as trained."""
    share: Strength = 1.0
    """PIA: how much of the picture a frame shows (`picture_channels.Movement`)."""
    in_turn: bool = True
    """Whether frames take several pictures in turn; or each its own, and the last one holds on."""


@dataclass(frozen=True)
class MotionSettings:
    """What Apply Motion Model sets for one motion model on one MODEL."""

    motion_scale: Strength = 1.0
    """Multiplies the temporal attention's logits; 1 is as trained."""
    effect: Strength = 1.0
    """Share of the motion modules' result: out = x + effect (module(x) - x); 0 is no motion."""
    start_percent: float = 0.0
    end_percent: float = 1.0
    norms: str = "official"
    """One of `formats.NORM_MODES`."""
    blocks: tuple[BlockStrength, ...] = ()
    camera: Strength = 1.0
    """Multiplies the strength of its cameras."""
    keyframes: Schedule | None = None
    """Gives the Keyframe (its inherited values filled in) that holds at a Moment, or None."""
    reference: ReferencePicture | None = None

    def __post_init__(self):
        if self.norms not in NORM_MODES:
            raise ValueError(f"'{self.norms}' is not a norm mode. Choose one of: {', '.join(NORM_MODES)}.")
        if self.start_percent > self.end_percent:
            raise ValueError(
                f"start_percent is {self.start_percent:g} and end_percent {self.end_percent:g}: the motion would never "
                "run. Let it end after it starts."
            )

    @property
    def is_fixed(self) -> bool:
        """Whether nothing of it depends on the noise level."""
        strengths = [self.motion_scale, self.effect, self.camera]
        strengths += [each for block in self.blocks for each in (block.effect, *block.scales)]
        strengths += [] if self.reference is None else [self.reference.strength, self.reference.share]
        whole = self.start_percent <= 0.0 and self.end_percent >= 1.0
        return whole and self.keyframes is None and not any(callable(each) for each in strengths)

    def at(self, moment: Moment) -> "MotionSettings":
        """The same at one moment: keyframes taken in, motion_scale, effect and camera numbers or tensors.

        Blocks and the picture keep their schedules, but a picture of strength 0 is none.
        """
        frame = self.keyframes(moment) if self.keyframes is not None else None
        frame, shown = frame or Keyframe(), self.reference
        if shown is not None and frame.share is not None:
            shown = replace(shown, share=_together(moment, shown.share, frame.share))
        return replace(
            self,
            motion_scale=_together(moment, self.motion_scale, frame.motion_scale),
            effect=_together(moment, self.effect, frame.effect),
            camera=_together(moment, self.camera, frame.camera),
            blocks=self.blocks if frame.blocks is None else frame.blocks,
            keyframes=None,
            reference=None if shown is None or is_zero(amount_at(shown.strength, moment)) else shown,
        )

    def at_work(self, moment: Moment) -> "MotionSettings | None":
        """Of what `at` gave: itself where the motion model runs; without effect where only its picture is added; or
        None."""
        if not is_zero(self.effect) and self.is_within(moment):
            return self
        if self.reference is not None and self.reference.when_disabled:
            return replace(self, effect=0.0)
        return None

    def is_within(self, moment: Moment) -> bool:
        """Whether the moment's noise level lies in the motion model's range."""
        whole = self.start_percent <= 0.0 and self.end_percent >= 1.0
        return whole or moment.is_within(self.start_percent, self.end_percent, moment.levels[-1])

    def of(self, site: str, moment: Moment) -> tuple[Amount, tuple[Amount, ...]]:
        """(effect, motion scale of each attention) of the module at `site`, for settings that `at` gave."""
        block = next((block for block in self.blocks if block.fits(site)), BlockStrength())
        effect = _together(moment, self.effect, block.effect)
        return effect, tuple(_together(moment, self.motion_scale, scale) for scale in block.scales)


def _together(moment: Moment, *strengths: Strength | None) -> Amount:
    result: Amount = 1.0
    for strength in strengths:
        if strength is not None:
            amount = amount_at(strength, moment)
            result = amount if isinstance(result, float) and result == 1.0 else product(result, amount)
    return result


def in_range(name: str, value: float, least: float, most: float) -> float:
    """`value`, if it is a number from least to most; else a ValueError in the words of the input `name`."""
    if not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} is {value:g}, and must be from {least:g} to {most:g}.")
    return value
