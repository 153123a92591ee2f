"""The start and the end of a sampler's run: an `OUTER_SAMPLE` wrapper of the host."""

import logging

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..motion.camera import frames_at_best
from ..motion.neighbours import refuse_ade
from ..motion.options import KEY, MotionRun, ad_params
from .advice import check_prompts, of_frames, of_sampler, of_undistilled, tell
from .misplaced import tell_nodes
from .noise.draw import Clip, Layer, NoiseOptions, added, clip_noise
from .report import ClipPreview, log_run, windows_text
from .sigmas.first_step import steps_before
from .spread import gang_of, words_for
from .windows.gang import ALONE, Gang
from .windows.handler import WindowHandler, with_window_memory
from .windows.long import fitted
from .windows.plan import STANDARD_EVEN, WindowPlan
from .windows.presets import preset

NOISE = f"{KEY}_noise"
"""The MODEL's attachment that holds its NoiseOptions."""

GUIDANCE = f"{KEY}_guidance"
"""The MODEL's attachment that says that it has a guidance schedule."""

FIRST_FRAME = f"{KEY}_first_frame"
"""In `transformer_options` of a clip that is made in pieces: where its first frame is in the whole."""

log = logging.getLogger("animatediff")


def watch(model: ModelPatcher) -> ModelPatcher:
    """A clone of `model` whose runs are checked before they start and after they end."""
    model = with_window_memory(model.clone())
    if not model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, sample_with_motion)
    return model


def with_noise(model: ModelPatcher, layer: Layer) -> ModelPatcher:
    """A clone of `model` whose samplers start from other noise: one more layer on what was chosen before."""
    return with_noise_options(model, added(noise_options(model), layer))


def with_noise_options(model: ModelPatcher, options: NoiseOptions) -> ModelPatcher:
    """A clone of `model` whose samplers start from the noise of `options`, whatever was chosen before."""
    model = watch(model)
    model.set_attachments(NOISE, options)
    return model


def noise_options(model: ModelPatcher) -> NoiseOptions | None:
    return model.get_attachment(NOISE)


def sample_with_motion(
    executor,
    noise,
    latent_image,
    sampler,
    sigmas,
    denoise_mask=None,
    callback=None,
    disable_pbar=False,
    seed=None,
    **kwargs,
):
    """OUTER_SAMPLE wrapper. noise: frames c h w."""
    guider = executor.class_obj
    refuse_ade(guider.model_patcher)
    motion_models = guider.model_patcher.get_additional_models_with_key(KEY)
    frames, steps = noise.shape[0], len(sigmas) - 1
    # The guider's options are a copy that the host made for this run.
    options = guider.model_options
    first_frame = options["transformer_options"].get(FIRST_FRAME, 0)
    with gang_of(guider.model_patcher) as gang:
        if (handler := handler_of_run(guider, motion_models, noise.shape, first_frame, gang)) is not None:
            options["context_handler"] = handler
        check_frames(motion_models, frames, handler)
        tell(warnings_of(guider, motion_models, frames, steps), facts_of(handler, frames))
        tell_nodes(None if FIRST_FRAME in options["transformer_options"] else frames)
        run = MotionRun(frames, seed or 0, first_frame, gang=gang, prompts=prompts_of(guider))
        if isinstance(handler, WindowHandler) and handler.goes_on and handler.applies_to(frames):
            run.steps_before = steps_before(sigmas, guider.model_patcher.get_model_object("model_sampling"))
        if gang is not None:
            gang.check_same(words_for(noise.shape, sigmas, run.seed, handler))
        run.adds_noise = bool(noise.any())
        noise = chosen_noise(noise_options(guider.model_patcher), noise, run.seed, handler, run.first_frame)
        options["transformer_options"] |= {KEY: run, "ad_params": ad_params(frames, run, None)}
        told = following(run, steps, ClipPreview(guider.model_patcher, frames, callback), callback)
        log_run(motion_models, frames, handler, sigmas)
        result = executor(noise, latent_image, sampler, sigmas, denoise_mask, told, disable_pbar, seed, **kwargs)
    check_ran(run, guider.model_patcher, steps)
    return result


def prompts_of(guider) -> dict:
    """uuid of each of its conds -> what the guider calls the prompt."""
    return {entry.get("uuid"): name for name, entries in guider.conds.items() for entry in entries or ()}


def handler_of_run(guider, motion_models: list[ModelPatcher], shape, first_frame: int, gang: Gang | None):
    """The context handler of the MODEL, or the one that a long clip gets by itself, fitted to this run; or None.

    shape: frames c h w.
    """
    handler = guider.model_options.get("context_handler")
    if handler is None and (plan := automatic_plan(motion_models, shape[0])):
        handler = WindowHandler((plan,))
    return fitted(handler, guider, shape, first_frame, gang or ALONE) if isinstance(handler, WindowHandler) else handler


def following(run: MotionRun, steps: int, preview: ClipPreview, callback):
    """The sampler's `callback`, which also counts the run's steps and shows the clip."""

    def after_step(step, *others):
        run.step = step + 1 - run.iteration * steps
        if callback is not None:
            callback(step, *others)
            preview.show(step, others[0], others[2])

    return after_step


def check_ran(run: MotionRun, model: ModelPatcher, steps: int) -> None:
    """Raises RuntimeError where what is on `model` had no part in the run."""
    if model.get_additional_models_with_key(KEY) and run.calls == 0 and steps > 0:
        raise RuntimeError(
            "The motion model never ran: another node replaces the call of the UNet. "
            "Remove that node from this MODEL, or put Apply Motion Model behind it."
        )
    if model.get_attachment(GUIDANCE) and not run.guided:
        raise RuntimeError(
            "The guidance schedule never ran: this guider, or another node's cfg function, has its own. "
            "Use a sampler with one positive and one negative prompt, and put Guidance Schedule behind that node."
        )


def chosen_noise(options: NoiseOptions | None, noise: Tensor, seed: int, handler, first_frame: int = 0) -> Tensor:
    """The host's noise, or what Noise Options chose; no noise (a sampler that adds none) stays none."""
    if options is None or not noise.any():
        return noise
    length, overlap = noise.shape[0], 0
    if isinstance(handler, WindowHandler) and handler.applies_to(noise.shape[0]):
        plan = handler.plans[0].views or handler.plans[0]
        length, overlap = plan.context_length, plan.context_overlap
    device = comfy.model_management.get_torch_device()
    return clip_noise(options, noise, Clip(noise.shape, seed, length, overlap, first_frame, device)).to(noise)


def automatic_plan(motion_models: list[ModelPatcher], frames: int) -> WindowPlan | None:
    """The default windows for a clip that is longer than a motion model holds; None where it is not."""
    limit = min((frames_at_best(motion) for motion in motion_models), default=frames)
    if frames <= limit:
        return None
    plan = preset("long", min(WindowPlan.context_length, limit))
    text = "%d frames are more than the motion model takes at once (%d): sampled in windows of %d."
    log.info(text, frames, limit, plan.views.context_length)
    return plan


def frames_at_once(handler, frames: int) -> int:
    """How many frames of the clip a context handler (ours or the host's) lets attend to each other."""
    if isinstance(handler, WindowHandler):
        return handler.frames_at_once(frames)
    length = getattr(handler, "context_length", frames)
    return length + getattr(handler, "causal_window_fix", False) if frames > length else frames


def check_frames(motion_models: list[ModelPatcher], frames: int, handler) -> None:
    """Raises ValueError where more frames are sampled together than a motion model holds."""
    window = frames_at_once(handler, frames)
    for motion in motion_models:
        limit = motion.model.format.max_frames
        if window > limit and getattr(handler, "causal_window_fix", False):
            raise ValueError(
                f"causal_window_fix puts one more frame before each window: a context_length of {window - 1} gives "
                f"{window} frames, and this motion model takes {limit} at once. Turn causal_window_fix off, use a "
                f"context_length of {limit - 1} or less, or use Context Windows (AnimateDiff) instead."
            )
        if window > limit:
            plans = handler.plans if isinstance(handler, WindowHandler) else ()
            asked = max(window, *((plan.views or plan).context_length for plan in plans), 0)  # a clip may be shorter
            raise ValueError(
                f"A context_length of {asked} frames is more than this motion model takes at once ({limit}). "
                f"Use a context_length of {limit} or less."
            )


def warnings_of(guider, motion_models: list[ModelPatcher], frames: int, steps: int) -> list[str]:
    """What may go wrong in a run. Raises ValueError where nothing useful could come of it."""
    if FIRST_FRAME not in guider.model_options["transformer_options"]:  # a first piece may have prompts for all pieces
        check_prompts(guider.conds, frames)
    cfg = getattr(guider, "cfg", None)
    return [
        *of_frames(motion_models, frames),
        *of_sampler(motion_models, steps, cfg),
        *of_undistilled(motion_models, steps, cfg),
    ]


def facts_of(handler, frames: int) -> list[str]:
    """How long windows are, where that depends on the memory that is free."""
    fits_memory = isinstance(handler, WindowHandler) and handler.plans[0].context_schedule == STANDARD_EVEN
    return [f"{frames} frames {windows_text(handler, frames)}."] if fits_memory and handler.applies_to(frames) else []
