"""Moving crops: each move is measured on drawn pictures, and no border ever shows."""

import itertools
import math

import pytest
import torch
from animatediff_native.training.camera import FULL_ROLL, MOVES, View, check, fitted, path, seen

FRAMES = 5
SIZES = [(640, 480), (480, 640), (512, 512), (960, 400)]
OUTPUTS = [(256, 256), (512, 320), (64, 192)]


def places(width: int, height: int) -> torch.Tensor:
    """A picture whose colours say where a pixel is: red its x, green its y, as shares of the sides."""
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width), torch.zeros(height, width)], -1)


def clip_of(move, amount, size, output, frames=FRAMES, place=(0.5, 0.5)):
    """(frames, height, width, 2): where in the source, in pixels, each pixel of the clip comes from."""
    (width, height), (wide, high) = size, output
    views = fitted(path(move, amount, frames, wide / high), width, height, place)
    found = seen([places(width, height)] * frames, views, wide, high)[..., :2]
    return found * torch.tensor([width, height])


def middles(clip):
    """(frames, 2): what the middle of each frame shows."""
    return clip.mean(dim=(1, 2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "move, towards", [("pan left", (-1, 0)), ("pan right", (1, 0)), ("tilt up", (0, -1)), ("tilt down", (0, 1))]
)
def test_a_pan_goes_its_way_at_an_even_pace(move, towards, size, output):
    """The camera's way; the picture goes the other one. In all by `amount` of the crop's side."""
    clip = clip_of(move, 0.4, size, output)
    steps = middles(clip).diff(dim=0)
    # A pixel's colour is the mean over its area, so the outermost pixels lie half a pixel within the crop.
    extent = (clip[0, -1, -1] - clip[0, 0, 0]) * torch.tensor(output) / (torch.tensor(output) - 1)
    expected = torch.tensor(towards) * extent * 0.4 / (FRAMES - 1)
    torch.testing.assert_close(steps, expected.expand(FRAMES - 1, 2), atol=0.3, rtol=0.01)


def widths(clip):
    return clip[:, :, -1, 0].mean(1) - clip[:, :, 0, 0].mean(1)


@pytest.mark.parametrize("size, output", [*itertools.product(SIZES, OUTPUTS)])
def test_a_zoom_is_by_the_same_factor_each_frame(size, output):
    closer, away = clip_of("zoom in", 0.4, size, output), clip_of("zoom out", 0.4, size, output)
    factors = widths(closer)[:-1] / widths(closer)[1:]
    torch.testing.assert_close(factors, torch.full((FRAMES - 1,), 1.4 ** (1 / (FRAMES - 1))), rtol=0.005, atol=0)
    torch.testing.assert_close(middles(closer), torch.tensor(size).expand(FRAMES, 2) / 2, atol=0.3, rtol=0)
    torch.testing.assert_close(away, closer.flip(0), atol=0.3, rtol=0)


@pytest.mark.parametrize("size, output", [*itertools.product(SIZES, OUTPUTS)])
@pytest.mark.parametrize("move, sign", [("roll clockwise", 1), ("roll anticlockwise", -1)])
def test_a_roll_turns_the_camera(move, sign, size, output):
    """At clockwise its right hand side goes down in the source, so a level line comes to rise to the right."""
    clip = clip_of(move, 0.5, size, output)
    level = clip[:, clip.shape[1] // 2, -1] - clip[:, clip.shape[1] // 2, 0]
    angles = torch.atan2(level[:, 1], level[:, 0])
    expected = torch.linspace(0, sign * 0.5 * FULL_ROLL, FRAMES)
    torch.testing.assert_close(angles, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(middles(clip), torch.tensor(size).expand(FRAMES, 2) / 2, atol=0.3, rtol=0)


@pytest.mark.parametrize("move", [None, *MOVES])
def test_no_border_shows(move):
    """Whatever is seen lies within the source, and touches its border unless the crop is moved."""
    for amount, (width, height), aspect in itertools.product((0.05, 0.4, 1.0, 1.5), SIZES, (0.4, 1.0, 1.6)):
        for place, share in itertools.product(itertools.product((0.0, 0.5, 1.0), repeat=2), (0.8, 1.0)):
            views = fitted(path(move, amount, 16, aspect), width, height, place, share)
            edges = [corner for view in views for corner in corners(view)]
            x, y = zip(*edges, strict=True)
            assert min(x) > -1e-6 and max(x) < width + 1e-6 and min(y) > -1e-6 and max(y) < height + 1e-6
            whole = math.isclose(max(x) - min(x), share * width) or math.isclose(max(y) - min(y), share * height)
            assert whole


def corners(view: View):
    cos, sin = math.cos(view.angle), math.sin(view.angle)
    for across, down in itertools.product((-view.width / 2, view.width / 2), (-view.height / 2, view.height / 2)):
        yield view.x + across * cos - down * sin, view.y + across * sin + down * cos


@pytest.mark.parametrize("move", [None, *MOVES])
def test_the_shape_of_a_crop_stays(move):
    for aspect in (0.5, 1.0, 1.6):
        for view in fitted(path(move, 0.4, 16, aspect), 700, 500):
            assert view.width / view.height == pytest.approx(aspect)


def test_without_a_move_a_source_of_the_right_size_comes_through_as_it_is():
    picture = torch.rand(48, 64, 3, generator=torch.Generator().manual_seed(0))
    views = fitted(path(None, 0.4, 2, 64 / 48), 64, 48)
    torch.testing.assert_close(seen([picture] * 2, views, 64, 48), picture.expand(2, 48, 64, 3), atol=1e-5, rtol=0)


def test_bytes_and_numbers_give_the_same():
    picture = torch.randint(0, 256, (40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = fitted(path("zoom in", 0.4, 1, 1.0), 40, 40)
    assert seen([picture], views, 16, 16).equal(seen([picture.float() / 255], views, 16, 16))


@pytest.mark.parametrize("factor", [2, 3.3, 7.5])
def test_what_is_too_fine_becomes_grey(factor):
    """No moire: a pattern of single pixels is one grey."""
    side = 300
    board = (torch.arange(side)[:, None] + torch.arange(side)) % 2
    picture = board[..., None].expand(side, side, 3).float()
    size = round(side / factor)
    clip = seen([picture] * 4, fitted(path("pan left", 0.3, 4, 1.0), side, side), size, size)
    assert (clip - 0.5).abs().mean() < 0.12


def test_a_slow_move_does_not_jitter():
    """Crops lie between pixels: the pace is even to a hundredth of a pixel."""
    steps = middles(clip_of("pan right", 0.05, (400, 400), (256, 256), frames=16)).diff(dim=0)[:, 0]
    assert steps.std() < 0.01 * steps.mean()


@pytest.mark.parametrize(
    "move, amount, said",
    [
        ("dolly", 0.4, "'dolly' is no camera move. There are: zoom in"),
        ("zoom in", 2.0, "amount is 2, and must be from"),
    ],
)
def test_nonsense(move, amount, said):
    with pytest.raises(ValueError, match=said):
        check(move, amount)
