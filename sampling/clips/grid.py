"""Clips side by side in one picture a frame, with captions under them and titles along the sides.

Numbers are those of one byte, as the host's save nodes write them, and each clip is let go once it has its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .captions import PAPER, lettering, width_of

HOLD, LOOP = "hold the last frame", "loop"


@dataclass(frozen=True)
class Sheet:
    """What stands in a grid besides its clips."""

    columns: int = 0
    """0: as many as there are titles above, or all clips side by side."""
    gap: int = 8
    captions: tuple[str, ...] = ()
    """A text under each clip."""
    above: tuple[str, ...] = ()
    """A title over each column."""
    beside: tuple[str, ...] = ()
    """A title left of each row."""


def bytes_of(clip: Tensor) -> Tensor:
    """(…, 3 or 4) of 0 to 1 -> uint8 (…, 3)."""
    return clip[..., :3].mul(255.0).clamp(0, 255).to("cpu", torch.uint8)


def grid(clips: list[Tensor], sheet: Sheet, shorter: str = HOLD) -> Tensor:
    """Clips (frames, height, width, 3 or 4), uint8 or of 0 to 1 -> float32 (most frames, height, width, 3), 0 to 1, in
    steps of a byte. Empties `clips`.

    shorter: what a clip with fewer frames does: it holds its last one, or begins anew. Clips of several sizes lie in
    the middle of cells as large as the largest. Raises ValueError.
    """
    columns = columns_of(len(clips), sheet)
    rows = -(-len(clips) // columns)
    check(sheet, len(clips), columns, rows)
    frames = max(clip.shape[0] for clip in clips)
    height, width = (max(clip.shape[side] for clip in clips) for side in (1, 2))
    letter = letter_height(height)
    left = sheet.gap + min(max(map(lambda text: width_of(text, letter), sheet.beside), default=0), width)
    under = [lettering(text, width, letter) for text in sheet.captions]
    over = [lettering(text, width, letter) for text in sheet.above]
    top = sheet.gap + max((text.shape[0] for text in over), default=0)
    cell = height + max((text.shape[0] for text in under), default=0)
    size = (even(top + rows * (cell + sheet.gap)), even(left + columns * (width + sheet.gap)))
    result = torch.full((frames, *size, 3), PAPER / 255)

    def write(text: Tensor, y: int, x: int) -> None:
        result[:, y : y + text.shape[0], x : x + text.shape[1]] = text.unsqueeze(-1) / 255

    for column, text in enumerate(over):
        write(text, sheet.gap // 2, left + column * (width + sheet.gap))
    for row, text in enumerate(sheet.beside):
        picture = lettering(text, left - sheet.gap, letter)[:height]
        write(picture, top + row * (cell + sheet.gap) + (height - picture.shape[0]) // 2, sheet.gap // 2)
    for index in range(len(clips)):
        clip, clips[index] = clips[index], None
        y = top + index // columns * (cell + sheet.gap)
        x = left + index % columns * (width + sheet.gap)
        if index < len(under):
            write(under[index], y + height, x)
        y, x = y + (height - clip.shape[1]) // 2, x + (width - clip.shape[2]) // 2
        for frame, source in enumerate(sources(clip.shape[0], frames, shorter)):
            picture = clip[source] if clip.dtype == torch.uint8 else bytes_of(clip[source])
            result[frame, y : y + clip.shape[1], x : x + clip.shape[2]] = picture / 255
    clips.clear()
    return result


def columns_of(count: int, sheet: Sheet) -> int:
    return min(sheet.columns or len(sheet.above) or count, count)


def check(sheet: Sheet, count: int, columns: int, rows: int) -> None:
    """Raises ValueError where there are not as many texts as places for them."""
    if len(sheet.captions) not in (0, count):
        raise ValueError(
            f"There are {len(sheet.captions)} captions for {count} clips: write one for each clip, or none at all."
        )
    if len(sheet.above) not in (0, columns):
        raise ValueError(
            f"There are {len(sheet.above)} titles above {columns} columns: write one for each column, or none at all."
        )
    if len(sheet.beside) not in (0, rows):
        raise ValueError(
            f"There are {len(sheet.beside)} titles beside {rows} rows: write one for each row, or none at all."
        )


def sources(length: int, frames: int, shorter: str) -> list[int]:
    """Which frame of a clip of `length` is seen in each of `frames`. length 2, frames 5: 0 1 1 1 1, or 0 1 0 1 0."""
    return [frame % length if shorter == LOOP else min(frame, length - 1) for frame in range(frames)]


def letter_height(height: int) -> int:
    """Pixels of a line of letters under pictures of `height`."""
    return min(max(round(height / 16), 11), 40)


def even(pixels: int) -> int:
    """Video codecs want even sides."""
    return pixels + pixels % 2


def titles(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Titles as they come: a list of them, or one text with a line for each."""
    if not texts:
        return ()
    return tuple(texts) if len(texts) > 1 else tuple(texts[0].splitlines())
