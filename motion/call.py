"""One call of the host's UNet with motion in it: the one place that reaches into it.

It puts an entry of its own before the others' in a private copy of
`transformer_options["patches"]["forward_timestep_embed_patch"]`: the entry lets the host run the layer as it would
have, and then runs the motion modules of that place. Nothing of this outlives the call.
"""

from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, ResBlock, Upsample, forward_timestep_embed
from comfy.model_base import BaseModel
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from .chunks import chunks
from .control import FittedControl
from .families import Norms
from .fit import is_compiled, plain_unet, sites_by_part, unet_places
from .image_encoder import laid_on
from .options import KEY, Call
from .placed import PlacedModule, Steered
from .strength import is_zero

LAYER_PATCH = "forward_timestep_embed_patch"
EMBEDDING_PATCH = "emb_patch"
INPUT_PATCH = "input_block_patch"
BEHIND_SKIP_PATCH = "input_block_patch_after_skip"
OUTSIDE_LAYERS = (
    LAYER_PATCH,
    EMBEDDING_PATCH,
    INPUT_PATCH,
    BEHIND_SKIP_PATCH,
    "middle_block_after_patch",
    "output_block_patch",
)
"""The host's patches that see the UNet between its layers only."""


def unet_norms(motion_models: list[Steered], at_rest: Norms) -> Norms:
    """Which of the UNet's own norms average over frames: those of every motion model that has an effect,
    and `at_rest` where none has."""
    moving = [each.norms for each in motion_models if not is_zero(each.settings.effect)] or [at_rest]
    return Norms(
        resblocks=any(norms.resblocks for norms in moving),
        spatial_transformers=any(norms.spatial_transformers for norms in moving),
    )


class MotionCall:
    """The motion of one call of the UNet: which motion modules follow which layer, and which of them have run.

    All that reads what users set or waits for a GPU is done when it is made; what comes after may be compiled.
    """

    def __init__(self, call: Call, motion_models: list[Steered], at_rest: Norms, control: dict | None = None):
        """at_rest: which norms average over frames where no motion model has an effect; control: what the host's
        ControlNets add in this call."""
        unet = plain_unet(call.base)
        self.frames, self.is_compiled = call.frames, call.is_compiled
        self.norms = unet_norms(motion_models, at_rest)
        self.placed: dict[tuple[str, int], tuple[nn.Module, list[PlacedModule]]] = {}
        """Block -> (the layer that motion follows there, the modules of every motion model)."""
        self.owed: dict[str, int] = {}
        """Sites that have not run yet, each as often as there are motion models with it."""
        self.unet_ran = False
        self.control = control
        self.first_additions = [each.first_addition for each in motion_models if each.first_addition is not None]
        """What pictures add behind the UNet's first block: (b f) c h w each."""
        places = unet_places(unet)
        for steered in motion_models:
            for part, sites in sites_by_part(steered.format).items():
                for place, (site, channels) in zip(places[part], sites, strict=False):
                    _, modules = self.placed.setdefault(place.block, (place.layer, []))
                    modules.append(steered.placed(site, channels))
            for site in steered.modules:
                self.owed[site] = self.owed.get(site, 0) + 1

    def attached(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our entries before those of other packs."""
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        patches[LAYER_PATCH] = [((SpatialTransformer, ResBlock, Upsample, Downsample), self.run_layer), *self.others]
        patches[EMBEDDING_PATCH] = [*patches.get(EMBEDDING_PATCH, ()), self.note_unet_ran]
        if self.first_additions:
            patches[INPUT_PATCH] = [self.add_pictures, *patches.get(INPUT_PATCH, ())]
        if self.control and any(options.get("patches", {}).get(kind) for kind in (INPUT_PATCH, BEHIND_SKIP_PATCH)):
            control = FittedControl(self.control)
            patches[INPUT_PATCH] = [*patches.get(INPUT_PATCH, ()), control.before_skip]
            patches[BEHIND_SKIP_PATCH] = [*patches.get(BEHIND_SKIP_PATCH, ()), control.behind_skip]
        return options | {"patches": patches}

    def add_pictures(self, h: Tensor, options: dict) -> Tensor:
        """An `input_block_patch`, which the host calls before it keeps a block's result as a skip. h: (b f) c h w.

        Where the host's attention breaks a compiled UNet, this is compiled by itself, and TorchCompileModel would
        freeze the block if `options` had the name that they have elsewhere: more blocks would get pictures.
        """
        if options["block"] == ("input", 0):
            for addition in self.first_additions:
                h = h + laid_on(addition, h)
        return h

    def note_unet_ran(self, emb: Tensor, model_channels: int, transformer_options: dict) -> Tensor:
        """An `emb_patch`: a call that a cache of the host answers (EasyCache) never comes here, and owes no motion."""
        self.unet_ran = True
        return emb

    def run_layer(self, layer, x, emb, context, transformer_options, output_shape, *others):
        """A `forward_timestep_embed_patch`: a layer, then the motion modules that follow it."""
        x = self.run_alone(layer, x, emb, context, transformer_options, output_shape, *others)
        return self.run_motion(layer, x, transformer_options["block"])

    def run_alone(self, layer, x, emb, context, transformer_options, output_shape, *others):
        """The layer as the host and other packs run it."""
        patches = transformer_options["patches"]
        entries, patches[LAYER_PATCH] = patches[LAYER_PATCH], self.others
        try:
            parts = self.parts(layer, x, context, transformer_options)
            if len(parts) > 1:
                return run_in_chunks(layer, x, emb, context, transformer_options, output_shape, parts)
            return forward_timestep_embed((layer,), x, emb, context, transformer_options, output_shape, *others)
        finally:
            patches[LAYER_PATCH] = entries

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
            x = placed.run(x)
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


def attached(call, base: BaseModel, options: dict, kwargs: dict) -> tuple[dict, dict]:
    """`transformer_options` and the UNet's other keywords, with `call` (which has `attached(options)`) in them.

    TorchCompileModel freezes whatever it finds in `transformer_options` at what it was in the first call. What it finds
    in a keyword it looks at in every call, so this is where a compiled UNet gets its calls from.
    """
    if not is_compiled(base, options):
        return call.attached(options), kwargs
    wrappers, kind = dict(options.get("wrappers", {})), WrappersMP.DIFFUSION_MODEL
    wrappers[kind] = wrappers.get(kind, {}) | {KEY: [attach_compiled]}
    return options | {"wrappers": wrappers}, kwargs | {KEY: (*kwargs.get(KEY, ()), call)}


def attach_compiled(executor, *arguments, **kwargs):
    """A `DIFFUSION_MODEL` wrapper, which is compiled with the UNet."""
    *arguments, options = arguments
    for call in kwargs.pop(KEY):
        options = call.attached(options)
    return executor(*arguments, options, **kwargs)


def sees_attention(options: dict) -> bool:
    """Whether some patch reads or replaces the attention of the UNet: it may ask for all pictures of the call."""
    return any(name not in OUTSIDE_LAYERS for name, found in options.get("patches", {}).items() if found) or any(
        options.get("patches_replace", {}).values()
    )
