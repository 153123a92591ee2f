"""References between windows and reuse of the first: the formulas, and what holds at a moment."""

from dataclasses import replace

import pytest
import torch
from animatediff_native.motion.strength import Moment
from animatediff_native.sampling.references.attention import (
    INDEXES,
    SLIDING,
    Mode,
    Tune,
    adain_blocks,
    attentions_that_take_part,
    for_frames,
    mean_and_variance,
    over_tokens,
    turns,
    with_statistics,
)
from animatediff_native.sampling.references.reuse import with_reuse
from animatediff_native.sampling.references.settings import LinkKeyframe, Reference, Reuse

WINDOWS = [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9], [8, 9, 0, 1]]


def percent_to_sigma(percent):
    return 1e9 if percent <= 0 else 10.0 * (1 - percent)


def moment(*levels):
    return Moment(10, levels, max(levels), percent_to_sigma=percent_to_sigma)


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        (Mode(), [0]),
        (Mode(SLIDING, 2), [0, 1, 2, 3, 4]),
        (Mode(SLIDING, 3), [0, 2, 4]),
        (Mode(INDEXES, indexes=frozenset({0, 5})), [0, 1]),
        (Mode(INDEXES, indexes=frozenset({4, 5})), [1]),
        (Mode(INDEXES, indexes=frozenset({3, 9})), [0, 3]),
        (Mode(INDEXES, indexes=frozenset({50})), []),
    ],
)
def test_which_windows_are_kept(mode, kept):
    found = turns(mode, WINDOWS)
    assert [number for number, (_, keeps) in enumerate(found) if keeps] == kept
    assert [looks for looks, _ in found] == [False, True, True, True, True]


def test_the_widest_attentions_take_part_first():
    widths = [320, 640, 1280, 640, 1280]
    assert attentions_that_take_part(widths, 1.0) == [True] * 5
    assert attentions_that_take_part(widths, 0.0) == [False] * 5
    assert attentions_that_take_part(widths, 0.5) == [False, True, True, False, True]


def test_the_deepest_blocks_take_part_first():
    assert adain_blocks("sd15", 0.0) == set()
    assert adain_blocks("sd15", 0.1) == {("middle", 0), ("output", 0)}
    outputs = {("output", index) for index in range(4)}
    assert adain_blocks("sd15", 1.0) == {("middle", 0), ("input", 10), ("input", 11)} | outputs
    outputs = {("output", index) for index in range(3)}
    assert adain_blocks("sdxl", 1.0) == {("middle", 0), ("input", 8)} | outputs


def test_adain():
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(2, 3, 4, 5, generator=generator) * scale + scale for scale in (1.0, 7.0))
    result = with_statistics(x, *mean_and_variance(other))
    for found, wanted in zip(mean_and_variance(result), mean_and_variance(other), strict=True):
        assert torch.allclose(found, wanted, rtol=1e-4)
    assert torch.allclose(with_statistics(x, *mean_and_variance(x)), x, atol=1e-5)
    flat = with_statistics(torch.ones(1, 1, 4, 4), *mean_and_variance(other[:1, :1]))
    assert torch.allclose(flat, other[:1, :1].mean().expand(1, 1, 4, 4), atol=1e-5)


def test_strengths_over_tokens():
    """A mask is halved with the picture; a value per frame stays one; frames beyond the last take that one's."""
    mask = torch.zeros(3, 8, 6)
    mask[:, :, 3:] = 1
    mask[2] = 0.5
    tokens = over_tokens(mask, [0, 2, 5], 4 * 3, (3, 4, 8, 6))
    assert tokens.shape == (3, 12, 1)
    assert tokens[0].view(4, 3)[0].tolist() == pytest.approx([0, 0.5, 1])
    assert torch.equal(tokens[1:], torch.full((2, 12, 1), 0.5))
    assert over_tokens(torch.tensor([1.0, 2.0]).view(2, 1, 1), [1], 12, (3, 4, 8, 6)).tolist() == [[[2.0]]]
    assert over_tokens(torch.ones(1, 5, 5), [0], 3 * 2, (1, 4, 9, 7)).shape == (
        1,
        6,
        1,
    )  # 9x7, 5x4, 3x2
    assert over_tokens(0.3, [0], 12, (3, 4, 8, 6)) == 0.3


def test_a_kept_window_for_one_of_another_length():
    kept = torch.arange(3.0).view(3, 1, 1)
    assert for_frames(kept, 2).flatten().tolist() == [0, 1]
    assert for_frames(kept, 5).flatten().tolist() == [0, 1, 2, 2, 2]


def test_reuse_lays_the_window_end_to_end():
    clip, shown = torch.zeros(5, 1, 1, 1), torch.tensor([30.0, 40.0]).view(2, 1, 1, 1)
    assert with_reuse(clip, shown, [3, 4], 1.0).flatten().tolist() == [30, 40, 30, 30, 40]
    half = with_reuse(clip + 10, shown, [0, 2], 0.5)
    assert half.flatten().tolist() == [20, 25, 20, 25, 20]
    amount = torch.tensor([0, 0, 1, 0, 0.5]).view(5, 1, 1, 1)
    assert with_reuse(clip, shown, [3, 4], amount).flatten().tolist() == [0, 0, 30, 0, 20]


def test_ranges():
    for extra in (Reference(end_percent=0.25), Reuse(end_percent=0.25), Reuse(keyframes=(LinkKeyframe(),))):
        assert extra.at(moment(10.0)) is not None
        assert extra.at(moment(10.0, 5.0)) is None
        assert (
            replace(extra, end_percent=0.5).at(moment(10.0, 5.0)) is not None
        )  # to the end, the level itself included
    late = Reference(start_percent=0.4, end_percent=0.6)
    assert late.at(moment(10.0)) is None and late.at(moment(10.0, 5.0)) is not None


def test_nothing_to_do():
    for strength in (0.0, -0.5, torch.zeros(3, 1, 1)):
        assert Reference(strength).at(moment(10.0)) is None
        assert Reuse(strength=strength).at(moment(10.0)) is None
    assert Reuse(0.0).at(moment(10.0)) is None
    assert Reference(keyframes=(LinkKeyframe(mult=0.0),)).at(moment(10.0)) is None
    assert Reference(tune=Tune(attention_strength=0.0)).at(moment(10.0)) is None
    assert Reference(tune=Tune(1, 0, 1, 1, 0, 1)).at(moment(10.0)) is None


def test_amounts_multiply():
    values = torch.tensor([1.0, 0.5]).view(2, 1, 1)
    amount = Reuse(0.8, values, (LinkKeyframe(mult=0.5, strength=0.5),)).at(moment(10.0))
    assert amount.flatten().tolist() == pytest.approx([0.2, 0.1])


def test_keyframes():
    """What is left open is inherited, unless inherit_missing is off; mult is never."""
    weak, sliding = Tune(attention_strength=0.5), Mode(SLIDING, 2)
    keys = (
        LinkKeyframe(0.6, 0.7, inherit_missing=False),
        LinkKeyframe(0.2, 0.9, tune=weak, strength=0.5),
        LinkKeyframe(0.4, 1.0, mode=sliding),
    )
    extra = Reference(keyframes=keys, end_percent=1.0)
    found = [extra.at(moment(10.0, *levels)) for levels in ((), (8.0,), (8.0, 6.0), (8.0, 6.0, 4.0))]
    assert [now.strength for now in found] == pytest.approx([1.0, 0.45, 0.5, 0.7])
    assert [now.tune for now in found] == [Tune(), weak, weak, Tune()]
    assert [now.mode for now in found] == [Mode(), Mode(), sliding, Mode()]


def test_a_keyframe_inherits_mode_and_tune():
    weak, sliding = Tune(attention_strength=0.5), Mode(SLIDING, 2)
    keys = (LinkKeyframe(0.2, tune=weak, mode=sliding), LinkKeyframe(0.4))
    for last, expected in ((True, (weak, sliding)), (False, (Tune(), Mode()))):
        extra = Reference(keyframes=(keys[0], replace(keys[1], inherit_missing=last)), end_percent=1.0)
        now = extra.at(moment(10.0, 8.0, 6.0))
        assert (now.tune, now.mode) == expected


def test_steps_before_the_range_are_not_owed():
    """The first keyframe is owed two steps of the range, although it began before."""
    keys = (LinkKeyframe(0.05, 0.1, guarantee_steps=2), LinkKeyframe(0.3, 0.2))
    extra = Reference(keyframes=keys, start_percent=0.3, end_percent=1.0)
    levels = (10.0, 9.0, 7.0, 6.0, 5.0)
    found = [extra.at(moment(*levels[:count])) for count in (3, 4, 5)]
    assert [now.strength for now in found] == pytest.approx([0.1, 0.1, 0.2])


def test_guaranteed_steps_are_counted_in_the_range():
    keys = (LinkKeyframe(0.3, 0.1, guarantee_steps=2), LinkKeyframe(0.3, 0.2))
    extra = Reference(keyframes=keys, start_percent=0.3, end_percent=1.0)
    assert extra.at(moment(10.0, 7.0)).strength == pytest.approx(0.1)
    assert extra.at(moment(10.0, 7.0, 6.0)).strength == pytest.approx(0.1)
    assert extra.at(moment(10.0, 7.0, 6.0, 5.0)).strength == pytest.approx(0.2)


def test_the_first_keyframe_of_reuse_holds_from_the_start():
    reuse = Reuse(1.0, keyframes=(LinkKeyframe(0.5, 0.3), LinkKeyframe(0.9, 0.6)), end_percent=1.0)
    assert reuse.at(moment(10.0)) == pytest.approx(0.3)
    assert reuse.at(moment(10.0, 5.0)) == pytest.approx(0.3)
    assert reuse.at(moment(10.0, 5.0, 0.9)) == pytest.approx(0.6)
