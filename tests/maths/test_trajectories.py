"""Objects' paths: text, points, and the maps that MotionCtrl sees."""

import math

import pytest
import torch
from animatediff_native.motion.trajectories import blurred, trajectories_of
from animatediff_native.sampling.values.trajectory_drawing import drawing


def maps(text: str, frames=range(3), full_length: int = 3, height: int = 64, width: int = 96):
    return trajectories_of(text, width, height).maps(frames, full_length, height, width)


def official(points, height: int, width: int) -> torch.Tensor:
    """As MotionCtrl's own demo: each way at the pixel that it begins at, then a Gaussian mirrored at the borders."""
    flow = torch.zeros(len(points), 2, height, width, dtype=torch.float64)
    for frame, ((x, y), (x1, y1)) in enumerate(zip(points, points[1:], strict=False), 1):
        flow[frame, :, y, x] = torch.tensor((x1 - x, y1 - y), dtype=torch.float64)
    grid = torch.arange(-49, 50, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (grid[:, None] ** 2 + grid[None] ** 2) / 100)
    kernel = (kernel / kernel.sum()).expand(2, 1, -1, -1)
    padded = torch.nn.functional.pad(flow, (49, 49, 49, 49), mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel, groups=2).float()


def test_as_the_official_code_makes_them():
    points = [(10, 20), (40, 22), (90, 63), (0, 0), (3, 60)]
    text = " ".join(f"{x},{y}" for x, y in points)
    found = maps(text, range(5), 5)
    assert torch.allclose(found, official(points, 64, 96), atol=1e-6) and found[1:].abs().amax(dim=(1, 2, 3)).min() > 0


def test_several_objects_add_up():
    both = maps("10,10 30,30 50,50\n60,60 60,40 60,20")
    assert torch.allclose(both, maps("10,10 30,30 50,50") + maps("60,60 60,40 60,20"))


def test_points_are_spread_over_the_clip_and_joined():
    places = trajectories_of("0,0 80,40 80,0", 80, 40).places(range(5), 5)
    assert places.tolist() == [[[0, 0], [0.5, 0.5], [1, 1], [1, 0.5], [1, 0]]]
    many = trajectories_of(" ".join(f"{x},0" for x in range(9)), 8, 8).places(range(3), 3)
    assert many[0, :, 0].tolist() == [0.0, 0.5, 1.0]
    assert trajectories_of("0,0 8,8", 8, 8).places([0], 1).tolist() == [[[0, 0]]]


def test_a_window_begins_at_rest():
    """As in training; so does a frame that is earlier in the clip than the one before it."""
    whole = maps("0,0 90,60", range(8), 8)
    window = maps("0,0 90,60", [4, 5, 6], 8)
    assert not window[0].any() and torch.equal(window[1:], whole[5:7])
    assert not maps("0,0 90,60", [6, 7, 0, 1], 8)[2].any()


def test_the_size_of_the_clip_may_be_another():
    a = trajectories_of("10,20 50,40", 100, 80).maps(range(3), 3, 64, 64)
    assert torch.equal(a, trajectories_of("20,40 100,80", 200, 160).maps(range(3), 3, 64, 64))


@pytest.mark.parametrize("size", [1, 8, 49, 50, 99, 512])
def test_a_blur_loses_nothing_of_an_even_row(size):
    assert torch.allclose(blurred(size).sum(0), torch.ones(size, dtype=torch.float64))


@pytest.mark.parametrize(
    "text",
    [
        "10,20 30,40\n50,60 70,70",
        "10,20; 30,40\n50，60；70,70",
        "10, 20\n30, 40\n\n50, 60\n70, 70\n",
        "\n  10,20   30,40\n\n\n50,60 70,70 \n",
    ],
)
def test_ways_to_write_two_objects(text):
    found = trajectories_of(text, 100, 100)
    assert found.objects == (((0.1, 0.2), (0.3, 0.4)), ((0.5, 0.6), (0.7, 0.7)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "points is empty. Write where an object goes, as in '100,300"),
        (" \n\n", "points is empty."),
        ("10,20 30,40\n10,20 left", "Line 2, column 7 of points is 'left', and must be a point, as in"),
        ("10,20 30", "Line 1, column 7 of points is '30', and must be a point"),
        ("10,20,30", "Line 1, column 1 of points is '10,20,30', and must be a point"),
        ("10 20", "Line 1, column 1 of points is '10 20', and must be a point"),
        ("10,20 101,5", "Line 1, column 7 of points is the point 101,5, outside of a picture of 100 x 100 pixels. Set"),
        ("10,-1 10,5", "Line 1, column 1 of points is the point 10,-1, outside of"),
        (f"1,1 {'9' * 400},1", "Line 1, column 5 of points is the point 999999999999999999999999999999..., outside"),
        ("10,20 30,40\n\n50,60", "The object in line 3 of points has one, and needs two or more"),
        ("10,20 30,40\n50,60", "The object in line 2 of points has one"),
        ("1" * 1_000_001, "points has 1000001 letters, more than"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ValueError) as raised:
        trajectories_of(text, 100, 100)
    assert str(raised.value).startswith(message)


def test_a_drawing():
    found = drawing(trajectories_of("0,0 512,512", 512, 512), 512, 512)
    assert found.shape == (1, 464, 464, 3) and found.min() >= 0 and found.max() <= 1 and (found < 0.5).any()
    wide = drawing(trajectories_of("0,0 16000,8", 16000, 8), 16000, 8)
    assert wide.shape[1:3] == (64, 464) and math.isfinite(wide.sum())
