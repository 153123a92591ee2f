"""Where a camera is in each frame of a clip: a path in words, or a pose file; and the rays that CameraCtrl sees.

Poses are rows of 18 numbers: focal lengths and centre (fx fy cx cy, as shares of the picture's size), the size that
the picture was taken at (width height), then the 3 x 4 matrix from the world to the camera, row by row.
Sources: CameraCtrl, arXiv:2404.02101, section 3.2; the presets are those of its authors' demos, as in
ComfyUI-AnimateDiff-Evolved; pose files are RealEstate10K's.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .camera_path import BASE, COLUMNS, FULL_SHIFT, FULL_TURN, LENS, MOST_FRAMES, PRESETS, SIZE, path_of, rotation

Vector = tuple[float, ...]
"""Turns about x, y and z, then ways along them."""
MOVES: dict[str, Vector] = {name.lower(): (*move.turn, *move.shift) for name, move in PRESETS.items()}
NUMBER = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?", re.IGNORECASE)
MOST_LETTERS = 1_000_000
FASTEST = 1000.0
"""In moves over BASE frames."""
DIGITS = len(str(MOST_FRAMES))
"""No frame has more."""
EXAMPLE = "'0: pan left 1.0, 16: zoom in 0.6 + tilt up 0.3 ease'"


@dataclass(frozen=True)
class Leg:
    """One move of a path."""

    start: int
    """The frame at which it begins."""
    vector: Vector
    """Of MOVES, times their speeds, together."""
    ease: bool = False
    """Whether it begins and ends slowly."""


@dataclass(frozen=True)
class Path:
    """A path in words."""

    legs: tuple[Leg, ...]

    def poses(self, frames: int) -> Tensor:
        """(frames 18) in float64. A leg goes on from where the one before it has come to, without a frame of rest."""
        found, before = [], torch.eye(4, dtype=torch.float64)
        ends = [leg.start for leg in self.legs[1:]] + [max(frames - 1, self.legs[-1].start)]
        for leg, end in zip(self.legs, ends, strict=True):
            if leg.start >= frames and found:
                break
            length = end - leg.start
            steps = torch.arange(min(length, frames) + 1, dtype=torch.float64)
            placed = moved(leg.vector, (eased(steps, length) if leg.ease else steps) / BASE) @ before
            found.append(placed if leg is self.legs[0] else placed[1:])
            before = placed[-1]
        matrices = torch.cat(found)[:frames, :3].flatten(1)
        camera = torch.tensor((*LENS, *SIZE), dtype=torch.float64)
        return torch.cat([camera.expand(len(matrices), -1), matrices], dim=1)


@dataclass(frozen=True, eq=False)
class Poses:
    """Those of a file; after the last one the camera rests."""

    rows: Tensor
    """(n 18)"""

    def poses(self, frames: int) -> Tensor:
        return self.rows[[min(frame, len(self.rows) - 1) for frame in range(frames)]]


def eased(steps: Tensor, length: int) -> Tensor:
    share = steps / max(length, 1)
    return length * share * share * (3 - 2 * share)


def moved(vector: Vector, shares: Tensor) -> Tensor:
    """(n 4 4): from the world to a camera that has gone these shares of the way; turns about x come first."""
    turns, ways = (torch.tensor(vector, dtype=torch.float64).view(2, 1, 3) * shares.view(-1, 1)).unbind()
    result = torch.eye(4, dtype=torch.float64).repeat(len(shares), 1, 1)
    result[:, :3, :3] = rotation(turns * FULL_TURN)
    result[:, :3, 3] = ways * FULL_SHIFT
    return result


def camera_path(text: str, speed: float = 1.0) -> Path | Poses:
    """A path in words, or a pasted pose file. Raises ValueError with what is wrong in it, and where."""
    if len(text) > MOST_LETTERS:
        raise ValueError(f"path has {len(text)} letters, more than {MOST_LETTERS}. Write a shorter one.")
    if any(is_pose(line.split()) for line in text.splitlines()):
        return poses_of(pose_lines(text))
    legs = []
    for entry in re.split(r"[,\n;\uff0c\uff1b]+", text):
        if entry.strip():
            legs.append(leg_of(entry.strip(), speed, bool(legs)))
    if not legs:
        raise ValueError(f"path is empty. Write where the camera goes, as in {EXAMPLE}.")
    starts = [leg.start for leg in legs]
    if starts[0] != 0 or any(later <= earlier for earlier, later in zip(starts, starts[1:], strict=False)):
        raise ValueError(f"The frames of path are {starts}, and must begin with 0 and rise. As in {EXAMPLE}.")
    return Path(tuple(legs))


def is_pose(words: Sequence[str]) -> bool:
    """Whether a line is one of a pose file, perhaps with a mistake in it: many words, most of them numbers."""
    numbers = sum(bool(NUMBER.fullmatch(word)) for word in words)
    return len(words) > 12 and 2 * numbers > len(words)


def leg_of(entry: str, speed: float, needs_frame: bool) -> Leg:
    found = re.fullmatch(r"(?:(\d+)\s*[:\uff1a]\s*)?(.*?)(\s+ease)?", " ".join(entry.lower().split()))
    frame, moves, ease = found.groups()
    if frame is not None and (len(frame) > DIGITS or int(frame) >= MOST_FRAMES):
        raise ValueError(f"Frame {short(frame)} in path is beyond any clip. Write a smaller one, as in {EXAMPLE}.")
    if frame is None and needs_frame:
        what = f"'{short(entry)}' in path has no frame to begin at"
        raise ValueError(f"{what}. Write it before a colon, as in {EXAMPLE}.")
    vector = [0.0] * 6
    for move in moves.split("+"):
        parts = re.fullmatch(r"\s*([a-z ]+?)\s*(-?\d+(?:\.\d+)?)?\s*", move)
        name = " ".join(parts[1].split()) if parts else ""
        if name not in MOVES:
            raise ValueError(
                f"'{short(move.strip())}' in path is no move of the camera. Write one of: {', '.join(MOVES)}; behind "
                f"it its speed, as in {EXAMPLE}."
            )
        share = speed * float(parts[2] or 1.0)
        if abs(share) > FASTEST:
            raise ValueError(f"{name} of {short(parts[2])} in path is faster than any camera ({FASTEST:g}).")
        vector = [a + share * b for a, b in zip(vector, MOVES[name], strict=True)]
    return Leg(int(frame or 0), tuple(vector), bool(ease))


def short(text: str, letters: int = 60) -> str:
    """What was typed, to be quoted."""
    return text if len(text) <= letters else f"{text[:letters]}..."


def pose_lines(text: str) -> list[list[float]]:
    """The rows of a RealEstate10K file: a line with an address, which may be left out, then 19 numbers a line.

    Raises ValueError with the line, and the column where a number is wrong.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or (not rows and len(words) == 1):
            continue
        if len(words) != COLUMNS:
            raise ValueError(f"Line {number} of the poses has {len(words)} columns, and must have 19 (RealEstate10K).")
        for column, word in enumerate(words, 1):
            try:
                finite = math.isfinite(float(word))
            except ValueError:
                finite = False
            if not finite:
                place = f"Line {number}, column {column} of the poses"
                raise ValueError(f"{place} is '{short(word)}', and must be a number.")
        row = [float(word) for word in words]
        rotation = torch.tensor(row[7:], dtype=torch.float64).view(3, 4)[:, :3]
        if (rotation @ rotation.T - torch.eye(3)).abs().max() > 1e-2 or rotation.det() < 0:
            raise ValueError(
                f"Columns 8 to 18 in line {number} of the poses are no rotation: its rows must have the length 1 and "
                "stand at right angles."
            )
        rows.append([*row[:5], *SIZE, *row[7:]])
    if not rows:
        raise ValueError("The poses are empty. Paste a RealEstate10K file: 19 numbers a line.")
    return rows


def poses_of(rows: Sequence[Sequence[float]]) -> Poses:
    """rows: of RealEstate10K, with the size of the picture in their sixth and seventh column. Raises ValueError."""
    if not len(rows):
        raise ValueError("There are no poses for the camera. Give it at least one.")
    path_of(rows)
    if any(min(row[1], row[2], row[5], row[6]) <= 0 for row in rows):
        raise ValueError("A pose of the camera has fx, fy, width or height 0. Each must be more than 0.")
    return Poses(torch.tensor([list(row[1:]) for row in rows], dtype=torch.float64))


def rays(poses: Tensor, height: int, width: int) -> Tensor:
    """What CameraCtrl sees of poses (f 18): (f 6 height width) in float32, moment and direction of each pixel's ray.

    Poses count from the first one's camera, as in training.
    """
    fx, fy, cx, cy, wide, high = poses[:, :6].double().unbind(1)
    matrices = poses[:, 6:].double().view(-1, 3, 4)
    wider = wide / high * height / width  # than the picture that is made: cut at its sides
    fx, fy = fx * wider.clamp(min=1.0), fy / wider.clamp(max=1.0)
    to_world = relative(matrices)
    x, y = torch.arange(width, dtype=torch.float64) + 0.5, torch.arange(height, dtype=torch.float64) + 0.5
    across = (x - (cx * width)[:, None]) / (fx * width)[:, None]
    down = (y - (cy * height)[:, None]) / (fy * height)[:, None]
    size = len(poses), height, width
    parts = across[:, None, :].expand(size), down[:, :, None].expand(size), torch.ones(size, dtype=torch.float64)
    direction = torch.nn.functional.normalize(torch.stack(parts, dim=-1), dim=-1)
    direction = torch.einsum("frc,fhwc->fhwr", to_world[:, :3, :3], direction)
    origin = to_world[:, None, None, :3, 3].expand_as(direction)
    moment = torch.linalg.cross(origin, direction, dim=-1)
    return torch.cat([moment, direction], dim=-1).permute(0, 3, 1, 2).float()


def numbers(poses: Tensor) -> Tensor:
    """What MotionCtrl sees of poses (f 18): (f 12) in float32, from the first one's camera to each, row by row."""
    return torch.linalg.inv(relative(poses[:, 6:].double().view(-1, 3, 4)))[:, :3].flatten(1).float()


def relative(matrices: Tensor) -> Tensor:
    """World to camera (f 3 4) -> camera to world (f 4 4), where the world is the first camera's."""
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=matrices.dtype).expand(len(matrices), 1, 4)
    whole = torch.cat([matrices, last], dim=1)
    found = whole[0] @ torch.linalg.inv(whole)
    found[0] = torch.eye(4, dtype=matrices.dtype)
    return found


def places(poses: Tensor) -> Sequence[tuple[Vector, Vector]]:
    """For a drawing: where each camera of poses (f 18) is (x y z), and where it looks."""
    to_world = relative(poses[:, 6:].view(-1, 3, 4))
    return [(tuple(each[:3, 3].tolist()), tuple(each[:3, 2].tolist())) for each in to_world]
