"""What is trained, and what a step keeps of its clips."""

import gc
import sys
from types import SimpleNamespace

import pytest
import torch
from animatediff_native.training.optimizers import optimizer_of
from animatediff_native.training.step import Drawn, Learning
from animatediff_native.training.subject import subject_of
from small_training import examples, motion_model, plan, small_unet, trained

APPEARANCE = "motion and appearance"


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():
        return small_unet()


@pytest.fixture(scope="module")
def motion():
    with torch.inference_mode():
        return motion_model("v3")


def test_appearance_is_learnt_at_the_checkpoints_own_noise_levels(model, motion):
    """Those of pictures (scaled_linear), where motion has those of AnimateDiff (linear)."""
    own = model.get_model_object("model_sampling").sigmas
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(model, motion, plan(loss=APPEARANCE))
        subject.load()
        moving = subject.model.model.model_sampling.sigmas
        with subject.without_motion() as alone:
            assert alone.model.model_sampling.sigmas.equal(own)
        assert subject.model.model.model_sampling.sigmas.equal(moving) and not moving.equal(own)
        subject.release()


def bytes_alive() -> int:
    gc.collect()
    return sum(each.nbytes for each in gc.get_objects() if type(each) is torch.Tensor)


def test_a_step_keeps_nothing_of_its_clips(model, motion):
    """Or a thousand captions, one for each frame, would fill the device."""
    with torch.inference_mode(False), torch.enable_grad():
        subject, clips = subject_of(model, motion, plan()), examples(6)
        subject.load()
        learning, alive = Learning(subject, clips, plan()), []
        for index in range(6):
            (loss,) = learning.losses([Drawn(0, 0, index, 0, 0.5, 0)])
            del loss
            alive.append(bytes_alive())
        subject.release()
    assert alive[-1] == alive[0]


def test_prodigy_finds_one_rate_for_motion_and_appearance(monkeypatch):
    """It refuses several; the stand-in for its package takes any."""
    monkeypatch.setitem(sys.modules, "prodigyopt", SimpleNamespace(Prodigy=torch.optim.SGD))
    parameters = {name: torch.nn.Parameter(torch.zeros(1)) for name in ("motion.a", "spatial.b")}
    one = optimizer_of(parameters, {"spatial": 1e-4}, plan(optimizer="prodigy", learning_rate=1.0))
    assert [group["lr"] for group in one.param_groups] == [1.0]
    two = optimizer_of(parameters, {"spatial": 1e-4}, plan())
    assert [group["lr"] for group in two.param_groups] == [1e-3, 1e-4]


def test_averaged_weights_of_a_short_run_are_of_what_it_learnt(model, motion, tmp_path):
    _, state = trained(model, motion, examples(), plan(ema=0.9999), tmp_path)
    ups = [name for name in state.parameters if name.endswith("up.weight")]
    learnt, averaged = (
        sum(each[name].detach().norm().item() for name in ups) for each in (state.parameters, state.averaged)
    )
    assert averaged > learnt / 2
