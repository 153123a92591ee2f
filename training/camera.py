"""Camera moves made of any picture or clip, by moving the crop.

Source: AnimateDiff, arXiv:2307.04725, 4.3: MotionLoRAs for zooms were trained on crops that shrink or grow; pans, tilts
and rolls go the same way. Names are those of the official files and say what the camera does: at `pan left` it goes to
the left, so the picture goes to the right; at `roll clockwise` it turns clockwise, so the picture turns the other way.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

MOVES = (
    *("zoom in", "zoom out", "pan left", "pan right", "tilt up", "tilt down"),
    *("roll clockwise", "roll anticlockwise"),
)
LEAST, MOST = 0.05, 1.5
"""Of `amount`: less is not seen, and more leaves a small piece of the source only."""
FULL_ROLL = math.pi / 3
"""Radians that a roll of amount 1 turns."""


@dataclass(frozen=True)
class View:
    """What the camera sees: a rectangle of the source. Its middle and its size are in pixels of the source, from the
    left top corner; `angle` is how many radians the camera has turned clockwise."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    def reach(self) -> tuple[float, float]:
        """Half of the width and height of the upright box around it."""
        cos, sin = abs(math.cos(self.angle)), abs(math.sin(self.angle))
        return (self.width * cos + self.height * sin) / 2, (self.width * sin + self.height * cos) / 2


def check(move: str, amount: float) -> None:
    if move not in MOVES:
        raise ValueError(f"'{move}' is no camera move. There are: {', '.join(MOVES)}.")
    if not LEAST <= amount <= MOST:
        raise ValueError(f"amount is {amount:g}, and must be from {LEAST:g} to {MOST:g}. 0.4 is a clear, steady move.")


def path(move: str | None, amount: float, frames: int, aspect: float) -> list[View]:
    """The views of a clip, one for each frame, at an even pace. The largest crop is 1 high and `aspect` wide.

    amount: a pan or tilt goes that share of the crop's side; a zoom is by 1 + amount; a roll turns amount * 60 degrees.
    None as the move: the camera stands still.
    """
    start = View(0.0, 0.0, aspect, 1.0)
    places = [index / max(frames - 1, 1) for index in range(frames)]
    if move is None:
        return [start] * frames
    check(move, amount)
    return [STEPS[move](start, amount, place) for place in places]


def zoomed(view: View, factor: float) -> View:
    return replace(view, width=view.width / factor, height=view.height / factor)


STEPS: dict[str, Callable[[View, float, float], View]] = {
    # Each frame is the same factor larger than the one before: the pace that a steady drive has.
    "zoom in": lambda view, amount, place: zoomed(view, (1 + amount) ** place),
    "zoom out": lambda view, amount, place: zoomed(view, (1 + amount) ** (1 - place)),
    "pan left": lambda view, amount, place: replace(view, x=-amount * place * view.width),
    "pan right": lambda view, amount, place: replace(view, x=amount * place * view.width),
    "tilt up": lambda view, amount, place: replace(view, y=-amount * place * view.height),
    "tilt down": lambda view, amount, place: replace(view, y=amount * place * view.height),
    "roll clockwise": lambda view, amount, place: replace(view, angle=amount * FULL_ROLL * place),
    "roll anticlockwise": lambda view, amount, place: replace(view, angle=-amount * FULL_ROLL * place),
}


def fitted(
    views: Sequence[View], width: int, height: int, place: tuple[float, float] = (0.5, 0.5), share: float = 1.0
) -> list[View]:
    """The path laid into a source of width x height pixels, as large as it goes, so that no border ever shows.

    place: where it lies if there is room to spare, 0 to 1 each; share: of the largest size that fits.
    """
    reaches = [view.reach() for view in views]
    left = min(view.x - across for view, (across, _) in zip(views, reaches, strict=True))
    right = max(view.x + across for view, (across, _) in zip(views, reaches, strict=True))
    top = min(view.y - down for view, (_, down) in zip(views, reaches, strict=True))
    bottom = max(view.y + down for view, (_, down) in zip(views, reaches, strict=True))
    unit = share * min(width / (right - left), height / (bottom - top))
    x = place[0] * (width - unit * (right - left)) - unit * left
    y = place[1] * (height - unit * (bottom - top)) - unit * top
    return [
        View(x + unit * view.x, y + unit * view.y, unit * view.width, unit * view.height, view.angle) for view in views
    ]


def seen(pictures: Iterable[Tensor], views: Sequence[View], width: int, height: int) -> Tensor:
    """(frames, height, width, 3), 0 to 1: each picture (h, w, 3), of bytes or of 0 to 1, as its view shows it.

    Each pixel is the mean over its own area of the source, so nothing flickers and no place is rounded to a pixel. All
    frames are taken with the same number of points, or the sharpness would change on the way.
    """
    points = max(1, *(math.ceil(max(view.width / width, view.height / height) - 1e-6) for view in views))
    mode = "bicubic" if points == 1 else "bilinear"
    frames = [
        sampled(picture, view, width, height, points, mode) for picture, view in zip(pictures, views, strict=True)
    ]
    return torch.stack(frames)


def sampled(picture: Tensor, view: View, width: int, height: int, points: int, mode: str) -> Tensor:
    """(height, width, 3): one picture at points x points places of every pixel, averaged."""
    picture = picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()
    source_height, source_width = picture.shape[:2]
    across, down = along(width * points) * view.width, along(height * points)[:, None] * view.height
    cos, sin = math.cos(view.angle), math.sin(view.angle)
    x, y = view.x + across * cos - down * sin, view.y + across * sin + down * cos
    grid = torch.stack([2 * x / source_width - 1, 2 * y / source_height - 1], dim=-1)
    source = picture.movedim(-1, 0)[None]
    dense = F.grid_sample(source, grid[None], mode, padding_mode="border", align_corners=False)
    return F.avg_pool2d(dense, points)[0].movedim(0, -1).clamp(0, 1)


def along(count: int) -> Tensor:
    """The middles of `count` equal parts of a side, from its own middle: -0.5 to 0.5."""
    return (torch.arange(count) + 0.5) / count - 0.5
