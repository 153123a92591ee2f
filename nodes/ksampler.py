"""The inputs of the host's KSampler, for forms that sample as it does."""

import comfy.samplers
from comfy_api.latest import io


def seed(tooltip: str):
    return io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip=tooltip)


def steps():
    return io.Int.Input("steps", default=20, min=1, max=10000, tooltip="In how many steps.")


def cfg(default: float, tooltip: str):
    return io.Float.Input("cfg", default=default, min=0.0, max=100.0, step=0.1, tooltip=tooltip)


def sampler_name(tooltip: str = "The sampler."):
    return io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, tooltip=tooltip)


def scheduler(tooltip: str = "How the steps lie over the noise."):
    return io.Combo.Input("scheduler", options=comfy.samplers.KSampler.SCHEDULERS, tooltip=tooltip)


def denoise(tooltip: str, optional: bool = False):
    return io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01, optional=optional, tooltip=tooltip)
