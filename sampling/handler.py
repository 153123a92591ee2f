"""Context windows as the host runs them: `model_options["context_handler"]`, a subclass of the host's own.

The host's handler slices the conditioning; the windows, their blending and the order of a step are ours, because the
host's repeat frames at large strides, add a frame before each window, and give ControlNets the hints of other frames.
"""

import copy
import math

import comfy.context_windows
import comfy.model_management
import comfy.utils
import torch
from comfy.context_windows import ContextFuseMethod, ContextSchedule, IndexListContextHandler, IndexListContextWindow
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..motion.run import KEY, VIDEOS_PER_COND, VIEWS, MotionRun, ad_params, moment_at
from ..motion.strength import Amount, Part, spread
from . import fuse
from .blend import Blend, on_device
from .extras import NO_EXTRAS, Extras
from .reuse import with_reuse
from .step_caches import Kept, count_windows, holder_of, opened
from .window_references import WindowReferences
from .windows import STANDARD_EVEN, WindowPlan, plan_at, windows

CHUNKED = 0.5
"""Memory of a frame whose layers go in chunks, over what the host reckons for a frame."""


def with_windows(
    model: ModelPatcher,
    *plans: WindowPlan,
    windows_per_call: int = 0,
    extras: Extras = NO_EXTRAS,
    goes_on: bool = True,
) -> ModelPatcher:
    """A clone of `model` that samples in windows. Several plans: each from its start_percent on."""
    model = model.clone()
    model.model_options["context_handler"] = WindowHandler(plans, windows_per_call, extras, goes_on)
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
    """Immutable: one handler serves every clone of its MODEL, and each call works on a copy."""

    def __init__(
        self,
        plans: tuple[WindowPlan, ...],
        windows_per_call: int = 0,
        extras: Extras = NO_EXTRAS,
        goes_on: bool = True,
    ):
        """windows_per_call: how many windows the UNet gets at once; 0 is as many as memory allows (1 on the CPU).

        With extras it is always 1: the first window comes first. goes_on: whether a run that starts at a later step has
        that step's windows; else it begins with those of a first step.
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
        self.windows_per_call = 1 if extras != NO_EXTRAS else windows_per_call
        self.extras = extras
        self.goes_on = goes_on

    def frames_at_once(self, frames: int) -> int:
        """The most frames of a clip that attend to each other; no more than a motion model's max_frames may."""
        if not self.plans[0].applies_to(frames):
            return frames
        return max(_attended(plan, frames) for plan in self.plans)

    def frames_in_call(self, frames: int) -> int:
        """The most frames of a clip that the UNet gets at once for each cond; what memory is needed for."""
        if not self.plans[0].applies_to(frames):
            return frames
        return max(in_memory(plan, len(window)) for plan in self.plans for window in windows(plan, frames))

    def should_use_context(self, model, conds, x_in, timestep, model_options) -> bool:
        return self.plans[0].applies_to(x_in.shape[0])

    def execute(
        self, calc_cond_batch, model, conds, x_in: Tensor, timestep: Tensor, model_options: dict
    ) -> list[Tensor]:
        """The denoised clip for each cond (frames c h w), blended from its windows."""
        return _WindowedCall(self, model, model_options).run(calc_cond_batch, conds, x_in, timestep)


def in_memory(plan: WindowPlan, length: int) -> int:
    """How many frames as the host reckons them take the memory of a window of that length."""
    return math.ceil(length * CHUNKED) if plan.context_schedule == STANDARD_EVEN else length


def _attended(plan: WindowPlan, frames: int) -> int:
    longest = max(len(window) for window in windows(plan, frames))
    if plan.views is not None and plan.views.applies_to(longest):
        return max(len(view) for view in windows(plan.views, longest))
    return longest


class _WindowedCall(WindowHandler):
    """One evaluation of the model in windows; what changes while it lasts."""

    def __init__(self, handler: WindowHandler, model, model_options: dict):
        self.__dict__.update(vars(handler))
        self._model = model
        self.options = model_options["transformer_options"]
        self.motion_run: MotionRun | None = self.options.get(KEY)
        self.model_options = model_options
        self.controls: dict = {}
        self.window: IndexListContextWindow | None = None
        self.references: WindowReferences | None = None
        self.caches: list[Kept] = []

    def run(self, calc_cond_batch, conds, x_in, timestep):
        sigma = float(timestep.flatten()[0])
        done_here = self.step_of(sigma)
        step = done_here + (self.motion_run.steps_before if self.motion_run else 0)
        seed = f"{self.motion_run.seed if self.motion_run else 0} {step}"
        frames = x_in.shape[0]
        plan = self.plan_at(done_here)
        all_windows = windows(plan, frames, step)
        blend = Blend(x_in, len(conds))
        reuse = self.open_extras(all_windows, x_in, timestep)
        groups = self.groups(all_windows, conds, x_in)
        refers = self.references is not None and self.references.now is not None
        self.caches = opened(self.options, self.motion_run, groups, refers)
        done, shown = 0, None
        for group in groups:
            indices = [frame for window in group for frame in window]
            self.window = IndexListContextWindow(indices, dim=0, total_frames=frames)
            self.controls = {}
            rows = on_device(tuple(indices), x_in.device, torch.long)
            results = calc_cond_batch(
                self._model,
                [self.get_resized_cond(cond, x_in, self.window) for cond in conds],
                x_in[rows],
                timestep[rows] if timestep.shape[0] == frames else timestep,
                self.options_for(plan, group, step, sigma, seed, done),
            )
            if reuse is not None and shown is None:
                shown = results
            for number, window in enumerate(group):
                own = slice(number * len(window), (number + 1) * len(window))
                weights = fuse.weights(plan.fuse_method, window, frames, plan.context_overlap, sigma, seed)
                blend.add(window, weights, [result[own] for result in results])
            done += len(group)
            self.report(done_here, done, len(all_windows))
        count_windows(self.caches, self.options)
        clips = blend.clips()
        if shown is None:
            return clips
        return [with_reuse(clip, of_first, all_windows[0], reuse) for clip, of_first in zip(clips, shown, strict=True)]

    def open_extras(self, all_windows: list[list[int]], x_in: Tensor, timestep: Tensor) -> Amount | None:
        """Makes room for references between windows, and gives how much of the first one is reused; None for none."""
        if self.extras == NO_EXTRAS:
            return None
        run = self.motion_run or MotionRun(x_in.shape[0])
        moment = moment_at(run, timestep, self.options, self._model.model_sampling)
        if (reference := self.extras.reference) is not None:
            in_clip = [[run.first_frame + frame for frame in window] for window in all_windows]
            self.references = WindowReferences(reference.at(moment), reference.uses_adain, in_clip)
        if self.extras.reuse is None or (amount := self.extras.reuse.at(moment)) is None:
            return None
        return spread(amount, Part(range(run.first_frame, run.full_length)), x_in)

    def step_of(self, sigma: float) -> int:
        """How many steps of the sampler are done: a second evaluation within a step counts to that step."""
        if self.motion_run is not None:
            return self.motion_run.step
        levels = self.options["sample_sigmas"]
        return max(int((levels >= sigma * (1 - 1e-4)).sum()) - 1, 0)

    def plan_at(self, step: int) -> WindowPlan:
        if len(self.plans) == 1:
            return self.plans[0]
        sampling = self._model.model_sampling
        starts = [float(sampling.percent_to_sigma(plan.start_percent)) for plan in self.plans]
        return plan_at(self.plans, starts, self.options["sample_sigmas"].tolist(), step)

    def groups(self, all_windows: list[list[int]], conds, x_in: Tensor) -> list[list[list[int]]]:
        """Neighbouring windows of one length, as many as go into one call of the UNet."""
        if any(finds_frames_itself(entry.get("control")) for cond in conds for entry in cond or ()):
            most = 1
        else:
            most = self.windows_per_call or self.windows_in_memory(len(all_windows[0]), conds, x_in)
        groups: list[list[list[int]]] = []
        for window in all_windows:
            if groups and len(groups[-1]) < most and len(groups[-1][0]) == len(window):
                groups[-1].append(window)
            else:
                groups.append([window])
        return groups

    def windows_in_memory(self, length: int, conds, x_in: Tensor) -> int:
        if comfy.model_management.is_device_cpu(x_in.device):
            return 1  # a larger batch only leaves the cache sooner
        free = self._model.current_patcher.get_free_memory(x_in.device)
        rows = length * sum(cond is not None for cond in conds)
        return max(int(free / 1.5 / self._model.memory_required([rows, *x_in.shape[1:]])), 1)

    def options_for(self, plan: WindowPlan, group, step: int, sigma: float, seed: str, number: int) -> dict:
        """The model options of one call, with what the motion modules and other packs read of its windows.

        number: how many windows went before.
        """
        length = len(group[0])
        views = None
        if plan.views is not None and plan.views.applies_to(length):
            method = plan.views.fuse_method if plan.views.fuse_method != fuse.RELATIVE else "pyramid"
            overlap = plan.views.context_overlap
            views = [
                (view, fuse.weights(method, view, length, overlap, sigma, seed))
                for view in windows(plan.views, length, step)
            ]
        own = {
            "context_window": self.window,
            "ad_params": ad_params(length, self.motion_run or MotionRun(self.window.total_frames), self.window),
            VIDEOS_PER_COND: len(group),
            VIEWS: views,
        }
        options = self.options | own | holder_of(self.caches, number)
        if self.references is not None:
            options = self.references.patched(options, number)
        return self.model_options | {"transformer_options": options}

    def get_resized_cond(self, cond_in, x_in, window, device=None):
        """The host's; prompts of more or fewer rows than frames are cut or repeated as it does without windows."""
        if cond_in is None:
            return None
        return super().get_resized_cond([with_rows(cond, x_in.shape[0]) for cond in cond_in], x_in, window, device)

    def prepare_control_objects(self, control, device=None):
        """The ControlNet with the hints of this window: one object for every cond, so that conds stay in one batch."""
        if control is None:
            return None
        if id(control) not in self.controls:
            indices = self.window.index_list
            part = copy.copy(control)
            part.previous_controlnet = self.prepare_control_objects(control.previous_controlnet, device)
            hint = part.cond_hint_original
            if hasattr(control, "sub_idxs"):
                part.sub_idxs = indices
            elif isinstance(hint, Tensor) and hint.shape[0] > 1:
                part.cond_hint_original = hint[[frame % hint.shape[0] for frame in indices]]
                part.cond_hint = None
            self.controls[id(control)] = part
        return self.controls[id(control)]

    def report(self, step: int, done: int, count: int) -> None:
        """The node's progress bar moves with every window."""
        run = self.motion_run or MotionRun(self.window.total_frames)
        steps = max(len(self.options["sample_sigmas"]) - 1, 1)
        before = (run.iteration * steps + step) * count
        total = run.iterations * steps * count
        comfy.utils.ProgressBar(total).update_absolute(before + done, total)


def finds_frames_itself(control) -> bool:
    """Whether a ControlNet slices by itself (Advanced-ControlNet): it cannot be told of a frame that is there twice."""
    return control is not None and (hasattr(control, "sub_idxs") or finds_frames_itself(control.previous_controlnet))


def with_rows(cond: dict, frames: int) -> dict:
    """One of the host's conds whose text has a row for each frame, or one for all."""
    model_conds = dict(cond.get("model_conds", {}))
    for key in ("c_crossattn", "y"):
        value = getattr(model_conds.get(key), "cond", None)
        if isinstance(value, Tensor) and value.shape[0] not in (1, frames):
            model_conds[key] = type(model_conds[key])(comfy.utils.repeat_to_batch_size(value, frames))
    return cond | {"model_conds": model_conds}
