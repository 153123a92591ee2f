"""One call of the host's UNet with motion in it: the one place that reaches into it.

It puts an entry of its own before the others' in a private copy of
`transformer_options["patches"]["forward_timestep_embed_patch"]`: the entry lets the host run the layer as it would
have, and then runs the motion modules of that place. Nothing of this outlives the call.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import (
    Downsample,
    ResBlock,
    UNetModel,
    Upsample,
    forward_timestep_embed,
)
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from .chunks import chunks
from .fit import sites_by_part, unet_places
from .formats import Norms
from .image_encoder import fed_level
from .lora import LORAS, STRENGTH
from .picture import Picture
from .settings import MotionSettings
from .strength import Amount, Moment, Part, amount_at, is_zero, spread
from .temporal import LowRank, Steering, TemporalTransformer

LAYER_PATCH = "forward_timestep_embed_patch"
EMBEDDING_PATCH = "emb_patch"
OUTSIDE_LAYERS = (
    LAYER_PATCH,
    EMBEDDING_PATCH,
    "input_block_patch",
    "input_block_patch_after_skip",
    "middle_block_after_patch",
    "output_block_patch",
)
"""The host's patches that see the UNet between its layers only."""


@dataclass(frozen=True)
class PlacedModule:
    """One motion module in its place, with what steers it in this call."""

    site: str
    module: TemporalTransformer
    effect: Amount
    scales: tuple[Amount, ...]
    loras: tuple[tuple[str, nn.Module, nn.Module, Amount], ...]
    """(linear layer's name, down, up, strength)"""
    norm_across_frames: bool
    feature: Callable[[Tensor], Tensor] | None = None
    """What the image encoder adds to a hidden state before the module."""
    feature_when_disabled: bool = False

    def run(self, x: Tensor, frames: int, part: Part, views) -> Tensor:
        """x: (b f) c h w."""
        if is_zero(self.effect):
            return x + self.feature(x) if self.feature and self.feature_when_disabled else x
        fed = x + self.feature(x) if self.feature else x
        scales = tuple(spread(scale, part, x) for scale in self.scales)
        loras: dict[nn.Module, list[LowRank]] = {}
        for name, down, up, strength in self.loras:
            lora = LowRank(down, up, spread(strength, part, x))
            loras.setdefault(self.module.get_submodule(name), []).append(lora)
        moved = self.module(fed, frames, self.norm_across_frames, views, Steering(scales, loras))
        if not isinstance(self.effect, Tensor) and self.effect == 1.0:
            return moved
        return torch.lerp(x, moved, spread(self.effect, part, x))


class MotionCall:
    """One call of the UNet: which motion modules follow which layer, and which of them have run."""

    def __init__(
        self,
        unet: UNetModel,
        active: list[tuple[ModelPatcher, MotionSettings, Picture | None]],
        frames: int,
        part: Part,
        moment: Moment,
        views,
        is_compiled: bool = False,
    ):
        self.frames, self.part, self.views, self.is_compiled = frames, part, views, is_compiled
        self.placed: dict[tuple[str, int], tuple[nn.Module, list[PlacedModule]]] = {}
        """Block -> (the layer that motion follows there, the modules of every active motion model)."""
        self.owed: Counter[str] = Counter()
        """Sites that have not run yet, each as often as there are motion models with it."""
        self.unet_ran = False
        places = unet_places(unet)
        norms = [motion.model.format.norms(settings.norms) for motion, settings, _ in active]
        moving = [each for each, (_, settings, _) in zip(norms, active, strict=True) if not is_zero(settings.effect)]
        self.norms = Norms(
            resblocks=any(each.resblocks for each in moving),
            spatial_transformers=any(each.spatial_transformers for each in moving),
        )
        for (motion, settings, picture), own_norms in zip(active, norms, strict=True):
            modules = motion.model.sites()
            self.owed.update(modules.keys())
            running = running_loras(motion, moment)
            for blocks, names in sites_by_part(motion.model.format).items():
                for place, (site, _) in zip(places[blocks], names, strict=False):
                    effect, scales = settings.of(site, moment)
                    loras = tuple(
                        (name, down, up, strength * scale)
                        for model, strength in running
                        for name, down, up, scale in model.of(site)
                    )
                    module = PlacedModule(
                        site, modules[site], effect, scales, loras, own_norms.motion_modules, *fed_by(picture, site)
                    )
                    self.placed.setdefault(place.block, (place.layer, []))[1].append(module)

    def enter(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our entries before those of other packs.

        They are there also while no motion model is active: a compiled UNet does not look twice.
        """
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        patches[LAYER_PATCH] = [((SpatialTransformer, ResBlock, Upsample, Downsample), self.run_layer), *self.others]
        patches[EMBEDDING_PATCH] = [*patches.get(EMBEDDING_PATCH, ()), self.note_unet_ran]
        return options | {"patches": patches}

    def note_unet_ran(self, emb: Tensor, model_channels: int, transformer_options: dict) -> Tensor:
        """An `emb_patch`: a call that a cache of the host answers (EasyCache) never comes here, and owes no motion."""
        self._note()
        return emb

    @torch.compiler.disable
    def _note(self) -> None:
        self.unet_ran = True

    def run_layer(
        self, layer, x, emb, context, transformer_options, output_shape, time_context, num_video_frames, image_only
    ):
        """A `forward_timestep_embed_patch`: the layer as the host and other packs run it, then its motion modules."""
        patches = transformer_options["patches"]
        entries, patches[LAYER_PATCH] = patches[LAYER_PATCH], self.others
        try:
            if self.in_chunks(layer, x, context, transformer_options):
                x = self.run_in_chunks(layer, x, emb, context, transformer_options, output_shape)
            else:
                others = time_context, num_video_frames, image_only
                x = forward_timestep_embed((layer,), x, emb, context, transformer_options, output_shape, *others)
        finally:
            patches[LAYER_PATCH] = entries
        return self.run_motion(layer, x, transformer_options["block"])

    def in_chunks(self, layer: nn.Module, x: Tensor, context: Tensor | None, options: dict) -> bool:
        """Whether the layer may get some pictures at a time: nobody else sees what goes through it."""
        if self.is_compiled or self.others or context is None or len(x) != len(context):
            return False
        return not isinstance(layer, SpatialTransformer) or not sees_attention(options)

    def run_in_chunks(self, layer: nn.Module, x: Tensor, emb: Tensor, context: Tensor, options: dict, output_shape):
        """The layer as the host runs it, a few pictures at a time; whole videos where norms average over frames."""
        unit = self.frames if self.norms != Norms() else 1
        index, out = options.get("transformer_index"), None
        for part in chunks(len(x), x.shape[-2] * x.shape[-1], x.shape[1], x.device, unit):
            if index is not None:
                options["transformer_index"] = index  # the host counts layers by it
            y = forward_timestep_embed((layer,), x[part], emb[part], context[part], options, output_shape)
            out = y.new_empty(len(x), *y.shape[1:]) if out is None else out
            out[part] = y
        return out

    @torch.compiler.disable
    def run_motion(self, layer: nn.Module, x: Tensor, block: tuple[str, int]) -> Tensor:
        """x: (b f) c h w. Not compiled: TorchCompileModel would freeze the numbers of the first call."""
        place, modules = self.placed.get(block, (None, ()))
        if layer is not place:
            return x
        for placed in modules:
            x = placed.run(x, self.frames, self.part, self.views)
            self.owed[placed.site] -= 1
        return x

    def check(self) -> None:
        """Raises RuntimeError where the UNet ran and fewer motion modules did than should have."""
        missing = [site for site, count in self.owed.items() if count > 0]
        if missing:
            raise RuntimeError(
                f"{len(missing)} of {len(self.owed)} motion modules did not run ({', '.join(missing[:3])}...): "
                "another node replaces parts of the UNet. Remove that node, or put Apply Motion Model behind it."
            )


def sees_attention(options: dict) -> bool:
    """Whether some patch reads or replaces the attention of the UNet: it may ask for all pictures of the call."""
    return any(name not in OUTSIDE_LAYERS for name, found in options.get("patches", {}).items() if found) or any(
        options.get("patches_replace", {}).values()
    )


def fed_by(picture: Picture | None, site: str) -> tuple[Callable[[Tensor], Tensor] | None, bool]:
    """(what the picture adds before the motion module at `site`, whether also where that is without effect)."""
    level = fed_level(site)
    if picture is None or level is None:
        return None, False
    return partial(picture.feature, level), picture.reference.when_disabled


def scheduled_loras(motion: ModelPatcher) -> list[ModelPatcher]:
    """The LoRAs of a motion model whose strength changes while it runs."""
    return motion.get_additional_models_with_key(LORAS)


def running_loras(motion: ModelPatcher, moment: Moment) -> list[tuple[nn.Module, Amount]]:
    """(LoRA, its strength now); those at 0 are left out."""
    strengths = [(lora.model, amount_at(lora.get_attachment(STRENGTH), moment)) for lora in scheduled_loras(motion)]
    return [(lora, amount) for lora, amount in strengths if isinstance(amount, Tensor) or amount != 0.0]
