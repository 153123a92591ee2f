"""What a ComfyUI has of what a job needs, told before the first clip."""

import os
import re
from collections.abc import Iterator
from pathlib import Path


def lacking(prompt: dict, nodes: dict, inputs: Path) -> Iterator[str]:
    """The nodes and files of a prompt that a ComfyUI has not; `nodes` is its /object_info."""
    for node in prompt.values():
        kind = node["class_type"]
        if kind not in nodes:
            yield f"the node {kind}"
            continue
        groups = nodes[kind].get("input", {})
        known = (groups.get("required") or {}) | (groups.get("optional") or {})
        for key, value in node["inputs"].items():
            choices = choices_of(known.get(key))
            if choices and isinstance(value, str) and value not in choices and not input_named(value, inputs):
                yield f"'{value}' in {key} of {kind}"


def input_named(value, folder: Path) -> str:
    """The name of the file in ComfyUI's input folder that a value means, as "a.png [input]" does; "" for all others."""
    name = value.removesuffix(" [input]") if isinstance(value, str) else ""
    inside = bool(name) and not Path(name).anchor and ".." not in Path(name).parts
    return name if inside and os.path.isfile(folder / name) else ""


def choices_of(definition: list | None) -> list:
    """The texts to choose from, in either form that /object_info has for them; [] for all other inputs."""
    kind, *rest = definition or [None]
    if kind == "COMBO":
        kind = (rest[0] if rest else {}).get("options")
    return kind if isinstance(kind, list) else []


def pack_version(base: Path, module: str) -> str:
    """AnimateDiff Native's, from the folder that ComfyUI loaded it from."""
    project = base / module.replace("custom_nodes.", "custom_nodes/", 1) / "pyproject.toml"
    if not module.startswith("custom_nodes.") or not project.is_file():
        return ""
    found = re.search(r'^version = "([^"]+)"', project.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""
