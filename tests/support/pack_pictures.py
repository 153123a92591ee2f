"""Draws the pack's icon and banner for the registry: frames of a boat that sails while the sun rises.

    <a Python with Pillow> tests/support/pack_pictures.py

Writes docs/pictures/icon.png (400 x 400) and banner.png (1260 x 540).
"""

from comfy_server import ROOT
from drawn_scenes import ACCENT, GROUND, SECOND, scene
from PIL import Image, ImageDraw

PICTURES = ROOT / "docs" / "pictures"
DETAIL = 2


def framed(picture: Image.Image, side: int, border: tuple[int, int, int]) -> Image.Image:
    """A frame with round corners."""
    edge = side // 24
    whole = Image.new("RGB", (side, side), border)
    whole.paste(picture.resize((side - 2 * edge,) * 2, Image.Resampling.LANCZOS), (edge, edge))
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).rounded_rectangle([0, 0, side - 1, side - 1], side // 8, fill=255)
    whole.putalpha(mask)
    return whole


def fan(size: tuple[int, int], side: int, count: int, step: tuple[float, float]) -> Image.Image:
    """`count` frames, each over the one before, from the bottom left to the top right."""
    width, height = (DETAIL * length for length in size)
    picture = Image.new("RGB", (width, height), GROUND)
    reach = [DETAIL * length * (count - 1) for length in step]
    left, top = (width - DETAIL * side - reach[0]) / 2, (height - DETAIL * side + reach[1]) / 2
    for number in range(count):
        place = number / (count - 1)
        frame = framed(scene(512, place), DETAIL * side, ACCENT if number == count - 1 else SECOND)
        x, y = left + reach[0] * place, top - reach[1] * place
        picture.paste(frame, (round(x), round(y)), frame)
    return picture.resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    fan((400, 400), 236, 4, (34, 34)).save(PICTURES / "icon.png", optimize=True)
    fan((1260, 540), 300, 8, (116, 14)).save(PICTURES / "banner.png", optimize=True)


if __name__ == "__main__":
    main()
