"""A whole run, as a node or the command line starts it: checked, estimated, trained, and its files loaded again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

from ..motion.fit import base_name, check_fit
from . import estimate, loop
from .checks import check_examples, check_held_in, check_model, check_motion_model, check_rank
from .distributed import ALONE, World
from .examples import Examples
from .files import PLAN, check_free, made, paths_of, run_folder, source_facts
from .jobs import check_writable, job_for, write_job
from .optimizers import kind_of
from .plan import DOMAIN_ADAPTER, MOTION_MODEL, TrainingPlan
from .recompute import with_recomputing
from .report import Report, Sampling
from .saves import State, write_text
from .spatial import narrowest
from .start import factors_to_start_from
from .subject import Subject, lora_layers, new_format, subject_of

log = logging.getLogger("animatediff")


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be trained, on what, and with what."""

    model: ModelPatcher
    motion_model: ModelPatcher | None
    """None for a domain adapter, and for a motion model that begins anew."""
    examples: Examples
    plan: TrainingPlan
    sampling: Sampling = Sampling()
    resume: bool = True
    """Whether a run of this name that was stopped goes on."""
    steps: int | None = None
    """In place of the plan's, which stays as it is written."""

    @property
    def trained(self) -> TrainingPlan:
        return self.plan if self.steps is None else replace(self.plan, steps=self.steps)


def check(order: Order) -> None:
    """Raises ValueError with what the user must change, before anything is copied."""
    model, motion_model, plan = order.model, order.motion_model, order.plan
    check_model(model)
    check_held_in(model, plan)
    motion_format = None
    if plan.kind == DOMAIN_ADAPTER:
        check_rank(plan.rank, narrowest(model), "checkpoint")
    elif motion_model is not None:
        motion_format = motion_model.model.format
        check_fit(model, motion_format)
        check_motion_model(motion_model, plan)
        factors_to_start_from(plan, motion_model.model, dict(lora_layers(motion_model.model, plan.layers)))
    elif plan.kind == MOTION_MODEL:
        motion_format = new_format(model, plan.new_model)
    else:
        raise ValueError("A motion LoRA needs the motion model that it is for. Connect Load Motion Model.")
    check_examples(order.examples, plan, motion_format)
    kind_of(plan.options.optimizer)
    check_free(plan)


def run(order: Order, say: Callable[[str], None] = log.info, world: World = ALONE) -> tuple[State, list[Path]]:
    """(the last state, the files that it made). Raises as `check` and `loop.train` do; nothing of the graph changes."""
    check(order)
    plan, folder = order.trained, run_folder(order.plan.name)
    with torch.inference_mode(False), torch.enable_grad():
        examples = private(order.examples)
        sampling = Sampling(outside(order.sampling.positive), order.sampling.vae)
        subject = subject_of(order.model, order.motion_model, plan)
        subject.sources = source_facts(order.model, order.motion_model, subject)
        say(fit_into_memory(subject, examples, plan))
        if world.is_first:
            write_text(folder / PLAN, job_for(order.model, order.motion_model, order.plan).text())

        def files(state: State) -> list:
            return made(subject, state.best(), plan, examples, subject.sources | {"steps": str(state.step)})

        report = Report(subject, examples, sampling, folder, files, say)
        try:
            state = loop.train(subject, examples, plan, folder, report, world, order.resume)
        finally:
            subject.release()
    return state, paths_of(plan)


def write(order: Order) -> Path:
    """Writes the run down in place of doing it: the path of its plan.json."""
    check(order)
    check_writable(order.model, order.motion_model)
    folder = run_folder(order.plan.name)
    folder.mkdir(parents=True, exist_ok=True)
    return write_job(folder, job_for(order.model, order.motion_model, order.plan), order.examples)


def private(examples: Examples) -> Examples:
    """The same with conditioning that was not made in inference mode. Of latents each step takes copies."""
    items = tuple(replace(item, cond=outside(item.cond)) for item in examples.items)
    return replace(examples, items=items, empty=outside(examples.empty))


def outside(value):
    """A CONDITIONING with tensors that were not made in inference mode."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: outside(each) for key, each in value.items()}
    return [outside(each) for each in value] if isinstance(value, list | tuple) else value


def described(order: Order) -> str:
    """What a run would need, without doing it. Raises as `run` does before its first step."""
    check(order)
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(order.model, order.motion_model, order.plan)
        return fit_into_memory(subject, order.examples, order.trained)


def fit_into_memory(subject: Subject, examples: Examples, plan: TrainingPlan) -> str:
    """Lets layers run again for their gradients where that is asked for or needed. A line that says what it takes.

    Raises RuntimeError where the device is too small for the first step.
    """
    model, device = subject.model, subject.device
    latents = max((item.latents for item in examples.items), key=lambda each: each[0].numel())
    frames, _, height, width = latents.shape[1:]
    frames = frames if subject.motion_format is not None else 1
    need = reckoned(subject, plan, plan.batch * frames * height * width)
    trained = sum(value.numel() for value in subject.parameters().values())
    recomputing = estimate.recomputes(plan.options.checkpointing, need, comfy.model_management.get_free_memory(device))
    total = comfy.model_management.get_total_memory(device)
    if sentence := estimate.refusal(need, recomputing, total, frames, width * 8, height * 8):
        raise RuntimeError(sentence)
    if recomputing:
        with_recomputing(model, subject.motion_format.family.norms if subject.motion_format else None)
    return (
        f"'{plan.name}': {len(examples.items)} clips, {frames} frames of {width * 8} x {height * 8}, "
        f"{plan.steps} steps, {trained:,} trained parameters, about {need.total(recomputing) / estimate.GIB:.1f} GB"
        f"{' with checkpointing' if recomputing else ''}."
    )


def reckoned(subject: Subject, plan: TrainingPlan, pixels: int) -> estimate.Needs:
    """pixels: of the latents of all frames that go through the UNet together."""
    host = subject.model.model
    dtype = subject.model.get_model_object("manual_cast_dtype") or host.get_dtype()  # before it is loaded
    base = "SDXL" if base_name(subject.model) == "SDXL" else "SD1.5"
    clips = estimate.Clips(base, pixels, dtype.itemsize, host.model_config.unet_config["model_channels"])
    loaded = [host, *(each.model for each in subject.model.get_nested_additional_models())]
    frozen = [value for each in loaded for value in each.parameters() if not value.requires_grad]
    trained = list(subject.parameters().values())
    return estimate.needs(
        clips,
        sum(value.nbytes for value in frozen),
        sum(value.numel() for value in trained),
        plan.options.optimizer,
        cast=sum(value.numel() for value in [*frozen, *trained] if value.dtype != dtype),
    )
