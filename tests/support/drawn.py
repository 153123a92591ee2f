"""Small data sets for training, drawn in a folder."""

from pathlib import Path

import numpy as np
import seeded
from PIL import Image

WIDTH, HEIGHT = 96, 64


def frames(count: int, height: int = HEIGHT, width: int = WIDTH):
    """(count, height, width, 3) bytes: each frame 4 lighter than the one before, over a slope from left to right."""
    slope = np.linspace(0, 90, width, dtype=np.uint8)[None, :, None]
    return np.stack([np.broadcast_to(slope + 4 * index, (height, width, 3)) for index in range(count)])


def video(path: Path, count: int, caption: str | None = None, **size) -> Path:
    seeded.save_frames(path, frames(count, **size))
    return described(path, caption)


def picture(path: Path, caption: str | None = None, **size) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frames(1, **size)[0]).save(path)
    return described(path, caption)


def described(path: Path, caption: str | None) -> Path:
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, "utf-8")
    return path


def number_of(frame) -> int:
    """Which frame one is, by its mean."""
    return round((float(frame.float().mean()) * 255 - 45) / 4)
