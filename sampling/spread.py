"""Whose windows are shared out: the MODEL's, by the GPUs of this process and the gang that it is a member of."""

import hashlib
import os
from contextlib import AbstractContextManager, nullcontext

import comfy.model_management
from comfy.model_patcher import ModelPatcher

from ..motion.options import KEY
from .windows.gang import ENVIRONMENT, Gang, joined, place_of
from .windows.handler import WindowHandler

SPREAD = f"{KEY}_spread"
"""The MODEL's attachment that says so."""


def with_spread(model: ModelPatcher, max_gpus: int = 0) -> ModelPatcher:
    """A clone of `model` whose windows are shared out. max_gpus: of this process; 0 is all."""
    place_of(os.environ.get(ENVIRONMENT, ""))
    gpus = gpus_here() if max_gpus == 0 else min(max_gpus, gpus_here())
    if gpus > 1:
        from comfy.multigpu import create_multigpu_deepclones

        model = create_multigpu_deepclones(model, gpus, reuse_loaded=True)
    model = model.clone()
    model.set_attachments(SPREAD, True)
    return model


def gpus_here() -> int:
    """Older hosts have one."""
    devices = getattr(comfy.model_management, "get_all_torch_devices", list)()
    return len(devices) if hasattr(ModelPatcher, "deepclone_multigpu") else 1


def gang_of(model: ModelPatcher) -> AbstractContextManager[Gang | None]:
    """For one run of a sampler. None where windows are not shared out."""
    if not model.get_attachment(SPREAD):
        return nullcontext()
    return joined(place_of(os.environ.get(ENVIRONMENT, "")))


def words_for(shape, sigmas, seed: int, handler) -> str:
    """What a run is about to make, to compare with other members' words. shape: frames c h w."""
    plans = handler.plans if isinstance(handler, WindowHandler) else ()
    digest = hashlib.sha256(repr((tuple(shape), sigmas.tolist(), plans)).encode()).hexdigest()[:8]
    return f"{shape[0]} frames, {len(sigmas) - 1} steps, seed {seed}, {digest}"
