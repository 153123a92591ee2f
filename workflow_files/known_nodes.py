"""Whose node an id is, told from lists. Standard library only, and no ComfyUI needed."""

import json
import re
from functools import cache
from pathlib import Path

from .known_packs import FOLDERS, NAMES, NOT_SERVED, PACKS, PLACES

HERE = Path(__file__).resolve().parent
PAGE = {"Note", "MarkdownNote", "PrimitiveNode", "Reroute"}
"""Nodes that only the web page knows."""


@cache
def own_nodes() -> dict[str, str | None]:
    """{node id: what new workflows use in its place, or None where it is for these} of this pack."""
    return json.loads((HERE / "own_nodes.json").read_text(encoding="utf-8"))


@cache
def host_nodes() -> set[str]:
    """The node ids of ComfyUI 0.30.0 itself, without those of paid services."""
    return PAGE | set((HERE / "host_nodes.txt").read_text(encoding="utf-8").split("\n"))


def is_animatediff(node_id: str) -> bool:
    return node_id in own_nodes() or node_id.startswith(("ADE_", "ADN_")) or first(NOT_SERVED, node_id) is not None


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
