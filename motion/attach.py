"""How motion gets onto a MODEL: one `APPLY_MODEL` wrapper on a clone of it, and the motion model beside it.

The wrapper reads what the run, the window and the user's settings say of a call, and lets `call` reach into it.
"""

import logging
from dataclasses import dataclass, field, replace

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP, WrappersMP
from torch import Tensor

from .call import MotionCall, scheduled_loras
from .fit import check_fit
from .formats import MotionFormat
from .neighbours import refuse_ade
from .norms import norms_across_frames
from .picture import Picture
from .settings import MotionSettings
from .strength import Area, Moment, Part, is_zero

KEY = "animatediff"
"""Our name in the host's registers: wrappers, additional models, attachments, `transformer_options`."""

VIDEOS_PER_COND = f"{KEY}_videos_per_cond"
"""In `transformer_options`: how many windows of the clip are in this call, one after the other; 1 where absent."""

VIEWS = f"{KEY}_views"
"""In `transformer_options`: windows inside the temporal attention, [(frame indices, weights), ...], or None."""

AREAS = f"{KEY}_areas"
"""In `transformer_options`: {uuid of one of the host's conds: the Area that it sees}; others see the whole picture."""

log = logging.getLogger("animatediff")


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
    guided: bool = False
    """Whether a guidance schedule was asked."""
    step: int = 0
    """Steps that the sampler has done in this iteration."""
    steps_before: int = 0
    """Steps of the whole schedule that come before this run's first, where windows go on from them."""
    iteration: int = 0
    iterations: int = 1
    """How many times the clip is sampled over."""
    levels: list[float] = field(default_factory=list)
    """The noise levels (sigma) that the UNet was called at in this iteration, where some strength changes with them."""
    released: list[ModelPatcher] = field(default_factory=list)
    """Motion models whose range is over."""
    features: dict = field(default_factory=dict)
    """The last features of each reference (`picture.Picture.kept`)."""

    def release(self, settled: list[tuple[ModelPatcher, MotionSettings]], moment: Moment) -> None:
        """Takes motion models whose range is over off the GPU; the host loads them again for the next run."""
        for motion, settings in settled:
            if settings.reference is not None and settings.reference.when_disabled:
                continue
            over = settings.end_percent < 1.0 and moment.levels[-1] < moment.percent_to_sigma(settings.end_percent)
            shared = any(other is not motion and other.model is motion.model for other, _ in settled)
            if over and not shared and self.iteration == self.iterations - 1 and motion not in self.released:
                self.released.append(motion)
                if motion.load_device.type != "cpu":
                    motion.partially_unload(motion.offload_device, 1e32)


def attach(model: ModelPatcher, motion_model: ModelPatcher, settings: MotionSettings) -> ModelPatcher:
    """A clone of `model` that runs `motion_model`, after those that it runs already.

    Raises ValueError where the two do not fit together, or another pack animates `model` already.
    """
    refuse_ade(model)
    check_fit(model, motion_model.model.format)
    check_picture(motion_model.model.format, settings)
    model = model.clone()
    motion_model = motion_model.clone()
    motion_model.set_attachments(KEY, settings)
    model.set_additional_models(KEY, [*model.get_additional_models_with_key(KEY), motion_model])
    if not model.get_wrappers(WrappersMP.APPLY_MODEL, KEY):
        model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, apply_model_with_motion)
        model.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, KEY, note_areas)
        for event in ("ON_DEEPCLONE_MULTIGPU", "ON_MATCH_MULTIGPU_CLONES"):
            if name := getattr(CallbacksMP, event, None):  # older hosts have one GPU
                model.add_callback_with_key(name, KEY, bring_motion_models)
    return model


def check_picture(motion_format: MotionFormat, settings: MotionSettings) -> None:
    """Raises, or warns, where a motion model with an image encoder has no picture to start from."""
    if settings.reference is not None or not motion_format.image_encoder:
        return
    if motion_format.encoder_only:
        raise ValueError(
            "An encoder_only motion model does nothing but add a picture, and there is none. "
            "Use Apply AnimateLCM-I2V Model, which takes one as ref_latent."
        )
    log.warning(
        "%s was trained with a picture to start from, and gets none here: frames come out poor. "
        "For text to video load AnimateLCM_sd15_t2v.",
        motion_format.family.name,
    )


def bring_motion_models(model: ModelPatcher, copy: ModelPatcher) -> None:
    """Callback of a copy of the MODEL for another GPU: each motion model there as often, and set as, it is here.

    The host knows motion models of one file as one, and gives all of them the first one's strengths and LoRAs.
    """
    theirs = copy.get_additional_models_with_key(KEY)
    brought = []
    for motion in model.get_additional_models_with_key(KEY):
        same = [each for each in theirs if each not in brought and is_same(motion, each)]
        brought.append(same[0] if same else motion.deepclone_multigpu(new_load_device=copy.load_device))
    copy.set_additional_models(KEY, brought)


def is_same(motion: ModelPatcher, other: ModelPatcher) -> bool:
    """Whether two patchers of motion models have the same weights, LoRAs and strengths."""
    mine, theirs = ((patcher, *scheduled_loras(patcher)) for patcher in (motion, other))
    return len(mine) == len(theirs) and all(
        (a.clone_base_uuid, a.patches_uuid, marks(a)) == (b.clone_base_uuid, b.patches_uuid, marks(b))
        for a, b in zip(mine, theirs, strict=True)
    )


def marks(patcher: ModelPatcher) -> dict[str, int]:
    """Its attachments by identity: clones share them, and strengths may be tensors, which `==` cannot compare."""
    return {key: id(value) for key, value in patcher.attachments.items()}


def note_areas(executor, model, conds, x_in, timestep, model_options):
    """CALC_COND_BATCH wrapper: strengths that differ over the picture must know which part of it a call sees.

    x_in: frames c h w.
    """
    height, width = x_in.shape[-2:]
    areas = {}
    for entry in (entry for cond in conds for entry in cond or () if entry.get("area") is not None):
        rows, columns, top, left = entry["area"]
        areas[entry.get("uuid")] = Area(top, left, min(rows, height - top), min(columns, width - left), height, width)
    if areas:
        model_options = model_options | {"transformer_options": model_options["transformer_options"] | {AREAS: areas}}
    return executor(model, conds, x_in, timestep, model_options)


def part_of(frames: int, options: dict) -> Part:
    """What a call with these options sees of the clip."""
    indices = options["ad_params"]["sub_idxs"] or list(range(frames))
    areas = options.get(AREAS, {})
    return Part(indices, tuple(areas.get(uuid) for uuid in options.get("uuids", ())) if areas else ())


def detached(model: ModelPatcher) -> ModelPatcher:
    """A clone of `model` without motion models, and without what this pack does around its runs.

    Its noise schedule stays.
    """
    model = model.clone()
    model.remove_additional_models(KEY)
    for kind in list(model.wrappers):
        model.remove_wrappers_with_key(kind, KEY)
    model.model_options.pop("context_handler", None)
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

    moment = moment_of(motion_models, base, t, options, run)
    settled = [(motion, motion.get_attachment(KEY).at(moment)) for motion in motion_models]
    active = [(motion, own) for motion, settings in settled if (own := at_work(settings, moment)) is not None]
    if run is not None:
        run.release(settled, moment)
    unet = getattr(base.diffusion_model, "_orig_mod", base.diffusion_model)  # a compiled UNet holds the plain one
    part = part_of(frames, options)
    with_pictures = [
        (motion, settings, picture_of(motion, settings, base, x, part.frames, frames, run))
        for motion, settings in active
    ]
    is_compiled = unet is not base.diffusion_model
    call = MotionCall(unet, with_pictures, frames, part, moment, options.get(VIEWS), is_compiled)
    with norms_across_frames(unet, call.norms, frames):
        result = executor(x, t, c_concat, c_crossattn, control, call.enter(options), **kwargs)
    if call.unet_ran:
        call.check()
        if run is not None:
            run.calls += 1
    return result


def moment_of(motion_models: list[ModelPatcher], base, t: Tensor, options: dict, run: MotionRun | None) -> Moment:
    """The moment of this call. Asking a GPU for a number makes it wait, so it is not asked for nothing."""
    full_length = options["ad_params"]["full_length"]
    if all(motion.get_attachment(KEY).is_fixed and not scheduled_loras(motion) for motion in motion_models):
        return Moment(full_length)
    return moment_at(run, t, options, base.model_sampling, full_length)


def moment_at(run: MotionRun | None, sigma: Tensor, options: dict, sampling, full_length: int) -> Moment:
    """The moment at noise level `sigma` (one entry per picture), which is noted in the run: keyframes count levels."""
    level = float(sigma.max())
    levels = [] if run is None else run.levels
    if not levels or levels[-1] != level:
        levels.append(level)
    return Moment(
        full_length=full_length,
        levels=levels,
        highest=float(options["sample_sigmas"].max()) if "sample_sigmas" in options else level,
        percent=1 - float(sampling.timestep(torch.tensor(level))) / 999,
        percent_to_sigma=lambda percent: float(sampling.percent_to_sigma(percent)),
    )


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
        indices = [first + index for index in frames_shown(window)]
    return {
        "full_length": first + run.full_length,
        "context_length": frames if window is not None else None,
        "sub_idxs": indices,
    }


def frames_shown(window) -> list[int]:
    """The frames that the UNet gets of one of the host's windows: its handler may put the one before it first."""
    before = getattr(window, "causal_anchor_index", None)
    return window.index_list if before is None or before < 0 else [before, *window.index_list]


def picture_of(
    motion: ModelPatcher, settings: MotionSettings, base, x: Tensor, indices: list[int], frames: int, run
) -> Picture | None:
    if settings.reference is None:
        return None
    kept = {} if run is None else run.features
    encoder, size = motion.model.img_encoder, tuple(x.shape[-2:])
    return Picture(encoder, settings.reference, base.process_latent_in, size, indices, frames, kept)


def at_work(settings: MotionSettings, moment: Moment) -> MotionSettings | None:
    """`settings` where the motion model runs at that moment; without effect where only its picture is added; or None.

    settings: what `at` gave.
    """
    if is_active(settings, moment):
        return settings
    if settings.reference is not None and settings.reference.when_disabled:
        return replace(settings, effect=0.0)
    return None


def is_active(settings: MotionSettings, moment: Moment) -> bool:
    """Whether the moment's noise level lies in the motion model's range. settings: what `at` gave."""
    if is_zero(settings.effect):
        return False
    if settings.start_percent <= 0.0 and settings.end_percent >= 1.0:
        return True
    lowest, highest = (moment.percent_to_sigma(each) for each in (settings.end_percent, settings.start_percent))
    return lowest <= moment.levels[-1] <= highest
