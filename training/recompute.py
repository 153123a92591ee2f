"""Gradient checkpointing: a layer of the UNet, with its motion, keeps its input alone, and runs again for its gradient.

It is an entry in the host's own list of layer patches, before that of the motion, so that whatever runs in a layer is
run again as it ran: with its own copy of the options, and with the norms of that call.
"""

import contextlib
from collections.abc import Callable

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, ResBlock, Upsample, forward_timestep_embed
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..motion.call import LAYER_PATCH
from ..motion.families import Norms
from ..motion.fit import plain_unet
from ..motion.norms import norms_across_frames
from ..motion.options import VIDEOS_PER_COND

RECOMPUTE = "animatediff_recompute"
"""Our name for it among the wrappers of a MODEL. It comes after the motion's, so that its entry goes before."""


def with_recomputing(model: ModelPatcher, norms: Norms | None) -> None:
    """Lets a private MODEL recompute its layers. norms: which of the UNet's average over frames in its calls."""
    norms = norms or Norms()

    def wrapper(executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs):
        options = transformer_options or {}
        if not torch.is_grad_enabled():
            return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
        frames = len(x) // options.get(VIDEOS_PER_COND, 1)
        unet = plain_unet(executor.class_obj)
        entry = Recomputed(lambda: norms_across_frames(unet, norms, frames))
        return executor(x, t, c_concat, c_crossattn, control, entry.enter(options), **kwargs)

    model.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, RECOMPUTE)
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, RECOMPUTE, wrapper)


class Recomputed:
    """The layers of one call of the UNet."""

    def __init__(self, again: Callable):
        """again: makes the context in which a layer runs once more."""
        self.again = again
        self.others: list = []

    def enter(self, options: dict) -> dict:
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        patches[LAYER_PATCH] = [((SpatialTransformer, ResBlock, Upsample, Downsample), self.run_layer), *self.others]
        return options | {"patches": patches}

    def run_layer(self, layer: nn.Module, x: Tensor, emb, context, transformer_options: dict, *others) -> Tensor:
        """A `forward_timestep_embed_patch`."""
        kept = dict(transformer_options)

        def body(x: Tensor) -> Tensor:
            options = kept | {"patches": kept["patches"] | {LAYER_PATCH: list(self.others)}}
            result = forward_timestep_embed((layer,), x, emb, context, options, *others)
            counted.update({key: options[key] for key in COUNTERS if key in options})
            return result

        counted: dict = {}
        contexts = lambda: (contextlib.nullcontext(), self.again())  # noqa: E731
        result = checkpoint(body, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)
        transformer_options.update(counted)
        return result


COUNTERS = ("transformer_index",)
"""What the host counts up in the options while its layers run."""
