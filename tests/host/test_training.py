"""Training on the host's own UNet: what it changes, what it leaves, and what it does when it is stopped."""

import comfy.model_management
import pytest
import torch
from animatediff_native.training import saves
from animatediff_native.training.loop import NotANumber
from small_training import Silent, examples, motion_model, plan, same, small_unet, trained, weights_of


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():  # as a loader's node makes it
        return small_unet()


@pytest.fixture(scope="module")
def motion():
    with torch.inference_mode():
        return motion_model("v3")


def test_a_motion_lora_learns_and_nothing_else_changes(model, motion, tmp_path):
    before = weights_of(model), weights_of(motion)
    wanted = [parameter.requires_grad for parameter in model.model.parameters()]  # some hosts make them with True
    with torch.inference_mode():
        subject, state = trained(model, motion, examples(), plan(), tmp_path)
    ups = {name: value for name, value in state.parameters.items() if name.endswith("up.weight")}
    assert len(ups) == 20 * 2 * 4 and all(bool(value.any()) for value in ups.values())
    assert all(value.dtype == torch.float32 for value in ups.values())
    assert same(weights_of(model), before[0]) and same(weights_of(motion), before[1])
    unet, copied = subject.model.model.diffusion_model, subject.model.get_nested_additional_models()[0].model
    assert same(unet.state_dict(), model.model.diffusion_model.state_dict()) and same(copied.state_dict(), before[1])
    assert [parameter.requires_grad for parameter in model.model.parameters()] == wanted
    assert len(state.losses) == 3 and all(0 < loss < 5 for loss in state.losses)


@pytest.mark.parametrize("options", [{}, {"ema": 0.5, "schedule": "cosine", "warmup": 2}], ids=["plain", "averaged"])
def test_six_steps_are_three_and_a_resume_and_three(model, motion, tmp_path, options):
    clips, six = examples(6, variants=2), plan(steps=6, sample_every=2, **options)
    _, whole = trained(model, motion, clips, six, tmp_path / "whole")
    stop = Silent(lambda state: comfy.model_management.interrupt_current_processing(state.step == 3))
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        trained(model, motion, clips, six, tmp_path / "parts", stop)
    assert stop.seen[-2] == "saved 3"
    _, parts = trained(model, motion, clips, six, tmp_path / "parts")
    assert parts.losses == whole.losses and parts.held_out == whole.held_out and len(whole.held_out) == 4
    assert same(parts.parameters, whole.parameters) and same(parts.averaged, whole.averaged)


def test_a_cancelled_run_saves_and_says_how_to_go_on(model, motion, tmp_path):
    stop = Silent(lambda state: comfy.model_management.interrupt_current_processing(state.step == 2))
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        trained(model, motion, examples(), plan(), tmp_path, stop)
    assert [path.name for path in saves.saves_in(tmp_path)] == ["checkpoint_000002.safetensors"]
    assert stop.seen[-1] == "'test' is saved at step 2 of 3: run it again to go on from there."
    _, state = trained(model, motion, examples(), plan(), tmp_path)
    assert state.step == 3


def test_a_loss_that_is_not_a_number_stops_with_the_last_good_step(model, motion, tmp_path):
    clips = examples()

    def poison(state):
        if state.step == 2:
            clips.items[0].latents.fill_(torch.nan)
            clips.items[1].latents.fill_(torch.nan)

    with pytest.raises(NotANumber, match=r"^The loss is not a number at step 3 \(learning rate 0.001.*step 2 is saved"):
        trained(model, motion, clips, plan(), tmp_path, watcher := Silent(poison))
    assert watcher.seen[-1] == "saved 2", "not that another run would go on from there: it would end there again"
    _, two = trained(model, motion, examples(), plan(steps=2), tmp_path / "two")
    _, kept = trained(model, motion, examples(), plan(steps=2), tmp_path)
    assert kept.step == 2 and same(kept.parameters, two.parameters)


def test_the_last_saves_stay(model, motion, tmp_path):
    trained(model, motion, examples(1), plan(steps=5, save_every=1, keep=2), tmp_path)
    assert [path.name for path in saves.saves_in(tmp_path)] == [f"checkpoint_00000{n}.safetensors" for n in (4, 5)]
    assert not list(tmp_path.glob("*.part"))


def test_a_save_that_fails_leaves_the_last_one(model, motion, tmp_path, monkeypatch):
    trained(model, motion, examples(1), plan(steps=2), tmp_path)

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(saves, "save_file", full)
    with pytest.raises(RuntimeError, match="could not be written .No space left.*What was saved before is whole"):
        trained(model, motion, examples(1), plan(steps=4), tmp_path)
    monkeypatch.undo()
    _, state = trained(model, motion, examples(1), plan(steps=4), tmp_path)
    assert state.step == 4


def test_a_resume_with_another_plan_or_other_clips_is_refused(model, motion, tmp_path):
    trained(model, motion, examples(1), plan(steps=1), tmp_path)
    with pytest.raises(ValueError, match="'test' was trained with other settings so far: rank 4, now 8. Choose start"):
        trained(model, motion, examples(1), plan(steps=2, rank=8), tmp_path)
    others = examples(1)
    object.__setattr__(others, "hash", "f" * 16)
    with pytest.raises(ValueError, match=r"other clips so far \(hash 01234567, now ffffffff\)"):
        trained(model, motion, others, plan(steps=2), tmp_path)
    _, anew = trained(model, motion, others, plan(steps=1, rank=8), tmp_path, resume=False)
    assert anew.step == 1


@pytest.mark.parametrize("loss", ["plain", "motion only", "motion and appearance"])
def test_two_batches_of_one_are_one_batch_of_two(model, motion, tmp_path, loss):
    clips = examples(3, size=16)
    _, batch = trained(model, motion, clips, plan(steps=1, batch=2, loss=loss), tmp_path / "batch")
    _, accumulated = trained(model, motion, clips, plan(steps=1, accumulate=2, loss=loss), tmp_path / "accumulated")
    assert batch.losses == pytest.approx(accumulated.losses, rel=1e-5)
    for name, value in gradients(batch).items():
        torch.testing.assert_close(value, gradients(accumulated)[name], rtol=1e-3, atol=1e-6)


def gradients(state):
    """The first step's, out of AdamW's first moment."""
    moments = state.optimizer.state
    return {name: moments[parameter]["exp_avg"] for name, parameter in state.parameters.items()}


def test_a_motion_model_learns_and_the_unet_does_not(model, motion, tmp_path):
    before = weights_of(model), weights_of(motion)
    for given in (motion, None):
        subject, state = trained(model, given, examples(), plan("motion model"), tmp_path / str(given is None))
        start = weights_of(motion) if given else None
        assert len(state.parameters) == len(motion.model.state_dict())
        if given:
            assert not any(torch.equal(state.parameters[f"motion.{key}"], value) for key, value in start.items())
        assert all(bool(torch.isfinite(value).all()) for value in state.parameters.values())
        assert same(subject.model.model.diffusion_model.state_dict(), model.model.diffusion_model.state_dict())
    assert same(weights_of(model), before[0]) and same(weights_of(motion), before[1])


def test_a_domain_adapter_learns_single_frames(model, tmp_path):
    before = weights_of(model)
    subject, state = trained(model, None, examples(frames=1, size=16), plan("domain adapter"), tmp_path)
    ups = {name: value for name, value in state.parameters.items() if ".ups." in name}
    assert len(ups) == 16 * 2 * 4 and all(bool(value.any()) for value in ups.values())
    assert same(weights_of(model), before)


def test_half_precision_learns_with_weights_of_32_bits(model, motion, tmp_path):
    """The UNet computes in bfloat16; its loss is that of float32, nearly, and small steps are not lost."""
    _, whole = trained(model, motion, examples(), plan(learning_rate=1e-5), tmp_path / "whole")
    half_plan = plan(learning_rate=1e-5, precision="bfloat16")
    subject, half = trained(model, motion, examples(), half_plan, tmp_path / "half")
    assert subject.model.model.get_dtype_inference() == torch.bfloat16
    assert half.losses == pytest.approx(whole.losses, rel=0.05) and half.losses != whole.losses
    for name, value in half.parameters.items():
        assert value.dtype == torch.float32 and bool(torch.isfinite(value).all())
        if name.endswith("up.weight"):
            assert bool(value.any())
