"""CameraCtrl: an add-on to a motion model, which takes a camera's path in; and its part in one call of the UNet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.ops
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from .camera_poses import Path, Poses, rays
from .convert import unwrap
from .families import V3
from .foreign import refuse_other_numbers
from .formats import TABLE, NotAMotionModel, refuse_widths, sites
from .image_encoder import laid_on
from .load import held_dtype, host_patcher, opened, tensors_of
from .options import KEY, Call
from .pose_encoder import PIXELS, STEERED, PoseEncoder, level_of
from .strength import Amount, Strength, amount_at, is_zero, product
from .temporal import PoseMerge

CAMERAS = f"{KEY}_cameras"
"""Additional models of a motion model under this key steer its camera."""
PATH, STRENGTH = f"{KEY}_camera_path", f"{KEY}_camera_strength"
"""Attachments of such a model."""
TRAINED_FRAMES = 16
MERGE = ".temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.qkv_merge."
PARTS = ("pose_encoder_state_dict", "attention_processor_state_dict")
"""Where the published file has its tensors; in files made from it they lie side by side."""
KEPT_WINDOWS = 8
"""Of how many windows the features are kept during a run."""

log = logging.getLogger("animatediff")


class CameraNet(nn.Module):
    """The pose encoder, and a linear layer for each motion module's first attention."""

    def __init__(self, channels: tuple[int, ...], widths: Mapping[str, int], attention, operations, **place):
        """channels: per level. widths: site -> channels."""
        super().__init__()
        self.channels = channels
        self.encoder = PoseEncoder(channels, attention, operations, **place)
        self.merges = nn.ModuleDict(
            {site.replace(".", "/"): operations.Linear(width, width, **place) for site, width in widths.items()}
        )


def load_camera(path: str, disable_dynamic: bool = False) -> ModelPatcher:
    """The patcher of a CameraCtrl file. Raises ValueError for another one."""
    name = FilePath(path).name
    try:
        loaded = opened(path)
        parts = [unwrap(loaded[part]) for part in PARTS if isinstance(loaded.get(part), Mapping)]
        state = tensors_of({key: value for part in parts for key, value in part.items()} or loaded)
        patcher = camera_of(state, disable_dynamic)
    except NotAMotionModel as reason:
        raise ValueError(f"'{name}' {reason}") from None
    patcher.cached_patcher_init = (load_camera, (path,))
    return patcher


def camera_of(state: Mapping[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    """state: a file's tensors. Raises NotAMotionModel (the message goes on after the file's name)."""
    merges = {key: value for key, value in state.items() if MERGE in key}
    if "encoder_conv_in.weight" not in state or not merges:
        raise NotAMotionModel("is no CameraCtrl file. Choose CameraCtrl.ckpt here.")
    levels = range(len({key.split(".")[1] for key in state if key.startswith("encoder_down_conv_blocks.")}))
    first = (f"encoder_down_conv_blocks.{level}.0.block1.bias" for level in levels)
    channels = tuple(state[bias].numel() if bias in state else 0 for bias in first)
    refuse_widths(channels)
    owners = {key: key.split(MERGE)[0] for key in merges if key.endswith("bias")}
    widths = {owner: merges[key].numel() for key, owner in owners.items() if STEERED.match(owner)}
    encoder = {f"encoder.{key}": value for key, value in state.items() if key.startswith("encoder_")}
    weights = {key: value for key, value in encoder.items() if not TABLE.search(key)}
    weights |= {f"merges.{key.replace(MERGE, '|').replace('.', '/').replace('|', '.')}": merges[key] for key in merges}
    refuse_other_numbers(weights)
    device, offload_device = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    dtype = held_dtype(comfy.utils.weight_dtype(weights))
    attention = comfy.ldm.modules.attention.optimized_attention_for_device(device, small_input=True)
    place = {"dtype": dtype, "device": torch.device("meta")}
    net = CameraNet(channels, widths, attention, comfy.ops.manual_cast, **place)
    expected = {key: value.shape for key, value in net.state_dict().items()}
    wrong = sorted(expected.keys() ^ weights.keys()) or [k for k in expected if expected[k] != weights[k].shape]
    if wrong:
        raise NotAMotionModel(
            f"looks like CameraCtrl, but {len(wrong)} of its tensors are missing, unknown or of another shape "
            f"({wrong[0]}). It may be cut short: download it again."
        )
    patcher = host_patcher(net, device, offload_device, disable_dynamic)
    if not patcher.is_dynamic():
        weights = {key: value.to(dtype) for key, value in weights.items()}
    net.load_state_dict(weights, assign=True)
    net.requires_grad_(False).eval()
    return patcher


def with_camera(
    motion_model: ModelPatcher, camera: ModelPatcher, path: Path | Poses, strength: Strength
) -> ModelPatcher:
    """A clone of `motion_model` whose camera goes along `path`. Raises as `check_steers`."""
    check_steers(camera, motion_model)
    motion_model, camera = motion_model.clone(), camera.clone()
    camera.set_attachments(PATH, path)
    camera.set_attachments(STRENGTH, strength)
    motion_model.set_additional_models(CAMERAS, [*cameras(motion_model), camera])
    return motion_model


def check_steers(camera: ModelPatcher, motion_model: ModelPatcher) -> None:
    """Raises ValueError where the camera was made for another motion model."""
    motion_format = motion_model.model.format
    widths = {site: width for site, width in sites(motion_format).items() if level_of(site, 4) is not None}
    mine = {site.replace("/", "."): layer.weight.shape[0] for site, layer in camera.model.merges.items()}
    if motion_format.family != V3 or mine != widths:
        raise ValueError(
            f"CameraCtrl was made for AnimateDiff v3, and this motion model is {motion_format.family.name}. Load "
            "v3_sd15_mm or mm_sd15_v3, or for v2 take a camera's motion LoRA (Load Motion LoRA)."
        )


def cameras(motion_model: ModelPatcher) -> list[ModelPatcher]:
    return motion_model.get_additional_models_with_key(CAMERAS)


def frames_at_best(motion_model: ModelPatcher) -> int:
    """How many frames it can take at once; with CameraCtrl no more than that was trained with."""
    most = motion_model.model.format.max_frames
    return min(most, TRAINED_FRAMES) if cameras(motion_model) else most


def cameras_are_fixed(motion_model: ModelPatcher) -> bool:
    """Whether no strength of its cameras depends on the noise level."""
    return not any(callable(camera.get_attachment(STRENGTH)) for camera in cameras(motion_model))


@dataclass(frozen=True)
class Laid:
    """A feature of one cond, for the hidden states of all."""

    feature: Tensor
    """(videos frames) c h w"""

    def over(self, like: Tensor) -> Tensor:
        """(conds videos frames) c h w, at the size of `like`."""
        return laid_on(self.feature, like).to(like)


class CameraAtWork:
    """One camera in one call of the UNet."""

    def __init__(self, camera: ModelPatcher, share: Amount, call: Call):
        """share: multiplies its strength."""
        self.net, self.call = camera.model, call
        self.amount = product(amount_at(camera.get_attachment(STRENGTH), call.moment), share)
        self.features = None if is_zero(self.amount) else features(self.net, camera.get_attachment(PATH), call)

    def merge(self, site: str) -> tuple[PoseMerge, ...]:
        """What the camera does to the first attention of the motion module at `site`."""
        level = level_of(site, len(self.net.channels))
        if self.features is None or level is None:
            return ()
        layer = self.net.merges[site.replace(".", "/")]
        return (PoseMerge(layer, Laid(self.features[level]), self.call.amounts.of(self.amount)),)


def features(net: CameraNet, path: Path | Poses, call: Call) -> list[Tensor]:
    """Per level (videos frames) c h w. Each window's poses count from its own first frame, as in training.

    The rays are float32, the features in the dtype of the hidden states; the last windows' are kept in the run.
    """
    indices = tuple(call.part.frames)
    kept = call.run.features.setdefault(net, {})  # of one GPU, and so of one thread
    size = tuple(side * PIXELS for side in call.x.shape[-2:])
    key = (path, size, call.dtype, call.frames, indices)
    if key not in kept:
        say_where_it_rests(path, call)
        if len(kept) >= KEPT_WINDOWS:
            kept.pop(next(iter(kept)))
        poses = path.poses(call.run.full_length)
        windows = [list(indices[start : start + call.frames]) for start in range(0, len(indices), call.frames)]
        seen = [rays(poses[window], *size).to(call.x.device).to(call.dtype) for window in windows]
        found = [net.encoder(each) for each in seen]
        kept[key] = [torch.cat(level) for level in zip(*found, strict=True)]
    return kept[key]


def say_where_it_rests(path: Path | Poses, call: Call) -> None:
    told = ("camera rests", path)
    if isinstance(path, Poses) and len(path.rows) < call.run.full_length and told not in call.run.features:
        call.run.features[told] = True
        text = "The camera has %d poses for %d frames: it rests at the last one."
        log.warning(text, len(path.rows), call.run.full_length)
