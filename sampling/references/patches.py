"""References between the windows of one evaluation of the model, by the host's patches of the UNet.

A window's call of the UNet gets patches in a private copy of `transformer_options`; what windows keep for one another
lives in a `WindowReferences`, which the evaluation makes and drops.
"""

import math
from collections.abc import Sequence

import torch
from comfy.ldm.modules import attention as host_attention
from comfy.ldm.modules.attention import SpatialTransformer, attention_pytorch
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel, Upsample, forward_timestep_embed
from comfy.model_base import SDXL
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from ...motion.call import LAYER_PATCH, attached, sees_attention
from ...motion.fit import blocks_of, plain_unet
from ...motion.options import KEY, UNCOND
from ...motion.strength import rows
from .attention import (
    Tune,
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
from .bank import Bank
from .settings import ReferenceNow

SDXL_FIDELITY = 3
"""SDXL answers to fidelity more strongly; it is raised to this power there."""


class WindowReferences:
    """What the windows of one evaluation of the model keep for one another."""

    def __init__(
        self,
        now: ReferenceNow | None,
        uses_adain: bool,
        windows: Sequence[Sequence[int]],
        room: float = math.inf,
    ):
        """windows: frames of the whole clip, in the order in which they are sampled. room: of the bank.

        now: None where the references' range is over or their strength is 0. The patches are there all the same: a
        compiled UNet does not look twice.
        """
        self.now, self.uses_adain, self.windows = now, uses_adain, windows
        self.turns = turns(now.mode, windows) if now else [(False, False)] * len(windows)
        self.bank = Bank(room)
        """Of an attention its input (frames tokens channels), of a block mean and variance (frames channels 1 1)."""

    def patched(self, options: dict, number: int) -> dict:
        """`transformer_options` for window `number`."""
        wrappers = {kind: dict(keyed) for kind, keyed in options.get("wrappers", {}).items()}

        def apply_model_with_references(
            executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
        ):
            kind = ReferenceCall if stays_a_graph(transformer_options) else CallOutsideGraphs
            call = kind(self, number, executor.class_obj, x.shape, transformer_options)
            options, kwargs = attached(call, executor.class_obj, transformer_options, kwargs)
            result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
            call.leave(*call.noted)
            return result

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
        self.latents, self.uses_adain, self.bank = latents, references.uses_adain, references.bank
        reads, self.writes = references.turns[number]
        self.conds = options["uuids"]
        self.pictures = latents[0] // len(self.conds)
        """Of each cond."""
        kinds = [kind for kind in options["cond_or_uncond"] for _ in range(self.pictures)]
        self.uncond = in_a_row([picture for picture, kind in enumerate(kinds) if kind == UNCOND])
        self.places, self.last_layers = attention_places(unet), last_layers(unet)
        is_sdxl = isinstance(base, SDXL)
        self.power = SDXL_FIDELITY if is_sdxl else 1
        self.attentions, self.blocks = set(), set()
        now = references.now
        self.tune = now.tune if now else Tune()
        self.strength = of_frames(now.strength, references.windows[number]) if now else 1.0
        """A number, or rows of the window's frames."""
        if now is not None and now.tune.uses_attention:
            part = attentions_that_take_part(list(self.places.values()), now.tune.attention_weight)
            self.attentions = {place for place, takes_part in zip(self.places, part, strict=True) if takes_part}
        if now is not None and now.tune.uses_adain:
            self.blocks = adain_blocks("sdxl" if is_sdxl else "sd15", now.tune.adain_weight)
        self.held = self.bank.held(self.conds) if reads else {}
        """An attention's place, or a block -> what the kept window had there, for each cond."""
        self.noted: dict[tuple, tuple[Tensor, ...]] = {}
        """The same of this window, of all conds together, until it is left in the bank."""
        self.own_tokens: dict[tuple, int] = {}
        """Attentions whose keys are followed by the reference's -> how many are their own."""

    def attached(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our patches: around those of others."""
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        self.others_attention = options.get("patches_replace", {}).get("attn1", {})
        patches["attn1_patch"] = [self.note_input, *patches.get("attn1_patch", ()), self.add_reference]
        if self.uses_adain:
            patches[LAYER_PATCH] = [((ResBlock, SpatialTransformer, Upsample), self.run_layer), *self.others]
        replaced = dict(options.get("patches_replace", {}))
        replaced["attn1"] = self.others_attention | dict.fromkeys(self.places, self.attend)
        return options | {"patches": patches, "patches_replace": replaced}

    def note_input(self, n: Tensor, context: Tensor, value: Tensor, extra: dict):
        """An `attn1_patch` before the others'. n: b t c, the input of a self-attention."""
        place = place_of(extra)
        if self.writes and place in self.attentions:
            self.noted[place] = (n,)
        return n, context, value

    def add_reference(self, n: Tensor, context: Tensor, value: Tensor, extra: dict):
        """An `attn1_patch` after the others': what the attention looks at is followed by what the kept window held."""
        place = place_of(extra)
        if place in self.noted and not torch.compiler.is_compiling():
            self.leave(place)  # at once: the host's memory may be where it goes
        if place not in self.attentions or place not in self.held:
            return n, context, value
        kept = self.together(self.held[place], 0).to(context)
        check_same_shape(kept, context)
        amount = over_tokens(self.strength, range(self.pictures), kept.shape[1], self.latents)
        kept = mixed(context, kept, self.of_all(amount, kept, self.tune.attention_strength))
        self.own_tokens[place] = context.shape[1]
        return n, *(torch.cat([each, kept], dim=1) for each in (context, value))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """A replacement of `attn1`: as it was, or, for the negative prompt's half, mixed with what it is without."""
        place = place_of(extra)
        others = self.others_attention.get(place) or self.others_attention.get(extra.get("block")) or attention
        own = self.own_tokens.pop(place, None)
        fidelity = 0.0 if own is None else self.tune.attention_fidelity**self.power
        if own is None or self.uncond is None or fidelity == 0.0:
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

    def take_statistics(self, layer: nn.Module, x: Tensor, block: tuple[str, int]) -> Tensor:
        """x: b c h w."""
        if block not in self.blocks or layer is not self.last_layers[block]:
            return x
        result = x
        if block in self.held:
            mean, variance = (self.together(self.held[block], which).to(x.device) for which in (0, 1))
            amount = over_pixels(self.strength, range(self.pictures), x, self.latents)
            amount = self.of_all(amount, x, self.tune.adain_strength)
            result = mixed(x, with_statistics(x, mean, variance), amount)
            if self.uncond is not None:
                fidelity = self.tune.adain_fidelity**self.power
                result[self.uncond] = mixed(result[self.uncond], x[self.uncond], fidelity)
        if self.writes:
            self.noted[block] = mean_and_variance(x)
        return result

    def together(self, of_conds: list[tuple[Tensor, ...]], which: int) -> Tensor:
        """What was kept for each cond of this call, as one batch."""
        return torch.cat([for_frames(kept[which], self.pictures) for kept in of_conds])

    def of_all(self, amount, like: Tensor, factor: float):
        """A strength over the window's frames, for all conds of the call."""
        if not isinstance(amount, Tensor):
            return amount * factor
        return amount.to(like).repeat(like.shape[0] // self.pictures, *[1] * (amount.ndim - 1)) * factor

    def leave(self, *places: tuple) -> None:
        """In the bank, for later windows."""
        for place in places:
            self.bank.keep(self.conds, place, self.noted.pop(place))


class CallOutsideGraphs(ReferenceCall):
    """Where a compiled UNet may be several graphs: in all but the first, TorchCompileModel would freeze what the call
    knows. So what it does is left out of them."""

    note_input = torch.compiler.disable(ReferenceCall.note_input)
    add_reference = torch.compiler.disable(ReferenceCall.add_reference)
    attend = torch.compiler.disable(ReferenceCall.attend)
    take_statistics = torch.compiler.disable(ReferenceCall.take_statistics)


def stays_a_graph(options: dict) -> bool:
    """Whether a compiled UNet is one graph: with PyTorch's attention, and none of another node's in it."""
    override = "optimized_attention_override" in options
    return host_attention.optimized_attention is attention_pytorch and not override and not sees_attention(options)


def of_frames(strength, frames: Sequence[int]):
    return rows(strength, frames) if isinstance(strength, Tensor) else strength


def in_a_row(pictures: list[int]) -> slice | list[int] | None:
    """What they are in a batch, without an index that would have to be brought to a GPU where there need be none."""
    if not pictures:
        return None
    whole = range(pictures[0], pictures[-1] + 1)
    return slice(whole.start, whole.stop) if pictures == list(whole) else pictures


def attention(q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
    """What the host does where nothing is replaced."""
    precision = extra.get("attn_precision")
    return host_attention.optimized_attention(
        q, k, v, extra["n_heads"], attn_precision=precision, transformer_options=extra
    )


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
