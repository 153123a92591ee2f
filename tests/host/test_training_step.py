"""One step of training on the host's own UNet: its loss, what it sees of a clip, and its gradients."""

import comfy.model_management
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule
from animatediff_native.training.recompute import with_recomputing
from animatediff_native.training.step import Drawn, Learning, denoised, drawn, encoded
from animatediff_native.training.subject import subject_of
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from small_training import conditioning, examples, motion_model, plan, same, seeded, small_unet


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():  # as a loader's node makes it
        return small_unet()


@pytest.fixture(scope="module")
def motion():
    with torch.inference_mode():
        return motion_model("v3")


@pytest.mark.parametrize("family", ["v3", "v1", "hotshot"])
@pytest.mark.parametrize("kind", ["motion LoRA", "motion model"])
def test_recomputed_layers_have_the_same_gradients(family, kind, tmp_path):
    arch = "sdxl" if family == "hotshot" else "sd15"
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(small_unet(arch), motion_model(family, arch), plan(kind))
        subject.load()
        learning = Learning(subject, examples(1, arch=arch), plan(kind))
        drawn_clip = Drawn(0, 0, 0, 0, 0.5, 0)
        found = []
        for recompute in (False, True):
            if recompute:
                with_recomputing(subject.model, subject.motion_format.family.norms)
            for loss in learning.losses([drawn_clip]):
                loss.backward()
            found.append({name: value.grad.clone() for name, value in subject.parameters().items()})
            for value in subject.parameters().values():
                value.grad = None
    assert same(*found) and sum(bool(value.any()) for value in found[0].values()) > 100


def test_a_new_motion_model_changes_nothing_until_it_learns(model, tmp_path):
    with torch.inference_mode(False), torch.enable_grad():
        for kind in ("v3", "v2"):
            subject = subject_of(model, None, plan("motion model", new_model=kind))
            subject.load()
            x, sigma = seeded(1, 4, 4, 8, 8), torch.tensor([3.0])
            conds = [encoded(subject.model, conditioning(1), x.shape[1:])]
            with torch.no_grad():
                moving = denoised(subject.model, x, sigma, conds)
                bare = attach_nothing(subject, x, sigma, conds)
            assert torch.equal(moving, bare)


def attach_nothing(subject, x, sigma, conds):
    """The same call of the same UNet without the motion model's wrapper."""
    model = subject.model.clone()
    for kind in list(model.wrappers):
        model.remove_wrappers_with_key(kind, "animatediff")
    return denoised(model, x, sigma, conds)


def test_appearance_learns_from_frames_alone_and_motion_from_motion(model, motion):
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(model, motion, plan(loss="motion and appearance"))
        subject.load()
        learning = Learning(subject, examples(1, size=16), plan(loss="motion and appearance"))
        parts = {}
        for loss, name in zip(learning.losses([Drawn(0, 0, 0, 0, 0.5, 0)]), ("clip", "frame"), strict=True):
            loss.backward()
            parts[name] = {key.partition(".")[0] for key, each in subject.parameters().items() if each.grad is not None}
            for each in subject.parameters().values():
                each.grad = None
        assert parts == {"clip": {"motion"}, "frame": {"spatial"}}
        without = Drawn(0, 0, 0, 0, 0.5, 0, with_appearance=False)
        assert len(list(learning.losses([without]))) == 1


@pytest.mark.parametrize(("arch", "predicts"), [("sd15", "eps"), ("sd15", "v_prediction"), ("sdxl", "eps")])
def test_the_loss_is_the_official_one(arch, predicts):
    """Mean squared error of the noise or of v, at one timestep for the clip, on the UNet's own output."""
    family = {"sd15": "v3", "sdxl": "sdxl"}[arch]
    with torch.inference_mode(False), torch.enable_grad():
        clips, own_plan = examples(1, arch=arch), plan()
        (checkpoint,) = ModelSamplingDiscrete().patch(small_unet(arch), predicts, zsnr=predicts == "v_prediction")
        subject = subject_of(checkpoint, motion_model(family, arch), own_plan)
        subject.load()
        learning, seen = Learning(subject, clips, own_plan), {}

        def note(executor, *arguments, **kwargs):
            seen["x"], seen["t"] = arguments[:2]
            seen["prediction"] = executor(*arguments, **kwargs)
            return seen["prediction"]

        subject.model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
        each = drawn(clips, own_plan, 5, 0, 1)
        (loss,) = learning.losses([each])
        sampling = subject.model.model.model_sampling
        timestep = own_plan.options.drawn_levels.timestep(each.level, sampling.sigmas)
        alpha = 1 / (sampling.sigmas[timestep] ** 2 + 1)
        clean = learning.clean([each])[0]
        noise = learning.noise(each, clean.shape)
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    torch.testing.assert_close(seen["x"], noisy, rtol=1e-5, atol=1e-5)
    assert seen["t"].tolist() == [timestep] * len(clean)
    target = noise if predicts == "eps" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    assert loss.item() == pytest.approx((seen["prediction"] - target).square().mean().item(), rel=1e-5)


def test_a_clip_in_training_is_what_a_sampler_would_see(model, motion):
    """The same numbers through the graph's own MODEL in inference mode."""
    x, sigma = seeded(1, 4, 4, 8, 8), torch.tensor([2.0])
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(model, motion, plan())
        subject.load()
        conds = [encoded(subject.model, conditioning(1), x.shape[1:])]
        training = denoised(subject.model, x, sigma, conds).detach()
    plain = with_beta_schedule(attach(model, motion, MotionSettings()), "AnimateDiff SD1.5")
    comfy.model_management.load_models_gpu([plain, *plain.get_nested_additional_models()], force_full_load=True)
    plain.pre_run()
    with torch.inference_mode():
        other = denoised(plain, x, sigma, conds)
    plain.cleanup()
    torch.testing.assert_close(training, other, rtol=1e-4, atol=1e-4)
