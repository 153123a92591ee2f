"""Sampling a clip with the small UNets, in this process. Import after the host is on `sys.path`."""

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_management
import comfy.ops
import comfy.sample
import comfy.samplers
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.convert import canonical, is_hotshot
from animatediff_native.motion.formats import TABLE, detect
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.motion.model import MotionModel
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.sampling.run import watch
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfy_extras.nodes_torch_compile import skip_torch_compile_dict
from prompts_and_latents import FRAMES, conditioning, latents
from unets import SD15_CHANNELS, SDXL_CHANNELS, controlnet_config
from weights import filled, motion_state, tensor_for

CHANNELS = {"sdxl": SDXL_CHANNELS, "hotshot": SDXL_CHANNELS}


def motion_model(
    family: str = "v3", seed: int = 1, channels=None, dtype=torch.float32, still: bool = False, build=filled
):
    """A MOTION_MODEL of seeded random weights. `still`: output projections of zero, as at the start of training."""
    state = motion_state(family, channels or CHANNELS.get(family, SD15_CHANNELS), seed, build=build)
    weights = canonical(state)
    if still:
        weights = {key: torch.zeros_like(value) if ".proj_out." in key else value for key, value in weights.items()}
    device = comfy.model_management.get_torch_device()
    model = MotionModel(detect(weights, is_hotshot(state)), operations=comfy.ops.manual_cast, dtype=dtype)
    model.load_state_dict({key: value for key, value in weights.items() if not TABLE.search(key)})
    model.requires_grad_(False)
    return comfy.model_patcher.CoreModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))


def lora(seed: int = 3, rank: int = 4, family: str = "v3"):
    """A motion LoRA for every attention layer of the small layouts."""
    state = {}
    for name, layer in motion_model(family).model.named_modules():
        if ".to_" in name and getattr(layer, "weight", None) is not None:
            outputs, inputs = layer.weight.shape
            state[f"{name}.lora_down.weight"] = tensor_for(f"{name}.down", (rank, inputs), seed)
            state[f"{name}.lora_up.weight"] = tensor_for(f"{name}.up", (outputs, rank), seed)
    return MotionLoRA("lora", factors_of(state))


def animated(model, motion, **settings):
    """What Apply Motion Model does, with the checkpoint's own noise schedule."""
    return watch(attach(model, motion, MotionSettings(**settings)))


def compiled(model):
    """What TorchCompileModel does, without the compiler behind the graph."""
    model = model.clone(disable_dynamic=True)
    set_torch_compile_wrapper(model=model, backend="eager", options={"guard_filter_fn": skip_torch_compile_dict})
    return model


def sample(model, frames: int = FRAMES, steps: int = 2, cfg: float = 4.0, positive=None, negative=None, **words):
    """The latents that the host's own KSampler function gives."""
    width = 2048 if model.model.model_config.unet_config["context_dim"] == 2048 else 768
    image = words.pop("latent_image", None)
    image = latents(frames) if image is None else image
    seed = words.pop("seed", 11)
    noise = words.pop("noise", None)
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            comfy.sample.prepare_noise(image, seed) if noise is None else noise,
            steps,
            cfg,
            words.pop("sampler_name", "euler"),
            words.pop("scheduler", "normal"),
            conditioning(5, width) if positive is None else positive,
            conditioning(6, width) if negative is None else negative,
            image,
            seed=seed,
            **words,
        )


def first(output):
    """A node's first output, whichever form the host's version returns."""
    return output[0] if isinstance(output, tuple) else output.args[0]


def controlnet():
    """A ControlNet for the small SD1.5 UNet, in the host's own class."""
    net = comfy.cldm.cldm.ControlNet(
        **controlnet_config(), hint_channels=3, dtype=torch.float32, operations=comfy.ops.disable_weight_init
    )
    net.load_state_dict(filled({key: tuple(value.shape) for key, value in net.state_dict().items()}, 9))
    return comfy.controlnet.ControlNet(net, load_device=comfy.model_management.get_torch_device())
