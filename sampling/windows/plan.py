"""Context windows: which frames are sampled together at each step. Plain integers, no torch.

Sources: animatediff-cli's `uniform` context scheduler (looped_uniform), and the schedules that
ComfyUI-AnimateDiff-Evolved and ComfyUI made of it. `tests/maths/test_windows_plan.py` holds them to that pack's index
lists.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..values.keyframes import holding
from .fuse import ALL as FUSE_METHODS

LOOPED_UNIFORM = "looped_uniform"
STANDARD_UNIFORM = "standard_uniform"
STANDARD_STATIC = "standard_static"
STANDARD_SHIFTED = "standard_shifted"
STANDARD_EVEN = "standard_even"
BATCHED = "batched"
WHOLE_CLIP = "whole_clip"
"""One window of all frames, for views."""


@dataclass(frozen=True)
class WindowPlan:
    """How a clip is cut into windows, and how these are blended."""

    context_schedule: str = STANDARD_STATIC
    context_length: int = 16
    """Frames per window."""
    context_overlap: int = 4
    """Frames that a window shares with the next."""
    context_stride: int = 1
    """The largest step between the frames of one window is 2^(stride - 1). Uniform schedules only."""
    closed_loop: bool = False
    """The last window wraps to frame 0. looped_uniform only."""
    fuse_method: str = "pyramid"
    use_on_equal_length: bool = False
    """Also where the clip is exactly one window long (for views)."""
    views: "WindowPlan | None" = None
    """Windows inside the temporal attention, over the frames of each window."""
    start_percent: float = 0.0
    """In a group of plans: from where in the sampling this one is used."""
    guarantee_steps: int = 1
    """In a group of plans: for how many steps at least."""
    repeats: bool = False
    """Also windows of a stride that is too large for the clip: they hold frames twice, and the last one counts.
    looped_uniform only; for shared workflows."""

    def __post_init__(self):
        if self.context_schedule not in SCHEDULES:
            raise ValueError(
                f"'{self.context_schedule}' is not a context_schedule. Choose one of: {', '.join(SCHEDULES)}."
            )
        if self.fuse_method not in FUSE_METHODS:
            raise ValueError(f"'{self.fuse_method}' is not a fuse_method. Choose one of: {', '.join(FUSE_METHODS)}.")
        if self.context_length < 1:
            raise ValueError(f"context_length is {self.context_length}, and a window needs at least 1 frame.")
        if self.context_stride < 1:
            raise ValueError(f"context_stride is {self.context_stride}, and must be 1 or more.")
        if not 0 <= self.context_overlap < self.context_length and self.context_schedule not in (BATCHED, WHOLE_CLIP):
            raise ValueError(
                f"context_overlap is {self.context_overlap} and context_length {self.context_length}: windows would "
                "not move on. Use an overlap from 0 to context_length - 1."
            )

    def applies_to(self, frames: int) -> bool:
        """Whether a clip of that many frames is cut at all."""
        if self.context_schedule == STANDARD_EVEN and self.views is not None:
            return self.views.applies_to(frames)
        return frames > self.context_length or (self.use_on_equal_length and frames == self.context_length)


def longest(plan: WindowPlan, frames: int) -> int:
    """The most frames that a window of the plan may have at any step."""
    return frames if plan.context_schedule == WHOLE_CLIP else min(plan.context_length, frames)


def windows(plan: WindowPlan, frames: int, step: int = 0) -> list[list[int]]:
    """The windows of one sampling step, each a list of frame indices; every frame is in at least one.

    What blends windows divides by the weights of each frame, so a schedule that left one out is a RuntimeError here.
    """
    found = SCHEDULES[plan.context_schedule](plan, frames, step)
    if missing := set(range(frames)).difference(*found):
        raise RuntimeError(
            f"{plan.context_schedule} leaves frame {min(missing)} of {frames} in no window at step {step}: "
            f"context_length {plan.context_length}, overlap {plan.context_overlap}, stride {plan.context_stride}. "
            "Choose another context_schedule, and please report this."
        )
    return found


def ordered_halving(step: int) -> float:
    """0, 1/2, 1/4, 3/4, 1/8, ...: the step's 64 bits in reverse, as a fraction."""
    return int(f"{step:064b}"[::-1], 2) / 2**64


def looped_uniform(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """Windows of stride 1, 2, 4, ... that start elsewhere at each step and wrap around the end.

    A stride whose windows are longer than the clip is left out, as they would hold frames twice; but for `repeats`.
    """
    if frames < plan.context_length:
        return [list(range(frames))]
    found = []
    for spacing in _spacings(plan, frames):
        pad = round(frames * ordered_halving(step))
        first = int(ordered_halving(step) * spacing) + pad
        last = frames + pad - (0 if plan.closed_loop else plan.context_overlap)
        for start in range(first, last, plan.context_length * spacing - plan.context_overlap):
            found.append([(start + i * spacing) % frames for i in range(plan.context_length)])
    return found


def standard_uniform(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """As looped_uniform without a loop: a window that would wrap is moved back to end with the clip.

    A strided window that is moved back may leave frames in no window (the host's do); these get one of their own.
    """
    if frames <= plan.context_length:
        return [list(range(frames))]
    found = looped_uniform(replace(plan, closed_loop=False, repeats=False), frames, step)
    index = 0
    while index < len(found):
        window = found[index]
        wrap = next((i for i in range(1, len(window)) if window[i] < window[i - 1]), None)
        if wrap is not None:
            wrapped_to = window[wrap]
            moved = [(frame - window[0]) % frames for frame in window]
            found[index] = [frame + frames - 1 - moved[-1] for frame in moved]
            if wrapped_to not in found[(index + 1) % len(found)]:
                found.insert(index + 1, list(range(wrapped_to, wrapped_to + plan.context_length)))
        index += 1
    held = set().union(*found)
    for frame in range(frames):
        if frame not in held:
            start = min(max(frame - plan.context_overlap, 0), frames - plan.context_length)
            found.append(list(range(start, start + plan.context_length)))
            held.update(found[-1])
    return [list(window) for window in dict.fromkeys(map(tuple, found))]


def standard_static(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """The same windows at each step; the last one is moved back to end with the clip."""
    if frames <= plan.context_length:
        return [list(range(frames))]
    length = plan.context_length
    starts = [*range(0, frames - length, length - plan.context_overlap), frames - length]
    return [list(range(start, start + length)) for start in starts]


def standard_shifted(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """As many windows as standard_static, evenly spread; all but the first and the last move to and fro from step to
    step, as far as every overlap keeps a frame. So no border stays where it is, at no cost."""
    if frames <= plan.context_length:
        return [list(range(frames))]
    length = plan.context_length
    last = frames - length
    count = math.ceil(last / (length - plan.context_overlap)) + 1
    apart = last / (count - 1)
    room = max(min(length - 1 - apart, apart - 1), 0)
    shift = (2 * ordered_halving(step + 1) - 1) * room
    starts = [0, *(round(index * apart + shift) for index in range(1, count - 1)), last]
    return [list(range(start, start + length)) for start in starts]


def standard_even(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """As few windows as the clip needs, all but evenly long, none longer than context_length; their borders move to and
    fro from step to step. For long windows with views, which cost by their overlaps alone."""
    overlap = plan.context_overlap
    most = max(plan.context_length - 2 * overlap, 1)
    count = math.ceil((frames - overlap) / most) if frames > plan.context_length else 1
    apart = (frames - overlap) / count
    shift = (2 * ordered_halving(step + 1) - 1) * min(plan.context_length - overlap - apart, apart - 1)
    starts = [0, *(round(index * apart + shift) for index in range(1, count))]
    ends = [*(start + overlap for start in starts[1:]), frames]
    return [list(range(start, end)) for start, end in zip(starts, ends, strict=True)]


def batched(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    """Windows side by side, without overlap; the last one may be shorter."""
    return [
        list(range(start, min(start + plan.context_length, frames))) for start in range(0, frames, plan.context_length)
    ]


def whole_clip(plan: WindowPlan, frames: int, step: int) -> list[list[int]]:
    return [list(range(frames))]


SCHEDULES: dict[str, Callable[[WindowPlan, int, int], list[list[int]]]] = {
    STANDARD_STATIC: standard_static,
    STANDARD_SHIFTED: standard_shifted,
    STANDARD_EVEN: standard_even,
    STANDARD_UNIFORM: standard_uniform,
    LOOPED_UNIFORM: looped_uniform,
    BATCHED: batched,
    WHOLE_CLIP: whole_clip,
}


def _spacings(plan: WindowPlan, frames: int) -> list[int]:
    strides = min(plan.context_stride, math.ceil(math.log2(frames / plan.context_length)) + 1)
    return [2**i for i in range(strides) if i == 0 or plan.repeats or plan.context_length * 2**i <= frames]


def plan_at(
    plans: tuple[WindowPlan, ...], starts: list[float], sigmas: list[float], step: int, iterations: int = 0
) -> WindowPlan:
    """The plan of a group that holds at `step`.

    starts: the noise level (sigma) at which each plan may begin; sigmas: the noise level of each step.
    The next plan takes over once its start is reached and the current one has had its guaranteed steps; a plan that
    began before the run's first noise level is owed none. iterations: how many whole ones went before, whose last plan
    still holds; 0 where each begins anew.
    """
    order = sorted(range(len(plans)), key=lambda i: -starts[i])
    falling = [starts[i] for i in order]
    guarantees = [plans[i].guarantee_steps for i in order]
    levels = sigmas[:-1] * iterations + sigmas[: step + 1]
    return plans[order[holding(falling, guarantees, levels, sigmas[0])]]
