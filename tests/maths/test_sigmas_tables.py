"""Noise levels of a part of a schedule, and mixtures of two tables."""

import pytest
import torch
from animatediff_native.sampling.sigmas.tables import SigmaTable, interpolated, place_in, split, weighted

WHOLE = [8.0, 4.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("levels", "place"),
    [
        (WHOLE, 0),
        ([4.0, 2.0, 1.0, 0.0], 1),
        ([1.0, 0.0], 3),
        ([8.0, 4.0], 0),
        ([4.0, 2.0, 0.0], 1),  # stops early, and takes all noise away
        ([4.0002, 2.0, 1.0], 1),  # another device's rounding
        ([4.01, 2.0, 1.0], None),
        ([4.0, 1.0, 0.0], None),
        ([2.0, 1.0, 0.0, 0.0], None),
        ([16.0, *WHOLE], None),
        ([1.0, 2.0], None),
    ],
)
def test_place_in(levels, place):
    assert place_in(WHOLE, levels) == place


def test_the_first_part_of_the_sampling_has_the_highest_noise_levels():
    start, end = SigmaTable("a", torch.arange(8.0)), SigmaTable("b", torch.arange(8.0) + 100)
    assert split(start, end, 0.25).sigmas.tolist() == [100, 101, 102, 103, 104, 105, 6, 7]


COURSES = {
    "linear": [0, 1 / 4, 1 / 2, 3 / 4, 1],
    "ease in": [0, 1 / 16, 1 / 4, 9 / 16, 1],
    "ease out": [0, 7 / 16, 3 / 4, 15 / 16, 1],
}


@pytest.mark.parametrize(("easing", "course"), COURSES.items())
def test_a_mean_that_changes_over_the_sampling(easing, course):
    """From the first step, the highest noise level, on: slowly at first with ease in."""
    a, b = SigmaTable("a", torch.ones(5)), SigmaTable("b", torch.zeros(5))
    weights = interpolated(a, b, 0.9, 0.1, easing).sigmas.tolist()
    assert weights[::-1] == pytest.approx([0.9 - 0.8 * share for share in course])


def test_an_lcm_table_goes_with_no_other_kind():
    with pytest.raises(ValueError, match=r"'a' \(8 timesteps\) and 'b' \(8\) do not go together"):
        weighted(SigmaTable("a", torch.arange(8.0)), SigmaTable("b", torch.arange(8.0), is_lcm=True), 0.5)
