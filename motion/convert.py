"""Every published key layout of a motion model -> the canonical one (guoyww's names).

Layouts: guoyww/AnimateDiff (v1, v2, v3, SDXL, AnimateLCM, Lightning, LongAnimateDiff), HotShot-XL, and diffusers'
`MotionAdapter`.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch

from .formats import ENCODER, LATENT_CHANNELS, PICTURE_CHANNELS, PICTURE_CONV

HOTSHOT = re.compile(r"\.temporal_attentions\.(\d+)\.")
DIFFUSERS = re.compile(r"\.motion_modules\.(\d+)\.(?!temporal_transformer\.)")
DIFFUSERS_NAMES = (
    (".attn1.", ".attention_blocks.0."),
    (".attn2.", ".attention_blocks.1."),
    (".norm1.", ".norms.0."),
    (".norm2.", ".norms.1."),
    (".norm3.", ".ff_norm."),
)
DEEPEST = 4
"""Containers around the tensors. A pickle can lie in itself."""
POSITION_TABLE = re.compile(r"\.(?:pos_encoder|pos_embed)\.(?:pe|positional_encoding|pos_encoding)$")


def unwrap(loaded: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a loaded file, out of their container; `module.` (a training save) and `unet.` are cut off."""
    for _ in range(DEEPEST):
        inner = loaded.get("state_dict")
        loaded = inner if isinstance(inner, Mapping) else loaded
    return {
        key.removeprefix("module.").removeprefix("unet."): value.detach()
        for key, value in loaded.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }


def is_hotshot(state: Mapping[str, torch.Tensor]) -> bool:
    return any(HOTSHOT.search(key) or key.endswith(".positional_encoding") for key in state)


def canonical(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The motion modules, and what takes a picture in, of `state` under canonical keys, without all else (a UNet, say).

    A diffusers file holds one position table per module: both attentions get it.
    """
    renamed: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        key = HOTSHOT.sub(r".motion_modules.\1.temporal_transformer.", key)
        if key.startswith(ENCODER):
            renamed[key] = value
            continue
        if key == "conv_in.weight" and value.ndim == 4 and value.shape[1] == LATENT_CHANNELS + PICTURE_CHANNELS:
            renamed[PICTURE_CONV] = value[:, LATENT_CHANNELS:].contiguous()
        if ".motion_modules." not in key:
            continue
        if DIFFUSERS.search(key):
            key = DIFFUSERS.sub(r".motion_modules.\1.temporal_transformer.", key)
            for theirs, ours in DIFFUSERS_NAMES:
                key = key.replace(theirs, ours)
        if POSITION_TABLE.search(key):
            for owner in _table_owners(POSITION_TABLE.sub("", key)):
                renamed[f"{owner}.pos_encoder.pe"] = value
        else:
            renamed[key] = value
    return renamed


def _table_owners(prefix: str) -> list[str]:
    if re.search(r"attention_blocks\.\d+$", prefix):
        return [prefix]
    return [f"{prefix}.attention_blocks.{k}" for k in (0, 1)]
