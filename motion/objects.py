"""Objects whose ways over the picture are given (MotionCtrl): an add-on to a motion model, and its part in one call of
the UNet."""

from dataclasses import dataclass
from pathlib import Path

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .add_on import tensors_in
from .camera_ctrl import PARTS
from .foreign import OBJECT_PARTS
from .formats import NotAMotionModel
from .motion_ctrl import motion_ctrl_objects
from .options import KEY, Call
from .pose_encoder import PIXELS
from .strength import Moment, Strength, amount_at, is_zero
from .trajectories import Trajectories
from .trajectory_encoder import WAY, TrajectoryEncoder, added_level

OBJECTS = f"{KEY}_objects"
"""The additional model of a motion model under this key moves objects."""
WAYS = f"{KEY}_ways"
"""Its attachment."""


@dataclass(frozen=True)
class Ways:
    """Where objects go, and how strongly that counts."""

    trajectories: Trajectories
    strength: Strength = 1.0
    end_percent: float = 1.0
    """Until where in the sampling it counts: 0.3 in training."""

    def is_fixed(self) -> bool:
        return self.end_percent >= 1.0 and not callable(self.strength)

    def at(self, moment: Moment):
        if self.end_percent < 1.0 and not moment.is_within(0.0, self.end_percent, moment.levels[-1]):
            return 0.0
        return amount_at(self.strength, moment)


def load_objects(path: str, disable_dynamic: bool = False) -> ModelPatcher:
    """The patcher of MotionCtrl's file for objects. Raises ValueError for another one."""
    name = Path(path).name
    try:
        patcher = motion_ctrl_objects(tensors_in(path, (*OBJECT_PARTS, *PARTS)), disable_dynamic)
    except NotAMotionModel as reason:
        raise ValueError(f"'{name}' {reason}") from None
    patcher.cached_patcher_init = (load_objects, (path,))
    return patcher


def with_objects(motion_model: ModelPatcher, encoder: ModelPatcher, ways: Ways) -> ModelPatcher:
    """A clone of `motion_model` that moves objects. Raises ValueError where it cannot, or does so already."""
    motion_format = motion_model.model.format
    if motion_format.family.base != "SD1.5" or motion_format.channels[: len(encoder.model.channels)] != (
        encoder.model.channels
    ):
        raise ValueError(
            f"MotionCtrl was made for SD1.5, and this motion model is {motion_format.family.name} for "
            f"{motion_format.family.base}. Load v3_sd15_mm."
        )
    if objects(motion_model):
        raise ValueError("This motion model moves objects already. Write all of them into one Object Path.")
    motion_model, encoder = motion_model.clone(), encoder.clone()
    encoder.set_attachments(WAYS, ways)
    motion_model.set_additional_models(OBJECTS, [encoder])
    return motion_model


def objects(motion_model: ModelPatcher) -> list[ModelPatcher]:
    return motion_model.get_additional_models_with_key(OBJECTS)


def objects_are_fixed(motion_model: ModelPatcher) -> bool:
    """Whether nothing about them depends on the noise level."""
    return all(each.get_attachment(WAYS).is_fixed() for each in objects(motion_model))


class ObjectsAtWork:
    """The moved objects of one motion model in one call of the UNet."""

    def __init__(self, encoder: ModelPatcher, call: Call):
        ways: Ways = encoder.get_attachment(WAYS)
        amount = ways.at(call.moment)
        self.strength = call.amounts.of(amount)
        self.features = None if is_zero(amount) else features(encoder.model, ways.trajectories, call)

    def feature(self, site: str) -> Tensor | None:
        """What is added behind the motion module at `site`: (conds videos frames) c h w."""
        level = added_level(site)
        return None if self.features is None or level is None else self.features[level]


def features(net: TrajectoryEncoder, trajectories: Trajectories, call: Call) -> list[Tensor]:
    """Per level (conds videos frames) c h w. For negative prompts nothing moves, which has features of its own.

    The last windows' are kept in the run.
    """
    size = tuple(side * PIXELS for side in call.x.shape[-2:])
    key = (size, call.dtype)

    def make() -> list[Tensor]:
        seen = [trajectories.maps(window, call.run.full_length, *size) for window in call.windows()]
        return net(torch.cat(seen).to(call.x.device).to(call.dtype))

    found = call.run.of_window(net, (trajectories, *key, call.frames, tuple(call.part.frames)), make)
    if not any(call.negatives):
        return [call.for_positives(level, level) for level in found]
    still = torch.zeros(1, WAY, *size, device=call.x.device, dtype=call.dtype)
    resting = call.run.of_window(net, ("resting", *key), lambda: net(still))
    return [call.for_positives(a, b.expand_as(a)) for a, b in zip(found, resting, strict=True)]
