"""What a reader relies on, in every file of the pack."""

import re
import subprocess
import sys

import pytest
from host import ROOT

PACK = [
    ROOT / "__init__.py",
    *(path for room in ("nodes", "motion", "sampling") for path in (ROOT / room).rglob("*.py")),
]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", PACK, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_the_host_or_torch_is_replaced(path):
    """No assignment to an attribute of a module of the host or of torch, or of anything imported from them."""
    code = path.read_text(encoding="utf-8")
    foreign = set(
        re.findall(r"^(?:from (?:comfy|torch|nodes|folder_paths|server|execution)[\w.]* )?import (.+)$", code, re.M)
    )
    names = {name.split(" as ")[-1].strip().split(".")[0] for line in foreign for name in line.strip("()").split(",")}
    assigned = re.findall(r"^\s*([A-Za-z_]\w*)(?:\.\w+)+\s*(?:[-+*/|]?=)[^=]", code, re.M)
    assert not names & set(assigned), names & set(assigned)
    assert "setattr(" not in code and "sys.modules" not in code


@pytest.mark.parametrize("path", PACK, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    """nodes -> sampling -> motion -> host."""
    room = path.relative_to(ROOT).parts[0]
    above = {"motion": ("nodes", "sampling"), "sampling": ("nodes",)}.get(room, ())
    for imported in re.findall(r"^\s*from (\.+[\w.]*) import", path.read_text(encoding="utf-8"), re.M):
        assert imported.strip(".").split(".")[0] not in above, imported


PURE = {
    "motion": [
        "adjust",
        "chunks",
        "convert",
        "foreign",
        "formats",
        "image_encoder",
        "low_rank",
        "model",
        "settings",
        "strength",
        "temporal",
    ],
    "sampling": [
        *("blend", "extras", "freeinit", "fuse", "indexed", "keyframes", "noise", "paste", "presets"),
        *("preview", "prompts", "reference_attention", "rescale", "reuse", "schedules", "sigmas", "windows"),
    ],
}


@pytest.mark.parametrize("path", [ROOT / room / f"{name}.py" for room, names in PURE.items() for name in names])
def test_the_mathematics_knows_no_host(path):
    code = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:import|from) (?:comfy|folder_paths|server|nodes)\b", code, re.M)
