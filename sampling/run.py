"""The start and the end of a sampler's run: an `OUTER_SAMPLE` wrapper of the host."""

import logging

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ..motion.attach import KEY, MotionRun

FEW_FRAMES = 8
"""Below this the published motion models give noise or a poor picture."""

log = logging.getLogger("animatediff")


def watch(model: ModelPatcher) -> ModelPatcher:
    """A clone of `model` whose runs are checked before they start and after they end."""
    model = model.clone()
    if not model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, sample_with_motion)
    return model


def sample_with_motion(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """OUTER_SAMPLE wrapper. noise: frames c h w."""
    guider = executor.class_obj
    frames = noise.shape[0]
    handler = guider.model_options.get("context_handler")
    check_frames(guider.model_patcher, frames, min(frames, getattr(handler, "context_length", frames)))
    run = MotionRun(full_length=frames)
    # The guider's options are a copy that the host made for this run.
    guider.model_options["transformer_options"][KEY] = run
    guider.model_options["transformer_options"]["ad_params"] = {
        "full_length": frames,
        "context_length": None,
        "sub_idxs": None,
    }
    result = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
    if run.calls == 0 and len(sigmas) > 1:
        raise RuntimeError(
            "The motion model never ran: another node replaces the call of the UNet. "
            "Remove that node from this MODEL, or put Apply Motion Model behind it."
        )
    return result


def check_frames(model: ModelPatcher, frames: int, window: int) -> None:
    """`window`: frames that are sampled together. Raises ValueError where they are more than a motion model holds."""
    for motion in model.get_additional_models_with_key(KEY):
        limit = motion.model.format.max_frames
        if window > limit:
            raise ValueError(
                f"{window} frames are more than this motion model takes at once ({limit}). "
                f"Add a Context Windows node, or use {limit} frames or fewer."
            )
    if frames == 1:
        log.info("One frame: sampled without motion, as a single picture.")
    elif frames < FEW_FRAMES:
        log.warning("%d frames are few: motion models need about %d or more, and give noise below.", frames, FEW_FRAMES)
