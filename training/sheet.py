"""A contact sheet: what a data set shows, as the training will see it."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .dataset import Clip, Clips, Shot

TILE, ACROSS, GAP, LINE = 96, 4, 4, 14
"""Pixels of a tile's longer side; tiles in a row; pixels between them, and of a line of text."""
MOST_CLIPS, MOST_PICTURES = 6, 24
PAPER, INK = (30, 33, 41), (214, 219, 229)


def contact_sheet(clips: Clips) -> Tensor:
    """(1, height, width, 3), 0 to 1: frames from the first to the last of some clips, each in a row below its name;
    of single pictures, some side by side."""
    scale = TILE / max(clips.width, clips.height)
    size = max(round(clips.width * scale), 1), max(round(clips.height * scale), 1)
    if clips.frames == 1:
        chosen = spread(clips.items, MOST_PICTURES)
        tiles = [frames_of(clips, clip, size)[0] for clip in chosen]
        rows = [("", tiles[start : start + ACROSS]) for start in range(0, len(tiles), ACROSS)]
    else:
        rows = [(clip.name, frames_of(clips, clip, size)) for clip in spread(clips.items, MOST_CLIPS)]
    return drawn(rows, size)


def spread(things, most: int) -> list:
    """Up to `most` of them, from the first to the last."""
    count = min(len(things), most)
    return [things[round(index * (len(things) - 1) / max(count - 1, 1))] for index in range(count)]


def frames_of(clips: Clips, clip: Clip, size: tuple[int, int]) -> list[Tensor]:
    """(height, width, 3) each: the first variant's frames, evenly spread."""
    shot = clips.shot(clip, 0)
    places = spread(range(len(shot.indices)), ACROSS)
    few = Shot(
        tuple(shot.indices[place] for place in places), tuple(shot.views[place] for place in places), shot.mirrored
    )
    return list(clips.pixels(clip, few, size))


def drawn(rows: list[tuple[str, list[Tensor]]], size: tuple[int, int]) -> Tensor:
    """Rows of tiles of `size` (width, height), below their names."""
    width, height = size
    above = LINE if rows[0][0] else 0
    band = above + height + GAP
    sheet = Image.new("RGB", (GAP + ACROSS * (width + GAP), GAP + band * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (name, tiles) in enumerate(rows):
        top = GAP + number * band
        draw.text((GAP, top), name.encode("ascii", "replace").decode(), INK)
        for place, tile in enumerate(tiles):
            picture = Image.fromarray((tile * 255).round().byte().numpy())
            sheet.paste(picture, (GAP + place * (width + GAP), top + above))
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32) / 255).unsqueeze(0)
