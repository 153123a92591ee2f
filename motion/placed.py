"""Motion modules in their places in one call of the UNet, each with what steers it there."""

from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .camera import CameraAtWork, cameras
from .image_encoder import fed_level, laid_on
from .lora import running_loras
from .objects import ObjectsAtWork, objects
from .options import Call
from .picture import features, first_addition
from .settings import MotionSettings
from .strength import Seen, amount_at, is_zero, over, product
from .temporal import LowRank, Steering, TemporalTransformer, sinusoid_on


@dataclass(frozen=True)
class Addition:
    """What a picture adds to a hidden state before a motion module, or moved objects behind it."""

    feature: Tensor
    """For one cond, or for all: (videos frames) c h w."""
    strength: float | Seen
    when_disabled: bool = False
    """Whether it is added also where the module has no effect."""

    def to(self, x: Tensor) -> Tensor:
        """x: (b f) c h w."""
        return x + over(self.strength, x) * laid_on(self.feature, x)


@dataclass(frozen=True)
class PlacedModule:
    """One motion module in its place, with what steers it in this call. Tensors are on the call's device."""

    site: str
    module: TemporalTransformer
    effect: float | Seen
    steering: Steering
    addition: Addition | None = None
    behind: tuple[Addition, ...] = ()

    def run(self, x: Tensor) -> Tensor:
        """x: (b f) c h w."""
        effect = over(self.effect, x)
        if is_zero(effect):
            return self.added(x) if self.addition is not None and self.addition.when_disabled else x
        moved = self.module(self.added(x), self.steering.mapped(lambda amount: amount.over(x)))
        for addition in self.behind:
            moved = addition.to(moved)
        return torch.lerp(x, moved, effect) if isinstance(effect, Tensor) or effect != 1.0 else moved

    def added(self, x: Tensor) -> Tensor:
        return x if self.addition is None else self.addition.to(x)


class Steered:
    """One motion model in one call of the UNet, as it is set at that moment."""

    def __init__(self, motion: ModelPatcher, settings: MotionSettings, call: Call):
        """settings: what `at_work` gave."""
        self.settings, self.call = settings, call
        self.format, self.modules = motion.model.format, motion.model.sites()
        self.norms = self.format.norms(settings.norms)
        self.loras = running_loras(motion, call.moment)
        self.cameras = [CameraAtWork(camera, settings.camera, call) for camera in cameras(motion)]
        self.objects = [ObjectsAtWork(encoder, call) for encoder in objects(motion)]
        self.features: list[Tensor] | None = None
        self.first_addition: Tensor | None = None
        """What PIA's picture adds to the UNet's first convolution."""
        if settings.reference is not None and self.format.picture_conv:
            self.first_addition = first_addition(motion.model.picture_conv, settings.reference, call)
        elif settings.reference is not None:
            self.features = features(motion.model.img_encoder, settings.reference, call)

    def placed(self, site: str, channels: int) -> PlacedModule:
        call = self.call
        effect, scales = self.settings.of(site, call.moment)
        steering = Steering(
            call.frames,
            self.norms.motion_modules,
            scales=tuple(call.amounts.of(scale) for scale in scales),
            loras=self.loras_of(site),
            positions=sinusoid_on(call.frames, channels, call.x.device, call.dtype),
            views=call.views,
            poses=tuple(pose for camera in self.cameras for pose in camera.merge(site)),
            substitute=next((other for camera in self.cameras for other in camera.substitute(site)), None),
        )
        found = ((each.feature(site), each.strength) for each in self.objects)
        behind = tuple(Addition(feature, strength) for feature, strength in found if feature is not None)
        effect = call.amounts.of(effect)
        return PlacedModule(site, self.modules[site], effect, steering, self.addition_of(site), behind)

    def loras_of(self, site: str) -> tuple[LowRank, ...]:
        module, amounts = self.modules[site], self.call.amounts
        return tuple(
            LowRank(module.get_submodule(name), down, up, amounts.of(product(strength, scale)))
            for lora, strength in self.loras
            for name, down, up, scale in lora.of(site)
        )

    def addition_of(self, site: str) -> Addition | None:
        picture, level = self.settings.reference, fed_level(site)
        if self.features is None or level is None:
            return None
        strength = self.call.amounts.of(amount_at(picture.strength, self.call.moment))
        return Addition(self.features[level], strength, picture.when_disabled)
