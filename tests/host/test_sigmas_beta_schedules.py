"""Noise schedules on the host's model sampling, against diffusers' tables."""

import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from animatediff_native.sampling.sigmas.beta_schedules import BETA_SCHEDULES, KEEP, sigma_table, with_beta_schedule
from animatediff_native.sampling.sigmas.tables import interpolated, split, weighted
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from oracles import data
from unets import unet_model

DIFFUSERS = {
    "AnimateDiff SD1.5": ("linear_0.00085_0.012", 25.1461),
    "AnimateDiff SDXL": ("scaled_linear_0.00085_0.020", 65.9287),
    "Stable Diffusion": ("scaled_linear_0.00085_0.012", 14.6146),
}


@pytest.fixture(scope="module")
def model():
    return unet_model()


@pytest.mark.parametrize("name", DIFFUSERS)
def test_the_numbers_are_diffusers(model, name):
    sampling = with_beta_schedule(model, name).get_model_object("model_sampling")
    table, sigma_max = DIFFUSERS[name]
    assert sampling.sigma_max.item() == pytest.approx(sigma_max, rel=1e-5)
    alphas_cumprod = 1 / (sampling.sigmas**2 + 1)
    assert torch.allclose(alphas_cumprod, data("schedules")[f"{table}.alphas_cumprod"], rtol=5e-5)


def test_keep(model):
    assert with_beta_schedule(model, KEEP) is model
    with pytest.raises(ValueError, match="AnimateDiff SDXL"):
        with_beta_schedule(model, "sqrt_linear")


def test_the_model_itself_is_untouched(model):
    before = model.get_model_object("model_sampling")
    with_beta_schedule(model, "AnimateDiff SD1.5")
    assert model.get_model_object("model_sampling") is before


@pytest.mark.parametrize("zsnr", [False, True])
def test_v_prediction_and_zero_snr_stay(model, zsnr):
    v_model = ModelSamplingDiscrete().patch(model, "v_prediction", zsnr)[0]
    sampling = with_beta_schedule(v_model, "AnimateDiff SD1.5").get_model_object("model_sampling")
    assert isinstance(sampling, comfy.model_sampling.V_PREDICTION)
    assert sampling.zsnr is zsnr
    expected = 4518 if zsnr else 25.1461
    assert sampling.sigma_max.item() == pytest.approx(expected, rel=1e-3)
    x = torch.randn(1, 4, 2, 2)
    sigma = torch.tensor([2.0])
    own = v_model.get_model_object("model_sampling")
    assert torch.equal(sampling.calculate_denoised(sigma, x, x), own.calculate_denoised(sigma, x, x))


@pytest.mark.parametrize(("steps", "timesteps"), [(4, [999, 749, 499, 249]), (6, [999, 839, 669, 499, 339, 169])])
def test_animatelcm_is_sampled_at_its_own_timesteps(model, steps, timesteps):
    """The host's scheduler `simple`, against AnimateLCM's list for 100 original steps."""
    sampling = with_beta_schedule(model, "AnimateLCM").get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, "simple", steps)
    alphas = data("schedules")["linear_0.00085_0.012.alphas_cumprod"][timesteps]
    assert torch.allclose(sigmas[:-1], ((1 - alphas) / alphas) ** 0.5, rtol=1e-4)
    assert sampling.timestep(sigmas[:-1]).tolist() == timesteps


def test_an_lcm_prediction_is_the_denoised_picture(model):
    """c_skip < 5e-8 and c_out = 1 at the sampled timesteps (latent consistency, arXiv:2310.04378)."""
    sampling = with_beta_schedule(model, "AnimateLCM").get_model_object("model_sampling")
    x, noise, sigma = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0)).unbind() + (
        torch.tensor([2.0]),
    )
    assert torch.allclose(sampling.calculate_denoised(sigma, noise, x), x - noise * 2.0, atol=1e-5)


def test_mixtures_of_sigma_tables():
    tables = {name: sigma_table(name, BETA_SCHEDULES[name]) for name in BETA_SCHEDULES}
    a, b, lcm = tables["AnimateDiff SD1.5"], tables["Stable Diffusion"], tables["AnimateLCM"]
    assert weighted(a, b, 0.5).sigmas[-1].item() == pytest.approx(19.88038, rel=1e-5)
    assert torch.equal(weighted(a, b, 1.0).sigmas, a.sigmas) and torch.equal(weighted(a, b, 0.0).sigmas, b.sigmas)
    turned = interpolated(a, b, start=1.0, end=0.0, easing="ease")
    assert torch.allclose(turned.sigmas[[0, -1]], torch.stack([b.sigmas[0], a.sigmas[-1]]))
    half = split(a, b, 0.5).sigmas
    assert torch.equal(half[500:], a.sigmas[500:]) and torch.equal(half[:500], b.sigmas[:500])
    with pytest.raises(ValueError, match=r"'AnimateDiff SD1.5' \(1000 timesteps\) and 'AnimateLCM' \(100\) do not go"):
        weighted(a, lcm, 0.5)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", ["v_prediction", "eps", "x0"])
def test_animatelcms_schedule_keeps_what_the_checkpoint_predicts(model, kind, times):
    """At the sampled timesteps a latent consistency model's picture is the one that its prediction says."""
    other = ModelSamplingDiscrete().patch(model, kind, False)[0]
    own, sampling = (each.get_model_object("model_sampling") for each in (other, with_lcm(other, times)))
    x, prediction = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([2.0])
    expected = own.calculate_denoised(sigma, prediction, x)
    assert torch.allclose(sampling.calculate_denoised(sigma, prediction, x), expected, atol=1e-5)


def with_lcm(model, times: int):
    for _ in range(times):
        model = with_beta_schedule(model, "AnimateLCM")
    return model
