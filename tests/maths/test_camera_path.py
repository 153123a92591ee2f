"""Where the camera stands: presets, moves at once, paths one behind the other, rows of numbers."""

import math

import pytest
import torch
from animatediff_native.motion.camera_path import (
    LENS,
    PRESETS,
    SIZE,
    Move,
    joined,
    joined_rows,
    moved,
    path_of,
    rows_of,
    together,
)

STANDING = torch.eye(3, 4, dtype=torch.float64)
AXES = {"Tilt Down": (0, 1), "Tilt Up": (0, -1), "Tilt Left": (1, 1), "Tilt Right": (1, -1)}
AXES |= {"Roll Anticlockwise": (2, 1), "Roll Clockwise": (2, -1)}
SHIFTS = {
    "Static": (0, 0, 0),
    "Pan Up": (0, 1.5, 0),
    "Pan Down": (0, -1.5, 0),
    "Pan Left": (1.5, 0, 0),
    "Pan Right": (-1.5, 0, 0),
    "Zoom In": (0, 0, -3),
    "Zoom Out": (0, 0, 3),
}
"""At speed 1 after 16 frames."""


def square(path: torch.Tensor) -> torch.Tensor:
    """(frames, 4, 4)"""
    last = torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand(len(path), 1, 4)
    return torch.cat([path, last], dim=1)


def turned(axis: int, angle: float) -> torch.Tensor:
    """By the exponential of the cross product's matrix."""
    x, y, z = (angle if axis == each else 0.0 for each in range(3))
    return torch.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


def test_every_preset():
    assert set(PRESETS) == set(AXES) | set(SHIFTS) and len(PRESETS) == 13
    for name, move in PRESETS.items():
        path = moved(move, 2.0, 17)
        assert path.shape == (17, 3, 4) and torch.equal(path[0], STANDING)
        for frame in (1, 8, 16):
            axis, sign = AXES.get(name, (0, 0))
            expected = turned(axis, sign * frame / 16 * 2 * math.pi / 3)
            shift = torch.tensor(SHIFTS.get(name, (0, 0, 0)), dtype=torch.float64) * frame / 16 * 2
            assert torch.allclose(path[frame], torch.cat([expected, shift[:, None]], dim=1)), (name, frame)


def test_turns_go_about_x_first():
    path = moved(Move((0.5, -0.25, 1.0)), 1.0, 17)
    angles = [part * math.pi / 3 for part in (0.5, -0.25, 1.0)]
    expected = turned(2, angles[2]) @ turned(1, angles[1]) @ turned(0, angles[0])
    assert torch.allclose(path[16, :, :3], expected)


def test_moves_at_once_add_up():
    both = together([PRESETS["Pan Left"], PRESETS["Tilt Up"], PRESETS["Pan Left"]], [1.0, 0.5, 2.0])
    assert both == Move((-0.5, 0.0, 0.0), (3.0, 0.0, 0.0))


def test_a_path_goes_on_from_where_the_other_ends():
    """As matrices of four by four: the second one's after the first one's last."""
    first = moved(together([PRESETS["Tilt Left"], PRESETS["Zoom In"]], [1, 1]), 0.5, 8)
    then = moved(together([PRESETS["Roll Clockwise"], PRESETS["Pan Up"]], [1, 1]), 0.7, 5)
    whole = joined(first, then)
    assert torch.equal(whole[:8], first)
    assert torch.allclose(square(whole[8:]), square(then) @ square(first)[-1])
    assert torch.allclose(joined(first, moved(PRESETS["Static"], 1.0, 3))[8:], first[-1].expand(3, 3, 4))


def test_rows():
    path = moved(PRESETS["Zoom Out"], 1.0, 3)
    rows = rows_of(path)
    assert rows[0] == [0, *LENS, *SIZE, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    assert rows[2][-1] == 3.0 * 2 / 16 and torch.equal(path_of(rows), path)
    other = rows_of(moved(PRESETS["Pan Left"], 1.0, 2), lens=(0.5, 0.9, 0.4, 0.6), size=(512, 288))
    both = joined_rows(other, rows)
    assert [row[:7] for row in both] == [row[:7] for row in (*other, *rows)]
    assert torch.equal(path_of(both), joined(path_of(other), path))


@pytest.mark.parametrize("frames", [0, -3, 10**9])
def test_a_number_of_frames_that_cannot_be(frames):
    with pytest.raises(ValueError, match=f"frame_length is {frames}, and must be from 1 to 262144"):
        moved(PRESETS["Static"], 1.0, frames)


def test_rows_of_another_length():
    with pytest.raises(ValueError, match="The camera's pose 1 has 3 numbers. A pose of RealEstate10K has 19"):
        path_of([[0.0] * 19, [1.0, 2.0, 3.0]])
