"""What a reader relies on, in every file of the pack."""

import ast
import graphlib
import re
import subprocess
import sys

import pytest
from host import ROOT

ROOMS = ("nodes", "motion", "sampling", "training", "workflow_files", "farm")
PACK = [
    ROOT / "__init__.py",
    *(path for room in ROOMS for path in (ROOT / room).rglob("*.py")),
]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", PACK, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_the_host_or_torch_is_replaced(path):
    """No assignment to an attribute of a module of the host or of torch, or of anything imported from them."""
    code = path.read_text(encoding="utf-8")
    assert not replaced_in(code)
    assert "setattr(" not in code and "sys.modules" not in code


def replaced_in(code: str) -> set[str]:
    """Names that a file imports from elsewhere, at its head or in a function, and to whose attributes it assigns."""
    names, assigned = set(), set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            assigned.add(next((part.id for part in ast.walk(node) if isinstance(part, ast.Name)), ""))
    return names & assigned


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.cat = list",
        "def f():\n    import comfy.utils\n    comfy.utils.x, y = 1, 2",
        "def f():\n    from torch import nn as n\n    n.functional.gelu = f",
        "def f():\n    import comfy.sd as sd\n    del sd.load",
    ],
)
def test_what_replacing_looks_like(code):
    assert replaced_in(code)


FLOORS = [
    *("motion", "sampling/values", "sampling/noise", "sampling/sigmas", "sampling/references", "sampling/windows"),
    *("sampling", "training", "nodes", ".", "workflow_files", "farm"),
]
"""The rooms; the last two belong to commands, and ComfyUI never loads them. Each imports itself and those before it."""


def room_of(path) -> str:
    return max((floor for floor in FLOORS if floor == "." or ROOT / floor in path.parents), key=len)


def imported_files(path) -> set:
    """The pack's files that a file imports, wherever in it."""
    files = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [folder.with_suffix(".py"), *(folder / f"{alias.name}.py" for alias in node.names)]
            names += [(folder / alias.name / "__init__.py") for alias in node.names]
            files |= {name for name in names if name.is_file()}
    return files


@pytest.mark.parametrize("path", PACK, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    """nodes -> training -> sampling -> its rooms -> motion -> host."""
    own = FLOORS.index(room_of(path))
    above = {str(file.relative_to(ROOT)) for file in imported_files(path) if FLOORS.index(room_of(file)) > own}
    assert not above


def test_no_file_imports_itself_by_way_of_others():
    order = graphlib.TopologicalSorter({path: imported_files(path) for path in PACK})
    assert set(PACK) <= set(order.static_order())  # raises CycleError, with the circle in it


@pytest.mark.parametrize("path", PACK, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_read_in_one_go(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


COMMANDS = [path for room in ("workflow_files", "farm") for path in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_needs_nothing_but_python(path):
    """It runs where there is no torch and no ComfyUI around it."""
    imports = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and not node.level}
    needed = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    assert needed == ({"ray"} if path == ROOT / "farm" / "cluster.py" else set())
    assert imported_files(path) <= set(COMMANDS)


PURE = {
    "motion": [
        *(
            "adjust",
            "camera_attention",
            "camera_path",
            "camera_poses",
            "chunks",
            "control",
            "convert",
            "families",
            "foreign",
            "formats",
            "image_encoder",
            "low_rank",
            "model",
            "picture_channels",
            "pose_encoder",
            "settings",
        ),
        *("strength", "temporal", "trajectories", "trajectory_encoder", "views"),
    ],
    "sampling": ["paste", "rescale"],
    "sampling/clips": ["animation", "captions", "chart", "flow", "grid", "measures"],
    "sampling/noise": ["draw", "freeinit"],
    "sampling/references": ["attention", "reuse", "settings"],
    "sampling/sigmas": ["tables"],
    "sampling/values": [
        "camera_drawing",
        "indexed",
        "keyframes",
        "lists",
        "places",
        "prompts",
        "schedules",
        "sound",
        "trajectory_drawing",
        "travel",
    ],
    "sampling/windows": ["blend", "count", "drawing", "fuse", "gang", "kept_attention", "plan", "presets", "shares"],
    "training": [
        *("cache", "camera", "captions", "clips", "dataset", "examples", "folder", "graph", "media", "sheet"),
        *("draws", "estimate", "fresh", "layouts", "levels", "losses", "plan", "plot"),
    ],
}


@pytest.mark.parametrize("path", [ROOT / room / f"{name}.py" for room, names in PURE.items() for name in names])
def test_the_mathematics_knows_no_host(path):
    code = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:import|from) (?:comfy|folder_paths|server|nodes)\b", code, re.M)
