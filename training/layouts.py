"""Trained weights -> the key names of public files, and what a file's header says. Pure mathematics.

The inverse of `motion.convert` and `motion.low_rank`. Files carry no alpha: guoyww's own loader knows none, and others
take rank for it, so a factor's scale is 1 everywhere.
"""

import hashlib
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..motion.convert import DIFFUSERS_NAMES
from ..motion.formats import TABLE, MotionFormat, sites
from ..motion.low_rank import HEADER, Factors
from ..motion.temporal import sinusoid

GUOYWW, DIFFUSERS = "guoyww", "diffusers"
LAYOUTS = (GUOYWW, DIFFUSERS)


def lora_state(layers: Mapping[str, Factors], layout: str = GUOYWW) -> dict[str, Tensor]:
    """The file of a motion LoRA. layers: canonical name of the linear layer -> its factors.

    A scale that is not 1 goes into `up`.
    """
    state = {}
    for name, factors in layers.items():
        up = factors.up if factors.scale == 1.0 else factors.up * factors.scale
        for kind, value in (("down", factors.down), ("up", up)):
            state[lora_key(name, kind, layout)] = value
    return state


def lora_key(layer: str, kind: str, layout: str) -> str:
    if layout == DIFFUSERS:
        letter = {"down": "A", "up": "B"}[kind]
        return f"unet.{diffusers_name(layer)}.lora_{letter}.weight"
    parent, _, name = layer.removesuffix(".0").rpartition(".")
    if "attention_blocks" in parent:
        return f"{parent}.processor.{name}_lora.{kind}.weight"
    return f"{layer}_lora.{kind}.weight"


def adapter_state(layers: Mapping[str, Factors]) -> dict[str, Tensor]:
    """The file of a LoRA of the checkpoint's own attentions, under diffusers' names, as v3_sd15_adapter has them.

    layers: diffusers' name of the linear layer -> its factors.
    """
    state = {}
    for name, factors in layers.items():
        parent, _, linear = name.removesuffix(".0").rpartition(".")
        for kind in ("down", "up"):
            state[f"{parent}.processor.{linear}_lora.{kind}.weight"] = getattr(factors, kind)
    return state


def model_state(weights: Mapping[str, Tensor], motion_format: MotionFormat, layout: str = GUOYWW) -> dict[str, Tensor]:
    """The file of a motion model. weights: canonical names, without or with position tables.

    Tables that are the sinusoid are written out, since other programs read a model's kind off their length.
    """
    state = dict(weights)
    for site, channels in sites(motion_format).items():
        for index in range(motion_format.attentions):
            block = f"{site}.temporal_transformer.transformer_blocks.0.attention_blocks.{index}"
            state.setdefault(f"{block}.pos_encoder.pe", sinusoid(motion_format.max_frames, channels)[None])
    return state if layout == GUOYWW else {diffusers_name(key): value for key, value in state.items()}


def diffusers_name(key: str) -> str:
    """Both attentions of a module share the first one's table there."""
    key = key.replace(".temporal_transformer.", ".")
    if TABLE.search(key):
        return re.sub(r"attention_blocks\.\d+\.pos_encoder\.pe$", "pos_embed.pe", key)
    for theirs, ours in DIFFUSERS_NAMES:
        key = f"{key}.".replace(ours, theirs)[:-1]
    return key


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """sha256 of a motion model's canonical tensors as float16, whatever a file holds them in."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        if not TABLE.search(key):
            digest.update(key.encode())
            digest.update(weights[key].detach().to("cpu", torch.float16).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def header(kind: str, title: str, base: str, **facts) -> dict[str, str]:
    """A file's header, all of it strings; facts that are empty stay out."""
    own = {"kind": kind, "base": base} | facts
    entries = {f"{HEADER}{key}": str(value) for key, value in own.items() if value not in ("", None)}
    others = {"format": "pt", "modelspec.title": title, "ss_base_model_version": base.lower()}
    if rank := facts.get("rank"):
        others["ss_network_dim"] = str(rank)
    if steps := facts.get("steps"):
        others["ss_steps"] = str(steps)
    return others | entries
