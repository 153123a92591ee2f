"""Small UNets in the host's own classes. Import after the host is on `sys.path`."""

import clouds
import comfy.cldm.cldm
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.taesd.taesd
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import load_file, save_file
from weights import clip_g_shapes, clip_l_shapes, filled

SD15 = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [2] * 4,
    "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "transformer_depth_middle": 1,
    "num_heads": 8, "num_head_channels": -1, "context_dim": 768, "use_spatial_transformer": True,
    "use_linear_in_transformer": False, "adm_in_channels": None, "use_temporal_attention": False, "legacy": False,
}  # fmt: skip
SDXL = SD15 | {
    "num_res_blocks": [2] * 3, "channel_mult": [1, 2, 4], "transformer_depth": [0, 0, 1, 1, 2, 2],
    "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2], "num_heads": -1, "num_head_channels": 16,
    "context_dim": 2048, "use_linear_in_transformer": True, "num_classes": "sequential", "adm_in_channels": 2816,
}  # fmt: skip

ALL_OF_SDXL = {
    "transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
}  # fmt: skip
"""The depths of the public SDXL."""

FULL = {
    "sd15": SD15 | {"model_channels": 320},
    "sdxl": SDXL | {"model_channels": 320, "num_head_channels": 64},
    "small-sd15": SD15,
    "small-sdxl": SDXL,
}
"""small-: to try a benchmark."""

SD15_CHANNELS = (32, 64, 128, 128)
SDXL_CHANNELS = (32, 64, 128)


def unet_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        unet = UNetModel(**config, dtype=torch.float32, device="meta", operations=comfy.ops.disable_weight_init)
    return {key: tuple(value.shape) for key, value in unet.state_dict().items()}


def unet_model(
    arch: str = "sd15", dtype: torch.dtype = torch.float32, seed: int = 0, **changes
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL: SD1.5's or SDXL's layout on 32 base channels, seeded random weights.

    `changes` go into the UNet's configuration.
    """
    config = {"sd15": SD15, "sdxl": SDXL}[arch] | changes
    return patcher_of(arch, config, filled(unet_shapes(config), seed), dtype)


def full_unet(arch: str, path, dtype: torch.dtype = torch.float32) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of SD1.5's full size, or SDXL's with fewer transformer layers, whose weights stay in the file at `path`
    (in the host's names; made where it is absent) and are shared by all processes that read it."""
    config = FULL[arch]
    if not path.exists():
        save_file({key: value.to(dtype) for key, value in filled(unet_shapes(config)).items()}, path)
    return patcher_of(arch, config, load_file(path), dtype, assign=True)


def patcher_of(arch: str, config: dict, weights: dict, dtype: torch.dtype, assign: bool = False):
    patcher = empty_unet(arch, config, dtype)
    patcher.model.diffusion_model.load_state_dict(weights, assign=assign)
    return patcher


def empty_unet(arch: str, config: dict, dtype: torch.dtype) -> comfy.model_patcher.ModelPatcher:
    """A MODEL whose weights are not filled in."""
    kinds = {"sd15": comfy.supported_models.SD15, "sdxl": comfy.supported_models.SDXL}
    host_class = kinds[arch.removeprefix("small-")]
    device = comfy.model_management.get_torch_device()
    model_config = host_class(dict(config))
    cast = comfy.model_management.unet_manual_cast(dtype, device, model_config.supported_inference_dtypes)
    model_config.set_inference_dtype(dtype, cast)
    model = model_config.get_model({}, "")
    return comfy.model_patcher.CoreModelPatcher(
        model, load_device=device, offload_device=comfy.model_management.unet_offload_device()
    )


WHOLE_CHECKPOINT = SD15 | {"model_channels": 320, "channel_mult": [1, 1, 1, 1]}


def controlnet_config(config: dict = SD15) -> dict:
    return {key: value for key, value in config.items() if key not in ("out_channels", "transformer_depth_output")}


def controlnet_state(cloudy: bool = False) -> dict[str, torch.Tensor]:
    """A ControlNet (fp16) for the UNet of `checkpoint_state`, of random weights or, `cloudy`, of `clouds`."""
    with torch.device("meta"):
        net = comfy.cldm.cldm.ControlNet(
            **controlnet_config(WHOLE_CHECKPOINT), hint_channels=3, operations=comfy.ops.disable_weight_init
        )
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    state = clouds.controlnet(shapes) if cloudy else filled(shapes, 9)
    return {f"control_model.{key}": value.half() for key, value in state.items()}


def checkpoint_state(cloudy: bool = False) -> dict[str, torch.Tensor]:
    """A whole SD1.5 checkpoint (fp16, 480 MB) that the host's detection takes as it is: every block of the UNet on 320
    channels, CLIP-L, and TAESD for a VAE. `cloudy`: UNet and VAE of `clouds` instead of random ones."""
    return whole_checkpoint("sd15", WHOLE_CHECKPOINT, clip_l_shapes(), cloudy)


def full_checkpoint_state(cloudy: bool = False) -> dict[str, torch.Tensor]:
    """The same with a UNet of SD1.5's full size (fp16, 2 GB)."""
    return whole_checkpoint("sd15", FULL["sd15"], clip_l_shapes(), cloudy)


def sdxl_checkpoint_state(cloudy: bool = False) -> dict[str, torch.Tensor]:
    """The same for SDXL (fp16, 1.9 GB, most of it the two text encoders); depths as Segmind Vega, a small SDXL, has."""
    config = SDXL | {"model_channels": 320, "channel_mult": [1, 1, 1], "num_head_channels": 64}
    encoders = clip_l_shapes("conditioner.embedders.0.transformer.text_model.") | clip_g_shapes()
    return whole_checkpoint("sdxl", config, encoders, cloudy)


def whole_checkpoint(
    arch: str, config: dict, encoders: dict[str, tuple[int, ...]], cloudy: bool
) -> dict[str, torch.Tensor]:
    vae = comfy.taesd.taesd.TAESD().state_dict()
    shapes = {f"model.diffusion_model.{key}": shape for key, shape in unet_shapes(config).items()}
    shapes |= {f"first_stage_model.{key}": tuple(value.shape) for key, value in vae.items() if value.ndim}
    state = clouds.checkpoint(shapes, arch) if cloudy else filled(shapes)
    state = {key: value.half() for key, value in (state | filled(encoders)).items()}
    numbers = {f"first_stage_model.{key}": value.clone() for key, value in vae.items() if not value.ndim}
    return numbers | state


def interpolation_state(_clouds: bool = False) -> dict[str, torch.Tensor]:
    """Of the host's frame interpolation (RIFE), small; it sees no movement, so frames between two are their mean."""
    from comfy_extras.frame_interpolation_models.ifnet import IFNet

    return {key: torch.zeros_like(value) for key, value in IFNet(channels=(8,) * 5).state_dict().items()}
