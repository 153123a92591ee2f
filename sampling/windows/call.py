"""One evaluation of the model in context windows: which go into one call of the UNet, and what they give together."""

from collections.abc import Iterable, Iterator

import comfy.model_management
import comfy.utils
import torch
from comfy.context_windows import IndexListContextWindow
from torch import Tensor

from ...motion.moments import LEVEL, level_at, levels_of_run, moment_at, sigma_at
from ...motion.options import KEY, VIDEOS_PER_COND, VIEWS, MotionRun, ad_params
from ...motion.strength import Amount, Part, spread
from ..references.bank import room_beside
from ..references.patches import WindowReferences
from ..references.reuse import with_reuse
from ..references.settings import NO_LINKS
from . import fuse
from .blend import Blend, on_device
from .caches import HOLDER, Kept, count_windows, holder_of, opened
from .conds import WindowConds, finds_frames_itself
from .kept_attention import KeptAttention
from .plan import WindowPlan, plan_at, windows
from .shares import Results, over_devices, over_members


class WindowedCall:
    """What changes while one evaluation lasts; the handler that it is made from stays as it is."""

    def __init__(self, handler, model, x: Tensor, timestep: Tensor, model_options: dict):
        """handler: a WindowHandler. model: the host's. x: frames c h w. timestep: one noise level, or one per frame."""
        self.handler, self.model, self.x, self.timestep = handler, model, x, timestep
        self.model_options, options = model_options, model_options["transformer_options"]
        self.sigma = level_at(timestep, options)
        self.options = options | {LEVEL: self.sigma}
        self.run: MotionRun = self.options.get(KEY) or self.run_of_its_own()
        self.step = self.run.step + self.run.steps_before
        self.seed = f"{self.run.seed} {self.step}"
        self.plan = self.plan_now()
        self.windows = windows(self.plan, len(x), self.step)
        self.weights = self.blend_weights()
        self.references: WindowReferences | None = None
        self.caches: list[Kept] = []
        self.attention = KeptAttention(self.options)

    def run_of_its_own(self) -> MotionRun:
        """Where nothing counts the sampler's steps: a second evaluation within a step counts to that step, too."""
        done = int((self.options["sample_sigmas"] >= self.sigma * (1 - 1e-4)).sum()) - 1
        return MotionRun(len(self.x), step=max(done, 0))

    def plan_now(self) -> WindowPlan:
        plans = self.handler.plans
        if len(plans) == 1:
            return plans[0]
        starts = [sigma_at(self.run, self.model.model_sampling, plan.start_percent) for plan in plans]
        before = 0 if self.handler.goes_on else self.run.iteration
        return plan_at(plans, starts, levels_of_run(self.run, self.options), self.run.step, before)

    def clips(self, calc_cond_batch, conds) -> list[Tensor]:
        """The denoised clip for each cond (frames c h w), blended from its windows."""
        reused, of_first = self.open_links(), None
        blend = Blend(self.x, len(conds))
        for number, group, results in self.parts(calc_cond_batch, conds):
            if reused is not None and of_first is None:
                of_first = results
            self.add(blend, group, results, number)
            self.report(number + len(group))
        count_windows(self.caches, self.options)
        self.attention.give(self.windows, self.weights, len(self.x))
        if reused is None:
            return blend.clips()
        pairs = zip(blend.clips(), of_first, strict=True)
        return [with_reuse(clip, shown, self.windows[0], reused) for clip, shown in pairs]

    def parts(self, calc_cond_batch, conds) -> Iterable[Results]:
        """All windows in their order, whoever computes them."""
        gang, everything = self.run.gang, range(len(self.windows))
        if gang is None or not self.can_be_shared():
            refers = self.references is not None and self.references.now is not None
            self.caches = opened(self.options, self.run, self.groups(conds, everything), refers)
            return self.in_turn(calc_cond_batch, conds, everything, self.model_options)
        self.x = gang.from_member(0, self.x)  # noise that a GPU draws is not that of another kind of GPU

        def own(numbers: range) -> Iterable[Results]:
            pool = self.model_options.get("multigpu_thread_pool")
            # The host tells hooks of a moment's weights to all GPUs at once.
            if pool is None or len(numbers) == 1 or any(entry.get("hooks") for cond in conds for entry in cond or ()):
                return self.in_turn(calc_cond_batch, conds, numbers, self.model_options)
            return over_devices(pool, numbers, on_one)

        def on_one(numbers: range, device: torch.device) -> Iterable[Results]:
            clone = {device: self.model_options["multigpu_clones"][device]}
            options = self.model_options | {"multigpu_clones": clone, "multigpu_thread_pool": None}
            return self.in_turn(calc_cond_batch, conds, numbers, options)

        return over_members(gang, self.windows, self.x, len(conds), own)

    def can_be_shared(self) -> bool:
        """Not where windows wait for each other, or keep something for the next step."""
        keeps = HOLDER in self.options or self.attention.keepers
        return len(self.windows) > 1 and self.handler.links == NO_LINKS and not keeps

    def in_turn(self, calc_cond_batch, conds, numbers: range, model_options: dict) -> Iterator[Results]:
        """Some of the windows, one call of the UNet after the other."""
        number = numbers.start
        for group in self.groups(conds, numbers):
            yield number, group, self.results(calc_cond_batch, conds, group, number, model_options)
            number += len(group)

    def open_links(self) -> Amount | None:
        """Makes room for references between windows, and gives how much of the first one is reused; None for none."""
        run, links = self.run, self.handler.links
        if links == NO_LINKS:
            return None
        moment = moment_at(run, self.timestep, self.options, self.model.model_sampling)
        if (reference := links.reference) is not None:
            in_clip = [[run.first_frame + frame for frame in window] for window in self.windows]
            self.references = WindowReferences(reference.at(moment), reference.uses_adain, in_clip, self.room())
        if links.reuse is None or (amount := links.reuse.at(moment)) is None:
            return None
        return spread(amount, Part(range(run.first_frame, run.full_length)), self.x)

    def room(self) -> float:
        """For references on the device, in bytes. The host is asked in a run's first step."""
        shape = [2 * max(map(len, self.windows)), *self.x.shape[1:]]
        return self.run.once(("room",), lambda: room_beside(self.model.current_patcher, shape))

    def groups(self, conds, numbers: range) -> list[list[list[int]]]:
        """Of these windows: neighbours of one length, as many as go into one call of the UNet."""
        if any(finds_frames_itself(entry.get("control")) for cond in conds for entry in cond or ()):
            most = 1
        else:
            most = self.handler.windows_per_call or self.windows_in_memory(conds)
        groups: list[list[list[int]]] = []
        for window in self.windows[numbers.start : numbers.stop]:
            if groups and len(groups[-1]) < most and len(groups[-1][0]) == len(window):
                groups[-1].append(window)
            else:
                groups.append([window])
        return groups

    def windows_in_memory(self, conds) -> int:
        if comfy.model_management.is_device_cpu(self.x.device):
            return 1  # a larger batch only leaves the cache sooner
        free = self.model.current_patcher.get_free_memory(self.x.device)
        pictures = len(self.windows[0]) * sum(cond is not None for cond in conds)
        return max(int(free / 1.5 / self.model.memory_required([pictures, *self.x.shape[1:]])), 1)

    def results(self, calc_cond_batch, conds, group: list[list[int]], number: int, model_options: dict) -> list[Tensor]:
        """What the model gives for some windows at once, one after the other, for each cond.

        number: how many windows went before.
        """
        indices = [frame for window in group for frame in window]
        window = IndexListContextWindow(indices, dim=0, total_frames=len(self.x))
        own = WindowConds(self.handler, self.model, window, self.run.hints)
        frames = on_device(tuple(indices), self.x.device, torch.long)
        results = calc_cond_batch(
            self.model,
            [own.of(cond, self.x) for cond in conds],
            self.x[frames],
            self.timestep[frames] if len(self.timestep) == len(self.x) else self.timestep,
            model_options | self.options_for(window, group, number),
        )
        own.keep_hints()
        return results

    def options_for(self, window: IndexListContextWindow, group: list[list[int]], number: int) -> dict:
        """Among the model options of one call: what the motion modules and other packs read of its windows."""
        length = len(group[0])
        own = {
            "context_window": window,
            "ad_params": ad_params(length, self.run, window),
            VIDEOS_PER_COND: len(group),
            VIEWS: self.views(length),
        }
        options = self.attention.patched(self.options | own | holder_of(self.caches, number), number)
        if self.references is not None:
            options = self.references.patched(options, number)
        return {"transformer_options": options}

    def views(self, length: int) -> list[tuple[list[int], list[float]]] | None:
        """[(frame indices, their shares), ...] inside a window of that length, or None."""
        plan = self.plan.views
        if plan is None or not plan.applies_to(length):
            return None
        method = plan.fuse_method if plan.fuse_method != fuse.RELATIVE else "pyramid"
        views = windows(plan, length, self.step)
        shares = fuse.shares(method, views, length, plan.context_overlap, self.sigma, self.seed)
        return list(zip(views, shares, strict=True))

    def blend_weights(self) -> list[list[float]]:
        """Of every window's frames."""
        method, overlap = self.plan.fuse_method, self.plan.context_overlap
        return fuse.together(method, self.windows, len(self.x), overlap, self.sigma, self.seed)

    def add(self, blend: Blend, group: list[list[int]], results: list[Tensor], number: int) -> None:
        """Each window's part of `results`, by its weights. number: how many windows went before."""
        for place, window in enumerate(group):
            own = slice(place * len(window), (place + 1) * len(window))
            blend.add(window, self.weights[number + place], [result[own] for result in results])

    def report(self, done: int) -> None:
        """The node's progress bar moves with every window. done: windows of this evaluation."""
        count, steps = len(self.windows), max(len(self.options["sample_sigmas"]) - 1, 1)
        before = (self.run.iteration * steps + self.run.step) * count
        total = self.run.iterations * steps * count
        comfy.utils.ProgressBar(total).update_absolute(before + done, total)
