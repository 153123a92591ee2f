"""Which frames of a source a training clip has."""

import itertools

import pytest
from animatediff_native.training.clips import (
    BEGINNING,
    HOLD,
    MIDDLE,
    PIECES,
    REFUSE,
    SHORT,
    SLOWER,
    STARTS,
    Taking,
    check_lengths,
    indices,
    pieces,
)


@pytest.mark.parametrize(
    "total, taking, expected",
    [
        (30, Taking(4, 4, BEGINNING), [0, 4, 8, 12]),
        (30, Taking(4, 4, MIDDLE), [8, 12, 16, 20]),
        (13, Taking(4, 4, MIDDLE), [0, 4, 8, 12]),
        (10, Taking(4, 4, BEGINNING, SLOWER), [0, 3, 6, 9]),
        (9, Taking(4, 4, BEGINNING, SLOWER), [0, 2, 4, 6]),
        (9, Taking(4, 4, BEGINNING, HOLD), [0, 4, 8, 8]),
        (1, Taking(3, 1, BEGINNING, HOLD), [0, 0, 0]),
        (5, Taking(1, 4, MIDDLE), [2]),
    ],
)
def test_frames(total, taking, expected):
    assert indices(total, taking) == expected


EVERY = list(itertools.product((1, 2, 5, 16), (1, 3, 4), STARTS, SHORT, (1, 2, 15, 16, 61, 100, 1000)))


def test_every_clip_lies_in_its_source_at_an_even_stride():
    for frames, stride, start, short, total in EVERY:
        taking = Taking(frames, stride, start, short)
        if not taking.fits(total):
            continue
        firsts = pieces(total, taking) if start == PIECES else [None]
        for at, first in itertools.product((0.0, 0.37, 0.999999), firsts):
            found = indices(total, taking, at, first)
            assert len(found) == frames and found[0] >= 0 and found[-1] < total
            steps = {b - a for a, b in itertools.pairwise(found)}
            assert steps <= {stride} or short != REFUSE
            assert len(steps) <= 1 or short == HOLD
            assert 0 not in steps or short == HOLD


def test_a_random_start_reaches_every_place_alike():
    taking = Taking(4, 2)
    starts = [indices(16, taking, step / 1000)[0] for step in range(1000)]
    counts = [starts.count(start) for start in range(10)]
    assert sum(counts) == 1000 and min(counts) == max(counts) == 100


@pytest.mark.parametrize("total, expected", [(31, [0]), (61, [15]), (62, [0, 31]), (100, [0, 34, 69]), (20, [0])])
def test_pieces(total, expected):
    assert pieces(total, Taking(16, 2, PIECES)) == expected


def test_pieces_do_not_overlap_and_reach_both_ends():
    for frames, stride, total in itertools.product((2, 8, 16), (1, 2, 4), range(1, 400, 7)):
        taking = Taking(frames, stride, PIECES)
        found = pieces(total, taking)
        assert all(b - a >= taking.needed for a, b in itertools.pairwise(found))
        assert len(found) == max(total // taking.needed, 1)
        if len(found) > 1:
            assert (found[0], found[-1]) == (0, total - taking.needed)


@pytest.mark.parametrize(
    "lengths, taking, said",
    [
        (
            {"a.mp4": 61, "run.mp4": 20},
            Taking(),
            r"'run.mp4' has 20 frames, and 16 frames at stride 4 need 61. Use stride 1, or choose short_clips: "
            r"slower stride.$",
        ),
        ({"a": 60, "b": 40, "c": 90}, Taking(), r"'b' has 40 frames.* Use stride 2.* Too short: 2 of the 3 clips.$"),
        ({"a": 9}, Taking(), r"'a' has 9 frames, and a clip needs 16. Set clip_frames to 9 or less"),
        ({"a": 1}, Taking(short_clips=SLOWER), r"'a' has 1 frame, and a clip needs 16"),
    ],
)
def test_too_short(lengths, taking, said):
    with pytest.raises(ValueError, match=said):
        check_lengths(lengths, taking)


def test_the_advised_stride_fits():
    for frames, stride, total in itertools.product((2, 7, 16), (2, 4, 9), range(16, 150)):
        taking = Taking(frames, stride)
        if not taking.fits(total):
            advised = (total - 1) // (frames - 1)
            check_lengths({"a": total}, Taking(frames, advised))
            assert not Taking(frames, advised + 1).fits(total)


def test_long_enough():
    check_lengths({"a": 61, "b": 1000}, Taking())
    check_lengths({"a": 16}, Taking(short_clips=SLOWER))
    check_lengths({"a": 1}, Taking(short_clips=HOLD))
