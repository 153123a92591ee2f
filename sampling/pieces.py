"""A clip made in pieces: each goes on after the frames before it, in the memory of one piece.

A piece that goes on after `done` frames holds the last of them by the host's noise mask: at least the overlap, and so
many more that its windows lie on the grid of one long clip. Its noise is drawn for the whole clip and cut, its first
frame's index travels in `transformer_options`, and `ad_params` speaks of indices in the whole clip.
"""

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.options import KEY
from .run import FIRST_FRAME, automatic_plan
from .windows.handler import WindowHandler
from .windows.per_frame import brought_to, change_hints, control_with
from .windows.plan import STANDARD_EVEN, WindowPlan


def sample_piece(model: ModelPatcher, latent: dict, before: Tensor | None, seed: int, positive, negative, **words):
    """(the whole clip so far, its new frames), both frames c h w, from the host's KSampler.

    latent: the host's LATENT of the new frames; before: the clip that they go on from, None for a first piece;
    words: what comfy.sample.sample takes besides.
    """
    new = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
    mask = latent.get("noise_mask")
    model = model.clone()
    model.model_options["transformer_options"][FIRST_FRAME] = 0
    if before is None:
        noise = comfy.sample.prepare_noise(new, seed, latent.get("batch_index"))
        clip = run(model, noise, new, mask, seed, positive, negative, **words)
        return clip, clip
    if before.shape[1:] != new.shape[1:]:
        raise ValueError(
            f"continue_from has latents of {size(before)} and latent_image of {size(new)}. "
            "Give latent_image the size of the clip that goes on."
        )
    done = before.shape[0]
    held = held_frames(open_plan(model, done + new.shape[0]), done)
    first, frames = done - held, held + new.shape[0]
    model.model_options["transformer_options"][FIRST_FRAME] = first
    noise = comfy.sample.prepare_noise(before.new_zeros(first + frames, *new.shape[1:]), seed)[first:]
    conds = [of_piece(cond, first, held, new.shape[0]) for cond in (positive, negative)]
    mask = held_mask(held, new, mask)
    clip = run(model, noise, torch.cat([before[first:], new]), mask, seed, *conds, **words)
    return torch.cat([before, clip[held:]]), clip[held:]


def with_words_of(latent: dict, clip: Tensor, before: dict | None = None) -> dict:
    """A LATENT of `clip` (frames c h w) with what KSampler keeps of `latent`: noise_mask, batch_index.

    before: the LATENT that it goes on from, whose own come first.
    """
    found = {key: value for key, value in latent.items() if not key.startswith("downscale_ratio")} | {"samples": clip}
    if before is None:
        return found
    done, new = before["samples"].shape[0], latent["samples"]
    if "noise_mask" in latent or "noise_mask" in before:
        masks = [held_mask(0, each["samples"], each.get("noise_mask")) for each in (before, latent)]
        found["noise_mask"] = torch.cat(masks)
    if "batch_index" in latent or "batch_index" in before:
        first = list(before.get("batch_index", range(done)))
        found["batch_index"] = first + list(latent.get("batch_index", range(done, done + new.shape[0])))
    return found


def run(model, noise, latents, mask, seed, positive, negative, **words) -> Tensor:
    return comfy.sample.sample(
        model, noise, positive=positive, negative=negative, latent_image=latents, noise_mask=mask, seed=seed, **words
    )


def size(latents: Tensor) -> str:
    return f"{latents.shape[-1]} x {latents.shape[-2]} with {latents.shape[1]} channels"


def windows_of(model: ModelPatcher, frames: int) -> WindowPlan:
    """The windows that a clip of `frames` gets on this MODEL: those chosen, or the default ones."""
    handler = model.model_options.get("context_handler")
    if isinstance(handler, WindowHandler):
        plan = handler.plans[0]
    else:
        plan = automatic_plan(model.get_additional_models_with_key(KEY), frames)
    if plan is None:
        return WindowPlan(context_length=frames, context_overlap=0)
    return plan.views if plan.context_schedule == STANDARD_EVEN else plan


def open_plan(model: ModelPatcher, frames: int) -> WindowPlan:
    """The windows that a clip of `frames` gets on this MODEL, if it can go on."""
    plan = windows_of(model, frames)
    if plan.closed_loop:
        raise ValueError(
            "A loop cannot go on: its last frame flows into its first. Use the preset stable or fast, or take "
            "continue_from off."
        )
    return plan


def held_frames(plan: WindowPlan, done: int) -> int:
    """How many of the frames that are `done` the next piece begins with.

    At least the overlap, and so many more that the windows of the piece lie where those of one long clip would.
    """
    move = max(plan.context_length - plan.context_overlap, 1)
    return done - max((done - plan.context_overlap) // move * move, 0)


def held_mask(held: int, new: Tensor, mask: Tensor | None) -> Tensor:
    """What is sampled (1): the new frames, less what their own mask (m 1 h w) keeps."""
    frames, _, height, width = new.shape
    if mask is None:
        own = new.new_ones(frames, 1, height, width)
    else:
        own = mask.reshape(-1, 1, *mask.shape[-2:]).to(new)
        own = torch.nn.functional.interpolate(own, size=(height, width), mode="bilinear")
        own = own[[frame % own.shape[0] for frame in range(frames)]]
    return torch.cat([new.new_zeros(held, 1, height, width), own])


def of_piece(conditioning: list, first: int, held: int, new: int) -> list:
    """CONDITIONING for the frames first ... first + held + new of the clip.

    What has a row for every frame of the clip is cut to these; so is what has more or fewer, once it is brought to the
    clip. What has one for every new frame begins with its first.
    """
    rows = range(first, first + held + new)

    def cut(value):
        if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[0] == 1:
            return value
        if value.shape[0] == new:
            return value[[max(row - held, 0) for row in range(len(rows))]]
        return brought_to(value, rows.stop)[rows.start :]

    def hinted(control):
        return control_with(control, lambda part, _: change_hints(part, cut))

    return [
        [cut(text), {key: hinted(value) if key == "control" else cut(value) for key, value in entries.items()}]
        for text, entries in conditioning
    ]
