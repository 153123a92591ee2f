"""What is on a MOTION_MODEL of any graph, as files: the model with its LoRAs merged in, or its LoRAs as one."""

from pathlib import Path

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.lora import STRENGTH, scheduled_loras
from ..motion.low_rank import Factors
from .files import file_name
from .layouts import header, lora_state, model_state
from .plan import check_name
from .saves import write
from .subject import own_copy

DTYPES = {"float16": torch.float16, "float32": torch.float32}


def export_path(kind: str, name: str) -> Path:
    """Where a file of that name goes. Raises ValueError for a name with folders, or one that is taken."""
    name = name.strip().removesuffix(".safetensors")
    check_name(name)
    path = Path(folder_paths.get_folder_paths(kind)[0], f"{name}.safetensors")
    if path.exists():
        raise ValueError(f"models/{path.parent.name}/{path.name} is there already. Choose another name.")
    return path


def save_motion_model(motion_model: ModelPatcher, path: Path, layout: str, dtype: str) -> Path:
    """The motion model with the LoRAs that lie on it, as its file would be if it had been trained so."""
    motion_format = motion_model.model.format
    if motion_format.image_encoder:
        raise ValueError(
            f"{motion_format.family.name} has an image encoder, which the layouts of other programs do not hold. Copy "
            "its file instead."
        )
    if any(callable(strength) for strength in strengths_of(motion_model)):
        raise ValueError(
            "A motion LoRA with a strength_schedule cannot be merged: its strength changes while the model runs. Give "
            "it a plain strength, or take it off."
        )
    state = model_state(merged(motion_model), motion_format, layout)
    entries = header(
        "motion model", path.stem, motion_format.family.base, made_for=None, motion_model=file_name(motion_model)
    )
    write(path, {key: value.to(DTYPES[dtype]) for key, value in state.items()}, entries)
    return path


def strengths_of(motion_model: ModelPatcher) -> list:
    return [lora.get_attachment(STRENGTH) for lora in scheduled_loras(motion_model)]


def merged(motion_model: ModelPatcher) -> dict[str, Tensor]:
    """Canonical weights and learnt tables, float32, with every LoRA at its strength."""
    with torch.inference_mode(False), torch.no_grad():
        own = own_copy(motion_model)
        own.model.float()
        own.patch_model(torch.device("cpu"))
        state = {key: value.detach().clone() for key, value in own.model.state_dict().items()}
        state |= own.model.learnt_tables()
        for name, factors in merged_lora(motion_model, only_running=True).items():
            state[f"{name}.weight"] += factors.up.float() @ factors.down.float()
        own.unpatch_model()
    return state


def save_motion_lora(motion_model: ModelPatcher, path: Path, layout: str, dtype: str) -> Path:
    """All motion LoRAs of a motion model, each at its strength, as one file for strength 1."""
    layers = merged_lora(motion_model)
    if not layers:
        raise ValueError("There is no motion LoRA on this motion model. Put Load Motion LoRA before it.")
    family = motion_model.model.format.family
    rank = max(factors.down.shape[0] for factors in layers.values())
    entries = header("motion LoRA", path.stem, family.base, made_for=family.name, rank=rank)
    write(path, {key: value.to(DTYPES[dtype]) for key, value in lora_state(layers, layout).items()}, entries)
    return path


def merged_lora(motion_model: ModelPatcher, only_running: bool = False) -> dict[str, Factors]:
    """Canonical names of linear layers -> the factors of all LoRAs one below the other, strengths and scales in them.

    sum s_i up_i down_i = [s_1 up_1, s_2 up_2, ...] [down_1; down_2; ...]: its rank is the sum of theirs.
    """
    found: dict[str, list[Factors]] = {}
    for key, patches in {} if only_running else motion_model.patches.items():
        for strength, patch, *_ in patches:
            found.setdefault(key.removesuffix(".weight"), []).append(factors_of_patch(patch, strength))
    for lora in scheduled_loras(motion_model):
        strength = lora.get_attachment(STRENGTH)
        if callable(strength) or isinstance(strength, Tensor):
            raise ValueError("A motion LoRA with a strength_schedule has no one strength to be saved with.")
        for name, pair in lora.model.layers.items():
            scale = strength * lora.model.scales[name.replace("/", ".")]
            factors = Factors(pair["down"].weight.detach(), pair["up"].weight.detach() * scale)
            found.setdefault(name.replace("/", "."), []).append(factors)
    return {name: together(each) for name, each in found.items()}


def factors_of_patch(patch, strength: float) -> Factors:
    """One of the host's low-rank patches, its strength in `up`. Raises ValueError where it is another kind of patch."""
    if getattr(patch, "name", "") != "lora" or any(part is not None for part in patch.weights[3:]):
        raise ValueError(
            "A LoRA on this motion model is no plain one (DoRA, LoHa or another kind), and only plain ones can be "
            "saved as one LoRA. Use Save Motion Model, which merges it."
        )
    up, down, alpha = patch.weights[:3]
    scale = strength * (1.0 if alpha is None else alpha / down.shape[0])
    return Factors(down.float(), up.float() * scale)


def together(factors: list[Factors]) -> Factors:
    return Factors(
        torch.cat([each.down.float().cpu() for each in factors]),
        torch.cat([each.up.float().cpu() for each in factors], dim=1),
    )
