"""Noise options through the host's samplers."""

import pytest
import torch
from animatediff_native.sampling.noise.draw import ADD, CONSTANT, EMPTY, FREENOISE, REPLACE, Draw, Layer
from animatediff_native.sampling.run import chosen_noise, noise_options, with_noise
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, motion_model, sample
from comfy.patcher_extension import WrappersMP


def noise_of(model, frames=12, **words):
    """The noise that the sampler starts from."""
    seen = []

    def spy(executor, guider, sigmas, extra_args, callback, noise, *args, **kwargs):
        seen.append(noise.clone())
        return executor(guider, sigmas, extra_args, callback, noise, *args, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "spy", spy)
    sample(model, frames, steps=1, **words)
    return seen[0]


def chosen(model, noise_type="default", mode=REPLACE, weight=1.0, mask=None, **words):
    return with_noise(model, Layer(Draw(noise_type, **words), mode, weight, mask=mask))


def test_the_default_changes_nothing(sd15):
    model = animated(sd15, motion_model())
    assert torch.equal(sample(chosen(model)), sample(model))


def test_kinds_reach_the_sampler(sd15):
    own = noise_of(sd15)
    assert torch.equal(noise_of(chosen(sd15, CONSTANT)), own[:1].expand_as(own))
    assert noise_of(chosen(sd15, EMPTY)).abs().max() == 0
    assert torch.equal(noise_of(chosen(sd15, seed_offset=4)), noise_of(sd15, seed=15))
    both = noise_of(chosen(chosen(sd15, seed_offset=4), mode=ADD, weight=0.5, seed_offset=1))
    assert torch.allclose(both, noise_of(sd15, seed=15) + 0.5 * noise_of(sd15, seed=16))


def test_freenoise_shuffles_by_the_windows(sd15):
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_STATIC, 8, 4))
    own, shuffled = noise_of(sd15), noise_of(chosen(model, FREENOISE))
    assert torch.equal(shuffled[:8], own[:8]) and not torch.equal(shuffled, own)
    assert all(any(torch.equal(frame, first) for first in own[:4]) for frame in shuffled[8:])


def test_a_sampler_that_adds_no_noise_gets_none(sd15):
    """The second half of a split run: the host hands zeros."""
    none = torch.zeros(12, 4, 16, 16)
    assert chosen_noise(noise_options(chosen(sd15, CONSTANT)), none, 1, None) is none


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_every_seed(sd15, seed):
    assert noise_of(chosen(sd15, seed_offset=5), seed=seed).isfinite().all()


def test_the_models_own_noise_is_untouched(sd15):
    before = noise_of(sd15)
    noise_of(chosen(sd15, EMPTY))
    assert torch.equal(noise_of(sd15), before)
