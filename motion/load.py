"""Motion file -> MOTION_MODEL: a ModelPatcher of the host that holds a MotionModel.

Weights are kept in what the host would hold a UNet in, never in one byte, and cast to the activations' type when they
run: fp8 UNets need nothing special. The position table is computed, not stored, unless a file's own was trained. The
host counts the weights; activations go in chunks and need no more than the UNet's own feed-forwards, which it reckons
with.
"""

import logging
import pickle
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher

from .adjust import Adjustments, table_length, with_tables
from .convert import canonical, is_hotshot, unwrap
from .families import PIA
from .foreign import (
    QUOTED,
    refuse_by_container,
    refuse_by_content,
    refuse_by_keys,
    refuse_by_tensors,
    refuse_other_numbers,
)
from .formats import ENCODER, PICTURE_CONV, TABLE, MotionFormat, NotAMotionModel, detect
from .model import MotionModel

MOTION_MODELS = "animatediff_models"
MOTION_LORAS = "animatediff_motion_lora"

FORBIDDEN = re.compile("global|class|Can only|Trying to", re.IGNORECASE)
"""What torch says of a pickle that holds more than tensors, and not of one that is damaged."""

AS_IN_THE_FILE = Adjustments()

log = logging.getLogger("animatediff")


def register_folders() -> None:
    """models/animatediff_models and models/animatediff_motion_lora, made where they are not there, beside what
    extra_model_paths.yaml added.

    A folder key that nobody knew lists every file: so it gets the host's own model file endings.
    """
    for name in (MOTION_MODELS, MOTION_LORAS):
        folder = Path(folder_paths.models_dir, name)
        with suppress(OSError):  # where it cannot be written, models come from extra_model_paths.yaml
            folder.mkdir(parents=True, exist_ok=True)
        folder_paths.add_model_folder_path(name, str(folder))
        paths, endings = folder_paths.folder_names_and_paths[name]
        folder_paths.folder_names_and_paths[name] = (paths, set(endings) | folder_paths.supported_pt_extensions)


@dataclass(frozen=True)
class MotionFile:
    """What a motion model is made from."""

    path: str
    """.safetensors, .ckpt, .pt, .pth or .bin."""
    adjustments: Adjustments = AS_IN_THE_FILE
    """Of its weights and position tables."""
    makes_tables: bool = False
    """Whether tables that the file leaves out are adjusted, too."""
    encoder_path: str = ""
    """A file whose image encoder, or PIA's channels, it gets."""
    encoder_only: bool = False
    """Its image encoder without motion modules."""


def load_motion_model(path: str) -> ModelPatcher:
    """The motion model of a file as it is. Raises as `made_from`."""
    return made_from(MotionFile(path))


def made_from(file: MotionFile, disable_dynamic: bool = False) -> ModelPatcher:
    """The motion model of `file`, which the host calls again where it needs another one (`cached_patcher_init`).

    `disable_dynamic`: as the host's own loaders have it, for clones that its dynamic VRAM cannot hold.
    Raises NotAMotionModel with a sentence that says what the file is and where it belongs.
    """
    weights, motion_format = read_motion_model(file.path)
    if file.adjustments != AS_IN_THE_FILE:
        weights = file.adjustments.of(with_tables(weights, motion_format) if file.makes_tables else weights)
        motion_format = replace(motion_format, stretched_to=table_length(weights))
    if file.encoder_path:
        weights, motion_format = with_encoder(weights, motion_format, file)
    if file.encoder_only:
        weights = {key: value for key, value in weights.items() if key.startswith(ENCODER)}
        motion_format = replace(motion_format, encoder_only=True)
    patcher = patcher_of(motion_format, weights, disable_dynamic)
    patcher.cached_patcher_init = (made_from, (file,))
    log.info("%s: %s.", Path(file.path).name, motion_format.summary())
    return patcher


def motion_file(motion_model: ModelPatcher) -> MotionFile | None:
    """What a motion model was made from; None where that is no file."""
    made = getattr(motion_model, "cached_patcher_init", None)
    return made[1][0] if made else None


def read_motion_model(path: str) -> tuple[dict[str, torch.Tensor], MotionFormat]:
    """(canonical weights, format) of a file. Raises NotAMotionModel."""
    name = Path(path).name
    try:
        state = read_tensors(path)
        refuse_by_keys(state)
        weights = canonical(state)
        refuse_other_numbers(weights)
        return weights, detect(weights, is_hotshot(state), name)
    except NotAMotionModel as reason:
        raise NotAMotionModel(f"'{name}' {reason}") from None


def with_encoder(
    weights: dict[str, torch.Tensor], motion_format: MotionFormat, file: MotionFile
) -> tuple[dict[str, torch.Tensor], MotionFormat]:
    """The same with what takes a picture in from another file, in place of its own."""
    others, other_format = read_motion_model(file.encoder_path)
    if other_format.channels != motion_format.channels:
        raise NotAMotionModel(
            f"'{Path(file.path).name}' is a motion model for {motion_format.family.base}, and what takes a picture in, "
            f"'{Path(file.encoder_path).name}', is for {other_format.family.base}. Choose two of one kind."
        )
    encoder = {key: value for key, value in others.items() if key.startswith(ENCODER) or key == PICTURE_CONV}
    family = PIA if other_format.picture_conv else motion_format.family
    return weights | encoder, replace(
        motion_format,
        family=family,
        image_encoder=motion_format.image_encoder or other_format.image_encoder,
        picture_conv=motion_format.picture_conv or other_format.picture_conv,
    )


def patcher_of(
    motion_format: MotionFormat,
    weights: dict[str, torch.Tensor],
    disable_dynamic: bool,
    dtype: torch.dtype | None = None,
) -> ModelPatcher:
    """The host's patcher for a MotionModel with these canonical weights. dtype: None for what the host would take."""
    device, offload_device = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    dtype = dtype or held_dtype(comfy.utils.weight_dtype(weights))
    model = MotionModel(
        motion_format,
        attention=comfy.ldm.modules.attention.optimized_attention_for_device(device, small_input=True),
        operations=comfy.ops.manual_cast,
        dtype=dtype,
        device=offload_device,
    )
    patcher = host_patcher(model, device, offload_device, disable_dynamic)
    model.keep_learnt_tables(weights)
    tensors = {key: value for key, value in weights.items() if not TABLE.search(key)}
    if not patcher.is_dynamic():  # which casts them when they are needed
        tensors = {key: value.to(dtype) for key, value in tensors.items()}
    # What has the right type stays in the file's own memory: nothing is read before it is needed.
    model.load_state_dict(tensors, assign=True)
    model.requires_grad_(False).eval()
    return patcher


def host_patcher(
    model: torch.nn.Module, load_device: torch.device, offload_device: torch.device, disable_dynamic: bool
) -> ModelPatcher:
    """A patcher of the host for `model`, on `offload_device`, with its dynamic VRAM or without."""
    comfy.model_management.archive_model_dtypes(model)
    kind = ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    return kind(model, load_device=load_device, offload_device=offload_device)


def encoder_alone(motion_model: ModelPatcher) -> ModelPatcher:
    """The image encoder of a motion model just loaded, without motion modules; its file is not read again."""
    encoder = motion_model.model.img_encoder.state_dict()
    weights = {ENCODER + key: value.clone() for key, value in encoder.items()}
    motion_format = replace(motion_model.model.format, encoder_only=True)
    patcher = patcher_of(motion_format, weights, disable_dynamic=not motion_model.is_dynamic())
    patcher.cached_patcher_init = (made_from, (replace(motion_file(motion_model), encoder_only=True),))
    return patcher


def encoder_file(motion_model: ModelPatcher) -> str:
    """The path of the file that what takes a picture in a motion model is from."""
    file = motion_file(motion_model)
    return file.encoder_path or file.path


def readjusted(motion_model: ModelPatcher, adjustments: Adjustments) -> ModelPatcher:
    """The motion model of the same file, adjusted further. Raises ValueError behind a LoRA."""
    if motion_model.patches or motion_model.get_additional_models():
        raise ValueError(
            "Adjust Motion Model changes the file's own weights: put it before Load Motion LoRA and Camera Path."
        )
    file = motion_file(motion_model)
    before = file.adjustments
    both = Adjustments((*before.positions, *adjustments.positions), (*before.weights, *adjustments.weights))
    adjusted = made_from(replace(file, adjustments=both, makes_tables=True))
    for key, value in motion_model.attachments.items():  # a picture to start from
        adjusted.set_attachments(key, value)
    return adjusted


def read_tensors(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a file, out of their container. Raises NotAMotionModel (the message without the file's name)."""
    loaded = opened(path)
    refuse_by_container(loaded)
    return tensors_of(loaded)


def tensors_of(loaded: Mapping) -> dict[str, torch.Tensor]:
    """The tensors of what `opened` gave, or of a part of it. Raises NotAMotionModel."""
    state = unwrap(loaded)
    refuse_by_tensors(state)
    return state


def opened(path: str) -> dict:
    """What the host reads from a model file. Raises NotAMotionModel (the message without the file's name)."""
    refuse_by_content(path)
    try:
        loaded = comfy.utils.load_torch_file(path, safe_load=True)
    except Exception as error:  # a damaged file makes its reader raise anything
        if isinstance(error, pickle.UnpicklingError) and FORBIDDEN.search(str(error)):
            raise NotAMotionModel(
                "holds more than tensors, and such a pickle can run any program when it is opened, so it was not. "
                "Get a .safetensors file of it, or a newer upload."
            ) from None
        raise NotAMotionModel(
            f"cannot be read ({_first_line(error)}): it is cut short or damaged. Download it again."
        ) from error
    if not isinstance(loaded, dict):
        raise NotAMotionModel("holds no tensors under names. Choose a motion model (v3_sd15_mm, say).")
    return loaded


def _first_line(error: Exception) -> str:
    line = str(error).strip().split("\n")[0].rstrip(".")
    return line[:QUOTED] if line.isprintable() and line else type(error).__name__


def held_dtype(in_file: torch.dtype) -> torch.dtype:
    """What the host would hold a UNet in on this machine; never one byte, which norms and biases do not survive."""
    dtype = comfy.model_management.unet_dtype(weight_dtype=in_file)
    return dtype if dtype.itemsize > 1 else torch.float16
