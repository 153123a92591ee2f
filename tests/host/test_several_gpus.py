"""Several GPUs: each gets its conds' ControlNets, and none counts for another."""

import time
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import comfy.model_management
import torch
from animatediff_native.motion.camera import camera_of, cameras, features, load_camera, with_camera
from animatediff_native.motion.camera_poses import camera_path
from animatediff_native.motion.options import KEPT_WINDOWS, KEY, Call, MotionRun
from animatediff_native.motion.picture import sampled_models_back
from animatediff_native.motion.strength import Moment, Part
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.long import frames_that_fit
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from cameras import camera_state
from clips import animated, conditioning, controlnet, latents, sample
from devices import multi_gpu, over_two_devices
from oracles import relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS


@multi_gpu
def test_controlnets_on_two_devices_have_the_hints_of_their_window(sd15_from_file, motion_from_file):
    """Two in a chain; each device has copies of its own of them."""
    moving = with_windows(animated(sd15_from_file, motion_from_file), WindowPlan(STANDARD_STATIC, 8, 2))
    hints = torch.rand(12, 3, 64, 64, generator=torch.Generator().manual_seed(4))

    def run(model, hints):
        control = controlnet().set_cond_hint(hints).set_previous_controlnet(controlnet().set_cond_hint(1 - hints))
        positive, negative = (conditioning(seed, control=control, control_apply_to_uncond=False) for seed in (1, 2))
        return sample(model, positive=positive, negative=negative, latent_image=latents(12, 8, 8), steps=1)

    expected = run(moving, hints)
    assert relative_error(run(over_two_devices(moving), hints), expected) < 1e-5
    assert relative_error(run(moving, hints.flip(0)), expected) > 1e-4


def test_two_devices_count_a_noise_level_once():
    class Slow(list):
        """Waits a little for the other thread before it says what it holds."""

        def __getitem__(self, index):
            with suppress(BrokenBarrierError):
                both.wait(0.2)
            return super().__getitem__(index)

    both = Barrier(2)
    run = MotionRun(8, levels=Slow([2.0]))
    threads = [Thread(target=run.note, args=(1.0,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(run.levels) == [2.0, 1.0]


@multi_gpu
def test_memory_for_long_windows_is_reckoned_without_other_devices(sd15_from_file, motion_from_file, monkeypatch):
    moving = animated(sd15_from_file, motion_from_file)
    split = over_two_devices(moving)
    monkeypatch.setattr(comfy.model_management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda device: 200e6)
    assert frames_that_fit(split, (16, 4, 8, 8)) == frames_that_fit(moving, (16, 4, 8, 8))


@multi_gpu
def test_each_device_has_a_camera(sd15_from_file, motion_from_file, tmp_path):
    save_file(camera_state(SD15_CHANNELS), tmp_path / "camera.safetensors")
    camera = load_camera(str(tmp_path / "camera.safetensors"))
    filmed = with_camera(motion_from_file, camera, camera_path("pan left"), 1.0)
    moving = with_windows(animated(sd15_from_file, filmed), WindowPlan(STANDARD_STATIC, 8, 2))
    split = over_two_devices(moving)
    models = [split, *split.get_additional_models_with_key("multigpu")]
    nets = [cameras(model.get_additional_models_with_key(KEY)[0])[0] for model in models]
    assert [net.load_device for net in nets] == [model.load_device for model in models]
    assert nets[0].model is not nets[1].model
    expected = sample(moving, latent_image=latents(12, 8, 8), steps=1)
    assert relative_error(sample(split, latent_image=latents(12, 8, 8), steps=1), expected) < 1e-5


def test_devices_do_not_meet_in_what_cameras_keep(sd15):
    """Where one goes through what all keep, another may be writing: "dictionary changed size during iteration"."""

    class OfAll(dict):
        def __iter__(self):
            raise AssertionError("what other devices keep was gone through")

    run, path = MotionRun(40, features=OfAll()), camera_path("pan left")
    nets = [camera_of(camera_state(SD15_CHANNELS)).model for _ in range(2)]
    made = []
    for net in nets:
        net.encoder.register_forward_hook(lambda *_: made.append(1))
    windows = [Part(range(start, start + 2)) for start in range(0, 2 * KEPT_WINDOWS + 2, 2)]
    for part in (*windows, *windows[-KEPT_WINDOWS:]):
        for net in nets:
            features(net, path, Call(sd15.model, torch.zeros(2, 4, 8, 8), 2, run, part, Moment(40)))
    assert len(made) == 2 * len(windows)


def test_devices_encode_one_after_the_other():
    """The host's list of loaded models is for one thread."""
    inside, most = [], []

    def encode():
        with sampled_models_back():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [Thread(target=encode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]
