"""References between the windows of one evaluation of the model, by the host's patches of the UNet.

A window's call of the UNet gets patches in a private copy of `transformer_options`; what windows keep for one another
lives in a `WindowReferences`, which the evaluation makes and drops.
"""

from collections.abc import Sequence

import comfy.model_management
import torch
from comfy.ldm.modules.attention import SpatialTransformer, optimized_attention
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel, Upsample, forward_timestep_embed
from comfy.model_base import SDXL
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from ...motion.call import LAYER_PATCH, attached
from ...motion.fit import blocks_of, plain_unet
from ...motion.options import KEY
from .attention import (
    adain_blocks,
    attentions_that_take_part,
    for_frames,
    mean_and_variance,
    mixed,
    over_pixels,
    over_tokens,
    turns,
    with_statistics,
)
from .settings import ReferenceNow

UNCOND = 1
"""In the host's `cond_or_uncond`: the negative prompt."""
SDXL_FIDELITY = 3
"""SDXL answers to fidelity more strongly; it is raised to this power there."""


class WindowReferences:
    """What the windows of one evaluation of the model keep for one another."""

    def __init__(self, now: ReferenceNow | None, uses_adain: bool, windows: Sequence[Sequence[int]]):
        """windows: frames of the whole clip, in the order in which they are sampled.

        now: None where the references' range is over or their strength is 0. The patches are there all the same: a
        compiled UNet does not look twice.
        """
        self.now, self.uses_adain, self.windows = now, uses_adain, windows
        self.turns = turns(now.mode, windows) if now else [(False, False)] * len(windows)
        self.bank: dict[tuple, Tensor] = {}
        """(the cond's uuid, the attention's place) -> its input (frames tokens channels)."""
        self.statistics: dict[tuple, tuple[Tensor, Tensor]] = {}
        """(the cond's uuid, the block) -> mean and variance (frames channels 1 1)."""

    def patched(self, options: dict, number: int) -> dict:
        """`transformer_options` for window `number`."""
        wrappers = {kind: dict(keyed) for kind, keyed in options.get("wrappers", {}).items()}

        def apply_model_with_references(
            executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
        ):
            call = ReferenceCall(self, number, executor.class_obj, x.shape, transformer_options)
            options, kwargs = attached(call, executor.class_obj, transformer_options, kwargs)
            return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)

        # Behind the motion models' wrapper, so that these patches come around the motion modules.
        own = wrappers.setdefault(WrappersMP.APPLY_MODEL, {})
        own[KEY] = [*own.get(KEY, ()), apply_model_with_references]
        return options | {"wrappers": wrappers}


class ReferenceCall:
    """One call of the UNet: what it takes from the bank, and what it leaves there."""

    def __init__(self, references: WindowReferences, number: int, base, latents: Sequence[int], options: dict):
        """number: the window's. base: the host's model. latents: the shape of all conds' latents."""
        unet = plain_unet(base)
        if not isinstance(unet, UNetModel):
            name = type(base).__name__
            raise ValueError(f"ContextRef works on SD1.5 and SDXL, and the connected model is {name}. Take it off.")
        self.references, self.latents, self.frames = references, latents, references.windows[number]
        self.reads, self.writes = references.turns[number]
        self.conds = options["uuids"]
        self.pictures = latents[0] // len(self.conds)
        """Of each cond."""
        kinds = [kind for kind in options["cond_or_uncond"] for _ in range(self.pictures)]
        self.uncond = [picture for picture, kind in enumerate(kinds) if kind == UNCOND]
        self.places, self.last_layers = attention_places(unet), last_layers(unet)
        is_sdxl = isinstance(base, SDXL)
        self.power = SDXL_FIDELITY if is_sdxl else 1
        self.attentions, self.blocks = set(), set()
        now = references.now
        if now is not None and now.tune.uses_attention:
            part = attentions_that_take_part(list(self.places.values()), now.tune.attention_weight)
            self.attentions = {place for place, takes_part in zip(self.places, part, strict=True) if takes_part}
        if now is not None and now.tune.uses_adain:
            self.blocks = adain_blocks("sdxl" if is_sdxl else "sd15", now.tune.adain_weight)
        self.inputs: dict[tuple, Tensor] = {}
        self.own_tokens: dict[tuple, int] = {}
        """Attentions whose keys are followed by the reference's -> how many are their own."""
        patches = options.get("patches", {})
        self.others = list(patches.get(LAYER_PATCH, ()))
        self.others_attention = options.get("patches_replace", {}).get("attn1", {})

    def attached(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our patches: around those of others."""
        patches = dict(options.get("patches", {}))
        patches["attn1_patch"] = [self.note_input, *patches.get("attn1_patch", ()), self.add_reference]
        if self.references.uses_adain:
            patches[LAYER_PATCH] = [((ResBlock, SpatialTransformer, Upsample), self.run_layer), *self.others]
        replaced = dict(options.get("patches_replace", {}))
        replaced["attn1"] = self.others_attention | dict.fromkeys(self.places, self.attend)
        return options | {"patches": patches, "patches_replace": replaced}

    @torch.compiler.disable
    def note_input(self, n: Tensor, context: Tensor, value: Tensor, extra: dict):
        """An `attn1_patch` before the others'. n: b t c, the input of a self-attention."""
        place = place_of(extra)
        if self.writes and place in self.attentions:
            self.inputs[place] = n
        return n, context, value

    @torch.compiler.disable
    def add_reference(self, n: Tensor, context: Tensor, value: Tensor, extra: dict):
        """An `attn1_patch` after the others': what the attention looks at is followed by what the kept window held."""
        place, bank = place_of(extra), self.references.bank
        before = (context, value)
        if self.reads and place in self.attentions and (self.conds[0], place) in bank:
            kept = self.together([bank[cond, place] for cond in self.conds]).to(context)
            check_same_shape(kept, context)
            own = self.references.now
            amount = over_tokens(own.strength, self.frames, kept.shape[1], self.latents)
            kept = mixed(context, kept, self.of_all(amount, kept, own.tune.attention_strength))
            before = tuple(torch.cat([each, kept], dim=1) for each in (context, value))
            self.own_tokens[place] = context.shape[1]
        if place in self.inputs:
            offload = comfy.model_management.unet_offload_device()
            for cond, part in zip(self.conds, self.inputs.pop(place).split(self.pictures), strict=True):
                bank[cond, place] = part.to(offload)
        return n, *before

    @torch.compiler.disable
    def attend(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """A replacement of `attn1`: as it was, or, for the negative prompt's half, mixed with what it is without."""
        place = place_of(extra)
        others = self.others_attention.get(place) or self.others_attention.get(extra.get("block")) or attention
        own = self.own_tokens.pop(place, None)
        fidelity = 0.0 if own is None else self.references.now.tune.attention_fidelity**self.power
        if own is None or not self.uncond or fidelity == 0.0:
            return others(q, k, v, extra)
        result = others(q, k, v, extra)
        half = extra | {"cond_or_uncond": [cond for cond in extra["cond_or_uncond"] if cond == UNCOND]}
        alone = others(q[self.uncond], k[self.uncond, :own], v[self.uncond, :own], half)
        result[self.uncond] = mixed(result[self.uncond], alone, fidelity)
        return result

    def run_layer(self, layer, x, emb, context, transformer_options, *others):
        """A `forward_timestep_embed_patch`: the layer with all that others hang on it, then AdaIN after a block."""
        patches = transformer_options["patches"]
        entries, patches[LAYER_PATCH] = patches[LAYER_PATCH], self.others
        try:
            x = forward_timestep_embed((layer,), x, emb, context, transformer_options, *others)
        finally:
            patches[LAYER_PATCH] = entries
        return self.take_statistics(layer, x, transformer_options["block"])

    @torch.compiler.disable
    def take_statistics(self, layer: nn.Module, x: Tensor, block: tuple[str, int]) -> Tensor:
        """x: b c h w."""
        if block not in self.blocks or layer is not self.last_layers[block]:
            return x
        kept, own, result = self.references.statistics, self.references.now, x
        if self.reads and (self.conds[0], block) in kept:
            mean, variance = (
                self.together([kept[cond, block][which] for cond in self.conds]).to(x.device) for which in (0, 1)
            )
            amount = over_pixels(own.strength, self.frames, x, self.latents)
            amount = self.of_all(amount, x, own.tune.adain_strength)
            result = mixed(x, with_statistics(x, mean, variance), amount)
            if self.uncond:
                fidelity = own.tune.adain_fidelity**self.power
                result[self.uncond] = mixed(result[self.uncond], x[self.uncond], fidelity)
        if self.writes:
            parts = (each.split(self.pictures) for each in mean_and_variance(x))
            for cond, mean, variance in zip(self.conds, *parts, strict=True):
                kept[cond, block] = mean, variance
        return result

    def together(self, of_conds: list[Tensor]) -> Tensor:
        """What was kept for each cond of this call, as one batch."""
        return torch.cat([for_frames(kept, self.pictures) for kept in of_conds])

    def of_all(self, amount, like: Tensor, factor: float):
        """A strength over the window's frames, for all conds of the call."""
        if not isinstance(amount, Tensor):
            return amount * factor
        return amount.to(like).repeat(len(self.conds), *[1] * (amount.ndim - 1)) * factor


def attention(q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
    """What the host does where nothing is replaced."""
    precision = extra.get("attn_precision")
    return optimized_attention(q, k, v, extra["n_heads"], attn_precision=precision, transformer_options=extra)


def place_of(extra: dict) -> tuple[str, int, int]:
    return *extra["block"], extra["block_index"]


def attention_places(unet: UNetModel) -> dict[tuple[str, int, int], int]:
    """The UNet's self-attentions (part, block, index), as the host names them, with their channels."""
    return {
        (*block, index): attention_block.norm1.normalized_shape[0]
        for block, layers in blocks_of(unet).items()
        for layer in layers
        if isinstance(layer, SpatialTransformer)
        for index, attention_block in enumerate(layer.transformer_blocks)
    }


def last_layers(unet: UNetModel) -> dict[tuple[str, int], nn.Module]:
    return {block: layers[-1] for block, layers in blocks_of(unet).items()}


def check_same_shape(kept: Tensor, context: Tensor) -> None:
    if kept.shape != context.shape:
        raise RuntimeError(
            "ContextRef found the tokens of a window changed by another node (HyperTile, or another size of the "
            "latents). Remove that node from this MODEL, or take ContextRef off."
        )
