"""The picture of a window plan."""

import time

import pytest
import torch
from animatediff_native.sampling.windows.drawing import CELL, GAP, INK, MARGIN, PAPER, picture, shares
from animatediff_native.sampling.windows.plan import (
    BATCHED,
    LOOPED_UNIFORM,
    STANDARD_STATIC,
    STANDARD_UNIFORM,
    WindowPlan,
)


@pytest.mark.parametrize("schedule", [STANDARD_STATIC, STANDARD_UNIFORM, LOOPED_UNIFORM, BATCHED])
def test_shares_of_a_frame_add_up_to_one(schedule):
    for step in range(3):
        rows = shares(WindowPlan(schedule, 16, 4), 40, step, 1.0)
        assert len(rows) >= 3
        assert all(sum(column) == pytest.approx(1) for column in zip(*rows, strict=True))


def test_a_small_plan():
    rows = shares(WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="flat"), 6, 0, 1.0)
    assert rows == [[1, 1, 0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5, 1, 1]]
    assert shares(WindowPlan(STANDARD_STATIC, 16, 4), 8, 0, 1.0) == [[1.0] * 8]


def test_random_weights_change_from_step_to_step():
    plan = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="random")
    assert shares(plan, 6, 1, 1.0) == shares(plan, 6, 1, 1.0) != shares(plan, 6, 2, 1.0)


def test_the_picture():
    plan = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="flat")
    image = picture([plan, plan], 6, [10.0, 1.0])
    assert image.shape == (1, 2 * GAP + 2 * (2 * CELL + GAP), MARGIN + 6 * CELL + GAP, 3)
    assert image.min() >= 0 and image.max() <= 1

    def cell(band, row, frame):
        top = 2 * GAP + band * (2 * CELL + GAP) + row * CELL
        return (image[0, top + 5, MARGIN + frame * CELL + 5] * 255).round().int().tolist()

    for band in (0, 1):
        assert cell(band, 0, 0) == list(INK) == cell(band, 1, 5)
        assert cell(band, 0, 2) != cell(band, 0, 0) and cell(band, 0, 2) == cell(band, 1, 3)
        assert cell(band, 0, 5) != list(INK)
    assert torch.equal((image[0, -1, -1] * 255).round().int(), torch.tensor(PAPER, dtype=torch.int32))


def test_a_picture_of_a_given_width_and_of_plans_in_turns():
    plans = [WindowPlan(BATCHED, 4, 0), WindowPlan(BATCHED, 2, 0)]
    image = picture(plans, 8, [10.0, 1.0], first_step=3, width=MARGIN + 8 * 20 + GAP)
    assert image.shape == (1, 2 * GAP + 2 * CELL + GAP + 4 * CELL + GAP, MARGIN + 8 * 20 + GAP, 3)
    last = image[0, 2 * GAP + CELL + 5, MARGIN + 7 * 20 + 15]  # the last frame, in the first step's second window
    assert (last * 255).round().int().tolist() == list(INK)
    assert picture(plans, 8, [10.0, 1.0], width=MARGIN).shape[2] == MARGIN + 8 * 2 + GAP


@pytest.mark.parametrize(("frames", "steps"), [(4096, 100), (10**15, 1), (2000, 300)])
def test_a_picture_that_would_fill_the_memory_is_refused(frames, steps):
    """Before it, or the windows of its steps, are made."""
    start = time.perf_counter()
    with pytest.raises(ValueError, match=rf"The picture of {frames} frames and {steps} steps would have \d+ x \d+ pix"):
        picture([WindowPlan(STANDARD_STATIC, 16, 4)] * steps, frames, [1.0] * steps)
    assert time.perf_counter() - start < 5
