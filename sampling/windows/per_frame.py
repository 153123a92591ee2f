"""What has a row for each frame: brought to the clip as the host does for a whole clip, and cut to some of its frames.

Every cut of prompts, masks and ControlNets goes through here, so that none takes its rows for the clip's.
"""

import copy
from collections.abc import Callable, Sequence

import comfy.utils
from comfy.conds import CONDConstant, CONDRegular
from torch import Tensor


def brought_to(value, frames: int):
    """A tensor with a row for each of `frames`: of more the first ones, of fewer all in turn. One row stays one."""
    if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[0] in (1, frames):
        return value
    return comfy.utils.repeat_to_batch_size(value, frames)


def cond_of_clip(cond: dict, frames: int) -> dict:
    """An entry of one of the host's conds whose text, mask and latents have a row for each frame, or one for all."""
    model_conds = dict(cond.get("model_conds", {}))
    for key, value in model_conds.items():
        rows = getattr(value, "cond", None)
        whole = brought_to(rows, frames)
        if whole is not rows and isinstance(value, CONDRegular) and not isinstance(value, CONDConstant):
            model_conds[key] = type(value)(whole)
    mask = {"mask": brought_to(cond["mask"], frames)} if "mask" in cond else {}
    return cond | mask | {"model_conds": model_conds}


def control_with(control, change: Callable[[object, object], None], made: dict | None = None):
    """A shallow copy of a ControlNet (the host's ControlBase, or None), which `change(copy, control)` was done to.

    So are those before it in the chain, and its copies on other GPUs, which hold hints of their own. made: what was
    copied already; each is copied once, because the host batches conds only where they have one and the same.
    """
    if control is None:
        return None
    made = {} if made is None else made
    if id(control) not in made:
        part = made[id(control)] = copy.copy(control)
        part.previous_controlnet = control_with(control.previous_controlnet, change, made)
        if hasattr(control, "multigpu_clones"):  # older hosts have one GPU
            part.multigpu_clones = {
                device: control_with(each, change, made) for device, each in control.multigpu_clones.items()
            }
        change(part, control)
    return made[id(control)]


def change_hints(control, change: Callable[[Tensor], Tensor]) -> None:
    """`change` is done to everything that a ControlNet has a row of for each frame."""
    control.cond_hint_original = change(control.cond_hint_original)
    control.extra_concat_orig = [change(each) for each in getattr(control, "extra_concat_orig", ())]
    control.cond_hint = None


def in_turn(value, frames: Sequence[int]):
    """The rows of these frames, of a tensor whose rows are for the frames in turn. One row stays one."""
    if not isinstance(value, Tensor) or value.ndim == 0 or value.shape[0] == 1:
        return value
    first = frames[0] % len(value)
    if list(frames) == list(range(frames[0], frames[0] + len(frames))) and first + len(frames) <= len(value):
        return value[first : first + len(frames)]  # no copy
    return value[[frame % len(value) for frame in frames]]
