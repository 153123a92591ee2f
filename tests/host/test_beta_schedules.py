"""Noise schedules on the host's model sampling, against diffusers' tables."""

import comfy.model_sampling
import pytest
import torch
from animatediff_native.sampling.beta_schedules import BETA_SCHEDULES, KEEP, with_beta_schedule
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


@pytest.mark.parametrize("name", BETA_SCHEDULES)
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
