"""Sampling over and over through the host's samplers."""

import comfy.sample
import pytest
import torch
from animatediff_native.sampling.iterations import Iterations, with_iterations
from animatediff_native.sampling.noise.draw import REPLACE, Draw, Layer
from animatediff_native.sampling.noise.freeinit import AS_ADE, DINKINIT, FreeInit, reinitialized
from animatediff_native.sampling.run import with_noise
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import LOOPED_UNIFORM, STANDARD_STATIC, WindowPlan
from clips import animated, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP


def starts_of(model, **words):
    """(noise, latents, clip) of each pass of the sampler, and the result."""
    seen = []

    def spy(executor, guider, sigmas, extra_args, callback, noise, latent_image, *others, **kwargs):
        clip = executor(guider, sigmas, extra_args, callback, noise, latent_image, *others, **kwargs)
        seen.append((noise.clone(), latent_image.clone(), clip.clone()))
        return clip

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "spy", spy)
    return seen, sample(model, **words)


def test_one_iteration_is_a_plain_run(sd15):
    model = animated(sd15, motion_model())
    once = with_iterations(model, Iterations(1, FreeInit()))
    assert torch.equal(sample(once), sample(model))


def test_each_pass_starts_from_the_last_ones_clip(sd15):
    model = animated(sd15, motion_model())
    seen, clip = starts_of(with_iterations(model, Iterations(3, FreeInit())))
    first = seen[0][0]
    assert len(seen) == 3 and torch.equal(first, starts_of(model)[0][0][0])
    sigma = float(model.get_model_object("model_sampling").sigmas[-1])
    for iteration in (1, 2):
        fresh = starts_of(model, seed=11 + iteration)[0][0][0]
        expected = reinitialized(FreeInit(), seen[iteration - 1][2], first, fresh, sigma, 0.18215)
        assert torch.allclose(seen[iteration][0], expected, atol=1e-5)
        assert torch.equal(seen[iteration][1], seen[0][1])
    assert torch.allclose(clip * 0.18215, seen[2][2], atol=1e-4)
    assert not torch.allclose(clip, sample(model), atol=1e-1)


@pytest.mark.parametrize(("manner", "known"), [(AS_ADE, 1), (DINKINIT, 0)])
def test_the_incumbents_passes_use_the_last_noise_or_the_first(sd15, manner, known):
    """known: the iteration whose noise the third one begins with."""
    kind = FreeInit(manner=manner)
    seen, _ = starts_of(with_iterations(animated(sd15, motion_model()), Iterations(3, kind)))
    sigma = float(sd15.get_model_object("model_sampling").sigmas[-1])
    fresh = starts_of(sd15, seed=13)[0][0][0]
    expected = reinitialized(kind, seen[1][2], seen[known][0], fresh, sigma, 0.18215)
    assert torch.allclose(seen[2][0], expected, atol=1e-5)


def test_without_freeinit_the_clip_is_sampled_further(sd15):
    model = animated(sd15, motion_model())
    seen, _ = starts_of(
        with_iterations(model, Iterations(2, None, seed_offset=0)), denoise=0.5, latent_image=latents(8, seed=3)
    )
    assert torch.equal(seen[1][0], seen[0][0]) and torch.equal(seen[1][1], seen[0][2])


def test_windows_and_progress_run_through_all_iterations(sd15, motion):
    told = []
    plan = WindowPlan(STANDARD_STATIC, 8, 2)
    model = with_iterations(with_windows(animated(sd15, motion.patcher), plan), Iterations(2, FreeInit()))
    sample(model, frames=14, steps=2, callback=lambda step, x0, x, steps: told.append((step, steps)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert motion.runs_of_every_site() == 2 * 2 * 2


def test_a_sampler_that_stops_early_is_told(sd15):
    model = with_iterations(animated(sd15, motion_model()), Iterations(2, FreeInit()))
    with pytest.raises(ValueError, match="need a finished clip each time.*return_with_leftover_noise off"):
        sample(model, steps=4, last_step=2)
    assert sample(model, steps=2).isfinite().all()


def test_no_noise_is_sampled_once(sd15, caplog):
    model = with_iterations(animated(sd15, motion_model()), Iterations(3, FreeInit()))
    with caplog.at_level("INFO", "animatediff"):
        seen, _ = starts_of(model, noise=latents(8), latent_image=latents(8, seed=3))
    assert len(seen) == 1 and "nothing to iterate" in caplog.text


def test_empty_noise_that_is_chosen_is_sampled_over_and_over(sd15):
    model = with_noise(sd15, Layer(Draw("empty"), REPLACE))
    seen, _ = starts_of(with_iterations(model, Iterations(2, FreeInit(manner=DINKINIT))))
    assert len(seen) == 2 and not seen[0][0].any() and seen[1][0].any()


def test_windows_move_alike_in_every_iteration(sd15):
    """The step that chooses a step's windows is the iteration's own, not counted on from the last one."""
    model = animated(sd15, motion_model())
    seen = []

    def spy(executor, x, *others, **kwargs):
        options = kwargs.get("transformer_options") or others[-1]
        seen.append(tuple(options["ad_params"]["sub_idxs"]))
        return executor(x, *others, **kwargs)

    model = with_iterations(with_windows(model, WindowPlan(LOOPED_UNIFORM, 8, 2)), Iterations(2, FreeInit()))
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", spy)
    sample(model, frames=16, steps=3)
    assert len(set(seen)) > 3
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def test_one_iteration_may_stop_early(sd15):
    once = with_iterations(sd15, Iterations(1))
    assert torch.equal(sample(once, 2, last_step=1), sample(sd15, 2, last_step=1))


def test_offsets_that_cancel_out_are_the_noise_of_the_samplers_own_seed(sd15):
    """Noise with an offset of 1, iterations with one of -1: the second iteration is that of the seed itself."""
    model = with_noise(animated(sd15, motion_model()), Layer(Draw(seed_offset=1), REPLACE))
    model = with_iterations(model, Iterations(2, None, seed_offset=-1))
    words = {"latent_image": latents(8, 8, 8, seed=3), "denoise": 0.5}
    seen, _ = starts_of(model, **words)
    for (noise, *_), seed in zip(seen, (12, 11), strict=True):
        assert torch.equal(noise.cpu(), comfy.sample.prepare_noise(latents(8, 8, 8), seed))
