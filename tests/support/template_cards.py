"""Draws the cards of the templates: what each one does, as a sketch of frames. No model made these pictures.

    <a Python with Pillow> tests/support/template_cards.py [template ...]

Writes example_workflows/<template>.jpg. The page cuts cards to squares, so they are square.
"""

import math
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageDraw

EXAMPLES = Path(__file__).resolve().parents[2] / "example_workflows"
SIZE, DETAIL = 512, 2
"""Pixels of a card, and how many times larger it is drawn."""
GROUND, INK, ACCENT, SECOND = (30, 33, 41), (214, 219, 229), (255, 184, 77), (98, 176, 255)
DAY = {"sky": (120, 182, 230), "sun": (255, 214, 110), "land": (62, 104, 120), "sail": (250, 246, 235)}
WINTER = {"sky": (176, 190, 208), "sun": (238, 238, 240), "land": (226, 233, 240), "sail": (90, 104, 128)}
PAINTED = {"sky": (240, 150, 120), "sun": (255, 236, 150), "land": (120, 60, 110), "sail": (70, 30, 80)}
LINES = {"sky": GROUND, "sun": GROUND, "land": GROUND, "sail": GROUND}

Color = tuple[int, int, int]
Colors = dict[str, Color]
Card = Callable[[Image.Image], None]


def between(a: Colors, b: Colors, part: float) -> Colors:
    return {name: tuple(round(x + (y - x) * part) for x, y in zip(a[name], b[name], strict=True)) for name in a}


def scene(side: int, place: float, colors: Colors = DAY, lines: bool = False, zoom: float = 1.0) -> Image.Image:
    """One frame: a boat that sails from left (place 0) to right (1) while the sun rises."""
    picture = Image.new("RGB", (side, side), colors["sky"])
    draw, edge = ImageDraw.Draw(picture), {"outline": INK, "width": max(side // 40, 2)} if lines else {}

    def at(x: float, y: float) -> tuple[float, float]:
        return side * (0.5 + (x - 0.5) * zoom), side * (0.5 + (y - 0.5) * zoom)

    sun = 0.46 - 0.28 * place
    draw.ellipse([at(0.58, sun - 0.12), at(0.82, sun + 0.12)], fill=colors["sun"], **edge)
    draw.rectangle([at(-1, 0.62), at(2, 2)], fill=colors["land"], **edge)
    x = 0.12 + 0.5 * place
    draw.polygon([at(x + 0.09, 0.64), at(x + 0.09, 0.30), at(x + 0.27, 0.64)], fill=colors["sail"], **edge)
    draw.polygon([at(x, 0.67), at(x + 0.32, 0.67), at(x + 0.25, 0.77), at(x + 0.07, 0.77)], fill=ACCENT, **edge)
    return picture


def noisy(picture: Image.Image, amount: float, seed: int = 0) -> Image.Image:
    """`amount` of it is noise, as while sampling."""
    cells = random.Random(seed)
    small = Image.new("RGB", (24, 24))
    small.putdata([tuple(cells.randrange(256) for _ in range(3)) for _ in range(24 * 24)])
    return Image.blend(picture, small.resize(picture.size, Image.Resampling.NEAREST), amount)


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


def frames(count: int, side: float, **words) -> list[Image.Image]:
    return [scene(round(side * DETAIL), i / max(count - 1, 1), **words) for i in range(count)]


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


def text_to_animation(card: Image.Image) -> None:
    words(card, 90, [[60, 120, 80], [100, 40, 130], [70, 90]])
    arrow(card, (256, 180), (256, 250))
    strip(card, frames(4, 104), 290)


def picture_to_animation(card: Image.Image) -> None:
    put(card, scene(150 * DETAIL, 0.0), 181, 50)
    arrow(card, (256, 216), (256, 280))
    strip(card, frames(4, 104), 320)


def brackets(card: Image.Image, y: float, spans: list[tuple[float, float]]) -> None:
    """Windows of frames that overlap, above a strip at `y`."""
    for number, (left, right) in enumerate(spans):
        level, color = y - 26 * (number % 2), (ACCENT, SECOND)[number % 2]
        line(card, [(left, level + 12), (left, level), (right, level), (right, level + 12)], color)


def long_animation(card: Image.Image) -> None:
    for row in range(3):
        strip(card, [scene(52 * DETAIL, (row * 7 + i) / 20) for i in range(7)], 120 + row * 130, gap=10)
        brackets(card, 100 + row * 130, [(34, 224), (164, 354), (294, 478)])


def seamless_loop(card: Image.Image) -> None:
    for number, place in enumerate((0, 0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2)):
        angle = math.radians(36 * number - 90)
        put(card, scene(88 * DETAIL, place), 212 + 190 * math.cos(angle), 212 + 190 * math.sin(angle))
    circle = [(256 + 100 * math.cos(turn / 20), 256 + 100 * math.sin(turn / 20)) for turn in range(-20, 90)]
    line(card, circle)
    arrow(card, circle[-1], (circle[-1][0] + 26, circle[-1][1] - 7))


def prompt_travel(card: Image.Image) -> None:
    words(card, 60, [[60, 90]], ACCENT)
    words(card, 440, [[90, 60]], SECOND)
    for row in range(2):
        places = [(row * 4 + i) / 7 for i in range(4)]
        strip(card, [scene(104 * DETAIL, p, between(DAY, WINTER, p)) for p in places], 110 + row * 150)


def six_steps(card: Image.Image) -> None:
    levels = [0.95, 0.7, 0.45, 0.25, 0.1, 0.0]
    for row in range(2):
        shots = [noisy(scene(140 * DETAIL, 0.6), level) for level in levels[row * 3 : row * 3 + 3]]
        strip(card, shots, 96 + row * 180)


def camera_moves(card: Image.Image) -> None:
    strip(card, [scene(140 * DETAIL, 0.4, zoom=zoom) for zoom in (0.85, 1.25, 1.8)], 110)
    arrow(card, (256, 74), (120, 74))
    arrow(card, (256, 74), (392, 74))
    wide = scene(240 * DETAIL, 0.4)
    views = [wide.crop((x * DETAIL, 50 * DETAIL, (x + 140) * DETAIL, 190 * DETAIL)) for x in (0, 45, 90)]
    strip(card, views, 336)
    arrow(card, (120, 300), (392, 300), SECOND)


def steadier(card: Image.Image) -> None:
    jitter = [0.1, 0.62, 0.25, 0.9]
    strip(card, [scene(104 * DETAIL, j, zoom=0.9 + 0.3 * (i % 2)) for i, j in enumerate(jitter)], 70, (190, 90, 90))
    arrow(card, (256, 200), (256, 250))
    strip(card, frames(4, 104), 290, (120, 200, 130))
    line(card, [(430, 416), (430, 452), (82, 452), (82, 430)])
    arrow(card, (82, 440), (82, 412))


def sdxl(card: Image.Image) -> None:
    strip(card, frames(2, 216), 140, gap=20)
    for x in (36, 272):
        corner = [(x - 14, 176), (x - 14, 126), (x + 36, 126)]
        line(card, corner), line(card, [(x + 180, 370), (x + 230, 370), (x + 230, 320)])


def upscale(card: Image.Image) -> None:
    small = [frame.resize((10, 10), Image.Resampling.BILINEAR) for frame in frames(4, 76)]
    strip(card, [frame.resize((76 * DETAIL,) * 2, Image.Resampling.NEAREST) for frame in small], 70)
    arrow(card, (256, 176), (256, 236))
    strip(card, frames(3, 146), 280)


def video_to_video(card: Image.Image) -> None:
    strip(card, frames(4, 104), 90)
    arrow(card, (256, 220), (256, 284))
    strip(card, frames(4, 104, colors=PAINTED), 320, SECOND)


def controlnet(card: Image.Image) -> None:
    strip(card, frames(4, 104, colors=LINES, lines=True), 60)
    arrow(card, (256, 186), (256, 240))
    for row in range(2):
        strip(card, [scene(56 * DETAIL, (row * 6 + i) / 11) for i in range(6)], 310 + row * 110, gap=10)
        brackets(card, 296 + row * 110, [(57, 250), (189, 382), (321, 455)])


def inpaint(card: Image.Image) -> None:
    circle = [70 * DETAIL, 8 * DETAIL, 128 * DETAIL, 66 * DETAIL]
    mask = Image.new("L", (140 * DETAIL,) * 2)
    ImageDraw.Draw(mask).ellipse(circle, fill=255)
    shots = [scene(140 * DETAIL, 0.5) for _ in range(6)]
    for number, shot in enumerate(shots):
        shot.paste(scene(140 * DETAIL, 0.5, between(DAY, PAINTED, number / 5)), mask=mask)
        ImageDraw.Draw(shot).ellipse(circle, outline=ACCENT, width=3 * DETAIL)
    strip(card, shots[:3], 96)
    strip(card, shots[3:], 276)


def pieces(card: Image.Image) -> None:
    for row, color in enumerate((ACCENT, SECOND, (120, 200, 130))):
        shots = [scene(76 * DETAIL, (row * 4 + i) / 12) for i in range(5)]
        strip(card, shots, 70 + row * 144, color)
        if row < 2:
            arrow(card, (432, 160 + row * 144), (80, 206 + row * 144), color)


def two_motion_models(card: Image.Image) -> None:
    """The noise goes, by one model first, then by the other."""
    levels = [0.95, 0.75, 0.55, 0.35, 0.15, 0.0]
    shots = [noisy(scene(140 * DETAIL, number / 5), level) for number, level in enumerate(levels)]
    strip(card, shots[:3], 96, ACCENT)
    strip(card, shots[3:], 286, SECOND)
    line(card, [(36, 262), (300, 262)], ACCENT)
    line(card, [(212, 452), (476, 452)], SECOND)


CARDS: dict[str, Card] = {
    "Text to Animation": text_to_animation,
    "Picture to Animation": picture_to_animation,
    "Long Animation": long_animation,
    "Seamless Loop": seamless_loop,
    "Prompt Travel": prompt_travel,
    "Six-Step Animation": six_steps,
    "MotionLoRA Camera Moves": camera_moves,
    "Steadier Frames with FreeInit": steadier,
    "SDXL Animation": sdxl,
    "Upscale an Animation": upscale,
    "Video to Video": video_to_video,
    "Long Animation with ControlNet": controlnet,
    "Inpaint a Region": inpaint,
    "Animation in Pieces": pieces,
    "Two Motion Models": two_motion_models,
}


def main(names: list[str]) -> None:
    for name in names or CARDS:
        card = Image.new("RGB", (SIZE * DETAIL,) * 2, GROUND)
        CARDS[name](card)
        card = card.resize((SIZE,) * 2, Image.Resampling.LANCZOS)
        card.save(EXAMPLES / f"{name}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
