"""Window schedules: literal tables, the incumbent's lists, and properties over a grid."""

import gzip
import json
import math
from dataclasses import replace

import pytest
from animatediff_native.sampling.windows.plan import (
    BATCHED,
    LOOPED_UNIFORM,
    SCHEDULES,
    STANDARD_EVEN,
    STANDARD_SHIFTED,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WindowPlan,
    ordered_halving,
    plan_at,
    windows,
)
from comfy.context_windows import get_matching_context_schedule
from oracles import DATA

VECTORS = json.loads(gzip.decompress((DATA / "ade_vectors.json.gz").read_bytes()))


def plan_of(vector: dict) -> WindowPlan:
    return WindowPlan(
        vector["schedule"],
        vector["length"],
        vector["overlap"],
        vector.get("stride", 1),
        bool(vector.get("closed_loop")),
        repeats=True,
    )


def stays_in_the_clip(plan: WindowPlan, frames: int) -> bool:
    """Whether even the widest stride's windows are no longer than the clip; there the host repeats frames."""
    if frames <= plan.context_length:
        return True
    strides = min(plan.context_stride, math.ceil(math.log2(frames / plan.context_length)) + 1)
    return strides == 1 or plan.context_length * 2 ** (strides - 1) <= frames


def fails_there(vector: dict) -> bool:
    return "windows" not in vector or any(max(window) >= vector["frames"] for window in vector["windows"])


KNOWN = [vector for vector in VECTORS["windows"] if not fails_there(vector)]


def test_the_incumbents_lists():
    assert len(KNOWN) > 200
    for vector in KNOWN:
        assert windows(plan_of(vector), vector["frames"], vector.get("step", 0)) == vector["windows"], vector


def test_ordered_halving():
    assert [ordered_halving(step) for step in range(33)] == VECTORS["ordered_halving"]


def ranges(*pairs):
    return [list(range(first, last + 1)) for first, last in pairs]


def test_literal_tables():
    uniform = WindowPlan(STANDARD_UNIFORM, 16, 4)
    assert windows(uniform, 48, 0) == ranges((0, 15), (12, 27), (24, 39), (32, 47))
    assert windows(uniform, 48, 1) == ranges((24, 39), (32, 47), (0, 15), (12, 27))
    assert windows(uniform, 24, 2) == ranges((6, 21), (8, 23), (0, 15))
    assert windows(WindowPlan(STANDARD_STATIC, 16, 4), 33) == ranges((0, 15), (12, 27), (17, 32))
    assert windows(WindowPlan(BATCHED, 16), 33) == ranges((0, 15), (16, 31), (32, 32))
    looped = WindowPlan(LOOPED_UNIFORM, 4, 1, closed_loop=True)
    assert windows(looped, 6) == [[0, 1, 2, 3], [3, 4, 5, 0]]
    strided = WindowPlan(LOOPED_UNIFORM, 4, 1, context_stride=2, closed_loop=True)
    assert windows(strided, 8)[-1] == [7, 1, 3, 5]
    assert windows(strided, 6)[-1] == [3, 4, 5, 0]
    assert windows(replace(strided, repeats=True), 6)[-1] == [0, 2, 4, 0]


GRID = [
    (schedule, frames, length, overlap, stride)
    for schedule in SCHEDULES
    for frames in (1, 5, 16, 17, 24, 33, 64, 100)
    for length in (1, 4, 7, 16)
    for overlap in (0, 1, 3, 6)
    for stride in (1, 2, 3)
    if overlap < length
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sweep_every_frame_is_in_a_window_at_every_step(schedule):
    """37 frames in windows of 16 with a stride of 2 were not, at step 2."""
    strides = (1, 2, 3, 4) if schedule in (STANDARD_UNIFORM, LOOPED_UNIFORM) else (1,)
    for length in (1, 2, 4, 7, 16):
        for overlap in {0, 1, length // 4, length // 2, length - 1}:
            for stride in strides:
                plan = WindowPlan(schedule, length, min(overlap, length - 1), stride)
                for frames in range(1, 72):
                    for step in range(8):
                        found = windows(plan, frames, step)
                        assert set().union(*found) == set(range(frames)), (plan, frames, step)
                        assert all(len(set(window)) == len(window) > 0 for window in found)


def test_a_schedule_that_leaves_a_frame_out_is_an_error(monkeypatch):
    monkeypatch.setitem(SCHEDULES, BATCHED, lambda plan, frames, step: [list(range(frames - 1))])
    with pytest.raises(RuntimeError, match=r"batched leaves frame 23 of 24 in no window at step 2: context_length 16"):
        windows(WindowPlan(BATCHED), 24, 2)


def test_frames_that_a_strided_window_leaves_when_it_is_moved_back_have_one_of_their_own():
    found = windows(WindowPlan(STANDARD_UNIFORM, 16, 4, context_stride=2), 37, 2)
    assert found[-1] == list(range(16))


@pytest.mark.parametrize("loop", [False, True])
def test_properties(loop):
    for schedule, frames, length, overlap, stride in GRID:
        plan = WindowPlan(schedule, length, overlap, stride, closed_loop=loop)
        for step in range(5):
            found = windows(plan, frames, step)
            case = (schedule, frames, length, overlap, stride, loop, step, found)
            assert {frame for window in found for frame in window} == set(range(frames)), case
            assert all(len(set(window)) == len(window) for window in found), case
            if schedule in (STANDARD_STATIC, STANDARD_SHIFTED, STANDARD_UNIFORM, LOOPED_UNIFORM):
                assert all(len(window) == min(length, frames) for window in found), case


def test_overlaps_hold():
    for frames in (17, 24, 33, 64):
        for overlap in (0, 2, 5):
            found = windows(WindowPlan(STANDARD_STATIC, 16, overlap), frames)
            for left, right in zip(found, found[1:], strict=False):
                assert len(set(left) & set(right)) >= overlap


def test_even_windows_are_few_and_their_borders_move():
    plan = WindowPlan(STANDARD_EVEN, 72, 4)
    assert windows(plan, 72) == [list(range(72))]
    assert [len(window) for window in windows(plan, 128, 0)] == [66, 66]
    for frames in (73, 100, 128, 333, 512):
        borders = set()
        for step in range(8):
            found = windows(plan, frames, step)
            assert max(len(window) for window in found) <= 72
            assert all(len(set(a) & set(b)) == 4 for a, b in zip(found, found[1:], strict=False))
            assert sum(len(window) for window in found) <= 1.07 * frames
            borders.add(found[0][-1])
        assert len(borders) >= 4


def test_even_windows_with_views_are_for_clips_longer_than_a_view():
    plan = WindowPlan(STANDARD_EVEN, 72, 4, views=WindowPlan(STANDARD_SHIFTED, 16, 4))
    assert not plan.applies_to(16)
    assert plan.applies_to(17)
    assert not WindowPlan(STANDARD_EVEN, 72, 4).applies_to(72)


class HostHandler:
    """What the host's own schedule functions read."""

    def __init__(self, plan, step):
        self.context_length, self.context_overlap = plan.context_length, plan.context_overlap
        self.context_stride, self.closed_loop, self._step = plan.context_stride, plan.closed_loop, step


def test_the_hosts_own_functions_agree_where_they_are_right():
    for schedule, frames, length, overlap, stride in GRID:
        plan = WindowPlan(schedule, length, overlap, stride)
        if schedule in (STANDARD_STATIC, STANDARD_UNIFORM, LOOPED_UNIFORM, BATCHED) and stays_in_the_clip(plan, frames):
            for step in range(3):
                theirs = get_matching_context_schedule(schedule).func(frames, HostHandler(plan, step), {})
                assert windows(plan, frames, step) == theirs, (plan, frames, step)


@pytest.mark.parametrize("overlap", [16, 17, -1])
def test_an_overlap_that_never_moves_on_is_refused(overlap):
    with pytest.raises(
        ValueError, match=f"context_overlap is {overlap} and context_length 16.*0 to context_length - 1"
    ):
        WindowPlan(STANDARD_STATIC, 16, overlap)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"context_schedule": "uniform"}, "'uniform' is not a context_schedule"),
        ({"context_length": 0, "context_overlap": 0}, "at least 1 frame"),
        ({"context_stride": 0}, "context_stride is 0"),
    ],
)
def test_nonsense_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        WindowPlan(**words)


def test_a_group_of_plans():
    first, second, third = (
        WindowPlan(context_length=n, context_overlap=0, guarantee_steps=g) for n, g in ((8, 1), (12, 2), (16, 1))
    )
    sigmas = [14.0, 10.0, 6.0, 3.0, 1.0, 0.3]
    starts = [10**9, 6.0, 5.9]
    lengths = [plan_at((first, second, third), starts, sigmas, step).context_length for step in range(6)]
    assert lengths == [8, 8, 12, 12, 16, 16]
    assert plan_at((second, first), [3.0, 10**9], sigmas, 2) is first  # in any order
    again = [plan_at((first, second, third), starts, sigmas, step, iterations=1).context_length for step in range(2)]
    assert again == [16, 16], "an iteration after another, in shared workflows"


def test_shifted_windows_cost_what_static_ones_do_and_move():
    for length, overlap in ((16, 4), (8, 2), (12, 0), (7, 5)):
        static, shifted = (WindowPlan(schedule, length, overlap) for schedule in (STANDARD_STATIC, STANDARD_SHIFTED))
        for frames in range(1, 120):
            count = len(windows(static, frames))
            seen = set()
            for step in range(9):
                found = windows(shifted, frames, step)
                seen.add(str(found))
                assert len(found) == count and {frame for window in found for frame in window} == set(range(frames))
                assert all(window == list(range(window[0], window[0] + len(window))) for window in found)
                assert all(a[0] < b[0] <= a[-1] + (overlap == 0) for a, b in zip(found, found[1:], strict=False))
            assert overlap == 0 or count < 3 or len(seen) > 1
    plan = WindowPlan(STANDARD_SHIFTED, 16, 4)
    assert [[window[0] for window in windows(plan, 52, step)] for step in range(4)] == [
        [0, 12, 24, 36],
        [0, 10, 22, 36],
        [0, 14, 26, 36],
        [0, 10, 22, 36],
    ]
