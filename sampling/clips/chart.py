"""The picture of a clip's measures: curves over its frames."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .captions import font
from .measures import Measures, named

WIDTH, BAND, LEFT, GAP, LETTER = 768, 96, 56, 34, 15
PAPER, TEXT, LINE, BLUE, ORANGE = (255, 255, 255), (60, 60, 70), (226, 226, 232), (20, 80, 160), (214, 120, 30)


def chart(found: Measures) -> Tensor:
    """(1, height, width, 3), 0 to 1: motion with arrows, flicker, change with the windows' borders, drift."""
    frames = len(found.drift)
    bands = [
        ("motion, pixels a frame; arrows: where", found.strength, 0.5),
        ("flicker, % of white", found.flicker, 1.0),
        ("change, % of white" + ("; orange: borders of windows" if found.joints else ""), found.change, 0.5),
        ("drift from the first frame, % of white", found.drift, 0.0),
    ]
    image = Image.new("RGB", (WIDTH, GAP + len(bands) * (BAND + GAP)), PAPER)
    draw = ImageDraw.Draw(image)
    for number, (title, values, offset) in enumerate(bands):
        top = GAP + number * (BAND + GAP)
        draw.text((LEFT, top - LETTER - 6), title, TEXT, font(LETTER, True))
        if number == 2:
            for frame in found.joints:
                draw.rectangle([across(frame, frames), top, across(frame + 1, frames), top + BAND], (255, 236, 214))
        band(draw, top, values, offset, frames)
        if number == 0:
            arrows(draw, top, found.direction, frames)
    for frame in ticks(frames):
        draw.text(
            (across(frame, frames), image.height - GAP + 4), str(frame), TEXT, font(LETTER - 2, True), anchor="ma"
        )
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).unsqueeze(0)


def across(frame: float, frames: int) -> float:
    return LEFT + (WIDTH - LEFT - 20) * frame / max(frames - 1, 1)


def ticks(frames: int) -> range:
    return range(0, frames, next((step for step in (1, 2, 4, 8, 16, 32) if frames / step <= 16), 64))


def band(draw: ImageDraw.ImageDraw, top: int, values: list[float], offset: float, frames: int) -> None:
    """A curve with its highest value named. offset: how many frames right of its index a value stands."""
    most = max([*values, 1e-6])
    draw.rectangle([LEFT, top, WIDTH - 20, top + BAND], outline=LINE)
    for value, y in ((most, top), (0, top + BAND)):
        draw.text((LEFT - 6, y), f"{value:.3g}", TEXT, font(LETTER - 2, True), anchor="rm")
    points = [(across(index + offset, frames), top + BAND * (1 - value / most)) for index, value in enumerate(values)]
    if len(points) > 1:
        draw.line(points, BLUE, 2, joint="curve")
    for x, y in points:
        draw.ellipse([x - 2.5, y - 2.5, x + 2.5, y + 2.5], BLUE)


def arrows(draw: ImageDraw.ImageDraw, top: int, directions: list[tuple[float, float]], frames: int) -> None:
    """Under the curve of motion: which way the whole goes, for every frame that has room."""
    for frame in ticks(frames):
        if frame >= len(directions) or named(*directions[frame]) == "nowhere":
            continue
        angle = math.atan2(directions[frame][1], directions[frame][0])
        x, y = across(frame + 0.5, frames), top + BAND - 14
        tip = (x + 11 * math.cos(angle), y + 11 * math.sin(angle))
        draw.line([(x - 11 * math.cos(angle), y - 11 * math.sin(angle)), tip], ORANGE, 2)
        wings = [(tip[0] - 7 * math.cos(angle + s), tip[1] - 7 * math.sin(angle + s)) for s in (-0.5, 0.5)]
        draw.polygon([tip, *wings], ORANGE)
