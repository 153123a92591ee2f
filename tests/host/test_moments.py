"""Where a noise level lies in the sampling, for each way in which the host counts noise levels."""

import comfy.model_sampling as host
import pytest
from animatediff_native.motion.moments import percent_at
from animatediff_native.sampling.guidance import with_guidance
from animatediff_native.sampling.sigmas.beta_schedules import lcm_sampling
from animatediff_native.sampling.values.schedules import step_values
from clips import first, latents, sample
from comfy_extras.nodes_model_advanced import ModelSamplingContinuousEDM

SAMPLINGS = {
    "Stable Diffusion": host.ModelSamplingDiscrete,
    "zero SNR": lambda: host.ModelSamplingDiscrete(zsnr=True),
    "AnimateLCM": lambda: lcm_sampling(100)(),
    "Playground": host.ModelSamplingContinuousEDM,
    "CosXL": host.ModelSamplingContinuousV,
    "flow": host.ModelSamplingDiscreteFlow,
}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_percent_is_the_inverse_of_the_hosts(name):
    sampling = SAMPLINGS[name]()
    close = 1 / 100 if name == "AnimateLCM" else 1 / 999
    for place in range(1, 40):
        percent = place / 40
        level = float(sampling.percent_to_sigma(percent))
        assert percent_at(sampling, level) == pytest.approx(percent, abs=close)
    assert percent_at(sampling, float(sampling.sigma_max)) == pytest.approx(0, abs=close)
    assert percent_at(sampling, float(sampling.sigma_min) * 0.999) == pytest.approx(1, abs=close)


@pytest.mark.parametrize("kind", ["v_prediction", "edm_playground_v2.5", "eps"])
def test_a_ramp_over_the_sampling_on_an_edm_checkpoint(sd15, kind):
    """exponential: evenly spaced as EDM's percents are."""
    model = first(ModelSamplingContinuousEDM().patch(sd15, kind, 120.0, 0.002))
    seen = []
    model.set_model_sampler_cfg_function(lambda args: (seen.append(args["cond_scale"]), args["cond"])[1])
    model = with_guidance(model, step_values("0: 5, 1: 1"))
    sample(model, steps=5, scheduler="exponential", latent_image=latents(1, 8, 8))
    assert seen == pytest.approx([5, 4, 3, 2, 1], abs=0.01)


@pytest.mark.parametrize("scheduler", ["karras", "exponential", "normal", "sgm_uniform"])
def test_a_ramp_falls_to_the_last_step_whatever_the_scheduler(sd15, scheduler):
    """karras and exponential end at the lowest noise level of all, which is the ramp's own end."""
    seen, model = [], sd15.clone()
    model.set_model_sampler_cfg_function(lambda args: (seen.append(args["cond_scale"]), args["cond"])[1])
    model = with_guidance(model, step_values("0: 5, 1: 1"))
    sample(model, steps=5, scheduler=scheduler, latent_image=latents(1, 8, 8))
    assert seen == sorted(seen, reverse=True) and seen[-1] < 2
