"""One evaluation of the model in windows: which go into one call of the UNet, and how far it is."""

import comfy.utils
import pytest
import torch
from animatediff_native.motion.options import KEY, MotionRun
from animatediff_native.sampling.iterations import Iterations, with_iterations
from animatediff_native.sampling.noise.freeinit import FreeInit
from animatediff_native.sampling.windows.call import WindowedCall
from animatediff_native.sampling.windows.handler import WindowHandler, with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan
from clips import animated, latents, motion_model, sample

STATIC = WindowPlan(STANDARD_STATIC, 8, 4)


@pytest.mark.parametrize("frames", [12, 20])
def test_windows_of_different_lengths_are_not_in_one_call(sd15, frames):
    """8 and 4 frames as two windows of 6 would mix the frames of both."""
    model, plan = animated(sd15, motion_model()), WindowPlan(BATCHED, 8, 0, fuse_method="flat")
    small = {"latent_image": latents(frames, 8, 8), "steps": 1}
    one, several = (sample(with_windows(model, plan, windows_per_call=count), **small) for count in (1, 3))
    assert torch.allclose(several, one, atol=1e-3)


@pytest.fixture
def progress():
    """(value, total) of every progress bar of the host."""
    told = []
    comfy.utils.set_progress_bar_global_hook(lambda value, total, *others, **words: told.append((value, total)))
    yield told
    comfy.utils.set_progress_bar_global_hook(None)


def test_the_progress_bar_counts_windows_of_all_steps_and_iterations(sd15, progress):
    model = with_windows(animated(sd15, motion_model()), STATIC)
    iterations, steps, windows = 3, 2, 2
    sample(with_iterations(model, Iterations(iterations, FreeInit())), latent_image=latents(12, 8, 8), steps=steps)
    total = iterations * steps * windows
    assert [value for value, of in progress if of == total] == list(range(1, total + 1))


@pytest.mark.parametrize(("conds", "at_once"), [(1, 4), (2, 2), (3, 1)])
def test_as_many_windows_at_once_as_fit_into_memory_with_all_conds(sd15, monkeypatch, conds, at_once):
    model = sd15.clone()
    x = latents(40, 8, 8)
    needed = 4 * sd15.model.memory_required([8, *x.shape[1:]])
    model.get_free_memory = lambda device: needed * 1.5
    monkeypatch.setattr(sd15.model, "current_patcher", model)
    options = {KEY: MotionRun(len(x))}
    # PyTorch's meta device stands for a GPU: on a CPU there is one window at a time.
    call = WindowedCall(
        WindowHandler((STATIC,)), sd15.model, x.to("meta"), torch.ones(1), {"transformer_options": options}
    )
    assert call.windows_in_memory([[{}]] * conds + [None]) == at_once
