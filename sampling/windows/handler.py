"""Context windows as the host runs them: `model_options["context_handler"]`, a subclass of the host's own.

The host's handler slices the conditioning; the windows, their blending and the order of a step are ours, because the
host's repeat frames at large strides, add a frame before each window, and give ControlNets the hints of other frames.
"""

import math

from comfy.context_windows import ContextFuseMethod, ContextSchedule, IndexListContextHandler
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...motion.options import KEY
from ..references.settings import NO_LINKS, Links
from .call import WindowedCall
from .plan import STANDARD_EVEN, WindowPlan, longest

CHUNKED = 0.5
"""Memory of a frame whose layers go in chunks, over what the host reckons for a frame."""


def with_windows(
    model: ModelPatcher,
    *plans: WindowPlan,
    windows_per_call: int = 0,
    links: Links = NO_LINKS,
    goes_on: bool = True,
) -> ModelPatcher:
    """A clone of `model` that samples in windows. Several plans: each from its start_percent on."""
    model = model.clone()
    model.model_options["context_handler"] = WindowHandler(plans, windows_per_call, links, goes_on)
    return with_window_memory(model)


def with_window_memory(model: ModelPatcher) -> ModelPatcher:
    """`model`, whose memory the host estimates for one window where there is a handler of ours."""
    if not model.get_wrappers(WrappersMP.PREPARE_SAMPLING, KEY):
        model.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, prepare_one_window)
    return model


def prepare_one_window(executor, model, noise_shape, conds, **kwargs):
    """PREPARE_SAMPLING wrapper. noise_shape: frames c h w."""
    handler = kwargs["model_options"].get("context_handler")
    if isinstance(handler, WindowHandler):
        noise_shape = [handler.frames_in_call(noise_shape[0]), *noise_shape[1:]]
    return executor(model, noise_shape, conds, **kwargs)


class WindowHandler(IndexListContextHandler):
    """Immutable: one handler serves every clone of its MODEL, and each evaluation has a WindowedCall."""

    def __init__(
        self,
        plans: tuple[WindowPlan, ...],
        windows_per_call: int = 0,
        links: Links = NO_LINKS,
        goes_on: bool = True,
        share: float = CHUNKED,
    ):
        """windows_per_call: how many windows the UNet gets at once; 0 is as many as memory allows (1 on the CPU).

        With links it is always 1: the first window comes first. goes_on: whether a run that starts at a later step has
        that step's windows, and an iteration begins with the first plan; else a run begins with the windows of a first
        step, and an iteration with the plan that the last one ended with. share: memory of a frame of a long window,
        over what the host reckons for a frame.
        """
        first = plans[0]
        super().__init__(
            ContextSchedule(first.context_schedule, None),
            ContextFuseMethod(first.fuse_method, None),
            context_length=first.context_length,
            context_overlap=first.context_overlap,
            context_stride=first.context_stride,
            closed_loop=first.closed_loop,
            dim=0,
        )
        self.causal_window_fix = False
        self.plans = plans
        self.windows_per_call = 1 if links != NO_LINKS else windows_per_call
        self.links = links
        self.goes_on = goes_on
        self.share = share

    def applies_to(self, frames: int) -> bool:
        """Whether a clip of that many frames is cut at all."""
        return self.plans[0].applies_to(frames)

    def frames_at_once(self, frames: int) -> int:
        """The most frames of a clip that attend to each other; no more than a motion model's max_frames may."""
        if not self.applies_to(frames):
            return frames
        return max(_attended(plan, frames) for plan in self.plans)

    def frames_in_call(self, frames: int) -> int:
        """The most frames of a clip that the UNet gets at once for each cond; what memory is needed for."""
        if not self.applies_to(frames):
            return frames
        return max(in_memory(plan, longest(plan, frames), self.share) for plan in self.plans)

    def should_use_context(self, model, conds, x_in, timestep, model_options) -> bool:
        return self.applies_to(x_in.shape[0])

    def execute(
        self, calc_cond_batch, model, conds, x_in: Tensor, timestep: Tensor, model_options: dict
    ) -> list[Tensor]:
        """The denoised clip for each cond (frames c h w), blended from its windows."""
        return WindowedCall(self, model, x_in, timestep, model_options).clips(calc_cond_batch, conds)


def in_memory(plan: WindowPlan, length: int, share: float = CHUNKED) -> int:
    """How many frames as the host reckons them take the memory of a window of that length."""
    return math.ceil(length * share) if plan.context_schedule == STANDARD_EVEN else length


def _attended(plan: WindowPlan, frames: int) -> int:
    length = longest(plan, frames)
    if plan.views is not None and plan.views.applies_to(length):
        return longest(plan.views, length)
    return length
