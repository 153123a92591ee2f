"""Which frame of a clip each picture belongs to: frames as users type them, or an even spread. Plain numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SPREAD, FROM_THE_START, TO_THE_END, MIDDLE = "spread", "from the start", "to the end", "middle"
SPREADS = (SPREAD, FROM_THE_START, TO_THE_END, MIDDLE)


@dataclass(frozen=True)
class Places:
    """Either `frames` are named, or the pictures are spread over the clip."""

    frames: tuple[int, ...] = ()
    """One for each picture; negative ones count from the clip's end, -1 is its last frame."""
    spread: str = SPREAD
    """One of SPREADS, where no frames are named."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.frames)) or self.spread

    def check(self, pictures: int) -> None:
        """Raises ValueError where there are more pictures than named frames."""
        if self.frames and pictures > len(self.frames):
            raise ValueError(
                f"There are {pictures} pictures, and frames names {len(self.frames)} ({self}). Name a frame for each "
                "picture, or 'spread' to spread them over the clip."
            )

    def of(self, pictures: int, total: int) -> list[int]:
        """The frame of each picture in a clip of `total` frames. Raises ValueError where they find no place there."""
        self.check(pictures)
        if pictures > total:
            raise ValueError(f"There are {pictures} pictures for a clip of {total} frames. Connect {total} or fewer.")
        if not self.frames:
            return spread_over(self.spread, pictures, total)
        found: list[int] = []
        for frame in self.frames[:pictures]:
            place = frame + total if frame < 0 else frame
            if not 0 <= place < total:
                raise ValueError(
                    f"frames names frame {frame}, and the clip has {total}: from 0 to {total - 1}, "
                    f"or from -1 back to -{total}."
                )
            if place in found:
                raise ValueError(
                    f"frames is '{self}', which puts two pictures on frame {place} of a clip of {total} frames. "
                    "Give each picture a frame of its own."
                )
            found.append(place)
        return found


def places(text: str) -> Places:
    """'0, 5, -1', or one of SPREADS. Raises ValueError for what is neither."""
    words = " ".join(text.lower().split())
    if words in SPREADS:
        return Places(spread=words)
    numbers = [word for word in re.split(r"[,;\s\uff0c\uff1b\u3001]+", words) if word]
    if not numbers or not all(re.fullmatch(r"[+-]?\d{1,9}", number) for number in numbers):
        raise ValueError(
            f"frames is '{text.strip()}', and must name a frame for each picture, as in '0, 8, -1' "
            f"(-1 is the last frame), or be one of: {', '.join(SPREADS)}."
        )
    frames = tuple(map(int, numbers))
    twice = [frame for frame in frames if frames.count(frame) > 1]
    if twice:
        raise ValueError(f"frames names frame {twice[0]} twice. Give each picture a frame of its own.")
    return Places(frames)


def spread_over(spread: str, pictures: int, total: int) -> list[int]:
    """Even steps from the first frame to the last; with room behind the last picture, before the first one, or both.

    'spread' of 3 over 9 -> 0, 4, 8; 'from the start' of 2 -> 0, 4; 'to the end' -> 4, 8; 'middle' of 1 -> 4
    """
    if pictures == total:
        return list(range(total))
    before = spread in (TO_THE_END, MIDDLE)
    after = spread in (FROM_THE_START, MIDDLE)
    steps = pictures - 1 + before + after
    if steps == 0:
        return [0]
    return [(index + before) * (total - 1) // steps for index in range(pictures)]


def shown_in(places: Sequence[int], window: Sequence[int], nearest: bool) -> dict[int, int]:
    """Place in the window -> which picture is shown there, for pictures at the frames `places`.

    nearest: a window without a picture gets the one that is nearest to it, at its end on that side. Where both sides
    are equally near a single picture comes in the middle, and several come at both ends, as in Advanced-ControlNet.
    """
    own = {index: places.index(frame) for index, frame in enumerate(window) if frame in places}
    if own or not nearest:
        return own
    ends = [min((abs(place - window[end]), picture) for picture, place in enumerate(places)) for end in (0, -1)]
    (before, first), (behind, last) = ends
    end = len(window) - 1
    if before == behind:
        return {end // 2: first} if len(places) == 1 else {0: first, end: last}
    return {0: first} if before < behind else {end: last}
