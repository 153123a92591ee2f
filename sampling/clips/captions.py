"""Letters for grids of clips: text -> grey pixels."""

from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

PAPER, INK = 255, 32
"""Grey of what lies between letters, and of letters."""
MOST_LINES = 3
EAST_ASIAN = (
    *("NotoSansCJK-Regular.ttc", "SourceHanSansSC-Regular.otf", "wqy-zenhei.ttc", "wqy-microhei.ttc"),
    *("msyh.ttc", "simhei.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc"),
)
"""Fonts of Linux, Windows and macOS that have Chinese letters, too."""


@cache
def font(pixels: int, latin: bool):
    """Pillow's own font; for other letters than Latin the first that the system has of EAST_ASIAN."""
    for name in () if latin else EAST_ASIAN:
        try:
            return ImageFont.truetype(name, pixels)
        except OSError:
            continue
    return ImageFont.load_default(pixels)


def font_for(text: str, pixels: int):
    return font(pixels, all(ord(letter) < 0x250 for letter in text))


def width_of(text: str, pixels: int) -> int:
    """Pixels that a line of text needs."""
    return int(font_for(text, pixels).getlength(text)) + pixels


def lettering(text: str, width: int, pixels: int) -> Tensor:
    """uint8 (height, width): the text in lines of `pixels`, in the middle, three lines at most."""
    lines = broken(" ".join(text.split()), width - pixels // 2, pixels)
    step = round(pixels * 1.3)
    picture = Image.new("L", (width, step * len(lines) + pixels // 2), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((width / 2, pixels // 4 + number * step), line, INK, font_for(line, pixels), anchor="ma")
    return torch.from_numpy(np.asarray(picture).copy())


def broken(text: str, width: int, pixels: int) -> list[str]:
    """The text in lines no wider than `width`, broken at spaces where there are any; what is too long ends in dots."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < MOST_LINES:
        end = next((n for n in range(len(rest), 0, -1) if fits(rest[:n], width, pixels)), 1)
        if end < len(rest) and " " in rest[: end + 1]:
            end = rest.rindex(" ", 0, end + 1)
        lines.append(rest[:end].strip())
        rest = rest[end:].strip()
    if rest:
        last = lines[-1]
        while last and not fits(last + "...", width, pixels):
            last = last[:-1]
        lines[-1] = last.rstrip() + "..."
    return lines or [""]


def fits(text: str, width: int, pixels: int) -> bool:
    return font_for(text, pixels).getlength(text) <= width
