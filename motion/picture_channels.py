"""PIA: how much of its picture each frame of a clip shows. Plain numbers.

Source: PIA, arXiv:2312.13964; open-mmlab/PIA, `animatediff/utils/util.py` (the tables).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .strength import Moment

TABLES = {
    "small": (1.0, 0.9, 0.85, 0.85, 0.85, 0.8),
    "moderate": (1.0, 0.8, 0.8, 0.8, 0.79, 0.78, 0.75),
    "large": (1.0, 0.8, *(0.7,) * 8, 0.6, 0.5, 0.5),
    "restyle a little": (0.5, 0.4, 0.4, 0.4, 0.35, 0.3),
    "restyle more": (0.5, 0.4, 0.4, 0.4, 0.35, 0.35, 0.3, 0.25, 0.2),
    "restyle much": (0.5, 0.2),
}
"""By the distance from the picture's frame; the last number holds on."""
HALF_LOOPS = {
    "small loop": TABLES["small"],
    "moderate loop": TABLES["moderate"],
    "large loop": (1.0, 0.8, *(0.7,) * 4, 0.6, 0.5),
}
"""Up to the middle of the clip, whose second half mirrors the first."""
OFFICIAL_LOOPS = {
    "small loop": (1.0, 0.9, *(0.85,) * 3, *(0.8,) * 7, 0.85, 0.85, 0.9, 1.0),
    "moderate loop": (1.0, 0.8, 0.8, 0.8, 0.79, 0.78, *(0.75,) * 5, 0.78, 0.79, 0.8, 0.8, 1.0),
}
"""For 16 frames, where they are not the mirrored ones."""
OFFICIAL_LENGTH = 16
MOVEMENTS = (*list(TABLES)[:3], *HALF_LOOPS, *list(TABLES)[3:])


@dataclass(frozen=True)
class Movement:
    """Called with a Moment: the share of the picture in each frame of the clip (frames 1 1)."""

    name: str = MOVEMENTS[0]
    """One of MOVEMENTS."""
    at_frame: int = 0
    """The picture's; negative ones count from the clip's end, and beyond it the nearest counts."""
    mirrored: bool = False
    """Whether loops of 16 frames are mirrored, too."""

    def __call__(self, moment: Moment) -> Tensor:
        return torch.tensor(self.shares(moment.full_length)).view(-1, 1, 1)

    def shares(self, frames: int) -> list[float]:
        at = self.at_frame + frames if self.at_frame < 0 else self.at_frame
        at = min(max(at, 0), frames - 1)
        table = self.table(frames)
        return [table[abs(frame - at)] for frame in range(frames)]

    def table(self, frames: int) -> list[float]:
        """By the distance from the picture's frame, for as many as `frames`."""
        if self.name in TABLES:
            return held_on(TABLES[self.name], frames)
        if frames == OFFICIAL_LENGTH and self.name in OFFICIAL_LOOPS and not self.mirrored:
            return list(OFFICIAL_LOOPS[self.name])
        half = held_on(HALF_LOOPS[self.name], (frames + 1) // 2)
        return half + half[: frames // 2][::-1]


def held_on(table: Sequence[float], length: int) -> list[float]:
    return [table[min(index, len(table) - 1)] for index in range(length)]
