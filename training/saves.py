"""What a run leaves on the disk so that it can go on: weights, the optimizer's moments, losses. Nothing random.

A save is written beside its place and then renamed, so that a full disk or a lost process leaves the last one whole.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .plan import TrainingPlan, plan_of

EXAMPLES = "examples"
"""The entry of a save with the hash of its clips."""


@dataclass
class State:
    """Everything that a step changes."""

    parameters: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    averaged: dict[str, Tensor] = field(default_factory=dict)
    """The averaged weights, where the plan has them."""
    scaler: torch.amp.GradScaler | None = None
    step: int = 0
    """Steps done."""
    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    """(steps done, loss of the clips that are not learnt)"""

    def best(self) -> dict[str, Tensor]:
        """The weights that go into files."""
        return self.averaged or self.parameters


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file. Raises as `put`."""
    own = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    put(path, lambda part: save_file(own, part, metadata))


def write_text(path: Path, text: str) -> None:
    """Raises as `put`."""
    put(path, lambda part: part.write_text(text, encoding="utf-8"))


def put(path: Path, into: Callable[[Path], object]) -> None:
    """A file, whole or not at all. Raises RuntimeError where it cannot be written."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        into(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except Exception as error:
        part.unlink(missing_ok=True)
        raise RuntimeError(
            f"'{path}' could not be written ({error}). What was saved before is whole: make room there, then run it "
            "again to go on from there."
        ) from error


def save_path(folder: Path, step: int) -> Path:
    return folder / f"checkpoint_{step:06d}.safetensors"


def saves_in(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("checkpoint_*.safetensors"))


def save(folder: Path, state: State, plan: TrainingPlan, known: Mapping[str, str]) -> Path:
    """Writes a checkpoint; of the older ones, the plan's number stays. known: EXAMPLES, and names of models."""
    tensors = {f"parameter.{name}": value for name, value in state.parameters.items()}
    tensors |= {f"averaged.{name}": value for name, value in state.averaged.items()}
    optimizer = state.optimizer.state_dict()
    moments: dict[str, dict] = {}
    for index, values in optimizer["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                moments.setdefault(str(index), {})[name] = value
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["held_out"] = torch.tensor(state.held_out, dtype=torch.float64).view(-1, 2)
    facts = {
        "step": state.step,
        "groups": optimizer["param_groups"],
        "moments": moments,
        "scaler": state.scaler.state_dict() if state.scaler is not None else {},
    }
    metadata = dict(known) | {"plan": plan.text(), "facts": json.dumps(facts)}
    path = save_path(folder, state.step)
    write(path, tensors, metadata)
    for old in saves_in(folder)[: -plan.keep]:
        old.unlink()
    return path


def newest(folder: Path) -> Path | None:
    found = saves_in(folder)
    return found[-1] if found else None


def forget(folder: Path) -> None:
    for path in saves_in(folder):
        path.unlink()


def load(path: Path, state: State, plan: TrainingPlan, known: Mapping[str, str]) -> None:
    """Puts a checkpoint into `state`. Raises ValueError where it was made by another plan, with other clips or models,
    or is damaged."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            saved, facts = plan_of(metadata["plan"]), json.loads(metadata["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        check_same(plan, saved, known, metadata)
        put_into(state, tensors, facts)
    except OtherRun:
        raise
    except Exception as error:  # a damaged file makes its reader raise anything
        raise ValueError(
            f"'{path.name}' of '{plan.name}' is damaged: nothing can go on from it. Delete it to go on from the save "
            "before it, or choose start anew as resume."
        ) from error


def put_into(state: State, tensors: dict[str, Tensor], facts: dict) -> None:
    with torch.no_grad():
        for kind, own in (("parameter", state.parameters), ("averaged", state.averaged)):
            for name, value in own.items():
                value.copy_(tensors[f"{kind}.{name}"])
    moments: dict[int, dict] = {int(index): dict(values) for index, values in facts["moments"].items()}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            moments.setdefault(int(index), {})[key] = value
    state.optimizer.load_state_dict({"state": moments, "param_groups": facts["groups"]})
    if state.scaler is not None and facts["scaler"]:
        state.scaler.load_state_dict(facts["scaler"])
    state.step = facts["step"]
    state.losses = tensors["losses"].tolist()
    state.held_out = [(int(step), loss) for step, loss in tensors["held_out"].tolist()]


class OtherRun(ValueError):
    """A save of another plan, or of other clips or models."""


def check_same(plan: TrainingPlan, saved: TrainingPlan, known: Mapping[str, str], then: Mapping[str, str]) -> None:
    ways = "Choose start anew as resume, or another name."
    if differences := saved.differences(plan):
        raise OtherRun(f"'{plan.name}' was trained with other settings so far: {'; '.join(differences)}. {ways}")
    if known[EXAMPLES] != then[EXAMPLES]:
        raise OtherRun(
            f"'{plan.name}' was trained with other clips so far (hash {then[EXAMPLES][:8]}, now "
            f"{known[EXAMPLES][:8]}). {ways}"
        )
    # An older save says nothing of its models, and of some models nobody knows the file.
    others = [name for name, now in known.items() if now and then.get(name) and now != then[name]]
    if others:
        told = "; ".join(f"{name} {then[name][:LONGEST]}, now {known[name][:LONGEST]}" for name in others)
        raise OtherRun(f"'{plan.name}' was trained on other models so far: {told}. {ways}")


LONGEST = 60
"""Letters of a file's name, or of a hash, in a sentence."""
