"""nodes/host_names.txt is what this pack uses of ComfyUI, whole, and a ComfyUI without a name of it loses no more than
what needs it."""

import subprocess
import sys

import pytest
from animatediff_native.nodes import host_names
from host import ROOT


@pytest.mark.parametrize(
    "line, reason",
    [
        ("comfy.utils.no_such_thing", "has no comfy.utils.no_such_thing"),
        ("comfy.no_such_file.thing(1)", "has no comfy.no_such_file.thing"),
        ("?comfy.utils.no_such_thing", None),
        ("comfy.utils.common_upscale(5)", None),
        ("comfy.utils.common_upscale(6)", "has a comfy.utils.common_upscale of 5 values, not 6"),
        ("comfy.utils.common_upscale(4)", "has a comfy.utils.common_upscale that asks for crop"),
        ("comfy.utils.common_upscale(4, crop)", None),
        ("comfy.utils.common_upscale(1, ...)", None),
        ("comfy.utils.common_upscale(5, frames)", "has a comfy.utils.common_upscale without frames"),
    ],
)
def test_what_is_lost(line, reason, tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text(line, encoding="utf-8")
    monkeypatch.setattr(host_names, "LIST", tmp_path / "list.txt")
    assert list(host_names.lost(host_names.listed()).values()) == ([reason] if reason else [])


LOADS = """
import logging, sys
from pathlib import Path
logging.basicConfig(format="%(message)s")
import host
host.enter_host(Path(sys.argv[1]))
pack = host.import_pack()
print("NODES", *(node.GET_SCHEMA().node_id for node in pack.NODES))
print("SERVICES", *(service.__name__.rsplit(".", 1)[1] for service in pack.SERVICES))
"""


def loaded_on(comfyui, folder, changes: dict[str, tuple[str, str]]) -> subprocess.CompletedProcess:
    """The pack's import on `comfyui` with changes: {its file: (text, what is there in its place)}."""
    mirrored(comfyui, folder, set(changes))
    for name, (before, after) in changes.items():
        code = (comfyui / name).read_text(encoding="utf-8")
        assert before in code
        (folder / name).write_text(code.replace(before, after), encoding="utf-8")
    command = [sys.executable, "-c", LOADS, str(folder)]
    return subprocess.run(command, cwd=ROOT / "tests" / "support", capture_output=True, text=True)


def mirrored(source, target, without: set[str]) -> None:
    """A folder of links to what is in `source`, but for the files `without`."""
    target.mkdir()
    for entry in source.iterdir():
        below = {name.partition("/")[2] for name in without if name.startswith(f"{entry.name}/")}
        if below:
            mirrored(entry, target / entry.name, below)
        elif entry.name not in without:
            (target / entry.name).symlink_to(entry)


def test_a_comfyui_without_a_name_loses_what_needs_it(comfyui, tmp_path):
    changes = {
        "comfy/sd.py": ("def load_lora_for_models(", "def with_lora("),
        "comfy/model_patcher.py": (
            "def add_weight_wrapper(self, name, function)",
            "def add_weight_wrapper(self, name, function, kind)",
        ),
    }
    result = loaded_on(comfyui, tmp_path / "host", changes)
    nodes, services = (line.split()[1:] for line in result.stdout.splitlines())
    assert not {"ADN_TrainDomainAdapter", "ADN_TrainMotionLoRA"} & set(nodes)
    assert {"ADN_ApplyMotionModel", "ADN_ContextWindows", "ADE_UseEvolvedSampling"} <= set(nodes)
    assert services == ["before_run", "first_card", "replaced", "text", "renamed"]
    text = " ".join(result.stderr.split())
    assert "comfy.model_patcher.ModelPatcher.add_weight_wrapper that asks for kind" in text
    assert "has no comfy.sd.load_lora_for_models" in text and "all others work: " in text
    assert "ADN_TrainDomainAdapter" in text.split("all others work: ")[1] and "Traceback" not in text


def test_a_comfyui_without_what_all_needs_is_refused(comfyui, tmp_path):
    change = {"comfy/model_management.py": ("def archive_model_dtypes(", "def archived(")}
    result = loaded_on(comfyui, tmp_path / "host", change)
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: AnimateDiff Native was made for another ComfyUI: ")
    assert "has no comfy.model_management.archive_model_dtypes. Update AnimateDiff Native" in last
