"""The noise that samplers add while they sample."""

import comfy.sample
import comfy.samplers
import pytest
import torch
from animatediff_native.sampling.ancestral import AncestralNoise, noised, takes_noise_sampler, with_ancestral_noise
from animatediff_native.sampling.iterations import Iterations, with_iterations
from clips import FRAMES, animated, conditioning, latents, motion_model, sample
from comfy.k_diffusion.sampling import default_noise_sampler

ANCESTRAL = {"euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpm_adaptive", "lcm", "ddpm", "seeds_2"}
BROWNIAN = {"dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu"}
NONE = {"euler", "heun", "lms", "dpmpp_2m", "ddim", "uni_pc", "dpm_fast"}


def test_the_samplers_that_add_the_hosts_noise():
    names = {name for name in comfy.samplers.SAMPLER_NAMES if takes_noise_sampler(comfy.samplers.sampler_object(name))}
    assert names >= ANCESTRAL and not names & (BROWNIAN | NONE)


def test_the_hosts_noise_is_the_one_of_the_next_seed():
    """On the CPU the host adds 1 to the sampler's seed."""
    like = latents(8)
    own, hosts = AncestralNoise(seed_offset=1).sampler(like, 11), default_noise_sampler(like, 11)
    for _ in range(2):
        assert torch.equal(own(1.0, 0.5), hosts(1.0, 0.5))


@pytest.mark.parametrize("sampler_name", ["euler_ancestral", "lcm", "dpmpp_2s_ancestral"])
def test_a_whole_run_with_the_hosts_seed_is_the_hosts(sd15, sampler_name):
    model = animated(sd15, motion_model())
    own = with_ancestral_noise(model, AncestralNoise(seed_offset=1))
    plain = sample(model, sampler_name=sampler_name, steps=3)
    if sd15.load_device.type == "cpu":
        assert torch.equal(sample(own, sampler_name=sampler_name, steps=3), plain)
    other = with_ancestral_noise(model, AncestralNoise(seed=77))
    assert not torch.allclose(sample(other, sampler_name=sampler_name, steps=3), plain, atol=1e-2)
    assert torch.equal(sample(model, sampler_name=sampler_name, steps=3), plain)


def test_seeds():
    like = latents(2)
    drawn = AncestralNoise(seed=5).sampler(like, 11)(1.0, 0.5)
    assert torch.equal(AncestralNoise(seed_offset=-6).sampler(like, 11)(1.0, 0.5), drawn)
    last = AncestralNoise(seed_offset=6).sampler(like, 2**64 - 1)(1.0, 0.5)
    assert torch.equal(last, drawn)


def test_a_sampler_is_not_changed_for_the_next_run(sd15):
    """Custom samplers are objects that the host keeps from run to run."""
    sampler = comfy.samplers.ksampler("lcm")
    before = sampler.sampler_function
    model = with_ancestral_noise(sd15, AncestralNoise("constant"))
    words = (conditioning(5), conditioning(6), latents(2, 8, 8))
    with torch.inference_mode():
        comfy.sample.sample_custom(model, latents(2, 8, 8, seed=1), 1.0, sampler, torch.tensor([9.0, 0.0]), *words)
    assert sampler.sampler_function is before


def test_a_noise_sampler_of_the_samplers_own_stays():
    chosen = []
    sampler = noised(lambda model, x, sigmas, noise_sampler: chosen.append(noise_sampler), AncestralNoise(), 11)
    sampler(None, latents(1), None, noise_sampler="its own")
    sampler(None, latents(1), None)
    assert chosen[0] == "its own" and callable(chosen[1])


def test_constant_noise_is_one_frame_for_all():
    noise = AncestralNoise("constant").sampler(latents(FRAMES), 11)
    first, second = noise(1.0, 0.5), noise(0.5, 0.2)
    assert first.shape == (FRAMES, 4, 16, 16) and torch.equal(first, first[:1].expand_as(first))
    assert not torch.equal(first, second)


def test_constant_noise_in_a_run(sd15):
    """One step of noise on a plain checkpoint: equal frames stay equal with constant noise, and only with it."""
    words = {"noise": latents(1, seed=3).repeat(FRAMES, 1, 1, 1), "sampler_name": "lcm", "steps": 2}
    constant = sample(with_ancestral_noise(sd15, AncestralNoise("constant")), **words)
    assert torch.allclose(constant, constant[:1].expand_as(constant), atol=1e-5)
    free = sample(sd15, **words)
    assert not torch.allclose(free, free[:1].expand_as(free), atol=1e-2)


def test_a_sampler_without_noise_is_told(sd15, caplog):
    model = with_ancestral_noise(animated(sd15, motion_model()), AncestralNoise())
    with caplog.at_level("INFO", "animatediff"):
        result = sample(model)
    assert "without effect" in caplog.text
    assert torch.equal(result, sample(animated(sd15, motion_model())))


def test_each_iteration_begins_the_noise_anew(sd15):
    """Two iterations without FreeInit and with the same seed: the second one is a run from the first one's clip."""
    model = with_ancestral_noise(animated(sd15, motion_model()), AncestralNoise())
    words = {"sampler_name": "euler_ancestral", "denoise": 0.5, "steps": 2}
    start = latents(8, seed=3)
    twice = sample(with_iterations(model, Iterations(2, None, seed_offset=0)), latent_image=start, **words)
    once = sample(model, latent_image=start, **words)
    again = sample(model, latent_image=once, noise=comfy.sample.prepare_noise(start, 11), **words)
    assert torch.allclose(twice, again, atol=1e-3)


def test_an_unknown_noise_type():
    with pytest.raises(ValueError, match="'pink' is not a noise type. Choose one of: default, constant"):
        AncestralNoise("pink")
