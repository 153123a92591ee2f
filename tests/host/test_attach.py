"""What is hung on a MODEL: which motion models, in which order, on which clones; and what is refused."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.options import KEY
from animatediff_native.motion.settings import MotionSettings
from clips import animated, motion_model, sample


def test_branches_with_different_settings_do_not_disturb_each_other(sd15):
    motion = motion_model()
    calm, wild = animated(sd15, motion, motion_scale=0.5), animated(sd15, motion, motion_scale=1.5)
    other = animated(sd15, motion_model("v1", seed=9))
    alone = [sample(model) for model in (calm, wild, other)]
    assert not torch.equal(alone[0], alone[1])
    for index in (2, 0, 1, 0):
        assert torch.equal(sample((calm, wild, other)[index]), alone[index])


def test_two_motion_models_run_oldest_first(sd15):
    first, second = motion_model("v2", seed=1), motion_model("v3", seed=2)
    order = []
    site = "down_blocks.0.motion_modules.0"
    for name, motion in (("first", first), ("second", second)):
        motion.model.sites()[site].register_forward_hook(lambda *_, name=name: order.append(name))
    both = sample(animated(animated(sd15, first), second), steps=1)
    assert order == ["first", "second"]
    assert not torch.allclose(both, sample(animated(sd15, first), steps=1), atol=1e-2)
    assert not torch.allclose(both, sample(animated(animated(sd15, second), first), steps=1), atol=1e-3)


def test_the_same_motion_model_twice(sd15):
    motion = motion_model()
    quarter = animated(animated(sd15, motion, end_percent=0.5), motion, start_percent=0.5, motion_scale=1.3)
    assert torch.equal(sample(quarter, steps=3), sample(quarter, steps=3))


def test_a_later_clone_of_the_model_keeps_the_motion(sd15):
    model = animated(sd15, motion_model())
    assert torch.equal(sample(model.clone().clone()), sample(model))


def test_wrong_checkpoint_for_the_motion_model(sd15, sdxl):
    with pytest.raises(ValueError, match="for SD1.5 .*but the connected model is SDXL.*Connect an SD1.5 checkpoint"):
        attach(sdxl, motion_model("v3"), MotionSettings())
    with pytest.raises(ValueError, match="for SDXL .*but the connected model is SD1.5"):
        attach(sd15, motion_model("sdxl"), MotionSettings())


def test_a_model_that_is_no_unet(sd15):
    other = sd15.clone()
    other.model = type("Flux", (torch.nn.Module,), {})()
    other.model.diffusion_model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="The connected model is Flux, and AnimateDiff needs SD1.5 or SDXL"):
        attach(other, motion_model(), MotionSettings())


def test_a_motion_model_that_was_taken_off_is_an_error(sd15):
    model = animated(sd15, motion_model())
    model.remove_additional_models(KEY)
    with pytest.raises(RuntimeError, match="taken off the MODEL"):
        sample(model)


def test_motion_taken_off_is_the_plain_model(sd15):
    from animatediff_native.motion.attach import detached
    from animatediff_native.sampling.windows.handler import with_windows
    from animatediff_native.sampling.windows.plan import WindowPlan

    model = with_windows(animated(sd15, motion_model()), WindowPlan(context_length=8))
    assert torch.equal(sample(detached(model), frames=12), sample(sd15, frames=12))
    assert not torch.allclose(sample(model, frames=12), sample(sd15, frames=12), atol=1e-1)
