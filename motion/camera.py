"""Cameras: add-ons to a motion model that take a camera's path in (CameraCtrl, MotionCtrl); and their part in one call
of the UNet."""

import logging
from dataclasses import dataclass
from pathlib import Path as FilePath

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .add_on import tensors_in
from .camera_attention import CameraAttentions
from .camera_ctrl import PARTS, CameraNet, camera_ctrl
from .camera_poses import Path, Poses, numbers, rays
from .families import V2, V3
from .foreign import OBJECT_PARTS, is_for_objects
from .formats import NotAMotionModel, sites
from .image_encoder import laid_on
from .motion_ctrl import is_for_the_camera, motion_ctrl_camera
from .options import KEY, Call
from .pose_encoder import PIXELS, level_of
from .strength import Amount, Strength, amount_at, is_zero, product
from .temporal import PoseMerge, Substitute

CAMERAS = f"{KEY}_cameras"
"""Additional models of a motion model under this key steer its camera."""
PATH, STRENGTH = f"{KEY}_camera_path", f"{KEY}_camera_strength"
"""Attachments of such a model."""
TRAINED_FRAMES = 16

log = logging.getLogger("animatediff")


def load_camera(path: str, disable_dynamic: bool = False) -> ModelPatcher:
    """The patcher of a CameraCtrl file, or of MotionCtrl's for the camera. Raises ValueError for another one."""
    name = FilePath(path).name
    try:
        patcher = camera_of(tensors_in(path, (*PARTS, *OBJECT_PARTS)), disable_dynamic)
    except NotAMotionModel as reason:
        raise ValueError(f"'{name}' {reason}") from None
    patcher.cached_patcher_init = (load_camera, (path,))
    return patcher


def camera_of(state: dict[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    """state: a file's tensors. Raises NotAMotionModel (the message goes on after the file's name)."""
    if is_for_objects(state):
        raise NotAMotionModel("is an add-on for objects (MotionCtrl), not for the camera. Load it with Object Path.")
    make = motion_ctrl_camera if is_for_the_camera(state) else camera_ctrl
    return make(state, disable_dynamic)


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
    """Raises ValueError where the camera was made for another motion model, or would take another one's place."""
    if isinstance(camera.model, CameraAttentions):
        check_overwrites(camera.model, motion_model)
        return
    motion_format = motion_model.model.format
    widths = {site: width for site, width in sites(motion_format).items() if level_of(site, 4) is not None}
    mine = {site.replace("/", "."): layer.weight.shape[0] for site, layer in camera.model.merges.items()}
    if motion_format.family != V3 or mine != widths:
        raise ValueError(
            f"CameraCtrl was made for AnimateDiff v3, and this motion model is {motion_format.family.name}. Load "
            "v3_sd15_mm or mm_sd15_v3, or for v2 take a camera's motion LoRA (Load Motion LoRA)."
        )


def check_overwrites(net: CameraAttentions, motion_model: ModelPatcher) -> None:
    """Raises ValueError where the attentions of `net` stand in for none of the motion model's, or another's do."""
    motion_format = motion_model.model.format
    family, file = (V2, "mm_sd_v15_v2") if any("mid_block" in site for site in net.widths) else (V3, "v3_sd15_mm")
    if motion_format.family != family or net.widths != sites(motion_format):
        raise ValueError(
            f"MotionCtrl puts attention weights of its own in the place of {family.name}'s, and this motion model is "
            f"{motion_format.family.name}. Load {file}."
        )
    if any(isinstance(each.model, CameraAttentions) for each in cameras(motion_model)):
        raise ValueError(
            "This motion model's camera goes by MotionCtrl already, and a second one would take the first one's place. "
            "Write all moves into the path of one Camera Path."
        )


def cameras(motion_model: ModelPatcher) -> list[ModelPatcher]:
    return motion_model.get_additional_models_with_key(CAMERAS)


def frames_at_best(motion_model: ModelPatcher) -> int:
    """How many frames it can take at once; with a camera no more than that was trained with."""
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


@dataclass(frozen=True)
class Numbers:
    """Poses for all pictures of a call."""

    poses: Tensor
    """(conds videos frames) 12 1 1"""

    def over(self, like: Tensor) -> Tensor:
        return self.poses.to(like)


class CameraAtWork:
    """One camera in one call of the UNet."""

    def __init__(self, camera: ModelPatcher, share: Amount, call: Call):
        """share: multiplies its strength."""
        self.net, self.call = camera.model, call
        self.amount = product(amount_at(camera.get_attachment(STRENGTH), call.moment), share)
        self.features: list[Tensor] | None = None
        self.numbers: Numbers | None = None
        path = camera.get_attachment(PATH)
        if is_zero(self.amount):
            return
        say_where_it_rests(path, call)
        if isinstance(self.net, CameraNet):
            self.features = features(self.net, path, call)
        else:
            self.numbers = Numbers(pose_numbers(self.net, path, call))

    def merge(self, site: str) -> tuple[PoseMerge, ...]:
        """What CameraCtrl does to the first attention of the motion module at `site`."""
        level = None if self.features is None else level_of(site, len(self.net.channels))
        if level is None:
            return ()
        layer = self.net.merges[site.replace(".", "/")]
        return (PoseMerge(layer, Laid(self.features[level]), self.call.amounts.of(self.amount)),)

    def substitute(self, site: str) -> tuple[Substitute, ...]:
        """What MotionCtrl puts in the place of the last attention of the motion module at `site`."""
        if self.numbers is None:
            return ()
        return (Substitute(self.net.at(site), self.numbers, self.call.amounts.of(self.amount)),)


def features(net: CameraNet, path: Path | Poses, call: Call) -> list[Tensor]:
    """Per level (videos frames) c h w. Each window's poses count from its own first frame, as in training.

    The rays are float32, the features in the dtype of the hidden states; the last windows' are kept in the run.
    """
    size = tuple(side * PIXELS for side in call.x.shape[-2:])

    def make() -> list[Tensor]:
        poses = path.poses(call.run.full_length)
        seen = [rays(poses[window], *size).to(call.x.device).to(call.dtype) for window in call.windows()]
        found = [net.encoder(each) for each in seen]
        return [torch.cat(level) for level in zip(*found, strict=True)]

    return call.run.of_window(net, (path, size, call.dtype, call.frames, tuple(call.part.frames)), make)


def pose_numbers(net: CameraAttentions, path: Path | Poses, call: Call) -> Tensor:
    """(conds videos frames) 12 1 1: zeros for negative prompts, as in training. Windows as in `features`."""

    def make() -> Tensor:
        poses = path.poses(call.run.full_length)
        found = torch.cat([numbers(poses[window]) for window in call.windows()])
        return found[..., None, None].to(call.x.device, call.dtype)

    found = call.run.of_window(net, (path, call.dtype, call.frames, tuple(call.part.frames)), make)
    return call.for_positives(found, torch.zeros_like(found))


def say_where_it_rests(path: Path | Poses, call: Call) -> None:
    told = ("camera rests", path)
    if isinstance(path, Poses) and len(path.rows) < call.run.full_length and told not in call.run.features:
        call.run.features[told] = True
        text = "The camera has %d poses for %d frames: it rests at the last one."
        log.warning(text, len(path.rows), call.run.full_length)
