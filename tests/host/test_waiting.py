"""A GPU is not made to wait: what a step asks it for, counted on a CPU that goes by a second name."""

import comfy.model_management
import pytest
import torch
from animatediff_native.sampling.references.settings import Links, Reference
from animatediff_native.sampling.values.schedules import step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, WHOLE_CLIP, WindowPlan
from animatediff_native.sampling.windows.presets import preset
from clips import animated, latents, motion_model, sample
from second_device import ASKED, DEVICE, FETCHED, LAUNCHES, SENT, SecondDevice, counted
from unets import unet_model

STEPS = 3


@pytest.fixture(autouse=True)
def second_device(monkeypatch):
    monkeypatch.setattr(comfy.model_management, "get_torch_device", lambda: DEVICE)


def later_steps(model, frames: int) -> dict[str, float]:
    clip = latents(frames, 8, 8)

    def run(callback):
        sample(model, latent_image=clip, steps=STEPS, disable_pbar=True, callback=callback)

    return counted(run, STEPS)[1]


def test_motion_asks_for_nothing():
    plain, moving = later_steps(unet_model(), 8), later_steps(animated(unet_model(), motion_model()), 8)
    assert [moving[what] for what in (SENT, FETCHED, ASKED)] == [plain[what] for what in (SENT, FETCHED, ASKED)]


def test_learnt_tables_are_on_the_device():
    motion = motion_model()
    for attention in (each for each in motion.model.modules() if hasattr(each, "position_table")):
        attention.position_table = torch.randn(32, attention.to_q.weight.shape[1])
    assert later_steps(animated(unet_model(), motion), 8)[SENT] == later_steps(unet_model(), 8)[SENT]


def test_schedules_ask_for_the_noise_level_alone():
    scale = step_values("0: 1.2, 0.3: 1.1, 0.6: 1.0, 1: 0.8")
    plain = later_steps(unet_model(), 8)
    found = later_steps(animated(unet_model(), motion_model(), motion_scale=scale), 8)
    assert (found[ASKED], found[FETCHED], found[SENT]) == (1, 0, plain[SENT])


def test_references_stay_on_the_device():
    """Two windows, in which the noise level is asked for once."""
    model = animated(unet_model(), motion_model(), end_percent=0.999)
    plan, links = WindowPlan(BATCHED, 4, 0), Links(Reference(end_percent=1.0))
    found = later_steps(with_windows(model, plan, links=links), 8)
    assert (found[FETCHED], found[ASKED]) == (0, 1)
    assert found[SENT] == 2 * later_steps(unet_model(), 8)[SENT]


def test_views_are_one_pass():
    model = animated(unet_model(), motion_model())
    whole, viewed = (
        with_windows(model, WindowPlan(WHOLE_CLIP, 1, 0, views=preset("stable", length))) for length in (32, 16)
    )
    one, three = later_steps(whole, 32)[LAUNCHES], later_steps(viewed, 32)[LAUNCHES]
    assert one < three < 1.2 * one


def test_another_seed_and_motion_scale_load_nothing_again():
    unet, motion = unet_model(), motion_model()
    with SecondDevice() as device:
        sent = []
        for scale, seed in ((1.0, 1), (1.2, 2)):
            device.counts.clear()
            sample(animated(unet, motion, motion_scale=scale), frames=4, steps=1, seed=seed)
            sent.append(device.counts[SENT])
    assert sent[0] > 500 and sent[1] < 10
