"""Where motion modules belong in the host's UNet, and whether a motion model fits there."""

from dataclasses import dataclass

from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import nn

from .formats import MotionFormat, sites


@dataclass(frozen=True)
class Place:
    """Where a motion module follows in the host's UNet."""

    block: tuple[str, int]
    """As the host writes it into `transformer_options["block"]`."""
    layer: nn.Module
    channels: int


COMPILED = "torch.compile"
"""The host's name for what TorchCompileModel puts on a MODEL."""
NAMES = {
    "SD15": "SD1.5",
    "SD20": "SD2",
    "SD21UnclipL": "SD2.1 unCLIP",
    "SD21UnclipH": "SD2.1 unCLIP",
    "SVD_img2vid": "Stable Video Diffusion",
    "SDXLRefiner": "the SDXL refiner",
}
"""The host's names of model configurations, in users' words; others are theirs already."""
PROMPT_WIDTH = {"SD1.5": 768, "SD2 and Stable Video Diffusion": 1024, "the SDXL refiner": 1280, "SDXL": 2048}
"""Channels of the prompt that published UNets look at. By their other widths, SD2 and its kin are SD1.5."""


def check_fit(model: ModelPatcher, motion_format: MotionFormat) -> None:
    """Raises ValueError where the motion modules were not made for the MODEL's UNet, or have no place there."""
    unet, family = model.model.diffusion_model, motion_format.family
    advice = f"Connect an {family.base} checkpoint, or load a motion model for the connected one."
    if not isinstance(unet, UNetModel):
        name = type(model.model).__name__
        raise ValueError(f"The connected model is {name}, and AnimateDiff needs SD1.5 or SDXL. {advice}")
    base, width = base_name(model), model.model.model_config.unet_config.get("context_dim")
    of_another = width in PROMPT_WIDTH.values() and width != PROMPT_WIDTH[family.base]
    if not of_another and has_places(unet, motion_format):
        return
    if base == family.base:
        base = f"an {base} with fewer or other layers (as small-sd has)"
        advice = f"Connect a whole {family.base} checkpoint."
    raise ValueError(
        f"This is a motion model for {family.base} ({family.name}), but the connected model is {base}. {advice}"
    )


def has_places(unet: UNetModel, motion_format: MotionFormat) -> bool:
    """Whether the UNet has as many places as there are motion modules, of their widths."""
    places = unet_places(unet)
    return all(
        not modules or [channels for _, channels in modules] == [place.channels for place in places[part]]
        for part, modules in sites_by_part(motion_format).items()
    )


def plain_unet(base: BaseModel) -> nn.Module:
    """The UNet of the host's model, also where it is compiled for the call."""
    return getattr(base.diffusion_model, "_orig_mod", base.diffusion_model)


def is_compiled(base: BaseModel, options: dict) -> bool:
    """Whether the UNet is compiled in a call with these `transformer_options`, by a wrapper around the one that asks or
    by one that is still to come."""
    is_to_be = COMPILED in options.get("wrappers", {}).get(WrappersMP.APPLY_MODEL, {})
    return is_to_be or plain_unet(base) is not base.diffusion_model


def base_name(model: ModelPatcher) -> str:
    """What users call the MODEL's architecture."""
    name = type(model.model.model_config).__name__
    return NAMES.get(name, name)


def sites_by_part(motion_format: MotionFormat) -> dict[str, list[tuple[str, int]]]:
    """The motion modules (name, channels) of the UNet's input, middle and output blocks, in running order."""
    prefixes = {"input": "down_blocks", "middle": "mid_block", "output": "up_blocks"}
    return {
        part: [(site, channels) for site, channels in sites(motion_format).items() if site.startswith(prefix)]
        for part, prefix in prefixes.items()
    }


def blocks_of(unet: UNetModel) -> dict[tuple[str, int], nn.Module]:
    """The UNet's blocks, each a list of layers, as the host names them in `transformer_options["block"]`."""
    parts = {"input": unet.input_blocks, "middle": [unet.middle_block], "output": unet.output_blocks}
    return {(part, index): block for part, blocks in parts.items() for index, block in enumerate(blocks) if block}


def unet_places(unet: UNetModel) -> dict[str, list[Place]]:
    """The places of motion modules: after a block's SpatialTransformer, or after its first ResBlock where it has none.

    Source: the trained places of guoyww's UNet3DConditionModel, seen on the host's UNet.
    """
    places: dict[str, list[Place]] = {"input": [], "middle": [], "output": []}
    for block, layers in blocks_of(unet).items():
        resblocks = [layer for layer in layers if isinstance(layer, ResBlock)]
        transformers = [layer for layer in layers if isinstance(layer, SpatialTransformer)]
        if resblocks:
            layer = transformers[-1] if transformers else resblocks[0]
            places[block[0]].append(Place(block, layer, resblocks[0].out_channels))
    return places
