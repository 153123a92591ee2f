"""What a user sees of a run: a line of text, a plot with a sample clip beneath it; and what its folder gets of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management
import comfy.sample
import comfy.utils
import numpy as np
import torch
from latent_preview import Latent2RGBPreviewer
from PIL import Image
from torch import Tensor

from ..sampling.report import MILLISECONDS, MovingPicture
from .draws import normal
from .examples import Examples
from .files import Made
from .plan import TrainingPlan
from .plot import line, loss_plot, panel
from .saves import State
from .subject import Subject

SECONDS_BETWEEN = 5.0
"""Between pictures in the page."""
LONGEST = 16
"""Frames of a sample clip, at most."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """How sample clips are made."""

    positive: list | None = None
    """A CONDITIONING; None for the first clip's caption."""
    vae: object = None
    """The host's VAE; None for a rough picture of the latents."""
    steps: int = 20
    cfg: float = 7.5


class Report:
    """The watcher of a run in the page, and of its folder."""

    def __init__(
        self,
        subject: Subject,
        examples: Examples,
        sampling: Sampling,
        folder: Path,
        files: Callable[[State], list[Made]],
        say: Callable[[str], None],
    ):
        """files(state): what is written at each save. say: shows a line of text on the node."""
        self.subject, self.examples, self.sampling, self.folder = subject, examples, sampling, folder
        self.files, self.say = files, say
        self.bar = None
        self.pictures: list[Image.Image] = []
        self.since: tuple[int, float] | None = None
        """(steps done, when) from which on steps are timed: after a sample, anew."""
        self.seconds: float | None = None
        """Of a step, where two have been seen."""
        self.shown_at = 0.0

    def step(self, state: State, plan: TrainingPlan) -> None:
        now = time.monotonic()
        if self.since is None:
            self.since = state.step, now
        else:
            self.seconds = (now - self.since[1]) / (state.step - self.since[0])
        if now - self.shown_at >= SECONDS_BETWEEN or state.step == plan.steps:
            self.shown_at = now
            self.show(state, plan)
        else:
            self.progress(plan).update_absolute(state.step, plan.steps)

    def show(self, state: State, plan: TrainingPlan) -> None:
        plot = loss_plot(state.losses, state.held_out, plan.steps)
        moving = MovingPicture(panel(plot, self.pictures), MILLISECONDS)
        self.progress(plan).update_absolute(state.step, plan.steps, ("PNG", moving, None))
        if state.losses:
            held_out = state.held_out[-1][1] if state.held_out else None
            gigabytes = used_gigabytes(self.subject)
            self.say(line(state.step, plan.steps, state.losses[-1], held_out, self.seconds, gigabytes))

    def progress(self, plan: TrainingPlan) -> comfy.utils.ProgressBar:
        self.bar = self.bar or comfy.utils.ProgressBar(plan.steps)
        return self.bar

    def sample(self, state: State, plan: TrainingPlan) -> None:
        """A clip from the plan's seed, the same at every step but for what was learnt."""
        self.pictures = pictures_of(
            sampled(self.subject, self.examples, self.sampling, plan), self.sampling, self.subject
        )
        path = self.folder / "samples" / f"step_{state.step:06d}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        first, *others = self.pictures
        first.save(path, save_all=True, append_images=others, duration=MILLISECONDS, loop=0, quality=90)
        self.since = None
        self.show(state, plan)

    def saved(self, state: State, plan: TrainingPlan) -> None:
        for each in self.files(state):
            each.write()
        loss_plot(state.losses, state.held_out, plan.steps, (1024, 384)).save(self.folder / "loss.png")
        seen = dict(state.held_out)
        rows = [f"{step},{loss:.6g},{seen.get(step, '')}" for step, loss in enumerate(state.losses, 1)]
        (self.folder / "loss.csv").write_text("\n".join(["step,loss,held_out", *rows, ""]), encoding="utf-8")

    def stopped(self, sentence: str) -> None:
        self.say(sentence)


def used_gigabytes(subject: Subject) -> float:
    """The most that torch held on the GPU; 0 elsewhere."""
    return torch.cuda.max_memory_allocated(subject.device) / 2**30 if subject.device.type == "cuda" else 0.0


@torch.no_grad()
def sampled(subject: Subject, examples: Examples, sampling: Sampling, plan: TrainingPlan) -> Tensor:
    """frames c h w, by the host's sampler with the settings that official examples have."""
    first = examples.items[0]
    frames = min(first.frames, LONGEST) if subject.motion_format is not None else 1
    shape = (frames, *first.latents.shape[2:])
    positive, negative = sampling.positive or first.cond, examples.empty
    noise = normal(plan.seed, 0, 0, "sample", shape)
    cfg = sampling.cfg if negative else 1.0
    return comfy.sample.sample(
        subject.model,
        noise,
        sampling.steps,
        cfg,
        "euler",
        "ddim_uniform",
        positive,
        negative or positive,
        torch.zeros(shape),
        disable_pbar=True,
        seed=plan.seed,
    )


@torch.no_grad()
def pictures_of(latents: Tensor, sampling: Sampling, subject: Subject) -> list[Image.Image]:
    """latents: frames c h w, as the VAE gives them."""
    if sampling.vae is not None:
        frames = sampling.vae.decode(latents)
        return [Image.fromarray((frame.float().cpu().clamp(0, 1).numpy() * 255).astype(np.uint8)) for frame in frames]
    model = subject.model.model
    previewer = Latent2RGBPreviewer(model.latent_format.latent_rgb_factors, model.latent_format.latent_rgb_factors_bias)
    return [
        previewer.decode_latent_to_preview(frame.float().cpu()) for frame in model.process_latent_in(latents).split(1)
    ]
