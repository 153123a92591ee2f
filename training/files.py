"""The files that training gives: where they go, and what is in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..motion.fit import base_name
from ..motion.load import MOTION_LORAS, MOTION_MODELS, MotionFile
from ..motion.low_rank import Factors
from ..motion.options import KEY
from .examples import Examples
from .layouts import adapter_state, fingerprint, header, lora_state, model_state
from .plan import DOMAIN_ADAPTER, MOTION_LORA, MOTION_MODEL, TrainingPlan
from .saves import write
from .spatial import factors_in
from .subject import Subject

LORAS = "loras"
TRAINING = Path("animatediff", "training")
"""In the output folder: what runs leave apart from their files."""
PLAN = "plan.json"
"""In a run's folder."""


@dataclass(frozen=True)
class Made:
    """A file that is written at each save."""

    path: Path
    state: dict[str, Tensor]
    header: dict[str, str]

    def write(self) -> None:
        write(self.path, {name: value.to(torch.float16) for name, value in self.state.items()}, self.header)


def run_folder(name: str) -> Path:
    return Path(folder_paths.get_output_directory()) / TRAINING / name


def paths_of(plan: TrainingPlan) -> list[Path]:
    """The files that a plan makes; the one that is asked for comes first."""

    def in_folder(kind: str, name: str) -> Path:
        return Path(folder_paths.get_folder_paths(kind)[0], f"{name}.safetensors")

    if plan.kind == MOTION_MODEL:
        return [in_folder(MOTION_MODELS, plan.name)]
    if plan.kind == DOMAIN_ADAPTER:
        return [in_folder(LORAS, plan.name)]
    also = [in_folder(LORAS, f"{plan.name}_appearance")] if plan.trains_appearance else []
    return [in_folder(MOTION_LORAS, plan.name), *also]


def check_free(plan: TrainingPlan) -> None:
    """Raises ValueError where a file of that name is there that no run of this name has made."""
    if was_trained(plan):
        return
    for path in paths_of(plan):
        if path.exists():
            raise ValueError(
                f"models/{path.parent.name}/{path.name} is there already, and was not trained under this name. Choose "
                "another name."
            )


def was_trained(plan: TrainingPlan) -> bool:
    """Whether a run of that name and kind has been here."""
    try:
        return json.loads((run_folder(plan.name) / PLAN).read_text(encoding="utf-8"))["kind"] == plan.kind
    except (OSError, ValueError, KeyError, TypeError):  # none, or a damaged one
        return False


def made(
    subject: Subject, weights: Mapping[str, Tensor], plan: TrainingPlan, examples: Examples, facts: Mapping[str, str]
) -> list[Made]:
    """The files of `paths_of` with these weights. facts: entries of their headers."""
    own = dict(facts) | header_facts(subject, plan, examples)
    base = base_name(subject.model)
    states = states_of(subject, weights, plan)
    kinds = [plan.kind, "appearance LoRA"]
    return [
        Made(path, state, header(kind, plan.name, base, **own))
        for path, state, kind in zip(paths_of(plan), states, kinds, strict=False)
    ]


def states_of(subject: Subject, weights: Mapping[str, Tensor], plan: TrainingPlan) -> list[dict[str, Tensor]]:
    if plan.kind == MOTION_MODEL:
        own = {name.removeprefix("motion."): value.detach().cpu() for name, value in weights.items()}
        return [model_state(own | subject.modules["motion"].learnt_tables(), subject.motion_format)]
    spatial = [adapter_state(factors_in(weights, "spatial"))] if subject.spatial is not None else []
    if plan.kind == DOMAIN_ADAPTER:
        return spatial
    return [lora_state(running_factors(weights)), *spatial]


def running_factors(weights: Mapping[str, Tensor]) -> dict[str, Factors]:
    """Canonical names -> factors, out of the parameters of a RunningLoRA called "motion"."""
    found: dict[str, Factors] = {}
    for name, value in weights.items():
        if name.startswith("motion.layers."):
            layer, kind, _ = name.removeprefix("motion.layers.").rsplit(".", 2)
            factors = found.setdefault(layer.replace("/", "."), Factors())
            if kind == "down":
                factors.down = value
            else:
                factors.up = value
    return found


def header_facts(subject: Subject, plan: TrainingPlan, examples: Examples) -> dict:
    return {
        "rank": None if plan.kind == MOTION_MODEL else plan.rank,
        "made_for": subject.motion_format.family.name if subject.motion_format and plan.kind == MOTION_LORA else None,
        "started_from": plan.start_from,
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "loss": plan.loss,
        "clips": len(examples.items),
        "dataset_hash": examples.hash,
        "frames": examples.frames,
        "stride": examples.stride,
        "size": f"{examples.width} x {examples.height}" if examples.width else None,
        "trigger": examples.trigger,
    }


def source_facts(model: ModelPatcher, motion_model: ModelPatcher | None, subject: Subject) -> dict[str, str]:
    """What a header says of what was trained on: file names, and the fingerprint of the motion model that stays."""
    facts = {"checkpoint": file_name(model)}
    if motion_model is not None:
        facts["motion_model"] = file_name(motion_model)
        (own,) = subject.model.get_additional_models_with_key(KEY)
        facts["motion_model_hash"] = fingerprint(own.model.state_dict())
    return facts


def source_of(patcher: ModelPatcher):
    """What the host remembers that a model was made from, a path or a MotionFile; "" where it remembers nothing."""
    remembered = getattr(patcher, "cached_patcher_init", None)
    return remembered[1][0] if remembered and remembered[1] else ""


def file_of(patcher: ModelPatcher) -> str:
    """The path of the file that a model was loaded from; "" where nobody remembers it."""
    source = source_of(patcher)
    source = source.path if isinstance(source, MotionFile) else source
    return str(source) if isinstance(source, str | Path) else ""


def file_name(patcher: ModelPatcher) -> str:
    return Path(file_of(patcher)).name
