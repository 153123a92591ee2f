"""What a motion LoRA has learnt in half a minute, in a world of drifting discs: how their light changes.

UNet and motion model of that world are a file (`drifting`). The LoRAs are trained here, then sampled by the host's own
sampler.
"""

import drifting
import pytest
import torch
from drifting_runs import LEARNT, animated, beyond, lora_of, sampled
from small_training import Silent

CLIPS, SEEDS = 32, 8
RISE = 0.3


@pytest.fixture(scope="module")
def world():
    return drifting.world()


@pytest.fixture(scope="module")
def learnt(world, tmp_path_factory):
    """Name -> (motion LoRA, how its training ended), each trained once."""
    clips = {
        "bright": drifting.clips(CLIPS, 5, bright=RISE),
        "red": drifting.clips(CLIPS, 6, red=RISE),
        "shuffled": shuffled(drifting.clips(CLIPS, 5, bright=RISE)),
    }
    found = {}

    def lora(name: str):
        if name not in found:
            seen = {}
            watcher = Silent(lambda state: seen.update(state=state))
            trained = lora_of(world, clips[name], tmp_path_factory.mktemp(name), watcher, sample_every=LEARNT.steps)
            found[name] = trained, seen["state"]
        return found[name]

    return lora


def shuffled(clips):
    generator = torch.Generator().manual_seed(1)
    return [(frames[torch.randperm(len(frames), generator=generator)], colour) for frames, colour in clips]


def rises(model, light: str = "bright") -> torch.Tensor:
    """Of a clip from each seed."""
    return torch.tensor([drifting.rise(sampled(model, seed), light) for seed in range(SEEDS)])


@pytest.fixture(scope="module")
def without(world):
    return {light: rises(animated(world), light) for light in drifting.LIGHTS}


def test_the_loss_of_clips_that_nobody_has_learnt_falls(learnt):
    (first, before), (last, after) = learnt("bright")[1].held_out
    assert (first, last) == (0, LEARNT.steps) and after < 0.95 * before


def test_sampled_clips_brighten_with_it_and_not_without(world, learnt, without):
    change = rises(animated(world, (learnt("bright")[0], 1.0))) - without["bright"]
    assert beyond(change) > 4 and change.mean() > RISE / 2
    assert abs(beyond(without["bright"])) < 3


def test_at_strength_0_it_changes_nothing(world, learnt):
    assert torch.equal(sampled(animated(world, (learnt("bright")[0], 0.0)), 1), sampled(animated(world), 1))


def test_a_second_one_adds_its_own_change(world, learnt, without):
    model = animated(world, *((learnt(name)[0], 1.0) for name in ("bright", "red")))
    for light in drifting.LIGHTS:
        change = rises(model, light) - without[light]
        assert beyond(change) > 3 and change.mean() > RISE / 3


def test_frames_out_of_order_teach_no_brightening(world, learnt, without):
    change = rises(animated(world, (learnt("shuffled")[0], 1.0))) - without["bright"]
    assert abs(change.mean()) < RISE / 4
