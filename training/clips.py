"""Which frames of a source a training clip has."""

from collections.abc import Mapping
from dataclasses import dataclass

RANDOM, BEGINNING, MIDDLE, PIECES = STARTS = ("random", "beginning", "middle", "even pieces")
REFUSE, SLOWER, HOLD = SHORT = ("refuse", "slower stride", "hold last frame")


@dataclass(frozen=True)
class Taking:
    """How a clip's frames are taken from its source."""

    frames: int = 16
    stride: int = 4
    """Every how many frames of the source one is taken."""
    start: str = RANDOM
    short_clips: str = REFUSE
    """What happens where the source has too few frames."""

    @property
    def needed(self) -> int:
        """Frames of the source from the first to the last that is taken."""
        return (self.frames - 1) * self.stride + 1

    def fits(self, total: int) -> bool:
        """Whether a source of `total` frames is long enough."""
        return total >= {REFUSE: self.needed, SLOWER: self.frames, HOLD: 1}[self.short_clips]

    def stride_in(self, total: int) -> int:
        """The stride in a source of `total` frames."""
        if self.short_clips == SLOWER and self.fits(total) and total < self.needed:
            return (total - 1) // (self.frames - 1)
        return self.stride


def check_lengths(lengths: Mapping[str, int], taking: Taking) -> None:
    """Raises ValueError where sources are too short. lengths: name -> frames."""
    short = {name: total for name, total in lengths.items() if not taking.fits(total)}
    if not short:
        return
    name, total = min(short.items(), key=lambda each: each[1])
    more = f" Too short: {len(short)} of the {len(lengths)} clips." if len(short) > 1 else ""
    if total < taking.frames:
        raise ValueError(
            f"'{name}' has {total} frame{'' if total == 1 else 's'}, and a clip needs {taking.frames}. "
            f"Set clip_frames to {total} or less, choose short_clips: {HOLD}, or take the file away.{more}"
        )
    raise ValueError(
        f"'{name}' has {total} frames, and {taking.frames} frames at stride {taking.stride} need {taking.needed}. "
        f"Use stride {(total - 1) // (taking.frames - 1)}, or choose short_clips: {SLOWER}.{more}"
    )


def pieces(total: int, taking: Taking) -> list[int]:
    """First frames of the clips that a source is cut into: as many as lie side by side, evenly spread.

    100 frames, 16 at stride 2 (31 of the source) -> 0, 34, 69
    """
    room, count = max(total - taking.needed, 0), max(total // taking.needed, 1)
    return [room // 2] if count == 1 else [round(room * index / (count - 1)) for index in range(count)]


def indices(total: int, taking: Taking, at: float = 0.5, first: int | None = None) -> list[int]:
    """The frames of a source of `total` frames that make a clip; the last one is held where they are too few.

    at: where a random start lies, from 0 to below 1. first: the first frame, of a piece.
    """
    stride = taking.stride_in(total)
    last_start = max(total - (taking.frames - 1) * stride - 1, 0)
    if first is None:
        first = {BEGINNING: 0, MIDDLE: last_start // 2}.get(taking.start, int(at * (last_start + 1)))
    return [min(first + stride * index, total - 1) for index in range(taking.frames)]
