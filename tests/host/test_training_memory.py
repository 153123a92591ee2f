"""How much memory a step of training takes, beside what was reckoned before it."""

import pytest
import torch
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import detect
from animatediff_native.motion.load import patcher_of
from animatediff_native.training.recompute import with_recomputing
from animatediff_native.training.runs import reckoned
from animatediff_native.training.step import Drawn, Learning
from animatediff_native.training.subject import Subject, subject_of
from memory import PeakMemory
from small_training import examples, plan
from unets import ALL_OF_SDXL, SD15_CHANNELS, SDXL_CHANNELS, unet_model
from weights import motion_state

FRAMES, SIDE = 16, 8


def subject(arch: str, kind: str, **options) -> Subject:
    """With the blocks and depths of the public checkpoints, each on a tenth of the channels."""
    family, channels, changes = {"sd15": ("v2", SD15_CHANNELS, {}), "sdxl": ("sdxl", SDXL_CHANNELS, ALL_OF_SDXL)}[arch]
    weights = canonical(motion_state(family, channels))
    motion = patcher_of(detect(weights), weights, disable_dynamic=True)
    return subject_of(unet_model(arch, **changes), motion, plan(kind, rank=6, **options))


def most(subject: Subject, arch: str) -> int:
    """Bytes that a step's forward and backward pass hold at once, with the gradients of what is trained."""
    subject.load()
    learning = Learning(subject, examples(1, FRAMES, SIDE, arch), plan())
    clip = Drawn(0, 0, 0, 0, 0.5, 0)
    next(learning.losses([clip]))  # its caption is encoded once
    with PeakMemory() as memory:
        next(learning.losses([clip])).backward()
    subject.release()
    return memory.peak


@pytest.mark.parametrize("recomputing", [False, True], ids=["plain", "checkpointing"])
@pytest.mark.parametrize(("arch", "kind"), [("sd15", "motion LoRA"), ("sd15", "motion model"), ("sdxl", "motion LoRA")])
def test_a_step_takes_no_more_than_reckoned_and_not_much_less(arch, kind, recomputing):
    with torch.inference_mode(False), torch.enable_grad():
        small = subject(arch, kind)
        need = reckoned(small, plan(kind), FRAMES * SIDE**2)
        if recomputing:
            with_recomputing(small.model, small.motion_format.family.norms)
        gradients = sum(value.nbytes for value in small.parameters().values())
        whole = (need.recomputed if recomputing else need.plain) + gradients
        assert 0.75 * whole < most(small, arch) <= whole


def test_it_is_reckoned_with_the_precision_that_was_asked_for():
    with torch.inference_mode(False), torch.enable_grad():
        whole, half = (
            reckoned(subject("sd15", "motion LoRA", precision=precision), plan(), FRAMES * SIDE**2)
            for precision in ("auto", "bfloat16")
        )
    assert half.recomputed == whole.recomputed / 2 and whole.plain / 2 < half.plain < whole.plain
