"""The real ComfyUI on two simulated machines, one worker killed: the same bits as from one ComfyUI alone."""

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest
import seeded
from comfy_server import ROOT, ComfyServer
from small_graphs import small
from workflows import example, nodes_of, to_prompt

pytest.importorskip("ray", reason="ray has no wheel for this Python or system: pip install 'ray>=2.60,<3'")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="clusters of Ray are for Linux")

from simulated_cluster import kill, parent_of, processes, simulated  # noqa: E402

SEEDS = (1, 2, 3, 4)


@pytest.fixture
def base(tmp_path, comfyui):
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(tmp_path / "base"), "clouds"], check=True, env=environment)
    return tmp_path / "base"


def busy_comfyui(tmp_path) -> int:
    """One that got a prompt."""
    logs = tmp_path.glob("animatediff-farm-*/comfyui.log")
    folder = next(log.parent for log in logs if "got prompt" in log.read_text())
    return processes(str(folder))[0]


def alone(comfyui, base) -> tuple[dict, list[str]]:
    """(an API prompt, the sha256 of its clip for each seed) of one ComfyUI that does nothing else."""
    with ComfyServer(comfyui, base) as server:
        prompt = small(to_prompt(example("Text to Animation"), server.get("/object_info")), frames=8)
        prompt = {node: found for node, found in prompt.items() if "Video" not in found["class_type"]}
        digests = []
        for seed in SEEDS:
            nodes_of(prompt, "KSampler")[0]["seed"] = seed
            (file,) = server.files(server.run(prompt))
            digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return prompt, digests


def test_clips_of_two_machines_of_which_one_loses_its_worker(comfyui, base, tmp_path, monkeypatch):
    prompt, digests = alone(comfyui, base)
    (tmp_path / "w.json").write_text(json.dumps(prompt))
    monkeypatch.setenv("COMFYUI_ARGS", f"--base-directory {base} --cpu --disable-api-nodes")
    words = ["w.json", "--vary", "seed=1..4", "--output", "night", "--cores", "1"]
    with simulated() as nodes, open(tmp_path / "said.txt", "wb") as said:
        monkeypatch.setenv("TMPDIR", str(tmp_path))  # of the workers; Ray's own sockets want a short path
        nodes.add(comfyui), nodes.add(comfyui)
        command = [sys.executable, str(ROOT), "farm", *words, "--address", nodes.address]
        farm = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=subprocess.STDOUT)
        running = tmp_path / "night" / "running.json"
        while farm.poll() is None and not (running.exists() and '"clip": "0001' in running.read_text()):
            time.sleep(0.05)
        kill(parent_of(busy_comfyui(tmp_path)))
        assert farm.wait(200) == 0, (tmp_path / "said.txt").read_text()
    text = (tmp_path / "said.txt").read_text()
    lines = [json.loads(line) for line in (tmp_path / "night" / "manifest.jsonl").read_text().splitlines()]
    assert [line["files"][0]["sha256"] for line in sorted(lines, key=lambda line: line["clip"])] == digests, text
    assert len(set(digests)) == 4 and all(line["comfyui"] and line["torch"] and line["pack"] for line in lines)
    assert sum(line["tries"] for line in lines) == 5
