"""What a motion LoRA for a direction has learnt in two minutes, in a world of discs that drift to all sides."""

import drifting
import pytest
import torch
from drifting_runs import MOVING, animated, beyond, errors, lora_of, sampled

SEEDS, HELD_OUT = 8, 8


@pytest.fixture(scope="module")
def world():
    return drifting.world()


@pytest.fixture(scope="module")
def left(world, tmp_path_factory):
    return lora_of(world, drifting.clips(160, 7, "left"), tmp_path_factory.mktemp("left"), **MOVING)


def flows(model) -> torch.Tensor:
    """(2, seeds): pixels a frame to the right, and down, of a clip from each seed."""
    return torch.tensor([drifting.flow(sampled(model, seed)) for seed in range(SEEDS)]).T


def test_sampled_clips_go_left_with_it_and_not_without(world, left):
    right, down = flows(animated(world, (left, 1.0)))
    assert beyond(right) < -5 and right.mean() < -0.6 and abs(down.mean()) < 0.2
    assert all(abs(beyond(values)) < 3 for values in flows(animated(world)))


def test_it_lowers_the_error_of_clips_that_go_left_and_of_no_others(world, left):
    without, with_it = animated(world), animated(world, (left, 1.0))
    changes = {}
    for name in drifting.DIRECTIONS:
        clips = drifting.clips(HELD_OUT, 9, name)
        changes[name] = float((errors(with_it, clips) / errors(without, clips) - 1).mean())
    assert changes.pop("left") < -0.1
    assert min(changes.values()) > -0.05, changes
