"""The real ComfyUI on two simulated machines: the same bits as from one ComfyUI alone, whatever happens."""

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest
import seeded
from comfy_server import ROOT, ComfyServer
from simulated_cluster import kill, no_cluster, parent_of, processes, simulated
from small_graphs import key_of, small
from workflows import example, nodes_of, to_prompt

pytestmark = no_cluster

SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("farm")


@pytest.fixture(scope="module")
def base(place, comfyui):
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(place / "base"), "clouds"], check=True, env=environment)
    return place / "base"


@pytest.fixture(scope="module")
def alone(place, comfyui, base):
    """The sha256 of the clips that one ComfyUI makes: of w.json for each seed, and of long.json."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # as Ray gives it to workers of one core
        with ComfyServer(comfyui, base) as server:
            object_info = server.get("/object_info")
            short = without_video(small(to_prompt(example("Text to Animation"), object_info), frames=8))
            long = spread(without_video(small(to_prompt(example("Long Animation"), object_info), frames=20)))
            prompts = [with_seed(short, seed) for seed in SEEDS] + [long]
            digests = [digest(server.files(server.run(prompt))) for prompt in prompts]
    (place / "w.json").write_text(json.dumps(short))
    (place / "long.json").write_text(json.dumps(long))
    return digests


def without_video(prompt: dict) -> dict:
    return {node: found for node, found in prompt.items() if "Video" not in found["class_type"]}


def with_seed(prompt: dict, seed: int) -> dict:
    prompt = json.loads(json.dumps(prompt))
    nodes_of(prompt, "KSampler")[0]["seed"] = seed
    return prompt


def spread(prompt: dict) -> dict:
    """Spread Windows before the sampler."""
    sampler = nodes_of(prompt, "KSampler")[0]
    inputs = {"model": [key_of(prompt, "ADN_ContextWindows"), 0], "max_gpus": 0}
    sampler["model"] = ["spread", 0]
    return prompt | {"spread": {"class_type": "ADN_SpreadWindows", "inputs": inputs}}


def digest(files) -> str:
    (file,) = files
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def farm(place, comfyui, base, alone):
    """farm(*words) starts one on a cluster of two machines with a core each; farm.said() is what they said."""
    with simulated() as nodes:
        os.environ["COMFYUI_ARGS"] = f"--base-directory {base} --cpu --disable-api-nodes"
        os.environ["TMPDIR"] = str(place)  # of the workers; Ray's own sockets want a short path
        nodes.add(comfyui), nodes.add(comfyui)

        def start(*words):
            command = [sys.executable, str(ROOT), "farm", *words, "--cores", "1", "--address", nodes.address]
            with open(place / "said.txt", "ab") as said:
                return subprocess.Popen(command, cwd=place, stdout=said, stderr=subprocess.STDOUT)

        start.said = lambda: (place / "said.txt").read_text()
        yield start


def lines(folder) -> list[dict]:
    found = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda line: line["clip"])


def busy_comfyui(place) -> int:
    """One that got a prompt."""
    logs = place.glob("animatediff-farm-*/comfyui.log")
    folder = next(log.parent for log in logs if "got prompt" in log.read_text())
    return processes(str(folder))[0]


def test_clips_of_two_machines_of_which_one_loses_its_worker(farm, place, alone):
    process = farm("w.json", "--vary", "seed=1..4", "--output", "night")
    running = place / "night" / "running.json"
    while process.poll() is None and not (running.exists() and '"clip": "0001' in running.read_text()):
        time.sleep(0.05)
    kill(parent_of(busy_comfyui(place)))
    assert process.wait(200) == 0, farm.said()
    made = lines(place / "night")
    assert [line["files"][0]["sha256"] for line in made] == alone[:4] and len(set(alone)) == 5, farm.said()
    assert all(line["comfyui"] and line["torch"] and line["pack"] for line in made)
    assert sum(line["tries"] for line in made) == 5


def test_a_long_clip_by_a_gang(farm, place, alone):
    process = farm("long.json", "--output", "long", "--gang", "2")
    assert process.wait(200) == 0, farm.said()
    (line,) = lines(place / "long")
    assert line["files"][0]["sha256"] == alone[4] and line["machine"].endswith(", a gang of 2")
