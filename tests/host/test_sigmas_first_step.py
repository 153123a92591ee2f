"""A run that starts at a later step has the windows that the uninterrupted run has there."""

import comfy.samplers
import pytest
import torch
from animatediff_native.nodes.compat.gen2 import USE_EXISTING, evolved
from animatediff_native.nodes.compat.types import Group
from animatediff_native.sampling.sigmas.first_step import MOST_STEPS, SCHEDULERS, steps_before
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import LOOPED_UNIFORM, STANDARD_SHIFTED, WindowPlan, windows
from clips import animated, conditioning, latents, motion_model
from comfy_extras import nodes_custom_sampler

import nodes

FRAMES, STEPS, HALF = 12, 4, 2
SHIFTED, LOOPED = WindowPlan(STANDARD_SHIFTED, 6, 2), WindowPlan(LOOPED_UNIFORM, 6, 2, closed_loop=True)


def sigmas_of(model, scheduler: str, steps: int):
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_steps_before(sd15, scheduler):
    sampling = sd15.get_model_object("model_sampling")
    for steps in (4, 20):
        whole = sigmas_of(sd15, scheduler, steps)
        last = len(whole) - 1
        for start in range(last - 1):
            assert steps_before(whole[start:], sampling) == start
            early = torch.cat([whole[start : start + 2], whole[-1:]])  # stops early, without leftover noise
            assert steps_before(early, sampling) == start


def test_steps_before_levels_of_no_schedule(sd15, caplog):
    sampling = sd15.get_model_object("model_sampling")
    with caplog.at_level("INFO", "animatediff"):
        assert steps_before(torch.tensor([9.1, 5.3, 1.1, 0.0]), sampling) == 0
        assert "levels from 9.1 on are of no schedule of ComfyUI's" in caplog.text
        caplog.clear()
        assert steps_before(torch.tensor([float(sampling.sigma_max), 5.3, 1.1, 0.0]), sampling) == 0
        assert steps_before(torch.tensor([5.3]), sampling) == steps_before(torch.tensor([]), sampling) == 0
        assert not caplog.text
    assert steps_before(sigmas_of(sd15, "normal", MOST_STEPS)[50:], sampling) == 50


def test_a_denoise_below_1_is_a_later_start(sd15):
    sigmas = comfy.samplers.KSampler(sd15, 10, "cpu", "dpm_2", "karras", 0.5).sigmas
    assert (
        steps_before(sigmas, sd15.get_model_object("model_sampling")) == 10
    )  # dpm_2 leaves the last step but one of 21 out


def watched(model):
    """(`model`, the windows of its calls)"""
    seen, model = [], model.clone()
    model.set_model_attn2_patch(lambda q, k, v, extra: (seen.append(extra["ad_params"]["sub_idxs"]), (q, k, v))[1])
    return model, seen


def distinct(seen: list[list[int]]) -> list[list[int]]:
    """One entry a call, of the many that each layer leaves."""
    return [window for before, window in zip([None, *seen], seen, strict=False) if window != before]


def halves(model, scheduler: str):
    """(the clip of a whole run, that of two runs of KSampler Advanced, windows of the whole run, of the second)"""
    words = (1, STEPS, 4.0, "euler", scheduler, conditioning(1), conditioning(2))
    sample = nodes.KSamplerAdvanced().sample
    model, seen = watched(model)
    with torch.inference_mode():
        whole = sample(model, "enable", *words, {"samples": latents(FRAMES, 8, 8)}, 0, STEPS, "disable")[0]
        windows_of_whole = distinct(seen)
        part = sample(model, "enable", *words, {"samples": latents(FRAMES, 8, 8)}, 0, HALF, "enable")[0]
        seen.clear()
        both = sample(model, "disable", *words, part, HALF, STEPS, "disable")[0]
    return whole["samples"], both["samples"], windows_of_whole, distinct(seen)


def planned(plan: WindowPlan, steps) -> list[list[int]]:
    return [window for step in steps for window in windows(plan, FRAMES, step)]


@pytest.mark.parametrize(("plan", "scheduler"), [(SHIFTED, "normal"), (LOOPED, "karras"), (SHIFTED, "ddim_uniform")])
def test_two_halves_are_the_whole(sd15, plan, scheduler):
    whole, both, seen_whole, seen = halves(with_windows(animated(sd15, motion_model()), plan), scheduler)
    assert seen_whole == planned(plan, range(STEPS))
    assert seen == planned(plan, range(HALF, STEPS))
    assert torch.allclose(both, whole, atol=1e-2)


def test_split_sigmas(sd15):
    model, seen = watched(with_windows(animated(sd15, motion_model()), LOOPED))
    low = sigmas_of(sd15, "normal", STEPS)[HALF:]
    sampler = comfy.samplers.sampler_object("euler")
    words = (model, False, 1, 4.0, conditioning(1), conditioning(2), sampler, low, {"samples": latents(FRAMES, 8, 8)})
    with torch.inference_mode():
        nodes_custom_sampler.SamplerCustom.execute(*words)
    assert distinct(seen) == planned(LOOPED, range(HALF, STEPS))


def test_shared_workflows_begin_anew_as_they_always_did(sd15):
    """ComfyUI-AnimateDiff-Evolved gives each run the windows of a first step."""
    model = animated(sd15, motion_model())
    *_, seen = halves(with_windows(model, LOOPED, goes_on=False), "normal")
    assert seen == planned(LOOPED, range(STEPS - HALF))
    shared = evolved(model, USE_EXISTING, context_options=Group((LOOPED,)))
    assert not shared.model_options["context_handler"].goes_on


def test_levels_of_no_schedule_have_the_windows_of_a_first_step(sd15):
    model, seen = watched(with_windows(animated(sd15, motion_model()), LOOPED))
    sigmas, sampler = torch.tensor([5.3, 1.1, 0.0]), comfy.samplers.sampler_object("euler")
    words = (model, True, 1, 4.0, conditioning(1), conditioning(2), sampler, sigmas)
    with torch.inference_mode():
        nodes_custom_sampler.SamplerCustom.execute(*words, {"samples": latents(FRAMES, 8, 8)})
    found = distinct(seen)
    assert found == planned(LOOPED, range(2))
    assert {frame for window in found[: len(found) // 2] for frame in window} == set(range(FRAMES))
