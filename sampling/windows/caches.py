"""What EasyCache and LazyCache keep between steps: each iteration has its own, and EasyCache's each window, too.

The host's nodes keep one holder for a run in `transformer_options`: the change that the model made last, which they add
in place of a call, and how far the latents have moved since. Here each window has a copy of EasyCache's for its frames.
A window that moves from step to step takes along what is known of its frames, from another window where that had them.
LazyCache works on the whole clip, around all windows. The run's own holder counts the mean of the windows, which is
what the host's log shows. Where references are at work nothing is skipped: a skipped window has nothing for others.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...motion.options import MotionRun

HOLDER = "easycache"
"""The host's name in `transformer_options` of what either node keeps in a run."""

Place = tuple[int, int]
"""(the window's number, the frame)"""


log = logging.getLogger("animatediff")


@dataclass(frozen=True)
class Kept:
    """The host's holder of one call of the UNet."""

    places: list[Place]
    """What its rows are, in the order of the call."""
    holder: Any
    skipped: int
    """How many calls it had skipped before this evaluation."""


def opened(
    options: dict, run: MotionRun, groups: Sequence[Sequence[Sequence[int]]], refers: bool = False
) -> list[Kept]:
    """What EasyCache has for each call of one evaluation of the model; empty where it is not on the MODEL.

    options: `transformer_options`. groups: the windows of each call, frames of each window. refers: whether ContextRef
    is at work: a window that is skipped has nothing for those that refer to it, so none is.
    """
    if not hasattr(options.get(HOLDER), "first_cond_uuid"):  # LazyCache does not look at conds
        return []
    if refers and not run.caches:
        log.info("EasyCache skips no step while ContextRef is at work.")
    run.caches = kept_for([] if refers else run.caches, options[HOLDER], groups)
    return run.caches


def holder_of(kept: list[Kept], number: int) -> dict:
    """What the call whose first window has that number adds to its `transformer_options`."""
    own = next((each.holder for each in kept if each.places[0][0] == number), None)
    return {} if own is None else {HOLDER: own}


def kept_for(before: list[Kept], holder, groups: Sequence[Sequence[Sequence[int]]]) -> list[Kept]:
    """The holders of the last evaluation, for the frames that the windows have now. holder: the run's, still unused."""
    number, now = 0, []
    for group in groups:
        places = [(number + index, frame) for index, window in enumerate(group) for frame in window]
        own = held(before, places) or copied(holder)
        now.append(Kept(places, own, own.total_steps_skipped))
        number += len(group)
    return now


def count_windows(kept: list[Kept], options: dict) -> None:
    """Tells the run's holder, so the host's log, how many steps were skipped: the mean of the windows."""
    if kept:
        skipped = sum(each.holder.total_steps_skipped - each.skipped for each in kept)
        count(options[HOLDER], skipped / len(kept))


def of_iteration(extra_args: dict) -> dict:
    """A sampler's extra_args with a holder of its own, where there is one."""
    model_options = extra_args["model_options"]
    options = model_options["transformer_options"]
    if HOLDER not in options:
        return extra_args
    options = options | {HOLDER: copied(options[HOLDER])}
    return extra_args | {"model_options": model_options | {"transformer_options": options}}


def count_iteration(own_args: dict, extra_args: dict, iterations: int) -> None:
    """Tells the run's holder how many steps an iteration skipped: the host's log has the mean of the iterations."""
    own, holder = (each["model_options"]["transformer_options"].get(HOLDER) for each in (own_args, extra_args))
    if holder is not None:
        count(holder, (own.total_steps_skipped - holder.total_steps_skipped) / iterations)


def count(holder, skipped: float) -> None:
    holder.total_steps_skipped = round(holder.total_steps_skipped + skipped, 3)


def copied(holder):
    other = copy.copy(holder)
    vars(other).update({name: copy.copy(value) for name, value in vars(holder).items()})
    return other


def held(kept: list[Kept], places: list[Place]):
    """A holder for these places, row by row from those that were kept; None where they do not hold every frame.

    A row is the window's own where it had that frame, else that of another window.
    """
    for each in kept:
        if each.places == places:
            return each.holder
    own = {place: (index, row) for index, each in enumerate(kept) for row, place in enumerate(each.places)}
    of_any = {frame: found for (_, frame), found in reversed(own.items())}
    rows = [own.get(place, of_any.get(place[1])) for place in places]
    if None in rows or any(form(each) != form(kept[0]) for each in kept):
        return None
    first = next((index for index, each in enumerate(kept) if each.places[0][0] == places[0][0]), rows[0][0])
    moved = copy.copy(kept[first].holder)
    vars(moved).update(
        {name: gathered([vars(each.holder)[name] for each in kept], rows, first) for name in vars(moved)}
    )
    return moved


def form(kept: Kept) -> dict:
    """What must be alike in two holders whose rows are to be mixed: which cond decides, and the shape of each row."""
    found = {"first": kept.holder.first_cond_uuid}
    for name, value in vars(kept.holder).items():
        for key, tensor in (value if isinstance(value, dict) else {None: value}).items():
            if isinstance(tensor, Tensor) and tensor.ndim:
                found[name, key] = tensor.shape[1:], len(tensor) == len(kept.places)
    return found


def gathered(values: list, rows: list[tuple[int, int]], first: int):
    """One attribute of the holders: tensors and dicts of tensors row by row, all else as the holder `first` has it.

    rows: (which holder, which of its rows).
    """
    value = values[first]
    if isinstance(value, dict):
        return {key: gathered([each[key] for each in values], rows, first) for key in value}
    if isinstance(value, Tensor) and value.ndim:
        return torch.stack([values[index][row] for index, row in rows])
    return value.clone() if isinstance(value, Tensor) else copy.copy(value)
