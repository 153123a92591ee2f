"""A training run on the disk, to be done without the page: plan.json with what it is about, and the encoded clips.

The clips are written as latents and the numbers of their captions, so that neither videos, VAE nor text encoder are
needed where it runs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PureWindowsPath

import folder_paths
from comfy.model_patcher import ModelPatcher
from safetensors import safe_open
from torch import Tensor

from ..motion.load import MotionFile
from .examples import Example, Examples
from .files import PLAN, file_of, source_of
from .plan import TrainingPlan, plan_of, values_of
from .saves import write, write_text

CLIPS = "clips.safetensors"
FACTS = ("hash", "trigger", "summary", "flipped", "stride", "width", "height")


@dataclass(frozen=True)
class Job:
    """What plan.json holds."""

    plan: TrainingPlan
    checkpoint: str
    """The path of its file."""
    motion_model: str = ""
    """The same; empty where there is none."""

    def text(self) -> str:
        own = {"checkpoint": self.checkpoint, "motion_model": self.motion_model}
        return json.dumps(asdict(self.plan) | {"files": own}, indent=2)


def job_of(text: str) -> Job:
    """Raises ValueError where it is none."""
    values = values_of(text)
    files = values.pop("files", {})
    files = files if isinstance(files, dict) else {}
    return Job(plan_of(json.dumps(values)), str(files.get("checkpoint", "")), str(files.get("motion_model", "")))


def job_for(model: ModelPatcher, motion_model: ModelPatcher | None, plan: TrainingPlan) -> Job:
    return Job(plan, file_of(model), file_of(motion_model) if motion_model is not None else "")


def check_writable(model: ModelPatcher, motion_model: ModelPatcher | None) -> None:
    """Raises ValueError where files alone do not say what the MODEL and the motion model are."""
    for what, patcher in (("MODEL", model), ("motion model", motion_model)):
        if patcher is not None and is_changed(patcher):
            raise ValueError(
                f"The {what} has changes on it (LoRAs, or what another node did), which a plan does not hold. Connect "
                "it as its loader gives it, or save it to a file and load that."
            )
        if patcher is not None and not Path(file_of(patcher)).is_file():
            raise ValueError(
                f"Nobody knows from which file the {what} is, so a plan cannot name it. Use ComfyUI's own loader."
            )


def is_changed(patcher: ModelPatcher) -> bool:
    """Whether a MODEL or a motion model is not what its file holds."""
    source = source_of(patcher)
    adjusted = isinstance(source, MotionFile) and source != MotionFile(source.path)
    return bool(adjusted or patcher.patches or patcher.object_patches or patcher.get_additional_models())


def write_job(folder: Path, job: Job, examples: Examples) -> Path:
    """The path of plan.json."""
    write_clips(folder / CLIPS, examples)
    write_text(folder / PLAN, job.text())
    return folder / PLAN


def write_clips(path: Path, examples: Examples) -> None:
    tensors: dict[str, Tensor] = {}
    clips = [
        {"name": item.name, "repeats": item.repeats, "cond": packed(item.cond, f"{index}.cond", tensors)}
        for index, item in enumerate(examples.items)
    ]
    tensors |= {f"{index}.latents": item.latents for index, item in enumerate(examples.items)}
    facts = {name: getattr(examples, name) for name in FACTS}
    whole = {"clips": clips, "empty": packed(examples.empty, "empty", tensors), "facts": facts}
    alone = {name: value.clone() for name, value in tensors.items()}  # a file holds no two views of one memory
    write(path, alone, {"clips": json.dumps(whole)})


def packed(value, name: str, tensors: dict[str, Tensor]):
    """A CONDITIONING as JSON; its tensors go into `tensors` under names that begin with `name`.

    Raises ValueError for one that is more than text encoders give.
    """
    if isinstance(value, Tensor):
        known = next((other for other, tensor in tensors.items() if tensor is value), None)
        if known is None:
            tensors[name] = value
        return {"tensor": known or name}
    if isinstance(value, Mapping):
        return {"entries": {key: packed(each, f"{name}.{key}", tensors) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return [packed(each, f"{name}.{index}", tensors) for index, each in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(
        f"A caption's conditioning has a {type(value).__name__} in it, which a plan does not hold. Encode captions "
        "with Encode Clips alone."
    )


def read_clips(path: Path) -> Examples:
    """Raises ValueError where there are none."""
    if not path.is_file():
        raise ValueError(
            f"'{path}' is not there: a plan's clips lie beside it. Let a Train node write both: write_plan."
        )
    try:
        return unpacked_clips(path)
    except Exception as error:  # a damaged file makes its reader raise anything
        raise ValueError(f"'{path.name}' is damaged. Let a Train node write the plan again: write_plan.") from error


def unpacked_clips(path: Path) -> Examples:
    with safe_open(path, "pt") as file:
        whole = json.loads(file.metadata()["clips"])

        def unpacked(value):
            if isinstance(value, dict) and "tensor" in value:
                return file.get_tensor(value["tensor"])
            if isinstance(value, dict):
                return {key: unpacked(each) for key, each in value["entries"].items()}
            return [unpacked(each) for each in value] if isinstance(value, list) else value

        items = tuple(
            Example(clip["name"], file.get_tensor(f"{index}.latents"), unpacked(clip["cond"]), clip["repeats"])
            for index, clip in enumerate(whole["clips"])
        )
        return Examples(items, unpacked(whole["empty"]), **whole["facts"])


def found(path: str, kind: str) -> str:
    """The file that a plan names: there, or under its name in the models of this ComfyUI. Raises ValueError."""
    if Path(path).is_file():
        return path
    name = PureWindowsPath(path).name  # which parts the paths of all systems: the plan may be from another one
    here = [each for each in folder_paths.get_filename_list(kind) if PureWindowsPath(each).name == name]
    if here:
        return folder_paths.get_full_path(kind, min(here, key=len))
    raise ValueError(f"The plan needs '{name or kind}', which is not in models/{kind}. Put it there.")
