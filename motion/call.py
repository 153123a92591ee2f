"""One call of the host's UNet with motion in it: the one place that reaches into it.

It puts an entry of its own before the others' in a private copy of
`transformer_options["patches"]["forward_timestep_embed_patch"]`: the entry lets the host run the layer as it would
have, and then runs the motion modules of that place. Nothing of this outlives the call.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, ResBlock, Upsample, forward_timestep_embed
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from .chunks import chunks
from .fit import Place, sites_by_part, unet_places
from .formats import MotionFormat, Norms
from .image_encoder import fed_level, laid_on
from .lora import LORAS, STRENGTH
from .options import KEY
from .settings import MotionSettings
from .strength import Amount, Amounts, Moment, Part, Seen, amount_at, is_zero, product
from .temporal import LowRank, Steering, TemporalTransformer, Views, sinusoid_on, views_on

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
    """One motion module in its place, with what steers it in this call. Tensors are on the call's device."""

    site: str
    module: TemporalTransformer
    effect: float | Seen
    scales: tuple[float | Seen, ...]
    loras: tuple[tuple[nn.Module, nn.Module, nn.Module, float | Seen], ...]
    """(linear layer, down, up, strength)"""
    positions: Tensor
    """(frames, channels)"""
    norm_across_frames: bool
    feature: Tensor | None = None
    """What the image encoder adds to a hidden state before the module, for one cond."""
    feature_strength: float | Seen = 1.0
    feature_when_disabled: bool = False

    def run(self, x: Tensor, frames: int, views: Views | None) -> Tensor:
        """x: (b f) c h w."""
        effect = over(self.effect, x)
        if is_zero(effect):
            return self.fed(x) if self.feature_when_disabled else x
        moved = self.module(self.fed(x), frames, self.norm_across_frames, views, self.steering(x))
        return torch.lerp(x, moved, effect) if isinstance(effect, Tensor) or effect != 1.0 else moved

    def fed(self, x: Tensor) -> Tensor:
        """x with what the picture adds: (b f) c h w."""
        return x if self.feature is None else x + over(self.feature_strength, x) * laid_on(self.feature, x)

    def steering(self, x: Tensor) -> Steering:
        loras: dict[nn.Module, list[LowRank]] = {}
        for layer, down, up, strength in self.loras:
            loras.setdefault(layer, []).append(LowRank(down, up, over(strength, x)))
        return Steering(tuple(over(scale, x) for scale in self.scales), loras, self.positions)


def over(amount: float | Seen, x: Tensor) -> float | Tensor:
    return amount.over(x) if isinstance(amount, Seen) else amount


class Steered:
    """One motion model in one call of the UNet, with what users set for it."""

    def __init__(
        self,
        motion: ModelPatcher,
        settings: MotionSettings,
        features: list[Tensor] | None,
        moment: Moment,
        amounts: Amounts,
    ):
        """settings: what `at` gave. features: of the picture that it starts from."""
        self.settings, self.features, self.moment, self.amounts = settings, features, moment, amounts
        self.format, self.modules = motion.model.format, motion.model.sites()
        self.norm_across_frames = self.format.norms(settings.norms).motion_modules
        self.loras = running_loras(motion, moment)

    def module(self, site: str, positions: Tensor) -> PlacedModule:
        effect, scales = self.settings.of(site, self.moment)
        return PlacedModule(
            site,
            self.modules[site],
            effect=self.amounts.of(effect),
            scales=tuple(self.amounts.of(scale) for scale in scales),
            loras=self.loras_of(site),
            positions=positions,
            norm_across_frames=self.norm_across_frames,
            **self.feature_of(site),
        )

    def feature_of(self, site: str) -> dict:
        """What a PlacedModule has of the picture, where that is fed to the module at `site`."""
        picture, level = self.settings.reference, fed_level(site)
        if picture is None or level is None:
            return {}
        return {
            "feature": self.features[level],
            "feature_strength": self.amounts.of(amount_at(picture.strength, self.moment)),
            "feature_when_disabled": picture.when_disabled,
        }

    def loras_of(self, site: str) -> tuple[tuple[nn.Module, nn.Module, nn.Module, float | Seen], ...]:
        return tuple(
            (self.modules[site].get_submodule(name), down, up, self.amounts.of(product(strength, scale)))
            for lora, strength in self.loras
            for name, down, up, scale in lora.of(site)
        )


def unet_norms(active: list[tuple[MotionFormat, MotionSettings]]) -> Norms:
    """Which of the UNet's own norms average over frames: those of every motion model that has an effect."""
    moving = [each.norms(settings.norms) for each, settings in active if not is_zero(settings.effect)]
    return Norms(
        resblocks=any(norms.resblocks for norms in moving),
        spatial_transformers=any(norms.spatial_transformers for norms in moving),
    )


class MotionCall:
    """One call of the UNet: which motion modules follow which layer, and which of them have run.

    All that reads what users set or waits for a GPU is done when it is made; what comes after may be compiled.
    """

    def __init__(
        self,
        base: BaseModel,
        active: list[tuple[ModelPatcher, MotionSettings, list[Tensor] | None]],
        x: Tensor,
        frames: int,
        part: Part,
        moment: Moment,
        views,
    ):
        """base: the host's model. active: motion models, each with its picture's features. x: (videos frames) c h w."""
        unet, dtype = plain_unet(base), base.get_dtype_inference()
        self.frames, self.is_compiled = frames, unet is not base.diffusion_model
        self.views = None
        if views is not None:
            self.views = views_on(x.device, tuple((tuple(indices), tuple(weights)) for indices, weights in views))
        self.placed: dict[tuple[str, int], tuple[nn.Module, list[PlacedModule]]] = {}
        """Block -> (the layer that motion follows there, the modules of every active motion model)."""
        self.owed: dict[str, int] = {}
        """Sites that have not run yet, each as often as there are motion models with it."""
        self.unet_ran = False
        self.norms = unet_norms([(motion.model.format, settings) for motion, settings, _ in active])
        places, amounts = unet_places(unet), Amounts(part, len(x), x.device)
        for motion, settings, features in active:
            steered = Steered(motion, settings, features, moment, amounts)
            self.place(steered, places, lambda channels: sinusoid_on(frames, channels, x.device, dtype))

    def place(self, steered: Steered, places: dict[str, list[Place]], positions: Callable[[int], Tensor]) -> None:
        """Puts its modules behind the layers that they follow. places: of the UNet. positions: of so many channels."""
        for part, sites in sites_by_part(steered.format).items():
            for place, (site, channels) in zip(places[part], sites, strict=False):
                _, modules = self.placed.setdefault(place.block, (place.layer, []))
                modules.append(steered.module(site, positions(channels)))
        for site in steered.modules:
            self.owed[site] = self.owed.get(site, 0) + 1

    def enter(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our entries before those of other packs."""
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        patches[LAYER_PATCH] = [((SpatialTransformer, ResBlock, Upsample, Downsample), self.run_layer), *self.others]
        patches[EMBEDDING_PATCH] = [*patches.get(EMBEDDING_PATCH, ()), self.note_unet_ran]
        return options | {"patches": patches}

    def note_unet_ran(self, emb: Tensor, model_channels: int, transformer_options: dict) -> Tensor:
        """An `emb_patch`: a call that a cache of the host answers (EasyCache) never comes here, and owes no motion."""
        self.unet_ran = True
        return emb

    def run_layer(
        self, layer, x, emb, context, transformer_options, output_shape, time_context, num_video_frames, image_only
    ):
        """A `forward_timestep_embed_patch`: the layer as the host and other packs run it, then its motion modules."""
        patches = transformer_options["patches"]
        entries, patches[LAYER_PATCH] = patches[LAYER_PATCH], self.others
        try:
            parts = self.parts(layer, x, context, transformer_options)
            if len(parts) > 1:
                x = run_in_chunks(layer, x, emb, context, transformer_options, output_shape, parts)
            else:
                others = time_context, num_video_frames, image_only
                x = forward_timestep_embed((layer,), x, emb, context, transformer_options, output_shape, *others)
        finally:
            patches[LAYER_PATCH] = entries
        return self.run_motion(layer, x, transformer_options["block"])

    def parts(self, layer: nn.Module, x: Tensor, context: Tensor | None, options: dict) -> list[slice]:
        """Which pictures the layer gets at once: all, where somebody else sees what goes through it.

        Whole videos where norms average over frames.
        """
        if self.is_compiled or self.others or context is None or len(x) != len(context):
            return [slice(None)]
        if isinstance(layer, SpatialTransformer) and sees_attention(options):
            return [slice(None)]
        unit = self.frames if self.norms != Norms() else 1
        return chunks(len(x), x.shape[-2] * x.shape[-1], x.shape[1], x.device, unit)

    def run_motion(self, layer: nn.Module, x: Tensor, block: tuple[str, int]) -> Tensor:
        """x: (b f) c h w."""
        place, modules = self.placed.get(block, (None, ()))
        if layer is not place:
            return x
        for placed in modules:
            x = placed.run(x, self.frames, self.views)
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


def run_in_chunks(layer, x: Tensor, emb: Tensor, context: Tensor, options: dict, output_shape, parts: list[slice]):
    """The layer as the host runs it, on some pictures at a time."""
    index, out = options.get("transformer_index"), None
    for part in parts:
        if index is not None:
            options["transformer_index"] = index  # the host counts layers by it
        y = forward_timestep_embed((layer,), x[part], emb[part], context[part], options, output_shape)
        out = y.new_empty(len(x), *y.shape[1:]) if out is None else out
        out[part] = y
    return out


def entered(call, base: BaseModel, options: dict, kwargs: dict) -> tuple[dict, dict]:
    """`transformer_options` and the UNet's other keywords, with `call` (which has `enter(options)`) in them.

    TorchCompileModel freezes whatever it finds in `transformer_options` at what it was in the first call. What it finds
    in a keyword it looks at in every call, so this is where a compiled UNet gets its calls from.
    """
    if plain_unet(base) is base.diffusion_model:
        return call.enter(options), kwargs
    wrappers, kind = dict(options.get("wrappers", {})), WrappersMP.DIFFUSION_MODEL
    wrappers[kind] = wrappers.get(kind, {}) | {KEY: [enter_compiled]}
    return options | {"wrappers": wrappers}, kwargs | {KEY: (*kwargs.get(KEY, ()), call)}


def enter_compiled(executor, *arguments, **kwargs):
    """A `DIFFUSION_MODEL` wrapper, which is compiled with the UNet."""
    *arguments, options = arguments
    for call in kwargs.pop(KEY):
        options = call.enter(options)
    return executor(*arguments, options, **kwargs)


def plain_unet(base: BaseModel) -> nn.Module:
    """The UNet, also where it is compiled for the call."""
    return getattr(base.diffusion_model, "_orig_mod", base.diffusion_model)


def sees_attention(options: dict) -> bool:
    """Whether some patch reads or replaces the attention of the UNet: it may ask for all pictures of the call."""
    return any(name not in OUTSIDE_LAYERS for name, found in options.get("patches", {}).items() if found) or any(
        options.get("patches_replace", {}).values()
    )


def scheduled_loras(motion: ModelPatcher) -> list[ModelPatcher]:
    """The LoRAs of a motion model whose strength changes while it runs."""
    return motion.get_additional_models_with_key(LORAS)


def running_loras(motion: ModelPatcher, moment: Moment) -> list[tuple[nn.Module, Amount]]:
    """(LoRA, its strength now); those at 0 are left out."""
    strengths = [(lora.model, amount_at(lora.get_attachment(STRENGTH), moment)) for lora in scheduled_loras(motion)]
    return [(lora, amount) for lora, amount in strengths if isinstance(amount, Tensor) or amount != 0.0]
