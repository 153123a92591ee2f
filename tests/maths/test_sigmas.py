"""Noise levels of a part of a schedule."""

import pytest
from animatediff_native.sampling.sigmas import place_in

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
