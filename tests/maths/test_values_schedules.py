"""Schedules as text, and what they come to at a moment."""

import math

import pytest
import torch
from animatediff_native.motion.settings import BlockStrength, Keyframe, MotionSettings
from animatediff_native.motion.strength import Area, Moment, Part, amount_at, product, rows, spread
from animatediff_native.sampling.values.keyframes import InTurns, Keyed, Keyframes, holding
from animatediff_native.sampling.values.schedules import (
    EASINGS,
    Curve,
    FrameValues,
    Region,
    ScheduleError,
    parsed,
    step_values,
    times,
)


def over(text, frames):
    return FrameValues(parsed(text)).over(frames)


def at(percent, before=(), full_length=16):
    """A moment of a sampling whose noise level falls from 1 to 0 evenly."""
    levels = [1 - each for each in (*before, percent)]
    return Moment(full_length, levels, levels[0], percent, lambda p: 1e9 if p <= 0 else (0.0 if p >= 1 else 1 - p))


def test_the_example_of_the_node():
    found = over("0: 1.0, 16: 0.6, 32: 1.2 ease", 40)
    assert found[:17] == pytest.approx([1 - 0.4 * i / 16 for i in range(17)])
    assert found[24] == pytest.approx(0.9) and found[20] == pytest.approx(0.6 + 0.6 * (1 - math.cos(math.pi / 4)) / 2)
    assert found[32:] == [1.2] * 8


@pytest.mark.parametrize(
    "text",
    [
        "0:1,4:2",
        "0 : 1.0 ; 4 : 2.0",
        "0: 1\n4: 2\n",
        '"0": 1, "4": 2',
        "0: (1.0), 4: (2.0),",
        "4: 2, 0: 1",
        "0=1, 4=2 linear",
        "0%: 1, 100%: 2",
        "0: 1e0, -1: 2",
        "0：1，4：2",
        "０：１．０、４：２．０；",
        "“0”＝（1） linear\n\u3000－１：（2）",
        "０％：１，100％：２",
    ],
)
def test_forgiving(text):
    assert over(text, 5) == [1, 1.25, 1.5, 1.75, 2]


def test_easings():
    assert all(ease(0.0) == pytest.approx(0) and ease(1.0) == pytest.approx(1) for ease in EASINGS.values())
    assert over("0: 1, 4: 2 jump", 6) == over("0: 1, 4: 2 hold", 6) == [1, 1, 1, 1, 2, 2]
    assert over("0: 0, 4: 1 ease in", 5) == pytest.approx([0, 1 / 16, 1 / 4, 9 / 16, 1])
    assert over("0: 0, 4: 1 EASE-OUT", 5) == pytest.approx([0, 7 / 16, 3 / 4, 15 / 16, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1, column 1: the schedule is empty"),
        (" ,\n ;", "the schedule is empty"),
        ("0: 1,\n16 0.6", "Line 2, column 1: '16 0.6' has no colon"),
        ("0: 1, 16: 0,6", "Line 1, column 12: '6' has no colon|Line 1, column 13"),
        ("0: 1\n  a: 2", "Line 2, column 3: 'a' is not a position"),
        ("0: 1, 8: x", "Line 1, column 10: 'x' is not a number"),
        ("0: 1, 8:", "Line 1, column 9: a number is missing after the colon"),
        ("0: nan", "Line 1, column 4: 'nan' is not a number"),
        ("0: 1e9", "Line 1, column 4: 1e9 is more than any strength can be"),
        ("0: -1e9", "Line 1, column 4: -1e9 is more than any strength can be"),
        ("0: 1, 8: 2 bounce", "Line 1, column 12: 'bounce' is none of linear, ease"),
        ("0：1，\n　8：快", "Line 2, column 4: '快' is not a number"),
        ("0: 1, 8: 2, 8: 3", "the position 8 is there twice"),
    ],
)
def test_mistakes_are_told_with_their_place(text, message):
    with pytest.raises(ScheduleError, match=message):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "position"), [("5: 1.0", "5"), ("150%: 1", "150%"), ("-1: 1", "-1"), ("１５０％：１", "150%")]
)
def test_positions_in_the_sampling(text, position):
    with pytest.raises(ScheduleError, match=f"the position {position} is not within the sampling"):
        step_values(text)


def test_values_over_the_sampling():
    values = step_values("0: 1, 50%: 0.5, 1.0: 0.5")
    assert [values(at(percent)) for percent in (0, 0.25, 0.5, 0.9)] == pytest.approx([1, 0.75, 0.5, 0.5])


def test_a_jump_that_few_steps_would_miss_still_holds():
    """Three steps at 0, 50 and 90 %; the value at 60 % is owed the third, though 80 % is reached there, too."""
    text = "0: 1, 0.6: 5 jump, 0.8: 9 jump"
    assert step_values(text, 1)(at(0.9, (0, 0.5))) == 5
    assert step_values(text, 0)(at(0.9, (0, 0.5))) == 9
    assert step_values(text, 1)(at(0.95, (0, 0.5, 0.9))) == 9


def test_a_curve():
    square = Curve(lambda x: x * x, 1.0, 3.0, "frames")
    assert square(at(0, full_length=3)).flatten().tolist() == [1.0, 1.5, 3.0]
    assert square(at(0, full_length=1)).flatten().tolist() == [1.0]
    steps = Curve(lambda x: x * x, 1.0, 3.0, "steps")
    assert steps(at(0.5)) == 1.5
    assert (steps(at(-0.5)), steps(at(1.5))) == (1.0, 3.0)  # beyond the checkpoint's own noise levels


def test_a_region():
    mask = torch.zeros(1, 4, 4)
    mask[..., 2:] = 1
    found = amount_at(Region(mask, FrameValues(parsed("0: 1, 2: 3")), 0.5), at(0, full_length=3))
    assert found.shape == (3, 4, 4)
    assert found[:, 0, 0].tolist() == [0.5] * 3 and found[:, 0, 3].tolist() == [1, 2, 3]


def test_products():
    frames = FrameValues(parsed("0: 1, 4: 2"))
    both = times(2.0, times(frames, step_values("0: 1, 1: 0")))
    assert amount_at(both, at(0.5, full_length=5)).flatten().tolist() == [1, 1.25, 1.5, 1.75, 2]
    assert times(2.0, 3.0) == 6.0 and times(None, None) == 1.0 and times(2.0, None) == times(None, 2.0) == 2.0
    small, large = torch.rand(2, 2, 2), torch.rand(3, 8, 8)
    assert product(small, large).shape == (3, 8, 8)
    assert torch.equal(product(torch.full((1, 1, 1), 2.0), large), 2 * large)


def test_a_constant_is_a_number():
    assert amount_at(torch.full((5, 3, 3), 0.7), at(0)) == pytest.approx(0.7)
    assert isinstance(amount_at(FrameValues(parsed("0: 0.5, 8: 0.5")), at(0)), float)


def test_rows_go_with_the_frames_of_the_call():
    amount = torch.arange(4.0).view(-1, 1, 1)
    assert rows(amount, [0, 3, 9]).flatten().tolist() == [0, 3, 3]
    like = torch.zeros(6, 4, 2, 2)  # two conds of frames 2, 3, 5
    assert spread(amount, Part([2, 3, 5]), like).flatten().tolist() == [2, 3, 3, 2, 3, 3]
    assert spread(0.5, Part([2, 3, 5]), like) == 0.5
    assert spread(torch.rand(4, 8, 8), Part([0, 1, 2]), like).shape == (6, 1, 2, 2)


def test_an_area_takes_its_own_part_of_the_picture():
    amount = torch.zeros(1, 4, 4)
    amount[..., :2] = 1
    left, right = Area(0, 0, 8, 4, 8, 8), Area(0, 4, 8, 4, 8, 8)
    like = torch.zeros(6, 3, 4, 2)
    found = spread(amount, Part([0, 1], (left, None, right)), like)
    assert found.shape == (6, 1, 4, 2)
    assert found[:2].min() > 0.8 and found[4:].max() < 0.2 and 0 < found[2:4].mean() < 1
    per_frame = torch.tensor([1.0, 0.5]).view(2, 1, 1)
    found = spread(per_frame, Part([0, 1], (left, None, right)), like)
    assert found.flatten().tolist() == [1.0, 0.5] * 3


def test_holding():
    starts, one = [1e9, 0.5, 0.4, 0.1], [1, 1, 1, 1]
    assert [holding(starts, one, [1.0, 0.8, 0.45][: n + 1], 1.0) for n in range(3)] == [0, 0, 1]
    assert holding(starts, one, [1.0, 0.3], 1.0) == 1 and holding(starts, [1, 0, 0, 1], [1.0, 0.3], 1.0) == 2
    assert holding(starts, one, [0.3], 0.3) == 2  # what began before the run's first level is owed none
    assert holding(starts, one, [0.3, 0.05], 0.3) == 3


def test_guidance_in_turns():
    keys = InTurns((Keyed(0.5, 3.0), Keyed(0.0, 8.0)))
    assert [keys(at(percent)) for percent in (0.0, 0.4)] == [8, 8] and keys(at(0.6, (0.0,))) == 3


def test_keyframes_inherit():
    frames = Keyframes(
        (Keyframe(0.0, motion_scale=1.2), Keyframe(0.5, effect=0.5), Keyframe(0.8, inherit_missing=False))
    )
    assert frames(at(0.2)).motion_scale == 1.2
    half = frames(at(0.6, (0.0,)))
    assert (half.motion_scale, half.effect) == (1.2, 0.5)
    assert frames(at(0.9, (0.0, 0.6))) == Keyframe()
    assert Keyframes((Keyframe(0.5, effect=0.5),))(at(0.2)).effect is None


def test_strengths_of_the_middle_block():
    """It has one level, which users may name or not."""
    assert all(BlockStrength("mid", level).fits("mid_block.motion_modules.0") for level in (None, 0))
    assert not BlockStrength("mid", 1).fits("mid_block.motion_modules.0")


def test_a_schedule_of_one_block_is_asked_at_every_noise_level():
    steps = step_values("0: 1, 1: 0")
    assert MotionSettings(blocks=(BlockStrength("mid", scales=(1.0, 2.0)),)).is_fixed
    for block in (BlockStrength("mid", effect=steps), BlockStrength("mid", scales=(1.0, steps))):
        assert not MotionSettings(blocks=(block,)).is_fixed


def test_a_keyframe_at_the_end_never_acts():
    frames = Keyframes((Keyframe(1.0, effect=0.0),))
    steps = [i / 10 for i in range(10)]
    assert all(frames(at(percent, steps[:i])).effect is None for i, percent in enumerate(steps))
