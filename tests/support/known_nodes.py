"""Whose node an id is, told from this pack's code and from lists. Standard library only, and no ComfyUI needed."""

import ast
import gzip
import json
import re
from functools import cache
from pathlib import Path

from known_packs import FOLDERS, NAMES, NOT_SERVED, PACKS, PLACES

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
OWN_ID = re.compile(r"(ADN|ADE)_\w+|CheckpointLoaderSimpleWithNoiseSelect")
PAGE = {"Note", "MarkdownNote", "PrimitiveNode", "Reroute"}
"""Nodes that only the web page knows."""


@cache
def own_nodes() -> dict[str, str | None]:
    """{node id: what new workflows use in its place, or None where it is for these} of this pack, read off its code."""
    found: dict[str, str | None] = {}
    for path in sorted((ROOT / "nodes").rglob("*.py")):
        found |= ids_in(ast.parse(path.read_text(encoding="utf-8")))
    return found


def ids_in(module: ast.Module) -> dict[str, str | None]:
    """The same for one file: ids are texts in it, and `form(..., replaced_by)` is called beside them.

    Where a function of the file is given the id, it is the one that calls `form`.
    """
    texts = dict(pair for part in module.body if isinstance(part, ast.Assign) for pair in named_texts(part))
    functions = {part.name: part for part in module.body if isinstance(part, ast.FunctionDef)}

    def replaced_by(part: ast.AST) -> str | None:
        for call in calls_in(part):
            if call.func.id == "form" and not isinstance(call.args[-1], ast.Starred):
                last = call.args[-1]
                return texts.get(last.id) if isinstance(last, ast.Name) else last.value
        makers = [functions[call.func.id] for call in calls_in(part) if call.func.id in functions]
        return next((text for text in map(replaced_by, makers) if text), None)

    found = {}
    for part in scopes(module):
        for text in ast.walk(part):
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and OWN_ID.fullmatch(text.value):
                found[text.value] = replaced_by(part)
    return found


def named_texts(part: ast.Assign) -> list[tuple[str, str]]:
    """[(name, text)] of `NAME = "text"` and of `A, B = "one", "two"`."""
    names, values = ([side, *getattr(side, "elts", [])] for side in (part.targets[0], part.value))
    pairs = zip(names, values, strict=False)
    return [(name.id, value.value) for name, value in pairs if isinstance(value, ast.Constant)]


def scopes(module: ast.Module) -> list[ast.AST]:
    """What holds one id each: a class, or an element of a list of made classes."""
    parts = [part for part in module.body if isinstance(part, ast.ClassDef)]
    lists = [part.value for part in module.body if isinstance(part, ast.Assign) and isinstance(part.value, ast.List)]
    return parts + [element for made in lists for element in made.elts if isinstance(element, ast.Call)]


def calls_in(part: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(part) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]


@cache
def host_nodes() -> set[str]:
    """The node ids of ComfyUI 0.30.0 itself, without those of paid services."""
    return PAGE | set((DATA / "host_nodes.txt").read_text(encoding="utf-8").split("\n"))


@cache
def incumbent_nodes() -> set[str]:
    """The node ids of ComfyUI-AnimateDiff-Evolved."""
    return set(json.loads(gzip.decompress((DATA / "ade_nodes.json.gz").read_bytes())))


def is_animatediff(node_id: str) -> bool:
    return node_id in own_nodes() or node_id in incumbent_nodes() or node_id.startswith("ADE_")


def pack_of(node_id: str) -> str | None:
    """The pack that an id belongs to, by how it begins."""
    return first(PACKS, node_id)


def instead_of(node_id: str) -> str:
    """What to do about an AnimateDiff node that has no form here."""
    return first(NOT_SERVED, node_id) or "nothing here does the same"


def folder_of(node_id: str, place: int | str) -> str | None:
    """The folder in ComfyUI/models for a file that a node names at this position or input; None if its pack says it."""
    if node_id in PLACES:
        return PLACES[node_id].get(place) or NAMES.get(place)
    if any(re.match(beginning, node_id) for beginning, _ in FOLDERS):
        return first(FOLDERS, node_id)
    return NAMES.get(place)


def first(table: tuple, node_id: str) -> str | None:
    return next((found for beginning, found in table if re.match(beginning, node_id)), None)
