"""One step's clips: what is drawn for them, and the loss of each.

The forward pass is the host's own `apply_model` with this pack's motion on it, as a sampler calls it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.ldm.modules.attention import attention_pytorch
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import V_PREDICTION
from einops import rearrange
from torch import Tensor

from ..motion.options import VIDEOS_PER_COND
from .draws import normal, number, turn, whole
from .examples import Examples
from .losses import PLAIN, min_snr, motion_only, plain, residual
from .plan import DOMAIN_ADAPTER, TrainingPlan
from .spatial import FIXED, OFF
from .subject import Subject

WITHOUT_APPEARANCE = 0.2
"""The share of clips that are shown without what is learnt of their appearance. Source: MotionDirector."""


@dataclass(frozen=True)
class Drawn:
    """What one slot of a step shows."""

    step: int
    slot: int
    index: int
    """Of the clip."""
    variant: int
    level: float
    """From 0 to 1, for `Levels.timestep`."""
    anchor: int
    """A frame: what is left of a clip where frames are learnt alone, and what its motion is freed of."""
    captioned: bool = True
    with_appearance: bool = True


def drawn(examples: Examples, plan: TrainingPlan, step: int, slot: int, slots: int) -> Drawn:
    """For one of the `slots` of a step."""
    seed, items = plan.seed, examples.items
    index = turn(seed, step * slots + slot, [item.repeats for item in items])
    variants, frames = items[index].latents.shape[:2]
    return Drawn(
        step,
        slot,
        index,
        whole(seed, step, slot, "variant", variants),
        number(seed, step, slot, "level"),
        whole(seed, step, slot, "anchor", frames),
        number(seed, step, slot, "caption") >= plan.options.caption_dropout,
        number(seed, step, slot, "appearance") >= WITHOUT_APPEARANCE,
    )


class Learning:
    """The losses of clips, for one subject, its examples and its plan."""

    def __init__(self, subject: Subject, examples: Examples, plan: TrainingPlan):
        self.subject, self.examples, self.plan = subject, examples, plan

    def losses(self, batch: list[Drawn]) -> Iterator[Tensor]:
        """The weighted losses of clips that go through the UNet together, as a sum; several where shapes differ."""

        def shape(each: Drawn) -> tuple:
            return tuple(self.examples.items[each.index].latents.shape[1:])

        for _, group in groupby(sorted(batch, key=shape), shape):
            yield from self.losses_alike(list(group))

    def losses_alike(self, batch: list[Drawn]) -> Iterator[Tensor]:
        subject, plan = self.subject, self.plan
        if plan.kind == DOMAIN_ADAPTER:
            yield self.loss_of_frames(batch)
            return
        if not plan.trains_appearance:
            yield self.loss_of_clips(batch)
            return
        for on in (True, False):
            group = [each for each in batch if each.with_appearance == on]
            if group:
                with subject.spatial.set_to(FIXED if on else OFF):
                    yield self.loss_of_clips(group)
            if group and on:
                yield self.loss_of_frames(group)

    def loss_of_clips(self, batch: list[Drawn]) -> Tensor:
        off, sigma, predicts_v = self.residuals(self.subject.model, batch, self.clean(batch))
        if self.plan.loss == PLAIN:
            losses = plain(off)
        else:
            losses = motion_only(off, torch.tensor([each.anchor for each in batch], device=off.device))
        return (losses * min_snr(sigma, self.plan.options.min_snr_gamma, predicts_v)).sum()

    def loss_of_frames(self, batch: list[Drawn]) -> Tensor:
        """Of the anchor frame of each clip alone, without motion."""
        clean = self.clean(batch)
        frames = torch.stack([clip[[each.anchor]] for clip, each in zip(clean, batch, strict=True)])
        with self.subject.without_motion() as model:
            off, sigma, predicts_v = self.residuals(model, batch, frames)
        return (plain(off) * min_snr(sigma, self.plan.options.min_snr_gamma, predicts_v)).sum()

    def clean(self, batch: list[Drawn]) -> Tensor:
        """(clips, frames, c, h, w), as the UNet is used to them."""
        latents = torch.stack([self.examples.items[each.index].latents[each.variant] for each in batch])
        return self.subject.model.model.process_latent_in(latents.to(self.subject.device, torch.float32))

    def residuals(self, model: ModelPatcher, batch: list[Drawn], clean: Tensor) -> tuple[Tensor, Tensor, bool]:
        """(what the prediction is off by, noise level of each clip, whether it is v that is predicted)"""
        sampling = model.model.model_sampling
        timesteps = [self.plan.options.drawn_levels.timestep(each.level, sampling.sigmas) for each in batch]
        sigma = sampling.sigmas[timesteps].to(clean)
        noise = torch.stack([self.noise(each, clean.shape[1:]) for each in batch]).to(clean)
        x = clean + sigma.view(-1, 1, 1, 1, 1) * noise
        conds = [self.cond(model, each, clean.shape[1:]) for each in batch]
        predicts_v = isinstance(sampling, V_PREDICTION)
        return residual(denoised(model, x, sigma, conds), clean, sigma, predicts_v), sigma, predicts_v

    def noise(self, each: Drawn, shape: torch.Size) -> Tensor:
        """frames c h w, with the share that is the same over a frame and channel. That shifts the noise's level, which
        the residual takes care of: the shifted noise is what is predicted."""
        noise = normal(self.plan.seed, each.step, each.slot, "noise", shape)
        offset = self.plan.options.noise_offset
        if offset:
            noise = noise + offset * normal(self.plan.seed, each.step, each.slot, "offset", (*shape[:2], 1, 1))
        return noise

    def cond(self, model: ModelPatcher, each: Drawn, shape: torch.Size) -> dict:
        """The host's conds for the frames of a clip (frames c h w) with its caption, or the empty one.

        Made anew for each step: kept, those of a thousand clips would fill the device.
        """
        caption = self.examples.items[each.index].cond if each.captioned else self.examples.empty
        return encoded(model, caption, shape)


def encoded(model: ModelPatcher, conditioning: list, shape: torch.Size) -> dict:
    """A CONDITIONING as `apply_model` takes it, for the pictures of a clip: {name: one of the host's conds}."""
    first = comfy.sampler_helpers.convert_cond(conditioning)[:1]
    like = torch.empty(tuple(shape), device=model.load_device)
    made = comfy.samplers.encode_model_conds(model.model.extra_conds, first, like, model.load_device, "positive")
    return {
        name: cond.process_cond(batch_size=shape[0], device=model.load_device, area=None)
        for name, cond in made[0]["model_conds"].items()
    }


def denoised(model: ModelPatcher, x: Tensor, sigma: Tensor, conds: list[dict]) -> Tensor:
    """What the host's model makes of noisy clips: clips frames c h w, sigma and conds of each clip."""
    clips, frames = x.shape[:2]
    together = {name: conds[0][name].concat([each[name] for each in conds[1:]]) for name in conds[0]}
    result = model.model.apply_model(
        rearrange(x, "b f c h w -> (b f) c h w"),
        sigma.repeat_interleave(frames),
        **together,
        transformer_options=options_of(model, sigma, clips),
    )
    return rearrange(result, "(b f) c h w -> b f c h w", b=clips)


def options_of(model: ModelPatcher, sigma: Tensor, clips: int) -> dict:
    """The `transformer_options` that a sampler would have made, with an attention that has a gradient."""
    options = model.model_options["transformer_options"] | {
        "cond_or_uncond": [0],
        "sigmas": sigma.max().view(1),
        VIDEOS_PER_COND: clips,
        "optimized_attention_override": differentiable_attention,
    }
    wrappers: Mapping = options.get("wrappers", {})
    options["wrappers"] = {
        kind: wrappers.get(kind, {}) | model.wrappers.get(kind, {}) for kind in {*wrappers, *model.wrappers}
    }
    return options


def differentiable_attention(attention, *arguments, **kwargs) -> Tensor:
    """Torch's own in place of whatever the host was started with: SageAttention has no gradient."""
    return attention_pytorch(*arguments, **kwargs)
