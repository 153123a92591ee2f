"""Where the camera stands in each frame of a clip. Pure mathematics.

A path is a tensor (frames, 3, 4), float64: world to camera, [R | t]; the camera looks along z, x is right, y is down.
A row of RealEstate10K's text files is 19 numbers: a time, the lens (fx, fy, cx, cy, as shares of the picture's width
and height), two that nobody reads, and the matrix row by row; here the two are the width and height that the path was
made for. Sources: RealEstate10K (arXiv:1805.09817), CameraCtrl (arXiv:2404.02101); the presets and how paths are joined
are ComfyUI-AnimateDiff-Evolved's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FULL_TURN, FULL_SHIFT = math.pi / 3, 1.5
"""The angle, and the way, of a preset at speed 1 in BASE frames."""
BASE = 16
LENS = (0.474812461, 0.844111024, 0.5, 0.5)
SIZE = (1280, 720)
COLUMNS = 19
MOST_FRAMES = 262144

Row = list[float]


@dataclass(frozen=True)
class Move:
    """What the camera does at speed 1: turns about x, y and z (parts of FULL_TURN), a shift (parts of FULL_SHIFT)."""

    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


PRESETS = {
    "Static": Move(),
    "Pan Up": Move(shift=(0.0, 1.0, 0.0)),
    "Pan Down": Move(shift=(0.0, -1.0, 0.0)),
    "Pan Left": Move(shift=(1.0, 0.0, 0.0)),
    "Pan Right": Move(shift=(-1.0, 0.0, 0.0)),
    "Zoom In": Move(shift=(0.0, 0.0, -2.0)),
    "Zoom Out": Move(shift=(0.0, 0.0, 2.0)),
    "Roll Clockwise": Move(turn=(0.0, 0.0, -1.0)),
    "Roll Anticlockwise": Move(turn=(0.0, 0.0, 1.0)),
    "Tilt Down": Move(turn=(1.0, 0.0, 0.0)),
    "Tilt Up": Move(turn=(-1.0, 0.0, 0.0)),
    "Tilt Left": Move(turn=(0.0, 1.0, 0.0)),
    "Tilt Right": Move(turn=(0.0, -1.0, 0.0)),
}


def together(moves: Sequence[Move], weights: Sequence[float]) -> Move:
    """Several moves at once: the weighted sum of their turns and of their shifts."""

    def total(parts: list[tuple[float, float, float]]) -> tuple[float, ...]:
        return tuple(sum(part[axis] * weight for part, weight in zip(parts, weights, strict=True)) for axis in range(3))

    return Move(total([move.turn for move in moves]), total([move.shift for move in moves]))


def moved(move: Move, speed: float, frames: int) -> Tensor:
    """The path of a move from where the camera stands; raises ValueError. speed 1: the whole move in BASE frames."""
    if not 1 <= frames <= MOST_FRAMES:
        raise ValueError(f"frame_length is {frames}, and must be from 1 to {MOST_FRAMES}.")
    share = torch.arange(frames, dtype=torch.float64).view(-1, 1) / BASE * speed
    turns = share * FULL_TURN * torch.tensor(move.turn, dtype=torch.float64)
    shifts = share * FULL_SHIFT * torch.tensor(move.shift, dtype=torch.float64)
    return torch.cat([rotation(turns), shifts.unsqueeze(-1)], dim=-1)


def rotation(turns: Tensor) -> Tensor:
    """(frames, 3): angles about x, y and z -> (frames, 3, 3): Rz Ry Rx."""
    (cx, cy, cz), (sx, sy, sz) = turns.cos().unbind(-1), turns.sin().unbind(-1)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def joined(first: Tensor, then: Tensor) -> Tensor:
    """Both paths, the second from where the first ends: each of its matrices behind the first one's last."""
    last = first[-1]
    turns = then[:, :, :3] @ last[:, :3]
    shifts = then[:, :, 3:] + then[:, :, :3] @ last[:, 3:]
    return torch.cat([first, torch.cat([turns, shifts], dim=-1)])


def rows_of(path: Tensor, lens: Sequence[float] = LENS, size: tuple[int, int] = SIZE) -> list[Row]:
    return [[0, *lens, *size, *matrix.flatten().tolist()] for matrix in path]


def path_of(rows: Sequence[Sequence[float]]) -> Tensor:
    """Raises ValueError where a row has not 19 numbers."""
    for number, row in enumerate(rows):
        if len(row) != COLUMNS:
            raise ValueError(f"The camera's pose {number} has {len(row)} numbers. A pose of RealEstate10K has 19.")
    return torch.tensor([list(row[7:]) for row in rows], dtype=torch.float64).view(-1, 3, 4)


def joined_rows(first: Sequence[Sequence[float]], then: Sequence[Sequence[float]]) -> list[Row]:
    """As `joined`; each row keeps its lens and size."""
    path = joined(path_of(first), path_of(then))
    heads = [list(row[:7]) for row in (*first, *then)]
    return [[*head, *matrix.flatten().tolist()] for head, matrix in zip(heads, path, strict=True)]
