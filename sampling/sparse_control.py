"""SparseCtrl as a ControlNet of the host, for Apply ControlNet: pictures at some frames of a clip.

The pictures stay out of `cond_hint_original`, since whoever windows a clip deals that out to its frames one by one.
"""

import copy
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import comfy.model_management
import comfy.utils
import torch
from comfy.controlnet import ControlBase
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.fit import base_name
from ..motion.moments import moment_at
from ..motion.options import KEY, Call, MotionRun, ad_params, frames_of_call, part_of, views_of
from ..motion.picture import check_image, check_vae, sampled_models_back
from ..motion.sparse_net import COLOURS, RGB
from ..motion.strength import Moment, Seen, Strength, amount_at, is_zero, over
from ..motion.temporal import Steering
from .values.places import Places, shown_in

PIXELS = 8
"""Of a picture, to one of the latents."""
COLOURFUL, MOSTLY, DARK = 0.05, 0.8, 0.1
"""How far the colours of a pixel differ on average in a picture that is no drawing; how much of a drawing is dark."""

log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class SparseSettings:
    places: Places = Places((0,))
    nearest: bool = True
    """Whether a window without a picture gets the nearest one."""
    motion_scale: float = 1.0
    effect: float = 1.0
    """Of the network's own motion modules."""
    strength: Strength = 1.0
    """Times that of the node that applies it."""
    at_pictures: float = 1.0
    """Multiplies what is added to frames with a picture."""
    between: float = 1.0
    """Multiplies what is added to the others."""
    mask: float = 1.0
    """How much of a picture the network is told is there; 1 in training."""


def call_of(base, x: Tensor, t: Tensor, options: dict, strength: Strength) -> Call:
    """The call of the UNet that these residuals are for. base: the host's model. x: (conds videos frames) 4 h w.

    A noise level is read off only where `strength` depends on it.
    """
    window, frames = options.get("context_window"), frames_of_call(len(x), options)
    run = options.get(KEY) or MotionRun(frames if window is None else window.total_frames)
    part = part_of(frames, options | {"ad_params": ad_params(frames, run, window)})
    moment = moment_at(run, t, options, base.model_sampling) if callable(strength) else Moment(run.full_length)
    return Call(base, x, frames, run, part, moment, views_of(options, x.device))


class SparseControl(ControlBase):
    """One SparseCtrl network with its settings, and what an Apply ControlNet node made of it."""

    def __init__(self, patcher: ModelPatcher, settings: SparseSettings):
        """patcher: of a `SparseNet`."""
        super().__init__()
        self.patcher, self.settings = patcher, settings
        self.pictures: Tensor | None = None
        """n c h w: pictures from 0 to 1, or latents as the VAE gives them."""
        self.are_latents = False
        self.fitted: dict[tuple[int, int], Tensor] = {}
        """Size of latents -> the pictures as the network gets them; shared by the shallow copies that windows make."""
        self.model: weakref.ref | None = None
        """To the host's model, while it is sampled: behind a run that was stopped nobody cleans up here."""

    def copy(self) -> "SparseControl":
        other = SparseControl(self.patcher, self.settings)
        self.copy_to(other)
        other.pictures, other.are_latents = self.pictures, self.are_latents
        return other

    def deepclone_multigpu(self, load_device, autoregister=False) -> "SparseControl":
        other, offload_device = self.copy(), comfy.model_management.unet_offload_device()
        other.patcher = ModelPatcher(copy.deepcopy(self.patcher.model), load_device, offload_device)
        if autoregister:
            self.multigpu_clones[load_device] = other
        return other

    def get_models(self) -> list[ModelPatcher]:
        return [*super().get_models(), self.patcher]

    def set_cond_hint(self, cond_hint, strength=1.0, timestep_percent_range=(0.0, 1.0), vae=None, extra_concat=()):
        """cond_hint: pictures n c h w, or what RGB SparseCtrl made of them. Raises ValueError where it wants others."""
        prepared = getattr(cond_hint, "condhint", None)
        self.are_latents = prepared is not None
        self.pictures = prepared if self.are_latents else cond_hint
        self.vae, self.strength, self.timestep_percent_range = vae, strength, timestep_percent_range
        check_pictures(self.patcher.model.kind, self.pictures, self.are_latents, vae)
        self.settings.places.check(len(self.pictures))
        return self

    def pre_run(self, model, percent_to_timestep_function: Callable[[float], float]) -> None:
        super().pre_run(model, percent_to_timestep_function)
        check_fit(self.patcher.model.config, model)
        self.model = weakref.ref(model)
        self.fitted.clear()

    def cleanup(self) -> None:
        super().cleanup()
        self.model = None
        self.fitted.clear()

    def get_control(self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, transformer_options: dict):
        """x_noisy: (conds videos frames) 4 h w. t: noise levels."""
        before = None
        if self.previous_controlnet is not None:
            rest = cond, batched_number, transformer_options
            before = self.previous_controlnet.get_control(x_noisy, t, *rest)
        if self.timestep_range is not None and not self.timestep_range[1] <= t[0] <= self.timestep_range[0]:
            return before
        call = call_of(self.model(), x_noisy, t, transformer_options, self.settings.strength)
        amount = amount_at(self.settings.strength, call.moment)
        if is_zero(amount):
            return before
        control, shown = self.residuals(call, t, cond)
        weigh = [call.amounts.of(amount), self.of_rows(shown, call)]
        for found in control.values():
            found[:] = [weighed(residual, weigh) for residual in found]
        return self.control_merge(control, before, output_dtype=None)

    def residuals(self, call: Call, t: Tensor, cond: dict) -> tuple[dict[str, list[Tensor]], set[int]]:
        """What the network adds, and which rows of one cond have a picture."""
        hint, shown = self.hint(call)
        text = cond.get("crossattn_controlnet", cond["c_crossattn"])
        control = self.patcher.model(
            call.x.to(call.dtype),
            hint,
            call.base.model_sampling.timestep(t).float(),
            comfy.model_management.cast_to_device(text, call.x.device, call.dtype),
            Steering(call.frames, scales=(self.settings.motion_scale,), views=call.views),
            self.settings.effect,
        )
        return control, shown

    def hint(self, call: Call) -> tuple[Tensor, set[int]]:
        """Pictures and mask for the frames of one cond ((videos frames) c h w), and the rows that have a picture."""
        pictures = self.pictures_at(call).to(call.x.device, call.dtype)
        places = self.settings.places.of(len(pictures), call.run.full_length)
        indices, rows = list(call.part.frames), {}
        for start in range(0, len(indices), call.frames):
            window = indices[start : start + call.frames]
            shown = shown_in(places, window, self.settings.nearest)
            rows |= {start + index: picture for index, picture in shown.items()}
        _, channels, *size = pictures.shape
        hint = pictures.new_zeros(len(indices), channels + 1, *size)
        for row, picture in rows.items():
            hint[row, :-1] = pictures[picture]
            hint[row, -1] = self.settings.mask
        return hint, set(rows)

    def pictures_at(self, call: Call) -> Tensor:
        """The pictures at the call's size, as the network gets them: n c h w. Each is encoded once a run."""
        height, width = call.x.shape[-2:]
        if (height, width) not in self.fitted:
            if self.patcher.model.kind != RGB:
                found = scaled(self.pictures[:, :COLOURS], PIXELS * height, PIXELS * width, "lanczos")
            elif self.are_latents:
                found = call.base.process_latent_in(scaled(self.pictures, height, width, "nearest-exact"))
            else:
                with sampled_models_back():
                    found = call.base.process_latent_in(encoded(self.pictures, self.vae, call.x))
            self.fitted[height, width] = found
        return self.fitted[height, width]

    def of_rows(self, shown: set[int], call: Call) -> float | Tensor:
        """(pictures 1 1 1): what frames with and without a picture are multiplied by."""
        with_picture, without = self.settings.at_pictures, self.settings.between
        if with_picture == without:
            return with_picture
        count = len(call.part.frames)
        rows = [with_picture if row in shown else without for row in range(count)]
        return torch.tensor(rows, device=call.x.device).repeat(len(call.x) // count).view(-1, 1, 1, 1)


def weighed(residual: Tensor, amounts: list[float | Tensor | Seen]) -> Tensor:
    for amount in amounts:
        amount = over(amount, residual)
        if isinstance(amount, Tensor) or amount != 1.0:
            residual = residual * (amount.to(residual) if isinstance(amount, Tensor) else amount)
    return residual


def encoded(pictures: Tensor, vae, like: Tensor) -> Tensor:
    """Pictures (n c h w, 0 to 1) -> latents of the height and width of the latents `like`."""
    height, width = (vae.spacial_compression_encode() * side for side in like.shape[-2:])
    return vae.encode(scaled(pictures[:, :COLOURS], height, width, "lanczos").movedim(1, -1))


def scaled(pictures: Tensor, height: int, width: int, method: str) -> Tensor:
    """n c h w, cut to the middle where the shape is another one. Those that have the size stay as they are."""
    if pictures.shape[-2:] == (height, width):
        return pictures
    return comfy.utils.common_upscale(pictures.float(), width, height, method, "center")


def check_pictures(kind: str, pictures: Tensor, are_latents: bool, vae) -> None:
    """Raises ValueError, or warns, where a SparseCtrl of that kind wants other pictures."""
    if are_latents:
        if kind != RGB:
            raise ValueError(
                "This SparseCtrl is for drawings (scribble), and its pictures come from RGB SparseCtrl. Connect the "
                "drawings themselves, or load v3_sd15_sparsectrl_rgb."
            )
        return
    check_image(pictures.movedim(1, -1))
    grey = (pictures.amax(1) - pictures.amin(1)).mean() < COLOURFUL
    if kind != RGB:
        if not grey:
            log.warning(
                "This SparseCtrl is for drawings, white lines on black (scribble), and gets pictures in colour. "
                "Put a scribble preprocessor before them, or load v3_sd15_sparsectrl_rgb."
            )
        return
    if vae is None:
        raise ValueError(
            "This SparseCtrl (rgb) sees pictures through the checkpoint's VAE, and there is none: connect vae of "
            "Apply ControlNet."
        )
    check_vae(vae)
    if grey and (pictures < DARK).float().mean() > MOSTLY:
        log.warning(
            "This SparseCtrl is for pictures in colour (rgb), and gets drawings on black. "
            "Load v3_sd15_sparsectrl_scribble for them."
        )


def check_fit(config: dict, model) -> None:
    """config: of the network. model: the host's. Raises ValueError where its UNet has another shape."""
    theirs = model.model_config.unet_config
    for name in ("model_channels", "channel_mult", "num_res_blocks", "context_dim"):
        mine, other = config[name], theirs.get(name)
        if other is None or (list(mine) != list(other) if isinstance(mine, (list, tuple)) else mine != other):
            raise ValueError(
                f"This SparseCtrl is for SD1.5, and the connected model is {base_name(model.current_patcher)}. Connect "
                "an SD1.5 checkpoint, or take the SparseCtrl off its conditioning."
            )
