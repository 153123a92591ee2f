"""The real other packs: their folders, named by environment variables, and their nodes in this process."""

import asyncio
import os
from pathlib import Path

import pytest

PACKS = {
    "ADE_DIR": "Kosinkadink/ComfyUI-AnimateDiff-Evolved, d8d163c",
    "ADVANCED_CONTROLNET_DIR": "Kosinkadink/ComfyUI-Advanced-ControlNet, 9e60d8a",
    "IPADAPTER_PLUS_DIR": "cubiq/ComfyUI_IPAdapter_plus, 9d076a3",
    "IMPACT_PACK_DIR": "ltdrdata/ComfyUI-Impact-Pack, 727295b",
}
"""Environment variable -> the GitHub repository and the commit that the tests were written against."""


def pack_folder(variable: str) -> Path:
    """The folder that `variable` names; the test is skipped where it names none."""
    if not (named := os.environ.get(variable)):
        pytest.skip(f"{variable} names no folder with a copy of that pack ({PACKS[variable]}).")
    return Path(named).resolve()


def pack_nodes(variable: str) -> dict[str, type]:
    """Every node of that pack by its id, loaded by the host's own loader."""
    import nodes

    before = set(nodes.NODE_CLASS_MAPPINGS)
    assert asyncio.run(nodes.load_custom_node(str(pack_folder(variable)))), "the pack did not load, see the log"
    return {node_id: nodes.NODE_CLASS_MAPPINGS[node_id] for node_id in set(nodes.NODE_CLASS_MAPPINGS) - before}
