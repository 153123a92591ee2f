"""Long windows with views inside: each frame goes once through the UNet's spatial layers, motion in overlapping views.

How long a window may be depends on the run: on the memory, on whether the layers can take its frames in chunks (a
compiled UNet takes them whole), and on whether somebody asks for all of them at once.
"""

import math
from dataclasses import replace

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...motion.call import LAYER_PATCH, sees_attention
from ...motion.camera import cameras
from ...motion.families import Norms
from ...motion.fit import COMPILED
from ...motion.options import KEY
from .gang import ALONE, Gang
from .handler import CHUNKED, WindowHandler
from .plan import STANDARD_EVEN, WindowPlan

ANY_LENGTH = 2**31
"""Frames that fit where only the plan's own length bounds a window: on a CPU longer ones save no time."""
LEAST_VIEWS = 3
"""A window of fewer views than this costs more by its overlaps than it saves."""
GRID = (1, 4 / 3)
"""Windows are 3 or 4 views long, or twice as long, or 4 times, ...: what memory is free at the moment must not decide
over the clip, so a little more or less of it changes nothing."""
TAKES_ALL_FRAMES = ("control", "gligen")
"""What conditioning may hold that sees every frame of a call at once."""


def fitted(handler: WindowHandler, guider, shape, first_frame: int = 0, gang: Gang = ALONE) -> WindowHandler:
    """The handler for this run. shape: frames c h w. gang: those whose memory counts.

    Long windows become as long as memory allows; short ones in their place where that is little, where a ControlNet or
    another node asks for all frames at once, where norms average over frames or a camera has a path, in a clip that
    goes on, and where a compiled UNet would get several: they differ in length, and it would be compiled for each.
    """
    if not any(is_long(plan) for plan in handler.plans):
        return handler
    compiled = bool(guider.model_patcher.get_wrappers(WrappersMP.APPLY_MODEL, COMPILED))
    share = 1.0 if compiled else CHUNKED
    whole = asks_for_all_frames(guider) or first_frame > 0
    most = min(gang.numbers(0 if whole else frames_that_fit(guider.model_patcher, shape, share)))
    plans = tuple(of_length(plan, most) for plan in handler.plans)
    if compiled and any(is_long(plan) and plan.context_length < shape[0] for plan in plans):
        plans = tuple(of_length(plan, 0) for plan in plans)
    return WindowHandler(plans, handler.windows_per_call, handler.links, handler.goes_on, share)


def is_long(plan: WindowPlan) -> bool:
    return plan.context_schedule == STANDARD_EVEN


def of_length(plan: WindowPlan, most: int) -> WindowPlan:
    if not is_long(plan) or most == ANY_LENGTH:
        return plan
    least = LEAST_VIEWS * plan.views.context_length
    if most < least:
        return replace(plan.views, start_percent=plan.start_percent, guarantee_steps=plan.guarantee_steps)
    doubled = least * 2 ** int(math.log2(most / least))
    return replace(plan, context_length=max(length for step in GRID if (length := round(doubled * step)) <= most))


def asks_for_all_frames(guider) -> bool:
    """Whether something in a run of this guider asks for all frames of a window at once."""
    model, options = guider.model_patcher, guider.model_options["transformer_options"]
    others = options.get("patches", {}).get(LAYER_PATCH)
    conds = any(entry.get(name) for cond in guider.conds.values() for entry in cond for name in TAKES_ALL_FRAMES)
    calls = guider.model_options.get("sampler_post_cfg_function")  # PAG, say: calls with patches of their own
    by_frames = averages_over_frames(model) or has_camera(model)
    return bool(others or sees_attention(options) or conds or calls or by_frames)


def has_camera(model: ModelPatcher) -> bool:
    """Poses count from a window's first frame, so a long window with views inside would go far from it."""
    return any(cameras(motion) for motion in model.get_additional_models_with_key(KEY))


def averages_over_frames(model: ModelPatcher) -> bool:
    motion_models = model.get_additional_models_with_key(KEY)
    return any(motion.model.format.norms(motion.get_attachment(KEY).norms) != Norms() for motion in motion_models)


def frames_that_fit(model: ModelPatcher, shape, share: float = CHUNKED) -> int:
    """How many frames the UNet can get at once on its device, one cond at a time. share: as `WindowHandler` has it."""
    device = model.load_device
    if comfy.model_management.is_device_cpu(device):
        return ANY_LENGTH
    loaded = [each for each in comfy.model_management.current_loaded_models if each.device == device]
    free = comfy.model_management.get_free_memory(device) + sum(each.model_loaded_memory() for each in loaded)
    models = (model, *model.get_additional_models())  # other GPUs' copies of the MODEL among them
    weights = sum(each.model_size() for each in models if each.load_device == device)
    return frames_in(free, weights, share * model.model.memory_required([1, *shape[1:]]))


def frames_in(free: float, weights: float, a_frame: float) -> int:
    """`free` bytes without `weights`, of which the host can hold back a part; a reserve as the host's own."""
    return int(max(free - weights, free / 2) / 1.5 / a_frame)
