"""Noise levels of a part of a schedule, and mixtures of two tables."""

import pytest
import torch
from animatediff_native.sampling.sigmas.tables import SigmaTable, place_in, split, weighted

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


def test_an_lcm_table_goes_with_no_other_kind():
    with pytest.raises(ValueError, match=r"'a' \(8 timesteps\) and 'b' \(8\) do not go together"):
        weighted(SigmaTable("a", torch.arange(8.0)), SigmaTable("b", torch.arange(8.0), is_lcm=True), 0.5)
