"""One run of a sampler, and where a call of the UNet lies in it: which frames, which moment, which part of the picture.

What calls are told travels in `transformer_options`, under the names below.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .settings import MotionSettings
from .strength import Amounts, Area, Moment, Part
from .views import IN_A_GRAPH, Views, views_on

KEY = "animatediff"
"""Our name in the host's registers: wrappers, additional models, attachments, `transformer_options`."""

VIDEOS_PER_COND = f"{KEY}_videos_per_cond"
"""In `transformer_options`: how many windows of the clip are in this call, one after the other; 1 where absent."""

VIEWS = f"{KEY}_views"
"""In `transformer_options`: windows inside the temporal attention, [(frame indices, what the window counts in
each, adding up to 1 in every frame), ...], or None."""

PROMPT_FRAMES = f"{KEY}_prompt_frames"
"""In an entry of CONDITIONING: for how many frames its prompts were made."""

UNCOND = 1
"""In the host's `cond_or_uncond`: the negative prompt, where there is one positive and one negative."""

AREAS = f"{KEY}_areas"
"""In `transformer_options`: {uuid of one of the host's conds: the Area that it sees}; others see the whole picture."""

KEPT_WINDOWS = 8
"""Of how many windows features are kept during a run."""


@dataclass
class MotionRun:
    """One run of a sampler, kept in `transformer_options[KEY]` while it lasts."""

    frames: int
    """How many are sampled."""
    seed: int = 0
    """The sampler's."""
    first_frame: int = 0
    """The index in the whole clip of the first frame that is sampled; more than 0 where a clip goes on."""
    adds_noise: bool = True
    """Whether the sampler does, whatever noise it is then given."""
    calls: int = 0
    """UNet calls in which every motion module ran."""
    guided: bool = False
    """Whether a guidance schedule was asked."""
    step: int = 0
    """Steps that the sampler has done in this iteration."""
    steps_before: int = 0
    """Steps of the whole schedule that come before this run's first, where windows go on from them."""
    iteration: int = 0
    iterations: int = 1
    """How many times the clip is sampled over."""
    levels: list[float] = field(default_factory=list)
    """The noise levels (sigma) that the UNet was called at in this iteration, where some strength changes with them."""
    asked: dict = field(default_factory=dict)
    """What was asked of noise schedules (`once`)."""
    released: list[ModelPatcher] = field(default_factory=list)
    """Motion models whose range is over."""
    prompts: dict = field(default_factory=dict)
    """uuid of one of the host's conds -> what its guider calls it: "positive", "negative", "middle"..."""
    features: dict = field(default_factory=dict)
    """What pictures, cameras and objects are in the hidden states (`picture.features`, `of_window`)."""
    hints: dict = field(default_factory=dict)
    """What the host made of each ControlNet's hints (`windows.hints.FittedHints`)."""
    caches: list = field(default_factory=list)
    """What EasyCache kept for each window in the last evaluation of the model (`step_caches.Kept`)."""
    gang: Any = None
    """Who shares the windows of each step (`windows.gang.Gang`, who may be alone); None: one GPU computes all."""
    lock: Lock = field(default_factory=Lock, repr=False)
    """Several GPUs call from a thread each."""

    def note(self, level: float) -> None:
        """Counts a noise level (sigma) once."""
        with self.lock:
            if not self.levels or self.levels[-1] != level:
                self.levels.append(level)

    def once(self, key: tuple, ask: Callable):
        """What `ask` gives, which is called once in a run for each key."""
        if key not in self.asked:
            self.asked[key] = ask()
        return self.asked[key]

    def of_window(self, owner, key: tuple, make: Callable):
        """What `make` gives for one window; the last ones of each owner are kept. That is of one GPU: of one thread."""
        kept = self.features.setdefault(owner, {})
        if key not in kept:
            if len(kept) >= KEPT_WINDOWS:
                kept.pop(next(iter(kept)))
            kept[key] = make()
        return kept[key]

    @property
    def full_length(self) -> int:
        """Frames of the whole clip, up to the last one that is sampled."""
        return self.first_frame + self.frames

    def release(self, settled: list[tuple[ModelPatcher, MotionSettings]], moment: Moment) -> None:
        """Takes motion models whose range is over off the GPU; the host loads them again for the next run."""
        for motion, settings in settled:
            if settings.reference is not None and settings.reference.when_disabled:
                continue
            over = settings.end_percent < 1.0 and moment.levels[-1] < moment.percent_to_sigma(settings.end_percent)
            shared = any(other is not motion and other.model is motion.model for other, _ in settled)
            if over and not shared and self.iteration == self.iterations - 1 and motion not in self.released:
                self.released.append(motion)
                if motion.load_device.type != "cpu":
                    motion.partially_unload(motion.offload_device, 1e32)


@dataclass(frozen=True)
class Call:
    """One call of the UNet: what is the same for all motion models in it."""

    base: BaseModel
    """The host's model."""
    x: Tensor
    """Its latents: (conds videos frames) c h w."""
    frames: int
    """Of each video."""
    run: MotionRun
    part: Part
    moment: Moment
    views: Views | None = None
    is_compiled: bool = False
    negatives: tuple[bool, ...] = ()
    """Whether each cond is of a negative prompt; empty where nobody says."""

    @property
    def dtype(self) -> torch.dtype:
        """Of hidden states."""
        return self.base.get_dtype_inference()

    def windows(self) -> list[list[int]]:
        """The frames of each video of one cond."""
        indices = list(self.part.frames)
        return [indices[start : start + self.frames] for start in range(0, len(indices), self.frames)]

    def for_positives(self, found: Tensor, otherwise: Tensor) -> Tensor:
        """(conds videos frames) ...: `found` ((videos frames) ...) for each cond, `otherwise` for negative prompts."""
        conds = len(self.x) // len(found)
        negatives = self.negatives if len(self.negatives) == conds else (False,) * conds
        return torch.cat([otherwise if negative else found for negative in negatives])

    @cached_property
    def amounts(self) -> Amounts:
        return Amounts(self.part, len(self.x), self.x.device)


def frames_of_call(batch: int, options: dict) -> int:
    """Frames of each video in a call of `batch` pictures (one video per cond and window, the host's order).

    Other packs may batch differently (tiles, say): where the clip is run whole and its length is known, that length
    decides, so that no motion module ever mixes two videos.
    """
    run: MotionRun | None = options.get(KEY)
    videos = (len(options.get("cond_or_uncond", ())) or 1) * options.get(VIDEOS_PER_COND, 1)
    frames, rest = divmod(batch, videos)
    if run is not None and options.get("context_window") is None and frames != run.frames:
        frames, rest = run.frames, batch % run.frames
    if rest:
        raise RuntimeError(
            f"The UNet was called with {batch} pictures, which is not a whole number of clips of {frames} frames: "
            "another node splits the clip. Remove that node, or use it on single pictures."
        )
    return frames


def ad_params(frames: int, run: MotionRun, window) -> dict:
    """What other packs (IPAdapter plus, Advanced-ControlNet) read to know where this call lies in the whole clip."""
    first = run.first_frame
    if window is None:
        indices = list(range(first, first + frames)) if first else None
    else:
        indices = [first + index for index in frames_shown(window)]
    return {
        "full_length": run.full_length,
        "context_length": frames if window is not None else None,
        "sub_idxs": indices,
    }


def frames_shown(window) -> list[int]:
    """The frames that the UNet gets of one of the host's windows: its handler may put the one before it first."""
    before = getattr(window, "causal_anchor_index", None)
    return window.index_list if before is None or before < 0 else [before, *window.index_list]


def areas_of(conds, x_in: Tensor) -> dict:
    """{uuid: Area} of the host's conds that see a part of the picture. x_in: frames c h w."""
    height, width = x_in.shape[-2:]
    areas = {}
    for entry in (entry for cond in conds for entry in cond or () if entry.get("area") is not None):
        own_height, own_width, top, left = entry["area"]
        areas[entry.get("uuid")] = Area(top, left, own_height, own_width, height, width)
    return areas


def part_of(frames: int, options: dict) -> Part:
    """What a call with these options sees of the clip."""
    indices = options["ad_params"]["sub_idxs"] or list(range(frames))
    areas = options.get(AREAS, {})
    return Part(indices, tuple(areas.get(uuid) for uuid in options.get("uuids", ())) if areas else ())


def views_of(options: dict, device: torch.device, is_compiled: bool = False) -> Views | None:
    """The views inside each video of a call with these options."""
    views = options.get(VIEWS)
    if views is None:
        return None
    windows = tuple((tuple(frames), tuple(weights)) for frames, weights in views)
    return views_on(device, windows, IN_A_GRAPH if is_compiled else 1)


def negatives_of(options: dict, run: MotionRun) -> tuple[bool, ...]:
    """Whether each cond of a call with these options is of a negative prompt.

    The host gives a negative prompt the areas of a positive one, with its uuid; and not all guiders have the negative
    prompt second.
    """
    kinds = options.get("cond_or_uncond", ())
    uuids = options.get("uuids", ())
    names = [run.prompts.get(uuid) for uuid in uuids] if len(uuids) == len(kinds) else [None] * len(kinds)
    return tuple(
        kind == UNCOND if name in (None, "positive") else "negative" in name
        for kind, name in zip(kinds, names, strict=True)
    )
