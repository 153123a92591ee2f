"""What cannot be trained, said before anything is copied or computed."""

import torch
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import ModelSamplingDiscrete
from comfy.patcher_extension import WrappersMP

from ..motion.fit import plain_unet
from ..motion.formats import LATENT_CHANNELS, MotionFormat
from ..motion.lora import scheduled_loras
from ..motion.options import KEY
from ..sampling.advice import LEAST_FRAMES
from .examples import Example, Examples
from .plan import DOMAIN_ADAPTER, MOTION_LORA, TrainingPlan

COMPILED = "torch.compile"
"""The host's name for its wrapper of a compiled MODEL."""


def check_model(model: ModelPatcher) -> None:
    """Raises ValueError where training cannot put its own things on the MODEL."""
    if model.get_additional_models_with_key(KEY):
        raise ValueError(
            "The MODEL already has a motion model. Connect the MODEL as it comes from the checkpoint loader; the "
            "trainer puts motion on by itself."
        )
    is_compiled = plain_unet(model.model) is not model.model.diffusion_model
    if is_compiled or model.get_wrappers(WrappersMP.APPLY_MODEL, COMPILED):
        raise ValueError("This MODEL is compiled. Put TorchCompileModel behind training, or take it off.")
    sampling = model.get_model_object("model_sampling")
    if not isinstance(sampling, ModelSamplingDiscrete):
        raise ValueError(
            f"The MODEL has a noise schedule of another kind ({type(sampling).__name__}), and training needs one with "
            "a table of noise levels. Connect an SD1.5 or SDXL checkpoint without ModelSampling nodes."
        )


def check_motion_model(motion_model: ModelPatcher, plan: TrainingPlan) -> None:
    """Raises ValueError where a motion model cannot be trained, or not be trained on."""
    motion_format = motion_model.model.format
    family = motion_format.family
    if motion_format.image_encoder or motion_format.picture_conv:
        raise ValueError(
            f"{family.name} starts from a picture, and clips for training have none apart from themselves. Train on "
            "v2 (mm_sd_v15_v2)."
        )
    if family.steps is not None:
        raise ValueError(
            f"{family.name} is distilled: training it as an ordinary motion model undoes that. Train on v2 "
            "(mm_sd_v15_v2); a LoRA from there works on it at 0.7 to 0.8."
        )
    if scheduled_loras(motion_model):
        raise ValueError(
            "A motion LoRA with a strength_schedule cannot stay on while training. Use a plain strength, or take it "
            "off."
        )
    if plan.kind == MOTION_LORA:
        check_rank(plan.rank, min(motion_format.channels), "motion model")
    elif motion_model.patches:
        raise ValueError(
            "The motion model has a motion LoRA on it, which would be trained in. Connect it as Load Motion Model "
            "gives it, or save it with the LoRA first (Save Motion Model) and load that file."
        )


def check_rank(rank: int, narrowest: int, what: str) -> None:
    if rank > narrowest:
        raise ValueError(
            f"rank {rank} is more than this {what}'s narrowest layer ({narrowest}). Use {narrowest} or less."
        )


def check_examples(examples: Examples, plan: TrainingPlan, motion_format: MotionFormat | None) -> None:
    """Raises ValueError where the clips are not what the plan needs. motion_format: of what runs; None for stills."""
    for example in examples.items:
        channels = example.latents.shape[2]
        if channels != LATENT_CHANNELS:
            raise ValueError(
                f"'{example.name}' has latents of {channels} channels, and AnimateDiff's checkpoints have "
                f"{LATENT_CHANNELS}. Encode the clips with the VAE of the connected SD1.5 or SDXL checkpoint."
            )
        if not bool(torch.isfinite(example.latents).all()):
            raise ValueError(
                f"'{example.name}' has latents that are not numbers: the VAE failed on it (in float16, often). Encode "
                "the clips again with --fp32-vae, or leave that clip out."
            )
        if not example.cond:
            raise ValueError(f"'{example.name}' has no encoded caption. Connect clip and vae to Encode Clips.")
        if motion_format is not None:
            check_frames(example, motion_format)
    if plan.options.caption_dropout > 0 and not examples.empty:
        raise ValueError(
            "caption_dropout needs the empty caption encoded, too, and the clips bring none. Set caption_dropout to 0."
        )


def check_frames(example: Example, motion_format: MotionFormat) -> None:
    frames, most = example.frames, motion_format.max_frames
    if frames < 2:
        raise ValueError(
            f"'{example.name}' is a single picture, which holds no motion. Move its crop with Camera Move, or connect "
            "clips."
        )
    if frames < LEAST_FRAMES:
        raise ValueError(
            f"'{example.name}' has {frames} frames, which are too few: motion models were trained on 16 (HotShot-XL on "
            "8), and give noise. Set clip_frames to 16."
        )
    if frames > most:
        raise ValueError(
            f"{frames} frames are more than this motion model takes at once ({most}). Set clip_frames to {most} or "
            "less."
        )


def check_held_in(model: ModelPatcher, plan: TrainingPlan) -> None:
    """Raises ValueError where weights that low-rank factors are added to are held in one byte."""
    if plan.kind != DOMAIN_ADAPTER and not plan.trains_appearance:
        return
    if any(parameter.dtype.itemsize == 1 for parameter in model.model.diffusion_model.parameters()):
        raise ValueError("The checkpoint is held in fp8. Load it with weight_dtype default to train an adapter.")
