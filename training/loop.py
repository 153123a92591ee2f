"""The loop: steps, saves, and what ends it. The host says when a user cancels; a watcher sees every step."""

import logging
import math
from pathlib import Path
from typing import Protocol

import comfy.model_management
import torch
from torch import Tensor

from . import saves
from .distributed import ALONE, World
from .examples import Examples
from .levels import learning_rate_factor
from .optimizers import optimizer_of, set_rates
from .plan import TrainingPlan
from .saves import EXAMPLES, State
from .step import Drawn, Learning, drawn
from .subject import Subject

HELD_OUT = 10
"""One clip of so many is kept out of training, to see what the loss of others does."""
FEWEST_TO_HOLD_OUT = 5
LOOKS = 4
"""Noise levels at which each held-out clip is seen."""
HELD_OUT_STEP = -1
"""No step of training, so that their noise is that of none."""

log = logging.getLogger("animatediff")


class Watcher(Protocol):
    """What sees a run."""

    def step(self, state: State, plan: TrainingPlan) -> None:
        """After each step."""

    def sample(self, state: State, plan: TrainingPlan) -> None:
        """Where a sample clip is due."""

    def saved(self, state: State, plan: TrainingPlan) -> None:
        """After each save: the files that users load."""

    def stopped(self, sentence: str) -> None:
        """Where a run ends before its last step: what is saved, and how to go on."""


class NotANumber(RuntimeError):
    """The loss, or its gradient, is not a number any more."""


def new_state(subject: Subject, plan: TrainingPlan) -> State:
    parameters = subject.parameters()
    optimizer = optimizer_of(parameters, subject.rates, plan)
    averaged = {name: value.detach().clone() for name, value in parameters.items()} if plan.options.ema else {}
    scaler = None
    if subject.model.model.get_dtype_inference() == torch.float16 and subject.device.type == "cuda":
        scaler = torch.amp.GradScaler()
    return State(parameters, optimizer, averaged, scaler)


def divided(examples: Examples) -> tuple[Examples, Examples | None]:
    """(the clips that are learnt, those that are only looked at); the order in a folder decides."""
    items = examples.items
    if len(items) < FEWEST_TO_HOLD_OUT:
        return examples, None
    out = items[HELD_OUT // 2 :: HELD_OUT] or items[-1:]
    return examples.of(tuple(item for item in items if item not in out)), examples.of(out)


def train(
    subject: Subject,
    examples: Examples,
    plan: TrainingPlan,
    folder: Path,
    watcher: Watcher,
    world: World = ALONE,
    resume: bool = True,
) -> State:
    """Trains until the plan's last step. Call it outside of inference mode, with gradients.

    However it ends, the last good step is saved. Raises ValueError where a save of another plan, of other clips or
    models lies in the folder, NotANumber where the loss is none, and whatever the host raises when a user cancels.
    """
    learnt, held_out = divided(examples)
    known = {EXAMPLES: examples.hash} | subject.sources
    subject.load()
    state = new_state(subject, plan)
    if not resume and world.is_first:
        saves.forget(folder)
    if resume and (path := saves.newest(folder)):
        saves.load(path, state, plan, known)
        log.info("'%s' goes on from step %d of %d.", plan.name, state.step, plan.steps)
    world.check_together(state.step, subject.device)
    learning = Learning(subject, learnt, plan)
    looking = Learning(subject, held_out, plan) if held_out else None
    saved_at, goes_on = state.step, True
    try:
        while state.step < plan.steps:
            if look(state, plan, looking, watcher, world):
                subject.load()
            comfy.model_management.throw_exception_if_processing_interrupted()
            one_step(state, plan, learning, world)
            watcher.step(state, plan)
            if state.step % plan.save_every == 0 and state.step < plan.steps:
                saved_at = keep(state, plan, folder, known, watcher, world)
        look(state, plan, looking, watcher, world)
    except NotANumber:  # at which another run would end again; its own sentence says what to do
        goes_on = False
        raise
    finally:
        state.optimizer.zero_grad(set_to_none=True)
        if state.step > saved_at or state.step == plan.steps:
            keep(state, plan, folder, known, watcher, world)
        if goes_on and 0 < state.step < plan.steps:
            place = f"step {state.step} of {plan.steps}"
            watcher.stopped(f"'{plan.name}' is saved at {place}: run it again to go on from there.")
    return state


def keep(state: State, plan: TrainingPlan, folder: Path, known: dict, watcher: Watcher, world: World) -> int:
    if world.is_first:
        saves.save(folder, state, plan, known)
        watcher.saved(state, plan)
    return state.step


def one_step(state: State, plan: TrainingPlan, learning: Learning, world: World) -> None:
    """The gradients of all slots, and the weights that they lead to. Raises NotANumber, having changed nothing."""
    options, optimizer, scaler = plan.options, state.optimizer, state.scaler
    slots = plan.clips_per_step * world.size
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=learning.subject.device)
    for micro in range(plan.accumulate):
        comfy.model_management.throw_exception_if_processing_interrupted()
        first = (micro * world.size + world.rank) * plan.batch
        batch = [drawn(learning.examples, plan, state.step, first + i, slots) for i in range(plan.batch)]
        for loss in learning.losses(batch):
            loss = loss / slots
            (loss if scaler is None else scaler.scale(loss)).backward()
            total += loss.detach()
    parameters = list(state.parameters.values())
    loss = float(world.summed([gradient_of(parameter) for parameter in parameters], total))
    if not math.isfinite(loss):
        raise not_a_number(state, plan)
    if scaler is not None:
        scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip_norm or math.inf)
    if scaler is None and not math.isfinite(float(norm)):
        raise not_a_number(state, plan)
    set_rates(optimizer, learning_rate_factor(options.schedule, options.warmup, state.step, plan.steps))
    if scaler is None:
        optimizer.step()
    else:  # which leaves out a step whose gradients are not numbers, and scales less
        scaler.step(optimizer)
        scaler.update()
    kept = min(options.ema, (1 + state.step) / (10 + state.step))  # else a short run's average is how it began
    for name, average in state.averaged.items():
        average.lerp_(state.parameters[name].detach(), 1 - kept)
    state.step += 1
    state.losses.append(loss)


def gradient_of(parameter: Tensor) -> Tensor:
    """Zeros where this process had none of its own: others may have."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def not_a_number(state: State, plan: TrainingPlan) -> NotANumber:
    return NotANumber(
        f"The loss is not a number at step {state.step + 1} (learning rate {plan.learning_rate:g}, precision "
        f"{plan.options.precision}). Training stopped; step {state.step} is saved. Use a lower learning rate, or "
        "precision bfloat16 or float32, under another name or with start anew."
    )


def look(state: State, plan: TrainingPlan, looking: Learning | None, watcher: Watcher, world: World) -> bool:
    """Where it is due: the loss of the held-out clips, and a sample. Says whether it was."""
    due = plan.sample_every and (state.step % plan.sample_every == 0 or state.step == plan.steps)
    if not due or (state.held_out and state.held_out[-1][0] == state.step):
        return False
    if looking is not None and world.is_first:
        state.held_out.append((state.step, held_out_loss(looking, plan)))
    if world.is_first:
        watcher.sample(state, plan)
    return True


@torch.no_grad()
def held_out_loss(looking: Learning, plan: TrainingPlan) -> float:
    """Always of the same clips, noise and noise levels, evenly spread."""
    count = len(looking.examples.items)
    total = 0.0
    for slot in range(count * LOOKS):
        each = Drawn(HELD_OUT_STEP, slot, slot % count, 0, (slot // count + 0.5) / LOOKS, anchor=0)
        total += sum(float(loss) for loss in looking.losses([each]))
    return total / (count * LOOKS)
