"""Where a sampling is cut, and a picture over a clip."""

import pytest
import torch
from animatediff_native.sampling.paste import cuts, pasted, stretched

TIMESTEPS = [999, 800, 600, 400, 200, 0]


@pytest.mark.parametrize(
    ("starts", "times", "expected"),
    [
        ([999], [1], [(1, 0)]),
        ([800], [1], [(1, 0)]),
        ([799], [1], [(2, 0)]),
        ([700], [2], [(2, 0), (3, 0)]),
        ([700], [10**15], [(2, 0), (3, 0), (4, 0)]),
        ([999, 999], [1, 2], [(1, 0), (2, 1), (3, 1)]),
        ([200, 100], [1, 1], [(4, 0)]),
        ([999, 999, 999], [10, 1, 1], [(1, 0), (2, 0), (3, 0), (4, 0)]),
        ([0], [1], []),
        ([], [], []),
    ],
)
def test_cuts(starts, times, expected):
    assert cuts(TIMESTEPS, starts, times) == expected


def test_what_starts_outside_of_the_sampling_gets_no_cut():
    assert cuts([600, 400, 200, 100], [999, 50, 300], [1, 1, 1]) == [(2, 2)]
    assert cuts([999, 0], [999], [1]) == []


def test_pasted_where_the_mask_is_white():
    clip, image = torch.zeros(3, 4, 6, 3), torch.ones(2, 4, 6, 3)
    image[1] = 0.5
    whole = pasted(clip, image, None, range(3), (0, 0))
    assert torch.equal(whole[:2], image) and torch.equal(whole[2], image[1]) and not clip.any()
    mask = torch.zeros(1, 4, 6)
    mask[..., :3] = 1
    half = pasted(clip, image, mask, range(1, 4), (0, 0))
    assert (half[..., :3, :] == 0.5).all() and not half[..., 3:, :].any()
    masks = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 4, 6)
    assert [float(frame.mean()) for frame in pasted(clip, image[1:], masks, range(3), (0, 0))] == [0.0, 0.5, 0.5]


def test_a_small_image_lies_at_its_place_and_is_cut_at_the_edge():
    clip = pasted(torch.zeros(1, 4, 6, 3), torch.ones(1, 3, 3, 3), None, range(1), (4, 2))
    expected = torch.zeros(4, 6)
    expected[2:, 4:] = 1
    assert torch.equal(clip[0, ..., 0], expected)
    with pytest.raises(ValueError, match=r"would lie at 6, 0, outside of the clip \(6 x 4 pixels\)"):
        pasted(torch.zeros(1, 4, 6, 3), torch.ones(1, 3, 3, 3), None, range(1), (6, 0))


def test_stretched():
    image = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 1, 2, 3)
    assert stretched(image, torch.zeros(5, 2, 4, 3))[0, :, :, 0].tolist() == [[0.0, 0.25, 0.75, 1.0]] * 2
