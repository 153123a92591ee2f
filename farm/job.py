"""A job: one prompt, what varies in it, and the files that it reads; the clips that come of it."""

import copy
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from ..workflow_files.read import is_graph, read_workflow
from .check import input_named
from .vary import Variation, combinations


@dataclass(frozen=True)
class Clip:
    number: int
    """From 1, in the order of the values."""
    name: str
    """Its files' name: number and key."""
    values: dict
    prompt: dict

    def __str__(self) -> str:
        values = "  ".join(f"{name}={short(value)}" for name, value in self.values.items())
        return f"{self.name}  {values}".rstrip()


@dataclass(frozen=True)
class Job:
    workflow: str
    """The file that it came from, for people."""
    prompt: dict
    variations: tuple[Variation, ...] = ()
    together: bool = False
    inputs: dict[str, str] = field(default_factory=dict)
    """{name in ComfyUI's input folder: sha256}."""

    def __post_init__(self) -> None:
        places = [place for variation in self.variations for place in variation.places]
        if twice := [f"{key}@{node}" for node, key in places if places.count((node, key)) > 1]:
            raise ValueError(f"Two --vary name the same input ({twice[0]}). Give it all its values in one.")

    def clips(self) -> list[Clip]:
        """Numbers and keys stay the same however often this is asked: results are found by them."""
        values = combinations(list(self.variations), self.together) if self.variations else [()]
        width = max(4, len(str(len(values))))
        return [self.clip(number, some, width) for number, some in enumerate(values, 1)]

    def clip(self, number: int, values: tuple, width: int) -> Clip:
        prompt = copy.deepcopy(self.prompt)
        for variation, value in zip(self.variations, values, strict=True):
            for node, key in variation.places:
                prompt[node]["inputs"][key] = value
        key = hashlib.sha256(json.dumps([prompt, self.inputs], sort_keys=True).encode()).hexdigest()[:16]
        named = {variation.name: value for variation, value in zip(self.variations, values, strict=True)}
        return Clip(number, f"{number:0{width}}-{key}", named, prompt)

    def to_json(self) -> dict:
        return {
            "workflow": self.workflow,
            "together": self.together,
            "inputs": self.inputs,
            "vary": [[one.name, list(map(list, one.places)), list(one.values)] for one in self.variations],
            "prompt": self.prompt,
        }

    @classmethod
    def from_json(cls, saved: dict) -> "Job":
        variations = tuple(
            Variation(name, tuple(map(tuple, places)), tuple(values)) for name, places, values in saved["vary"]
        )
        return cls(saved["workflow"], saved["prompt"], variations, saved["together"], saved["inputs"])


def read_prompt(path: Path) -> dict:
    """The API prompt of a file. Raises ValueError (what is needed instead), and OSError as `open` does."""
    document = read_workflow(path, order=("prompt", "workflow"))
    if is_graph(document):
        raise ValueError(
            f"{path.name} is a workflow as ComfyUI's page keeps it. The farm needs its API form: "
            "open it in ComfyUI and choose File > Export (API)."
        )
    fields = ("class_type", "inputs", "_meta")
    prompt = {identity: {key: node[key] for key in fields if key in node} for identity, node in document.items()}
    for node in prompt.values():
        node.setdefault("inputs", {})
    return prompt


def input_files(clips: list[Clip], folder: Path) -> dict[str, Path]:
    """{name: file} for each value of a prompt that names a file in ComfyUI's input folder."""
    values = (value for clip in clips for node in clip.prompt.values() for value in node["inputs"].values())
    texts = {value for value in values if isinstance(value, str)}
    return {name: folder / name for name in sorted({input_named(text, folder) for text in texts} - {""})}


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def short(value) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= 40 else f"{text[:37]}..."
