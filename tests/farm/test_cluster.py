"""On a simulated cluster of Ray: workers and machines come and go, and nothing is lost, nothing made twice.

ComfyUI is a stand-in, for speed; test_farm.py has the real one.
"""

import json
import os
import subprocess
import sys
import time

import pytest
from comfy_server import ROOT
from simulated_cluster import kill, no_cluster, parent_of, processes, simulated

pytestmark = no_cluster


@pytest.fixture(scope="module")
def nodes():
    with simulated() as nodes:
        yield nodes


@pytest.fixture
def farm(nodes, tmp_path, stand_in, monkeypatch):
    """farm(clips, seconds) starts one in the folder night; its clips end when there is a file go."""
    inputs = {"seed": 0, "seconds": 0, "model": "a.safetensors", "until": str(tmp_path / "go")}
    prompt = {"6": {"class_type": "Fake", "inputs": inputs}}
    (tmp_path / "w.json").write_text(json.dumps(prompt))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def start(clips, seconds, *words):
        words = ("w.json", "--vary", f"seed=1..{clips}", "--vary", f"seconds={seconds}", "--output", "night", *words)
        command = [sys.executable, str(ROOT), "farm", *words, "--address", nodes.address, "--cores", "1"]
        with open(tmp_path / "said.txt", "ab") as said:
            return subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=subprocess.STDOUT)

    yield start
    for process in processes(str(tmp_path)):
        kill(process)


def said(tmp_path):
    return (tmp_path / "said.txt").read_text()


def lines(tmp_path):
    manifest = tmp_path / "night" / "manifest.jsonl"
    return [json.loads(line) for line in manifest.read_text().splitlines()] if manifest.exists() else []


def wait_until(true, tmp_path, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, said(tmp_path)
        time.sleep(0.05)


def comfyuis(tmp_path):
    return processes(str(tmp_path / "animatediff-farm-"))


def check_all_is_there(process, clips, tmp_path):
    assert process.wait(90) == 0, said(tmp_path)
    made = lines(tmp_path)
    assert len(made) == len({line["clip"] for line in made}) == clips
    assert len(list((tmp_path / "night").glob("*.webp"))) == clips
    assert "Traceback" not in said(tmp_path) and "raylet" not in said(tmp_path)
    wait_until(lambda: not comfyuis(tmp_path), tmp_path, 10)


def test_what_cannot_begin(farm, nodes, tmp_path, monkeypatch):
    """Before any machine has been there: Ray counts a lost one for some seconds more."""
    assert farm(2, 0).wait(60) == 2 and "farm: Ray sees no" in said(tmp_path)
    monkeypatch.setattr(nodes, "address", "10.1.2.3:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert farm(2, 0).wait(60) == 2 and "whoever reaches 10.1.2.3:6379 could run programs as you" in said(tmp_path)


def test_a_worker_is_killed_a_machine_goes_and_another_joins(farm, nodes, stand_in, tmp_path):
    first, second = nodes.add(stand_in), nodes.add(stand_in)
    process = farm(8, 0)  # no clip ends before the file is there
    wait_until(lambda: said(tmp_path).count("is ready.") == 2, tmp_path)
    time.sleep(1)  # both have their clip
    kill(parent_of(comfyuis(tmp_path)[0]))
    wait_until(lambda: said(tmp_path).count("goes to the next free one") == 1, tmp_path)
    wait_until(lambda: said(tmp_path).count("is ready.") == 3, tmp_path)
    time.sleep(1)
    nodes.lose(second)
    third = nodes.add(stand_in)
    wait_until(lambda: said(tmp_path).count("goes to the next free one") == 2, tmp_path)
    wait_until(lambda: said(tmp_path).count("is ready.") == 4, tmp_path)
    (tmp_path / "go").touch()
    check_all_is_there(process, 8, tmp_path)
    assert sum(line["tries"] - 1 for line in lines(tmp_path)) == 2
    nodes.lose(first), nodes.lose(third)


def test_the_farm_is_killed_and_started_again(farm, nodes, stand_in, tmp_path):
    node = nodes.add(stand_in)
    (tmp_path / "go").touch()
    process = farm(6, 0.7)
    wait_until(lambda: len(lines(tmp_path)) == 2, tmp_path)
    process.kill()
    process.wait()
    wait_until(lambda: not comfyuis(tmp_path), tmp_path, 30)
    process = farm(6, 0.7)
    check_all_is_there(process, 6, tmp_path)
    assert "6 clips, 2 are there already" in said(tmp_path) or "6 clips, 3 are there already" in said(tmp_path)
    nodes.lose(node)


def test_a_machine_that_lacks_a_file_or_a_comfyui_is_left_out_by_name(farm, nodes, stand_in, tmp_path):
    (stand_in / "models.txt").write_text("other.safetensors")
    lacking, none = nodes.add(stand_in), nodes.add(tmp_path)
    assert farm(2, 0).wait(60) == 1
    name = os.uname().nodename
    assert f"{name} is left out: it lacks 'a.safetensors' in model of Fake" in said(tmp_path)
    assert f"{name} is left out: there is no ComfyUI: COMFYUI_DIR names {tmp_path}" in said(tmp_path)
    assert "farm: No machine is left that can make clips." in said(tmp_path)
    nodes.lose(lacking), nodes.lose(none)


def test_a_gang_makes_each_clip_together_and_starts_anew_where_one_is_lost(farm, nodes, stand_in, tmp_path):
    there = [nodes.add(stand_in) for _ in range(2)]
    nodes.settle()
    spread(tmp_path)
    assert farm(3, 0, "--gang", "3").wait(60) == 2
    assert "farm: --gang 3 needs as many GPUs for one clip, and Ray sees 2" in said(tmp_path)
    process = farm(3, 0, "--gang", "2")
    wait_until(lambda: "is ready." in said(tmp_path), tmp_path)
    time.sleep(1)  # it has its clip
    kill(parent_of(comfyuis(tmp_path)[1]))
    wait_until(lambda: said(tmp_path).count("is ready.") == 2, tmp_path)
    (tmp_path / "go").touch()
    check_all_is_there(process, 3, tmp_path)
    assert {line["machine"] for line in lines(tmp_path)} == {f"{os.uname().nodename}, a gang of 2"}
    assert sorted(line["tries"] for line in lines(tmp_path)) == [1, 1, 2]
    members = [line.split("@") for line in (stand_in / "gangs.txt").read_text().splitlines()]
    assert sorted(place for place, _ in members) == ["0/2", "0/2", "1/2", "1/2"]
    assert len({where for _, where in members}) == 2 and all(where.startswith("127.0.0.1:") for _, where in members)
    for node in there:
        nodes.lose(node)


def spread(tmp_path):
    """The workflow has the node that a gang is for; nothing runs it here."""
    prompt = json.loads((tmp_path / "w.json").read_text())
    prompt["6"]["class_type"] = "ADN_SpreadWindows"
    (tmp_path / "w.json").write_text(json.dumps(prompt))
