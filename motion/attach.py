"""How motion gets into the host's UNet: the one place that reaches into its call.

One `APPLY_MODEL` wrapper on a clone of the MODEL. For each call it puts an entry of its own before the others' in a
private copy of `transformer_options["patches"]["forward_timestep_embed_patch"]`: the entry lets the host run the layer
as it would have, and then runs the motion modules of that place. Nothing of this outlives the call.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel, forward_timestep_embed
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from .fit import check_fit, sites_by_part, unet_places
from .formats import Norms
from .norms import norms_across_frames
from .temporal import TemporalTransformer

KEY = "animatediff"
"""Our name in the host's registers: wrappers, additional models, attachments, `transformer_options`."""

VIDEOS_PER_COND = f"{KEY}_videos_per_cond"
"""In `transformer_options`: how many windows of the clip are in this call, one after the other; 1 where absent."""

VIEWS = f"{KEY}_views"
"""In `transformer_options`: windows inside the temporal attention, [(frame indices, weights), ...], or None."""

LAYER_PATCH = "forward_timestep_embed_patch"
EMBEDDING_PATCH = "emb_patch"


@dataclass(frozen=True)
class MotionSettings:
    """What Apply Motion Model sets for one motion model on one MODEL."""

    motion_scale: float = 1.0
    """Multiplies the temporal attention's logits; 1 is as trained."""
    effect: float = 1.0
    """Share of the motion modules' result: out = x + effect (module(x) - x); 0 is no motion."""
    start_percent: float = 0.0
    end_percent: float = 1.0
    norms: str = "official"
    """One of `formats.NORM_MODES`."""


@dataclass
class MotionRun:
    """One run of a sampler, kept in `transformer_options[KEY]` while it lasts."""

    full_length: int
    """Frames that are sampled."""
    seed: int = 0
    """The sampler's."""
    first_frame: int = 0
    """The index in the whole clip of the first frame that is sampled; more than 0 where a clip goes on."""
    calls: int = 0
    """UNet calls in which every motion module ran."""
    step: int = 0
    """Steps that the sampler has done in this iteration."""
    iteration: int = 0
    iterations: int = 1
    """How many times the clip is sampled over."""


def attach(model: ModelPatcher, motion_model: ModelPatcher, settings: MotionSettings) -> ModelPatcher:
    """A clone of `model` that runs `motion_model`, after those that it runs already.

    Raises ValueError where the two do not fit together.
    """
    check_fit(model, motion_model.model.format)
    model = model.clone()
    motion_model = motion_model.clone()
    motion_model.set_attachments(KEY, settings)
    model.set_additional_models(KEY, [*model.get_additional_models_with_key(KEY), motion_model])
    if not model.get_wrappers(WrappersMP.APPLY_MODEL, KEY):
        model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, apply_model_with_motion)
    return model


def apply_model_with_motion(
    executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
):
    """APPLY_MODEL wrapper. x: (videos frames) c h w, t: one timestep per picture."""
    options = transformer_options or {}
    base = executor.class_obj
    patcher = base.current_patcher
    if not patcher.get_wrappers(WrappersMP.APPLY_MODEL, KEY):  # a guider's second MODEL, which has no motion
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    motion_models = patcher.get_additional_models_with_key(KEY)
    if not motion_models:
        raise RuntimeError(
            "The motion model was taken off the MODEL by another node after Apply Motion Model. "
            "Put Apply Motion Model behind that node."
        )
    run: MotionRun | None = options.get(KEY)
    window = options.get("context_window")
    frames = frames_of_call(x.shape[0], options, run)
    options = options | {"ad_params": ad_params(frames, run, window)}
    if frames == 1:
        if run is not None:
            run.calls += 1
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)

    active = [
        (motion, settings) for motion, settings in with_settings(motion_models) if is_active(settings, base, options)
    ]
    unet = getattr(base.diffusion_model, "_orig_mod", base.diffusion_model)  # a compiled UNet holds the plain one
    call = MotionCall(unet, active, frames, options.get(VIEWS))
    with norms_across_frames(unet, call.norms, frames):
        result = executor(x, t, c_concat, c_crossattn, control, call.enter(options), **kwargs)
    if call.unet_ran:
        call.check()
        if run is not None:
            run.calls += 1
    return result


def with_settings(motion_models: list[ModelPatcher]) -> list[tuple[ModelPatcher, MotionSettings]]:
    return [(motion, motion.get_attachment(KEY)) for motion in motion_models]


def frames_of_call(batch: int, options: dict, run: MotionRun | None) -> int:
    """Frames of each video in a call of `batch` pictures (one video per cond and window, the host's order).

    Other packs may batch differently (tiles, say): where the clip is run whole and its length is known, that length
    decides, so that no motion module ever mixes two videos.
    """
    videos = (len(options.get("cond_or_uncond", ())) or 1) * options.get(VIDEOS_PER_COND, 1)
    frames, rest = divmod(batch, videos)
    if run is not None and options.get("context_window") is None and frames != run.full_length:
        frames, rest = run.full_length, batch % run.full_length
    if rest:
        raise RuntimeError(
            f"The UNet was called with {batch} pictures, which is not a whole number of clips of {frames} frames: "
            "another node splits the clip. Remove that node, or use it on single pictures."
        )
    return frames


def ad_params(frames: int, run: MotionRun | None, window) -> dict:
    """What other packs (IPAdapter plus, Advanced-ControlNet) read to know where this call lies in the whole clip."""
    run = run or MotionRun(full_length=frames)
    first = run.first_frame
    if window is None:
        indices = list(range(first, first + frames)) if first else None
    else:
        indices = [first + index for index in window.index_list]
    return {
        "full_length": first + run.full_length,
        "context_length": frames if window is not None else None,
        "sub_idxs": indices,
    }


def is_active(settings: MotionSettings, base, options: dict) -> bool:
    """Whether this call's noise level lies in the motion model's range."""
    if settings.effect == 0.0:
        return False
    if settings.start_percent <= 0.0 and settings.end_percent >= 1.0:
        return True
    sigma = float(options["sigmas"].max())
    percent_to_sigma = base.model_sampling.percent_to_sigma
    return percent_to_sigma(settings.end_percent) <= sigma <= percent_to_sigma(settings.start_percent)


@dataclass(frozen=True)
class PlacedModule:
    """One motion module in its place, with the settings of its motion model."""

    site: str
    module: TemporalTransformer
    settings: MotionSettings
    norm_across_frames: bool


class MotionCall:
    """One call of the UNet: which motion modules follow which layer, and which of them have run."""

    def __init__(self, unet: UNetModel, active: list[tuple[ModelPatcher, MotionSettings]], frames: int, views):
        self.frames = frames
        self.views = views
        self.placed: dict[tuple[str, int], tuple[nn.Module, list[PlacedModule]]] = {}
        """Block -> (the layer that motion follows there, the modules of every active motion model)."""
        self.owed: Counter[str] = Counter()
        """Sites that have not run yet, each as often as there are motion models with it."""
        self.unet_ran = False
        places = unet_places(unet)
        norms = [motion.model.format.norms(settings.norms) for motion, settings in active]
        self.norms = Norms(
            resblocks=any(each.resblocks for each in norms),
            spatial_transformers=any(each.spatial_transformers for each in norms),
        )
        for (motion, settings), own_norms in zip(active, norms, strict=True):
            modules = motion.model.sites()
            self.owed.update(modules.keys())
            for part, names in sites_by_part(motion.model.format).items():
                for place, (site, _) in zip(places[part], names, strict=False):
                    module = PlacedModule(site, modules[site], settings, own_norms.motion_modules)
                    self.placed.setdefault(place.block, (place.layer, []))[1].append(module)

    def enter(self, options: dict) -> dict:
        """A private copy of `transformer_options` with our entries before those of other packs.

        They are there also while no motion model is active: a compiled UNet does not look twice.
        """
        patches = dict(options.get("patches", {}))
        self.others = list(patches.get(LAYER_PATCH, ()))
        self.entries = [((SpatialTransformer, ResBlock), self.run_layer), *self.others]
        patches[LAYER_PATCH] = self.entries
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
        patches[LAYER_PATCH] = self.others
        try:
            x = forward_timestep_embed(
                (layer,), x, emb, context, transformer_options, output_shape, time_context, num_video_frames, image_only
            )
        finally:
            patches[LAYER_PATCH] = self.entries
        return self.run_motion(layer, x, transformer_options["block"])

    @torch.compiler.disable
    def run_motion(self, layer: nn.Module, x: Tensor, block: tuple[str, int]) -> Tensor:
        """x: (b f) c h w. Not compiled: TorchCompileModel would freeze the numbers of the first call."""
        place, modules = self.placed.get(block, (None, ()))
        if layer is not place:
            return x
        for placed in modules:
            settings = placed.settings
            moved = placed.module(x, self.frames, settings.motion_scale, placed.norm_across_frames, self.views)
            x = moved if settings.effect == 1.0 else torch.lerp(x, moved, settings.effect)
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
