"""The picture that a motion model with an image encoder starts from: checked once, encoded while a sampler runs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .formats import LATENT_CHANNELS
from .image_encoder import ImageEncoder
from .settings import MotionSettings, ReferencePicture, in_range

DRIFT_AT_MOST = 10.0


def with_picture(
    settings: MotionSettings, motion_model: ModelPatcher, latents: Tensor, drift: float, when_disabled: bool
) -> MotionSettings:
    """`settings` with a picture for `motion_model`. latents: n 4 h w, as the VAE gives them.

    Raises ValueError where the motion model has no image encoder, or the latents are of another kind.
    """
    motion_format = motion_model.model.format
    if not motion_format.image_encoder:
        raise ValueError(
            f"This motion model ({motion_format.family.name}) has no image encoder, so it cannot start from ref_latent."
            " Load AnimateLCM_sd15_i2v, or use Apply AnimateDiff Model without ref_latent."
        )
    if latents.ndim != 4 or latents.shape[1] != LATENT_CHANNELS or not len(latents):
        raise ValueError(
            f"ref_latent has the shape {list(latents.shape)}, and must hold pictures of {LATENT_CHANNELS} channels "
            "(n, 4, height, width). Encode the picture with the VAE of an SD1.5 checkpoint."
        )
    if not latents.isfinite().all():
        raise ValueError("ref_latent holds NaN or infinity. Encode the picture again, with the VAE in 32 bits.")
    drift = in_range("ref_drift", drift, 0.0, DRIFT_AT_MOST)
    return replace(settings, reference=ReferencePicture(latents, drift, when_disabled))


@dataclass(frozen=True)
class Picture:
    """The reference of one motion model in one call of the UNet, and how it is encoded."""

    encoder: ImageEncoder
    reference: ReferencePicture
    process_in: Callable[[Tensor], Tensor]
    """The checkpoint's scaling of latents for its UNet."""
    size: tuple[int, int]
    """Height and width of the call's latents."""
    indices: list[int]
    """The frames of all videos of one cond, in the whole clip."""
    frames: int
    """Frames per video."""
    kept: dict = field(default_factory=dict)
    """The run's last features for each encoder, reference, size and device."""

    def features(self, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        """Per level what is added to the hidden state of one cond: (videos frames) c h w."""
        latents = self.reference.latents
        rows = [index % len(latents) for index in self.indices]
        wanted = (rows, self.frames, dtype)
        key = (self.encoder, self.reference, self.size, device)
        if self.kept.get(key, (None,))[0] != wanted:
            height, width = self.size
            fitted = comfy.utils.common_upscale(latents[rows].float(), width, height, "nearest-exact", "center")
            scaled = self.process_in(fitted.to(device)).to(dtype)
            self.kept[key] = wanted, self.encoder(scaled, self.frames, self.reference.drift)
        return self.kept[key][1]
