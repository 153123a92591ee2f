"""Low-rank factors in the spatial attentions of a private UNet, which learn: domain adapter and appearance.

Source: AnimateDiff, arXiv:2307.04725, section 4.1: Q = W z + alpha A B z, alpha 1 in training. They are added to the
weights while a layer runs, by the host's weight wrappers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import comfy.utils
import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ..motion.fit import blocks_of
from ..motion.low_rank import Factors
from .fresh import low_rank

LINEARS = ("to_q", "to_k", "to_v", "to_out.0")
LEARNING, FIXED, OFF = "learning", "fixed", "off"


class SpatialLoRA(nn.Module):
    """Factors by diffusers' names of the linear layers, float32."""

    def __init__(self, layers: Mapping[str, Factors]):
        super().__init__()
        self.mode = LEARNING
        """FIXED: its effect is there, and it learns nothing from it."""
        self.downs = nn.ParameterDict({_inner(name): nn.Parameter(each.down.clone()) for name, each in layers.items()})
        self.ups = nn.ParameterDict({_inner(name): nn.Parameter(each.up.clone()) for name, each in layers.items()})

    @contextmanager
    def set_to(self, mode: str) -> Iterator[None]:
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    def changed(self, name: str, weight: Tensor) -> Tensor:
        """The layer's weight with the factors' product."""
        if self.mode == OFF:
            return weight
        down, up = self.downs[_inner(name)], self.ups[_inner(name)]
        if self.mode == FIXED:
            down, up = down.detach(), up.detach()
        return weight + (up @ down).to(weight.dtype)


def _inner(name: str) -> str:
    return name.replace(".", "/")


class Added:
    """What the host calls with a layer's weight when the layer runs."""

    def __init__(self, lora: SpatialLoRA, name: str):
        self.lora, self.name = lora, name

    def __call__(self, weight: Tensor) -> Tensor:
        return self.lora.changed(self.name, weight)


def attention_layers(model: ModelPatcher) -> dict[str, str]:
    """diffusers' name -> the host's, of the linear layers of all spatial self- and cross-attentions."""
    names = comfy.utils.unet_to_diffusers(model.model.model_config.unet_config)
    theirs = {host: name for name, host in names.items()}
    found = {}
    for (part, index), layers in blocks_of(model.model.diffusion_model).items():
        root = "middle_block" if part == "middle" else f"{part}_blocks.{index}"
        for place, layer in enumerate(layers):
            if not isinstance(layer, SpatialTransformer):
                continue
            for depth in range(len(layer.transformer_blocks)):
                for attention in ("attn1", "attn2"):
                    for linear in LINEARS:
                        host = f"{root}.{place}.transformer_blocks.{depth}.{attention}.{linear}"
                        name = theirs[f"{host}.weight"].removesuffix(".weight")
                        found[name] = f"diffusion_model.{host}"
    return found


def narrowest(model: ModelPatcher) -> int:
    return min(min(weight_of(model, host).shape) for host in attention_layers(model).values())


def weight_of(model: ModelPatcher, layer: str) -> Tensor:
    return model.model.get_parameter(f"{layer}.weight")


def add_spatial_lora(model: ModelPatcher, rank: int, seed: int) -> SpatialLoRA:
    """New factors on a private MODEL, which is changed."""
    layers = attention_layers(model)
    lora = SpatialLoRA(
        low_rank(((name, tuple(weight_of(model, host).shape)) for name, host in layers.items()), rank, seed)
    )
    for name, host in layers.items():
        model.add_weight_wrapper(f"{host}.weight", Added(lora, name))
    return lora


def factors_in(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Factors]:
    """diffusers' names -> factors, out of the parameters of a SpatialLoRA called `prefix`."""
    ups = {name.removeprefix(f"{prefix}.ups."): value for name, value in weights.items() if f"{prefix}.ups." in name}
    return {name.replace("/", "."): Factors(down=weights[f"{prefix}.downs.{name}"], up=up) for name, up in ups.items()}


def on_device(lora: SpatialLoRA | None, device: torch.device) -> None:
    if lora is not None:
        lora.to(device)
