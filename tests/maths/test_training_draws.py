"""Everything that is drawn in training is a function of what it is drawn for."""

from collections import Counter

import torch
from animatediff_native.training.draws import normal, number, turn, whole


def test_a_draw_depends_on_what_it_is_for_and_on_nothing_else():
    before = normal(42, 7, 0, "noise", (3, 4))
    torch.randn(100)
    assert torch.equal(normal(42, 7, 0, "noise", (3, 4)), before)
    others = [normal(43, 7, 0, "noise", (3, 4)), normal(42, 8, 0, "noise", (3, 4)), normal(42, 7, 1, "noise", (3, 4))]
    assert all(not torch.equal(before, other) for other in [*others, normal(42, 7, 0, "offset", (3, 4))])


def test_numbers_are_spread_evenly():
    drawn = [number(0, step, 0, "level") for step in range(2000)]
    assert abs(sum(drawn) / 2000 - 0.5) < 0.03 and min(drawn) < 0.01 and max(drawn) > 0.99
    assert set(whole(0, step, 0, "anchor", 4) for step in range(200)) == {0, 1, 2, 3}


def test_each_clip_has_its_turn_as_often_as_it_repeats():
    repeats = [1, 3, 2]
    first, second = ([turn(5, position, repeats) for position in range(start, start + 6)] for start in (0, 6))
    assert Counter(first) == Counter(second) == {0: 1, 1: 3, 2: 2}
    orders = {tuple(turn(seed, position, repeats) for position in range(6)) for seed in range(8)}
    assert len(orders) > 3
