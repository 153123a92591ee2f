"""Motion, flicker, seams and drift of clips whose own are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from animatediff_native.sampling.clips.chart import chart
from animatediff_native.sampling.clips.flow import flow
from animatediff_native.sampling.clips.measures import joints, mean, measure, named, report


def texture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    for _ in range(6):
        picture = F.avg_pool2d(picture, 3, 1, 1)
    return ((picture - picture.mean()) / picture.std() * 0.2 + 0.5).clamp(0, 1)


def moving(x: float, y: float, size: tuple[int, int] = (128, 192), frames: int = 4) -> torch.Tensor:
    """What is in the picture goes x pixels to the right and y down with every frame."""
    height, width = size
    picture = texture(2 * height, 2 * width)
    clip = []
    for frame in range(frames):
        rows = torch.arange(height) + height // 2 - y * frame
        columns = torch.arange(width) + width // 2 - x * frame
        places = torch.meshgrid((columns + 0.5) / width - 1, (rows + 0.5) / height - 1, indexing="xy")
        clip.append(F.grid_sample(picture, torch.stack(places, -1)[None], mode="bicubic", align_corners=False)[0])
    return torch.stack(clip).clamp(0, 1).movedim(1, -1)


@pytest.mark.parametrize("x, y", [(0, 0), (1, 0), (-2.5, 0), (0, 3.25), (4, -4), (-0.5, 0.25), (11, 0), (0, -12)])
def test_displacements_below_a_pixel_and_of_many(x, y):
    found = flow(moving(x, y))
    for pair in found.direction().tolist():
        assert pair == pytest.approx([x, y], abs=0.1)
    assert found.strength().tolist() == pytest.approx([math.hypot(x, y)] * 3, abs=0.1)


@pytest.mark.parametrize("size", [(64, 64), (40, 100), (256, 384), (512, 320)])
def test_of_pictures_of_any_size_in_their_own_pixels(size):
    x, y = measure(moving(3, -2, size)).whole()
    assert (x, y) == pytest.approx((3, -2), abs=0.3)


def test_two_halves_that_part_have_a_strength_and_no_direction():
    left, right = moving(-2, 0), moving(2, 0)
    found = flow(torch.cat([left, right], 1))  # one above the other
    assert found.strength().mean() == pytest.approx(2, abs=0.3)
    assert found.direction().mean(0).tolist() == pytest.approx([0, 0], abs=0.3)


def test_what_is_flat_or_new_counts_nothing():
    assert flow(torch.full((3, 64, 64, 3), 0.5)).strength().tolist() == [0, 0]
    noise = torch.rand(2, 96, 96, 3, generator=torch.Generator().manual_seed(0))
    assert (flow(noise).weight > 0).float().mean() < 0.1


def test_brightness_does_not_look_like_motion_and_flickers():
    clip = moving(2, 0, frames=6)
    clip[1::2] *= 0.9
    found = measure(clip)
    assert found.whole() == pytest.approx((2, 0), abs=0.1)
    assert mean(found.flicker) == pytest.approx(5, abs=0.5)  # a tenth of a mean brightness of a half
    assert mean(measure(moving(2, 0, frames=6)).flicker) < 1.0
    steady = moving(0, 0, frames=6) * torch.linspace(0.5, 1, 6).view(-1, 1, 1, 1)
    assert mean(measure(steady).flicker) < 0.01  # a fade is no flicker
    assert measure(steady).drift == pytest.approx([5 * frame for frame in range(6)], rel=0.06)


def test_seams_are_where_windows_meet_or_overlap():
    assert joints([[0, 1, 2, 3]], 4) == [] == joints([], 4)
    assert joints([[0, 1], [2, 3]], 4) == [1]
    assert joints([[0, 1, 2, 3], [3, 4, 5]], 6) == [2, 3]
    clip = torch.cat([moving(1, 0, frames=4), moving(1, 0, frames=4).flip(1)])
    assert measure(clip, [range(4), range(4, 8)]).seam() > 3
    assert measure(moving(1, 0, frames=8), [range(4), range(4, 8)]).seam() == pytest.approx(1, abs=0.1)
    assert measure(clip).seam() is None


def test_words():
    assert [named(x, y) for x, y in [(3, 0), (3, 3), (0, 1), (-1, 0), (-2, -2), (0.01, 0)]] == [
        *("right", "down right", "down", "left", "up left", "nowhere")
    ]
    text = report(measure(moving(-2, 0)))
    assert "motion: 2.0" in text and "direction: left (-2.0" in text and "seam" not in text


@pytest.mark.parametrize("frames", [2, 3, 16, 70])
def test_the_chart(frames):
    picture = chart(measure(moving(1, 0, (48, 48), frames), [range(frames // 2 + 1), range(frames // 2, frames)]))
    assert picture.ndim == 4 and picture.shape[0] == 1 and picture.min() >= 0 and picture.max() <= 1
    assert picture.std() > 0.05


def test_one_frame_does_not_move():
    with pytest.raises(ValueError, match="One frame does not move"):
        measure(torch.zeros(1, 8, 8, 3))
