"""The picture that a motion model starts from: checked once, taken in while a sampler runs."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock

import comfy.model_management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor, nn

from .formats import LATENT_CHANNELS, MotionFormat
from .image_encoder import ImageEncoder
from .options import Call
from .settings import MotionSettings, ReferencePicture
from .strength import Strength, amount_at, over

DRIFT_AT_MOST = 10.0
ENCODING = Lock()
OWN_PICTURE = "animatediff_picture"
"""A motion model's attachment: the ReferencePicture that it starts from wherever it is applied."""


def reference_picture(
    motion_model: ModelPatcher,
    latents: Tensor,
    drift: float,
    when_disabled: bool,
    strength: Strength = 1.0,
    share: Strength = 1.0,
) -> ReferencePicture:
    """A picture for `motion_model`. latents: n 4 h w, as the VAE gives them.

    Raises ValueError where the motion model takes no picture, or the latents are of another kind.
    """
    check_encoder(motion_model)
    if latents.ndim != 4 or latents.shape[1] != LATENT_CHANNELS or not len(latents):
        raise ValueError(
            f"The picture's latents have the shape {list(latents.shape)}, and must be pictures of {LATENT_CHANNELS} "
            "channels (n, 4, height, width). Encode the picture with the VAE of an SD1.5 checkpoint."
        )
    if not latents.isfinite().all():
        raise ValueError("The picture's latents hold NaN or infinity. Encode it again, with the VAE in 32 bits.")
    return ReferencePicture(latents, drift, when_disabled, strength, share)


def check_encoder(motion_model: ModelPatcher) -> None:
    """Raises ValueError where it cannot start from a picture."""
    motion_format = motion_model.model.format
    if not takes_picture(motion_format):
        raise ValueError(
            f"This motion model ({motion_format.family.name}) has no image encoder, so it cannot start from a picture. "
            "Load AnimateLCM_sd15_i2v or pia, or apply this one without a picture."
        )


def takes_picture(motion_format: MotionFormat) -> bool:
    return motion_format.image_encoder or motion_format.picture_conv


@dataclass(frozen=True, eq=False)
class Unencoded:
    """Pictures that are encoded when a sampler runs: called with its latents, whose size they are brought to."""

    image: Tensor
    """n h w c, from 0 to 1"""
    vae: VAE
    scale_method: str

    def __call__(self, like: Tensor) -> Tensor:
        with sampled_models_back():
            return encoded_to_size(self.image, self.vae, like, self.scale_method, "center")


@contextmanager
def sampled_models_back():
    """Whoever encodes in it may push the models that are sampled off the GPU: they come back.

    Several GPUs, which call from a thread each, encode one after the other.
    """
    with ENCODING:
        found = comfy.model_management.loaded_models(only_currently_used=True)
        loaded = [model for model in found if model is not None]  # the host lists what nobody has any more
        yield
        comfy.model_management.load_models_gpu(loaded)


def starting_from(motion_model: ModelPatcher, reference: ReferencePicture) -> ModelPatcher:
    """A clone of `motion_model` that starts from that picture wherever it is applied."""
    motion_model = motion_model.clone()
    motion_model.set_attachments(OWN_PICTURE, reference)
    return motion_model


def with_own_picture(settings: MotionSettings, motion_model: ModelPatcher) -> MotionSettings:
    """`settings` with the picture that `motion_model` starts from, if it has one."""
    own = motion_model.get_attachment(OWN_PICTURE)
    return settings if own is None else replace(settings, reference=own)


def encoded_to_size(image: Tensor, vae: VAE, like: Tensor, scale_method: str, crop: str) -> Tensor:
    """Pictures (n h w c, 0 to 1) -> latents (n 4 h w) of the height and width of the latents `like`."""
    height, width = (vae.spacial_compression_encode() * side for side in like.shape[-2:])
    pixels = comfy.utils.common_upscale(image.movedim(-1, 1), width, height, scale_method, crop).movedim(1, -1)
    return vae.encode(pixels)


def check_inputs(image: Tensor, vae: VAE | None, latents: Tensor) -> None:
    """Raises ValueError where `encoded_to_size` could not make latents for SD1.5 of them."""
    check_image(image)
    check_vae(vae)
    if latents.ndim != 4 or not latents.numel():
        raise ValueError(
            f"latent_image has the shape {list(latents.shape)}, and must be frames (frames, 4, height, width). "
            "Connect what the sampler gets, from Empty Latent Image as a rule."
        )


def check_image(image: Tensor) -> None:
    """Raises ValueError where it holds no pictures (n h w c) in colour."""
    if image.ndim != 4 or not image.numel() or image.shape[-1] < 3:
        raise ValueError(
            f"image has the shape {list(image.shape)}, and must be pictures (n, height, width, 3). Connect Load Image."
        )
    if not image.isfinite().all():
        raise ValueError("image holds NaN or infinity. Connect Load Image, or correct the node that makes it.")


def check_vae(vae: VAE | None) -> None:
    """Raises ValueError where there is none, or it makes other latents than SD1.5's."""
    if vae is None:
        raise ValueError("There is no VAE in the checkpoint's file. Connect one for SD1.5 from Load VAE.")
    if vae.latent_channels != LATENT_CHANNELS:
        raise ValueError(
            f"The VAE makes latents of {vae.latent_channels} channels, and must make {LATENT_CHANNELS}. "
            "Connect the VAE of an SD1.5 checkpoint."
        )


def features(encoder: ImageEncoder, reference: ReferencePicture, call: Call) -> list[Tensor]:
    """Per level what the picture adds to the hidden state of one cond: (videos frames) c h w.

    The last ones of each encoder, reference, size and device are kept in the run.
    """
    device, size, kept = call.x.device, tuple(call.x.shape[-2:]), call.run.features
    wanted = (pictures_of(reference, call), call.frames, call.dtype)
    key = (encoder, reference, size, device)
    if kept.get(key, (None,))[0] != wanted:
        kept[key] = wanted, encoder(fitted(reference, call), call.frames, reference.drift)
    return kept[key][1]


def first_addition(conv: nn.Module, reference: ReferencePicture, call: Call) -> Tensor:
    """PIA: what its channels add to the UNet's first convolution: (conds videos frames) c h w.

    A convolution is linear in its channels, so that of the checkpoint stays as it is.
    """
    latents = fitted(reference, call)
    share, strength = (
        over(call.amounts.of(amount_at(each, call.moment)), call.x) for each in (reference.share, reference.strength)
    )
    shares = torch.as_tensor(share).to(call.x.device, call.dtype).expand(len(call.x), 1, *latents.shape[-2:])
    return strength * conv(torch.cat([shares, latents.repeat(len(call.x) // len(latents), 1, 1, 1)], dim=1))


def pictures_of(reference: ReferencePicture, call: Call) -> list[int]:
    """Which of the reference's pictures each frame of one cond has."""
    count = len(latents_for(reference, call))
    return [index % count if reference.in_turn else min(index, count - 1) for index in call.part.frames]


def latents_for(reference: ReferencePicture, call: Call) -> Tensor:
    """The pictures (n 4 h w) as the VAE gives them; each is encoded once a run."""
    if isinstance(reference.latents, Tensor):
        return reference.latents
    key, kept = (reference, tuple(call.x.shape[-2:])), call.run.features
    if key not in kept:
        kept[key] = reference.latents(call.x)
    return kept[key]


def fitted(reference: ReferencePicture, call: Call) -> Tensor:
    """The picture of each frame of one cond at the size of the call's latents, scaled for its UNet."""
    height, width = call.x.shape[-2:]
    latents = latents_for(reference, call)[pictures_of(reference, call)].float()
    sized = comfy.utils.common_upscale(latents, width, height, "nearest-exact", "center")
    return call.base.process_latent_in(sized.to(call.x.device)).to(call.dtype)
