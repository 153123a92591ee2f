"""Motion LoRA file -> a MOTION_MODEL with it: in the weights, or added while the model runs.

One with a number goes into the weights (the host patches them, also under dynamic VRAM). One with a schedule is an
additional model of the motion model, and `y + strength up(down(x))` is computed in its layers: patching weights anew at
each step is what dynamic VRAM forbids.
"""

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import comfy.lora
import comfy.ops
import torch
from comfy.model_patcher import ModelPatcher
from safetensors import safe_open
from torch import Tensor, nn

from .convert import unwrap
from .foreign import refuse_other_numbers
from .formats import NotAMotionModel
from .load import host_patcher, opened, read_tensors
from .low_rank import (
    TEMPORAL,
    Factors,
    MotionLoRA,
    NotAMotionLoRA,
    factors_of,
    matched,
    trained_as,
    unread,
    what_else,
)
from .settings import STRONGEST, in_range
from .strength import Amount, Moment, Strength, amount_at, is_zero

LORAS = "animatediff_loras"
"""Our name in a motion model's additional models: LoRAs whose strength changes while it runs."""
STRENGTH = "strength"
"""The attachment of such a LoRA that holds its Strength."""

log = logging.getLogger("animatediff")


def load_motion_lora(path: str) -> MotionLoRA:
    """Reads a motion LoRA file. Raises NotAMotionLoRA with a sentence that says what it is and where it belongs."""
    name = Path(path).name
    try:
        state = read_tensors(path)
        layers = factors_of(state)
        pairs = {layer: (factors.down, factors.up) for layer, factors in layers.items() if factors.down is not None}
        refuse_other_numbers({layer: factor for layer, pair in pairs.items() for factor in pair})
    except ValueError as reason:
        raise NotAMotionLoRA(f"'{name}' {reason}") from None
    temporal = {layer: factors for layer, factors in layers.items() if TEMPORAL.search(layer)}
    if not temporal:
        raise NotAMotionLoRA(f"'{name}' {what_else(state, layers)}")
    if strange := unread(state):
        raise NotAMotionLoRA(
            f"'{name}' has something for its layers that neither this pack nor ComfyUI can read ({strange[0]}, and "
            f"{len(strange) - 1} more): the motion would be another. Get it as a plain LoRA."
        )
    return MotionLoRA(name, temporal, len(layers) - len(temporal), trained_as(header_of(path)))


def header_of(path: str) -> dict[str, str]:
    """What a .safetensors file says of itself; nothing for other files."""
    if Path(path).suffix.lower() not in (".safetensors", ".sft"):
        return {}
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def is_for_motion_only(path: str) -> bool:
    """Whether every layer of a LoRA file is a motion model's. Files that cannot be read are none."""
    return _is_for_motion_only(path, os.path.getmtime(path))


@lru_cache(maxsize=64)
def _is_for_motion_only(path: str, changed: float) -> bool:
    try:
        keys = list(unwrap(opened(path)))
    except NotAMotionModel:
        return False
    return bool(keys) and all(TEMPORAL.search(key) for key in keys)


def with_motion_lora(
    motion_model: ModelPatcher, lora: MotionLoRA, strength: float, schedule: Strength | None = None
) -> tuple[ModelPatcher, str]:
    """(a clone of `motion_model` with the LoRA, a line that says how much of it matched).

    A number goes into the weights, by the host's weight patches; a schedule (times `strength`) is asked at every call.
    Raises NotAMotionLoRA where nothing, or only another base's layers, would match.
    """
    in_range("strength", strength, -STRONGEST, STRONGEST)
    motion_format = motion_model.model.format
    layers = matched(lora, motion_model.model) if lora.base == motion_format.family.base else {}
    if not layers:
        raise NotAMotionLoRA(
            f"'{lora.name}' was made for {lora.made_for}, and none of its {len(lora.layers)} layers fits this motion "
            f"model ({motion_format.family.name} for {motion_format.family.base}). Load a motion LoRA for this one."
        )
    line = f"{lora.name}: {len(layers)} of {len(lora.layers)} layers matched"
    if len(layers) < len(lora.layers):
        line += f"; it was made for {lora.made_for}, and moves otherwise here"
    if lora.others:
        line += f"; {lora.others} more are for the checkpoint: apply the file to the MODEL with Load LoRA, too"
    if lora.training:
        line += f"; {lora.training}"
    log.info("%s.", line)
    motion_model = motion_model.clone()
    if strength == 0.0:
        return motion_model, line
    if schedule is None:
        motion_model.add_patches(complete_patches(lora.name, layers), strength)
    else:
        if kinds := sorted({kind for factors in layers.values() for kind in factors.others}):
            raise NotAMotionLoRA(
                f"'{lora.name}' is no plain LoRA (it has {kinds[0]}), and only a plain one's strength can change over "
                "frames or steps. Take the schedule off."
            )
        running = running_lora(motion_model, layers)
        running.set_attachments(STRENGTH, scaled(schedule, strength))
        motion_model.set_additional_models(LORAS, [*scheduled_loras(motion_model), running])
    return motion_model, line


def complete_patches(name: str, layers: Mapping[str, Factors]) -> dict:
    """`weight_patches`, one for every layer. Raises NotAMotionLoRA. name: the file's."""
    try:
        patches = weight_patches(layers)
        missing = [layer for layer in layers if f"{layer}.weight" not in patches]
    except KeyError as key:  # the host looks for the parts of a kind by name
        missing = [str(key.args[0])]
    if missing:
        raise NotAMotionLoRA(f"'{name}' is incomplete: {missing[0]} lacks a part. Download it again.")
    return patches


def weight_patches(layers: Mapping[str, Factors]) -> dict:
    """What the host's `add_patches` takes."""
    state: dict[str, Tensor] = {}
    for name, factors in layers.items():
        pair = {"lora_up.weight": factors.up, "lora_down.weight": factors.down} if factors.down is not None else {}
        state |= {f"{name}.{kind}": value for kind, value in (pair | factors.others).items()}
        if factors.alpha is not None:
            state[f"{name}.alpha"] = torch.tensor(factors.alpha)
    return comfy.lora.load_lora(state, {name: f"{name}.weight" for name in layers})


class RunningLoRA(nn.Module):
    """The factors of a motion LoRA that is added while the motion model runs."""

    def __init__(self, layers: Mapping[str, Factors], operations, **place):
        super().__init__()
        self.scales = {name: factors.scale for name, factors in layers.items()}
        self.layers = nn.ModuleDict()
        for name, factors in layers.items():
            (rank, inputs), outputs = factors.down.shape, factors.up.shape[0]
            pair = nn.ModuleDict(
                {
                    "down": operations.Linear(inputs, rank, bias=False, **place),
                    "up": operations.Linear(rank, outputs, bias=False, **place),
                }
            )
            for kind in ("down", "up"):
                pair[kind].load_state_dict({"weight": getattr(factors, kind)})
            self.layers[name.replace(".", "/")] = pair

    def of(self, site: str) -> list[tuple[str, nn.Module, nn.Module, float]]:
        """(linear layer's name within the motion module, down, up, scale) for the module at `site`."""
        prefix, found = f"{site}.temporal_transformer.", []
        for name, scale in self.scales.items():
            if name.startswith(prefix):
                pair = self.layers[name.replace(".", "/")]
                found.append((name.removeprefix(prefix), pair["down"], pair["up"], scale))
        return found


def running_lora(
    motion_model: ModelPatcher,
    layers: Mapping[str, Factors],
    disable_dynamic: bool = False,
    dtype: torch.dtype | None = None,
) -> ModelPatcher:
    """The host's patcher for a RunningLoRA. `disable_dynamic`: as the host's own loaders have it.

    dtype: None for what the motion model has.
    """
    dtype = dtype or next(motion_model.model.parameters()).dtype
    device = motion_model.offload_device
    model = RunningLoRA(layers, comfy.ops.manual_cast, dtype=dtype, device=device)
    model.requires_grad_(False).eval()
    patcher = host_patcher(model, motion_model.load_device, device, disable_dynamic)
    patcher.cached_patcher_init = (running_lora, (motion_model, layers))
    return patcher


def scheduled_loras(motion_model: ModelPatcher) -> list[ModelPatcher]:
    """The LoRAs of a motion model whose strength changes while it runs."""
    return motion_model.get_additional_models_with_key(LORAS)


def loras_are_fixed(motion_model: ModelPatcher) -> bool:
    """Whether no strength of its running LoRAs depends on the noise level: one that is trained has a number."""
    return not any(callable(lora.get_attachment(STRENGTH)) for lora in scheduled_loras(motion_model))


def running_loras(motion_model: ModelPatcher, moment: Moment) -> list[tuple[RunningLoRA, Amount]]:
    """(LoRA, its strength at that moment); those at 0 are left out."""
    loras = scheduled_loras(motion_model)
    strengths = [(lora.model, amount_at(lora.get_attachment(STRENGTH), moment)) for lora in loras]
    return [(lora, amount) for lora, amount in strengths if not is_zero(amount)]


def scaled(schedule: Strength, strength: float) -> Strength:
    if not callable(schedule):
        return schedule * strength
    return lambda moment: schedule(moment) * strength
