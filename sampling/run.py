"""The start and the end of a sampler's run: an `OUTER_SAMPLE` wrapper of the host."""

import logging

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ..motion.attach import KEY, MotionRun
from .handler import WindowHandler, with_window_memory
from .windows import WindowPlan

FEW_FRAMES = 8
"""Below this the published motion models give noise or a poor picture."""

log = logging.getLogger("animatediff")


def watch(model: ModelPatcher) -> ModelPatcher:
    """A clone of `model` whose runs are checked before they start and after they end."""
    model = with_window_memory(model.clone())
    if not model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, sample_with_motion)
    return model


def sample_with_motion(
    executor, noise, latent_image, sampler, sigmas, denoise_mask=None, callback=None, *args, **kwargs
):
    """OUTER_SAMPLE wrapper. noise: frames c h w."""
    guider = executor.class_obj
    motion_models = guider.model_patcher.get_additional_models_with_key(KEY)
    frames = noise.shape[0]
    # The guider's options are a copy that the host made for this run.
    options = guider.model_options
    if "context_handler" not in options and (plan := automatic_plan(motion_models, frames)):
        options["context_handler"] = WindowHandler((plan,))
    check_frames(motion_models, frames, frames_at_once(options.get("context_handler"), frames))
    run = MotionRun(full_length=frames)
    options["transformer_options"][KEY] = run
    options["transformer_options"]["ad_params"] = {"full_length": frames, "context_length": None, "sub_idxs": None}

    def after_step(step, *others):
        run.step = step + 1
        if callback is not None:
            callback(step, *others)

    result = executor(noise, latent_image, sampler, sigmas, denoise_mask, after_step, *args, **kwargs)
    if motion_models and run.calls == 0 and len(sigmas) > 1:
        raise RuntimeError(
            "The motion model never ran: another node replaces the call of the UNet. "
            "Remove that node from this MODEL, or put Apply Motion Model behind it."
        )
    return result


def automatic_plan(motion_models: list[ModelPatcher], frames: int) -> WindowPlan | None:
    """The default windows for a clip that is longer than a motion model holds; None where it is not."""
    limit = min((motion.model.format.max_frames for motion in motion_models), default=frames)
    if frames <= limit:
        return None
    length = min(WindowPlan.context_length, limit)
    log.info(
        "%d frames are more than the motion model takes at once (%d): sampled in windows of %d.", frames, limit, length
    )
    return WindowPlan(context_length=length, context_overlap=length // 4)


def frames_at_once(handler, frames: int) -> int:
    """How many frames of the clip a context handler (ours or the host's) lets attend to each other."""
    if isinstance(handler, WindowHandler):
        return handler.frames_at_once(frames)
    return min(frames, getattr(handler, "context_length", frames))


def check_frames(motion_models: list[ModelPatcher], frames: int, window: int) -> None:
    """`window`: frames that are sampled together. Raises ValueError where they are more than a motion model holds."""
    for motion in motion_models:
        limit = motion.model.format.max_frames
        if window > limit:
            raise ValueError(
                f"A context_length of {window} frames is more than this motion model takes at once ({limit}). "
                f"Use a context_length of {limit} or less."
            )
    if not motion_models:
        return
    if frames == 1:
        log.info("One frame: sampled without motion, as a single picture.")
    elif frames < FEW_FRAMES:
        log.warning("%d frames are few: motion models need about %d or more, and give noise below.", frames, FEW_FRAMES)
