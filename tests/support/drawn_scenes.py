"""What templates start from in cards and help pictures, drawn: a boat that sails while the sun rises."""

from pathlib import Path

import numpy as np
import seeded
from PIL import Image, ImageDraw

GROUND, INK, ACCENT, SECOND = (30, 33, 41), (214, 219, 229), (255, 184, 77), (98, 176, 255)
"""The colours of cards and of the pack's own pictures."""
SKY, SUN, LAND, SAIL = (120, 182, 230), (255, 214, 110), (62, 104, 120), (250, 246, 235)
REGION = (0.5, 0.06, 0.9, 0.46)
"""Left, top, right, bottom of where the picture of Inpaint a Region may change."""


def scene(side: int, place: float) -> Image.Image:
    """A boat that sails from left (place 0) to right (1) while the sun rises."""
    picture = Image.new("RGB", (side, side), SKY)
    draw = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return side * x, side * y

    sun, x = 0.46 - 0.28 * place, 0.12 + 0.5 * place
    draw.ellipse([at(0.58, sun - 0.12), at(0.82, sun + 0.12)], fill=SUN)
    draw.rectangle([at(0, 0.62), at(1, 1)], fill=LAND)
    draw.polygon([at(x + 0.09, 0.64), at(x + 0.09, 0.30), at(x + 0.27, 0.64)], fill=SAIL)
    draw.polygon([at(x, 0.67), at(x + 0.32, 0.67), at(x + 0.25, 0.77), at(x + 0.07, 0.77)], fill=ACCENT)
    return picture


def sketch(side: int) -> Image.Image:
    """The boat and the sun in dark lines on white paper."""
    picture = Image.new("RGB", (side, side), (255, 255, 255))
    draw, wide = ImageDraw.Draw(picture), max(side // 40, 1)
    for shape in (
        [(0.36, 0.64), (0.36, 0.30), (0.54, 0.64), (0.36, 0.64)],
        [(0.26, 0.67), (0.58, 0.67), (0.51, 0.77), (0.33, 0.77), (0.26, 0.67)],
        [(0.04, 0.62), (0.96, 0.62)],
    ):
        draw.line([(side * x, side * y) for x, y in shape], fill=GROUND, width=wide)
    draw.ellipse([side * edge for edge in (0.62, 0.16, 0.84, 0.38)], outline=GROUND, width=wide)
    return picture


SKETCH, STORY = "sketch.png", [f"story_{number}.png" for number in range(4)]
"""Files in input: a drawing, and four pictures of one story."""


def save_inputs(folder: Path, side: int = 256, count: int = 24) -> None:
    """The picture, transparent where it may change, the drawing, those of a story, and the video."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, kept = scene(side, 0.3), Image.new("L", (side, side), 255)
    ImageDraw.Draw(kept).ellipse([side * edge for edge in REGION], fill=0)
    picture.putalpha(kept)
    picture.save(folder / seeded.PICTURE)
    sketch(side).save(folder / SKETCH)
    for number, name in enumerate(STORY):
        scene(side, number / 3).save(folder / name)
    (folder / seeded.PICTURES).mkdir(exist_ok=True)
    for number in range(2):
        scene(side, number).save(folder / seeded.PICTURES / f"{number}.png")
    seeded.save_frames(folder / seeded.VIDEO, [np.asarray(scene(side, index / (count - 1))) for index in range(count)])


def save_data_sets(folder: Path, videos: str, photos: str, side: int = 320) -> None:
    """Two folders to train on: boats that sail at their own pace, and boats that lie at their places."""
    for number, (name, pace) in enumerate({"harbour": 0.4, "regatta": 1.0, "evening": 0.7}.items()):
        places = [number / 10 + pace * index / 70 for index in range(64)]
        seeded.save_frames(folder / videos / f"{name}.mp4", [np.asarray(scene(side, place)) for place in places])
        (folder / videos / f"{name}.txt").write_text("a boat that sails on the sea", "utf-8")
        (folder / photos).mkdir(exist_ok=True)
        scene(side, number / 3).save(folder / photos / f"{name}.png")
        (folder / photos / f"{name}.txt").write_text("a boat on the sea", "utf-8")
