"""What ComfyUI-Manager installs: the published archive, in a fresh ComfyUI."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from urllib.parse import unquote

import pytest
import seeded
from archive import publish
from comfy_server import FOLDER, ROOT, ComfyServer
from workflows import TEMPLATES, example, nodes_of, to_prompt

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="only a git checkout can be published"
)

FOUND_BY_THE_HOST = ("example_workflows", "locales", "subgraphs", "web")
"""Folders that ComfyUI looks for in a pack."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """(file, paths in it)"""
    file = tmp_path_factory.mktemp("published") / "pack.zip"
    return file, publish(ROOT, file)


def test_it_holds_what_users_need_and_no_more(archive):
    file, paths = archive
    assert {path.split("/")[0] for path in paths} >= {"__init__.py", "nodes", "motion", "sampling", "example_workflows"}
    assert {"README.md", "LICENSE", "pyproject.toml"} <= set(paths)
    assert set(FOUND_BY_THE_HOST) <= {path.split("/")[0] for path in paths}
    assert not [path for path in paths if path.startswith(("tests/", "dev.py", ".ci/", ".github/"))]
    assert not [path for path in paths if path.startswith("benchmarks/") and path.endswith(".py")]
    assert file.stat().st_size < 6e6


def test_no_link_of_its_pages_is_dead(archive):
    """Also on the registry's page of the pack, which shows README."""
    dead = []
    for page in (path for path in archive[1] if path.endswith(".md") and not path.startswith("web/")):
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
            target = unquote("".join(link).partition("#")[0])
            if target and not target.startswith(("http", "<")):
                found = os.path.normpath(os.path.join(os.path.dirname(page), target)).replace(os.sep, "/")
                dead += [(page, target)] if found not in archive[1] else []
    assert not dead


def test_no_program_in_it_runs_texts_or_installs(archive):
    """The registry's standards: no eval, no exec, nothing installed while it runs. Errors may say how to install."""
    for path in archive[1]:
        if path.endswith(".py"):
            code = (ROOT / path).read_text(encoding="utf-8")
            assert not re.search(
                r"(?<![.\w])(eval|exec|compile|__import__)\(|os\.(system|exec|spawn)|import pip", code
            ), path
            assert "subprocess" not in code or path == "farm/comfy.py"  # which starts ComfyUI


@pytest.fixture
def installed(archive, tmp_path):
    folder = tmp_path / "custom_nodes" / FOLDER
    with zipfile.ZipFile(archive[0]) as file:
        file.extractall(folder)
    return folder


def test_its_commands_run_without_comfyui_and_torch(installed):
    """-S: no package that is installed is seen."""
    words = [
        sys.executable,
        "-I",
        "-S",
        installed,
        "workflows",
        installed / "example_workflows" / TEMPLATES["Text to Animation"].name,
    ]
    result = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", cwd=installed.parents[1])
    assert (result.returncode, result.stderr) == (0, "") and "1 x ADN_LoadMotionModel" in result.stdout


def test_it_runs_in_a_fresh_comfyui(installed, comfyui, base, tmp_path):
    (tmp_path / "models").symlink_to(base / "models", target_is_directory=True)
    with ComfyServer(comfyui, tmp_path) as server:
        prompt = to_prompt(example("Text to Animation"), server.get("/object_info"))
        nodes_of(prompt, "CheckpointLoaderSimple")[0]["ckpt_name"] = seeded.CHECKPOINT
        nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = seeded.MOTION_MODEL
        nodes_of(prompt, "EmptyLatentImage")[0].update(width=64, height=64, batch_size=8)
        nodes_of(prompt, "KSampler")[0].update(steps=1)
        assert all(file.stat().st_size > 0 for file in server.files(server.run(prompt)))
        assert FOLDER in server.get("/workflow_templates")
