"""Several GPUs: each gets its conds' ControlNets, and none counts for another."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import comfy.model_management
import torch
from animatediff_native.motion.options import MotionRun
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.long import frames_that_fit
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, controlnet, latents, sample
from devices import multi_gpu, over_two_devices
from oracles import relative_error


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
