"""The oracles' whole UNet (widths 32, context 24) in the host's own class, with motion, and one call of it."""

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import comfy.utils
import torch
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import TABLE, detect
from animatediff_native.motion.model import MotionModel
from einops import rearrange
from oracles import data
from unets import SD15


def unet_and_weights():
    """(MODEL, the oracle's weights, those of the motion modules among them)"""
    weights = {key: value.float() for key, value in data("tiny_unet.weights.fp16").items()}
    config = SD15 | {"channel_mult": [1, 1, 1, 1], "context_dim": 24}
    model_config = comfy.supported_models.SD15(dict(config))
    model_config.set_inference_dtype(torch.float32, None)
    model = model_config.get_model({}, "")
    names = comfy.utils.unet_to_diffusers(config)
    model.diffusion_model.load_state_dict({names[key]: value for key, value in weights.items() if key in names})
    device = comfy.model_management.get_torch_device()
    patcher = comfy.model_patcher.CoreModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))
    return patcher, weights


def motion_of(weights, version):
    """A MOTION_MODEL of the oracle's weights: v2 has the mid block; the table's length tells v1 from v3."""
    length = {"v1": 24, "v2": 32, "v3": 32}[version]
    weights = canonical(
        {key: value for key, value in weights.items() if version == "v2" or not key.startswith("mid_block")}
    )
    shapes = weights | {
        key.replace("to_q.weight", "pos_encoder.pe"): torch.empty(1, length, 32) for key in weights if "to_q" in key
    }
    model = MotionModel(detect(shapes), operations=comfy.ops.manual_cast, dtype=torch.float32)
    model.load_state_dict({key: value for key, value in weights.items() if not TABLE.search(key)})
    return comfy.model_patcher.CoreModelPatcher(model, comfy.model_management.get_torch_device(), torch.device("cpu"))


def predicted_noise(model, tensors, control=None):
    """What the UNet predicts, through the host's own apply_model, at the oracle's latents and timestep.

    The first half is the negative prompt's. One video may be there for both. control: a ControlNet of the host.
    """
    model.patch_model()
    for motion in model.get_nested_additional_models():
        motion.patch_model()
    model.pre_run()
    base = model.model
    sigma = base.model_sampling.sigmas[tensors["t"]].reshape(1)
    both = tensors["x"].expand(2, -1, -1, -1, -1)
    x = rearrange(both, "b c f h w -> (b f) c h w")
    text = tensors["ctx"].repeat_interleave(both.shape[2], dim=0)
    scaled = x * (sigma**2 + 1).sqrt()
    options = model.model_options["transformer_options"] | {"cond_or_uncond": [1, 0], "sigmas": sigma}
    options["wrappers"] = model.wrappers
    cond = {"c_crossattn": text, "transformer_options": options}
    with torch.inference_mode():
        if control is not None:
            control.pre_run(base, lambda percent: float(base.model_sampling.percent_to_sigma(percent)))
            cond["control"] = control.get_control(scaled, sigma.expand(len(x)), cond, 2, options)
        denoised = base.apply_model(scaled, sigma.expand(len(x)), **cond)
    model.unpatch_model()
    return rearrange((scaled - denoised) / sigma, "(b f) c h w -> b c f h w", b=2)
