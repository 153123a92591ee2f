"""Where objects go in a clip: text -> points -> the maps that MotionCtrl sees. Pure mathematics.

Source: MotionCtrl, arXiv:2312.03641, section 3.3; TencentARC/MotionCtrl: each map is what an object goes to the next
frame, at the pixel where it is, spread by a Gaussian of 99 x 99 pixels with a sigma of 10.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .camera_poses import MOST_LETTERS, short

Point = tuple[float, float]
"""x and y, as shares of the picture's width and height."""
NUMBER = r"([-+]?\d+(?:\.\d+)?)"
POINT = re.compile(rf"\s*{NUMBER}\s*[,\uff0c]\s*{NUMBER}(?=[\s;\uff1b]|$)\s*[;\uff1b]?")
REACH, SIGMA = 49, 10.0
"""Of the Gaussian, in pixels: how far it goes to each side, and its width."""
ROUNDING = 1e-6
"""Of a pixel: a point on the border of two is in the later one."""
EXAMPLE = "'100,300 250,280 400,300'"


@dataclass(frozen=True)
class Trajectories:
    objects: tuple[tuple[Point, ...], ...]
    """Two points or more for each, evenly spread over the clip, and joined by straight lines."""

    def places(self, frames: Sequence[int], full_length: int) -> Tensor:
        """Where the objects are in these frames of the clip: (objects frames 2), shares of the picture in float64."""
        share = torch.tensor(list(frames), dtype=torch.float64) / max(full_length - 1, 1)
        found = []
        for each in self.objects:
            points = torch.tensor(each, dtype=torch.float64)
            at = share.clamp(0, 1) * (len(points) - 1)
            before = at.floor().long().clamp(max=len(points) - 2)
            found.append(torch.lerp(points[before], points[before + 1], (at - before).unsqueeze(1)))
        return torch.stack(found)

    def maps(self, frames: Sequence[int], full_length: int, height: int, width: int) -> Tensor:
        """Of one window: (frames 2 height width) in float32. Nothing has come to its first frame, as in training.

        Nor to one that is earlier in the clip than the frame before it, where a loop begins again.
        """
        size = torch.tensor((width, height), dtype=torch.float64)
        places = self.places(frames, full_length) * size
        ways = torch.zeros_like(places)
        ways[:, 1:] = places[:, 1:] - places[:, :-1]
        again = [index for index, pair in enumerate(zip(frames[1:], frames[:-1], strict=True), 1) if pair[0] < pair[1]]
        ways[:, again] = 0.0
        pixels = torch.minimum((places + ROUNDING).floor().long(), size.long() - 1)
        pixels[:, 1:] = pixels[:, :-1].clone()
        across, down = blurred(width)[pixels[..., 0]], blurred(height)[pixels[..., 1]]
        return torch.einsum("ofc,ofh,ofw->fchw", ways.float(), down.float(), across.float())


def blurred(size: int) -> Tensor:
    """(pixel, pixels): what a Gaussian makes of a row of `size` pixels in which that one is 1, mirrored at its ends."""
    offsets = torch.arange(-REACH, REACH + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / SIGMA) ** 2)
    turn = max(2 * (size - 1), 1)
    seen = (torch.arange(size).unsqueeze(1) + offsets) % turn
    seen = torch.minimum(seen, turn - seen) if size > 1 else torch.zeros_like(seen)
    found = torch.zeros(size, size, dtype=torch.float64)
    found.scatter_add_(1, seen, (kernel / kernel.sum()).expand(size, -1))
    return found.T


def trajectories_of(text: str, width: int, height: int) -> Trajectories:
    """One object a line, as many points 'x,y' as one likes; or a point a line, with an empty line between objects.

    width, height: of the picture whose pixels are counted. Raises ValueError with what is wrong, and where.
    """
    if len(text) > MOST_LETTERS:
        raise ValueError(f"points has {len(text)} letters, more than {MOST_LETTERS}. Write fewer points.")
    blocks: list[dict[int, list[Point]]] = [{}]
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            blocks[-1][number] = points_of(line, number, width, height)
        elif blocks[-1]:
            blocks.append({})
    objects = {number: points for block in blocks for number, points in objects_of(block).items()}
    if not objects:
        raise ValueError(f"points is empty. Write where an object goes, as in {EXAMPLE}.")
    for number, points in objects.items():
        if len(points) < 2:
            raise ValueError(
                f"The object in line {number} of points has one, and needs two or more: where it is in the first "
                f"frame, and where in the last. As in {EXAMPLE}."
            )
    return Trajectories(tuple(tuple(points) for points in objects.values()))


def objects_of(block: dict[int, list[Point]]) -> dict[int, list[Point]]:
    """Lines with points by their number -> objects by that of their first line."""
    if block and all(len(points) == 1 for points in block.values()):
        return {min(block): [point for points in block.values() for point in points]}
    return block


def points_of(line: str, number: int, width: int, height: int) -> list[Point]:
    points, column, end = [], 0, len(line.rstrip())
    while column < end:
        found = POINT.match(line, column)
        place = f"Line {number}, column {column + len(line[column:]) - len(line[column:].lstrip()) + 1} of points"
        if found is None:
            raise ValueError(f"{place} is '{short(line[column:].strip(), 30)}', and must be a point, as in {EXAMPLE}.")
        x, y = (float(each) for each in found.groups())
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"{place} is the point {short(found[0].strip(), 30)}, outside of a picture of {width} x {height} "
                "pixels. Set width and height to the size of the picture in which you counted, or move the point."
            )
        points.append((x / width, y / height))
        column = found.end()
    return points
