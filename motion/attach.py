"""How motion gets onto a MODEL: one `APPLY_MODEL` wrapper on a clone of it, and the motion model beside it.

The wrapper reads what the run, the window and the user's settings say of a call, and lets `call` reach into the UNet.
"""

import logging

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP, WrappersMP
from torch import Tensor

from .call import MotionCall, attached
from .camera import cameras
from .families import Norms
from .fit import check_fit, is_compiled, plain_unet
from .formats import AS_ADE, MotionFormat
from .lora import scheduled_loras
from .moments import are_fixed, moment_at, note_evaluation
from .neighbours import refuse_ade
from .norms import norms_across_frames
from .objects import objects
from .options import KEY, Call, MotionRun, ad_params, frames_of_call, negatives_of, part_of, views_of
from .picture import with_own_picture
from .placed import Steered
from .settings import MotionSettings
from .strength import Moment

log = logging.getLogger("animatediff")


def attach(model: ModelPatcher, motion_model: ModelPatcher, settings: MotionSettings) -> ModelPatcher:
    """A clone of `model` that runs `motion_model`, after those that it runs already.

    Raises ValueError where the two do not fit together, or another pack animates `model` already.
    """
    refuse_ade(model)
    check_fit(model, motion_model.model.format)
    settings = with_own_picture(settings, motion_model)
    check_picture(motion_model.model.format, settings)
    model = model.clone()
    motion_model = as_dynamic_as(model, motion_model.clone())
    motion_model.set_attachments(KEY, settings)
    model.set_additional_models(KEY, [*model.get_additional_models_with_key(KEY), motion_model])
    if not model.get_wrappers(WrappersMP.APPLY_MODEL, KEY):
        model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, apply_model_with_motion)
        model.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, KEY, note_evaluation)
        model.add_callback_with_key(CallbacksMP.ON_CLONE, KEY, attach_to_clone)
        for event in ("ON_DEEPCLONE_MULTIGPU", "ON_MATCH_MULTIGPU_CLONES"):
            if name := getattr(CallbacksMP, event, None):  # older hosts have one GPU
                model.add_callback_with_key(name, KEY, attach_to_gpu_copy)
    return model


def check_picture(motion_format: MotionFormat, settings: MotionSettings) -> None:
    """Raises, or warns, where a motion model that was made for a picture to start from has none."""
    if motion_format.picture_conv and settings.reference is None:
        raise ValueError(
            "PIA starts from a picture, and there is none: put Start from Picture between Load Motion Model and Apply "
            "Motion Model."
        )
    if settings.reference is not None or not motion_format.image_encoder:
        return
    if motion_format.encoder_only:
        raise ValueError(
            "An encoder_only motion model does nothing but add a picture, and there is none. "
            "Use Apply AnimateLCM-I2V Model, which takes one as ref_latent."
        )
    log.warning(
        "%s was trained with a picture to start from, and gets none here: frames come out poor. "
        "Put Start from Picture behind Load Motion Model, or for text to video load AnimateLCM_sd15_t2v.",
        motion_format.family.name,
    )


def attach_to_clone(model: ModelPatcher, copy: ModelPatcher) -> None:
    """Callback of a clone of the MODEL, which may have left the host's dynamic VRAM."""
    motion_models = copy.get_additional_models_with_key(KEY)
    copy.set_additional_models(KEY, [as_dynamic_as(copy, motion) for motion in motion_models])


def as_dynamic_as(model: ModelPatcher, other: ModelPatcher) -> ModelPatcher:
    """`other`, and what it brings along, without the host's dynamic VRAM where `model` is without.

    TorchCompileModel takes it off a MODEL, because weights that come and go while the UNet runs cannot be compiled.
    """
    if other.is_dynamic() and not model.is_dynamic():
        other = other.clone(disable_dynamic=True)
    for key, own in other.additional_models.items():
        other.set_additional_models(key, [as_dynamic_as(model, each) for each in own])
    return other


def attach_to_gpu_copy(model: ModelPatcher, copy: ModelPatcher) -> None:
    """Callback of a copy of the MODEL for another GPU: each motion model there as often, and set as, it is here.

    The host knows motion models of one file as one, and gives all of them the first one's strengths and LoRAs.
    """
    there = copy.get_additional_models_with_key(KEY)
    own: list[ModelPatcher] = []
    for motion in model.get_additional_models_with_key(KEY):
        same = [each for each in there if each not in own and is_same(motion, each)]
        own.append(same[0] if same else motion.deepclone_multigpu(new_load_device=copy.load_device))
    copy.set_additional_models(KEY, own)


def is_same(motion: ModelPatcher, other: ModelPatcher) -> bool:
    """Whether two patchers of motion models have the same weights, LoRAs and strengths."""
    mine, theirs = (
        (patcher, *scheduled_loras(patcher), *cameras(patcher), *objects(patcher)) for patcher in (motion, other)
    )
    return len(mine) == len(theirs) and all(
        (a.clone_base_uuid, a.patches_uuid, marks(a)) == (b.clone_base_uuid, b.patches_uuid, marks(b))
        for a, b in zip(mine, theirs, strict=True)
    )


def marks(patcher: ModelPatcher) -> dict[str, int]:
    """Its attachments by identity: clones share them, and strengths may be tensors, which `==` cannot compare."""
    return {key: id(value) for key, value in patcher.attachments.items()}


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
    frames = frames_of_call(len(x), options)
    run: MotionRun = options.get(KEY) or MotionRun(frames)
    options = options | {"ad_params": ad_params(frames, run, options.get("context_window"))}
    if frames == 1:
        run.calls += 1
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)

    moment = moment_of(motion_models, base, t, options, run)
    compiled = is_compiled(base, options)
    views, negatives = views_of(options, x.device, compiled), negatives_of(options, run)
    call = Call(base, x, frames, run, part_of(frames, options), moment, views, compiled, negatives)
    motion = MotionCall(call, at_work(motion_models, call), norms_at_rest(motion_models[-1]), control)
    options, kwargs = attached(motion, base, options, kwargs)
    with norms_across_frames(plain_unet(base), motion.norms, frames):
        result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    if motion.unet_ran:
        motion.check()
        run.calls += 1
    return result


def moment_of(motion_models: list[ModelPatcher], base, t: Tensor, options: dict, run: MotionRun) -> Moment:
    """The moment of this call. Asking a GPU for a number makes it wait, so it is not asked for nothing."""
    if are_fixed(motion_models):
        return Moment(run.full_length)
    return moment_at(run, t, options, base.model_sampling)


def norms_at_rest(newest: ModelPatcher) -> Norms:
    """Which norms average over frames where no motion model has an effect: none, but in a shared workflow those of
    the newest, as in ComfyUI-AnimateDiff-Evolved."""
    mode = newest.get_attachment(KEY).norms
    return newest.model.format.norms(mode) if mode in AS_ADE else Norms()


def at_work(motion_models: list[ModelPatcher], call: Call) -> list[Steered]:
    """The motion models that are at work in this call. Those whose range is over leave the GPU."""
    settled = [(motion, motion.get_attachment(KEY).at(call.moment)) for motion in motion_models]
    call.run.release(settled, call.moment)
    active = [(motion, settings.at_work(call.moment)) for motion, settings in settled]
    return [Steered(motion, settings, call) for motion, settings in active if settings is not None]
