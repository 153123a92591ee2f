"""What cards of templates are drawn with: pictures in frames, strips of them, arrows, lines, words."""

import math
from collections.abc import Iterable

from drawn_scenes import ACCENT, INK
from PIL import Image, ImageDraw

SIZE, DETAIL = 512, 2
"""Pixels of a card, and how many times larger it is drawn."""

Color = tuple[int, int, int]


def put(card: Image.Image, picture: Image.Image, x: float, y: float, border: Color = INK, width: int = 3) -> None:
    """A frame with its border; x, y and side in the card's 512 pixels."""
    left, top, edge = round(x * DETAIL), round(y * DETAIL), width * DETAIL
    right, bottom = left + picture.width - 1, top + picture.height - 1
    ImageDraw.Draw(card).rectangle([left - edge, top - edge, right + edge, bottom + edge], fill=border)
    card.paste(picture, (left, top))


def strip(card: Image.Image, pictures: Iterable[Image.Image], y: float, border: Color = INK, gap: float = 12) -> None:
    """Frames side by side in the middle of the card's width."""
    pictures = list(pictures)
    whole = sum(p.width / DETAIL for p in pictures) + gap * (len(pictures) - 1)
    x = (SIZE - whole) / 2
    for picture in pictures:
        put(card, picture, x, y, border)
        x += picture.width / DETAIL + gap


def spread(frames: list[Image.Image], count: int, side: float) -> list[Image.Image]:
    """`count` of the frames from the first to the last, `side` of the card's pixels wide."""
    indices = [round(index * (len(frames) - 1) / max(count - 1, 1)) for index in range(count)]
    return [frames[index].resize((round(side * DETAIL),) * 2, Image.Resampling.LANCZOS) for index in indices]


def line(card: Image.Image, points: list[tuple[float, float]], color: Color = ACCENT, width: float = 6) -> None:
    scaled = [(x * DETAIL, y * DETAIL) for x, y in points]
    ImageDraw.Draw(card).line(scaled, fill=color, width=round(width * DETAIL), joint="curve")


def arrow(card: Image.Image, start: tuple[float, float], end: tuple[float, float], color: Color = ACCENT) -> None:
    (x, y), (u, v) = start, end
    angle, head = math.atan2(v - y, u - x), 22
    line(card, [start, (u - head * 0.7 * math.cos(angle), v - head * 0.7 * math.sin(angle))], color, 7)
    corners = [end] + [(u - head * math.cos(angle + s * 0.5), v - head * math.sin(angle + s * 0.5)) for s in (-1, 1)]
    ImageDraw.Draw(card).polygon([(a * DETAIL, b * DETAIL) for a, b in corners], fill=color)


def words(card: Image.Image, y: float, widths: list[list[float]], color: Color = INK) -> None:
    """Lines of writing, as bars."""
    for row, bars in enumerate(widths):
        x = (SIZE - sum(bars) - 12 * (len(bars) - 1)) / 2
        for bar in bars:
            line(card, [(x, y + row * 30), (x + bar, y + row * 30)], color, 12)
            x += bar + 12
