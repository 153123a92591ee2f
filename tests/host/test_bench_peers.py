"""How bench.py asks stable-diffusion.cpp: a program that says what it was asked for takes its place."""

import argparse
import importlib
import json
import sys

import host
import pytest
from safetensors.torch import load_file

PROGRAM = """#!{python}
import json, sys
json.dump(sys.argv[1:], open({told!r}, "w"))
print("[INFO ] sampling completed, taking {seconds}s")
sys.exit({code})
"""


@pytest.fixture
def contender(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(host.ROOT / "benchmarks"))
    monkeypatch.setattr(host, "enter_host", lambda found: None)
    peers = importlib.import_module("peers")
    monkeypatch.setattr(peers, "clip_l_shapes", lambda: {"cond_stage_model.weight": (2, 2)})

    def made(code: int = 0):
        program = tmp_path / "sd-cli"
        words = {"python": sys.executable, "told": str(tmp_path / "told"), "seconds": "3.50", "code": code}
        program.write_text(PROGRAM.format(**words))
        program.chmod(0o755)
        return peers.StableDiffusionCpp(argparse.Namespace(name="sdcpp-q8_0", weights=tmp_path, sdcpp=program))

    yield made
    for name in ("peers", "in_the_host", "clocks"):
        sys.modules.pop(name, None)


def test_what_it_is_asked_for_and_what_it_takes(contender, tmp_path):
    answer = contender().step(frames=16, size=32)
    assert answer["seconds"] == 1.75 and answer["memory"] > 1e6
    told = json.loads((tmp_path / "told").read_text())
    asked = dict(zip(told[::2], told[1::2], strict=True))
    assert {key: asked[key] for key in ("-M", "--type", "--video-frames", "-W", "-H", "--steps")} == {
        "-M": "vid_gen", "--type": "q8_0", "--video-frames": "16", "-W": "256", "-H": "256", "--steps": "2"
    }  # fmt: skip
    assert asked["--motion-module"] == str(tmp_path / "motion.safetensors")
    assert "cond_stage_model.weight" in load_file(asked["--model"])
    autoencoder = load_file(asked["--taesd"])
    assert {"encoder.layers.0.weight", "decoder.layers.0.weight", "decoder.layers.18.weight"} <= set(autoencoder)


def test_a_program_that_fails_is_no_measurement(contender):
    with pytest.raises(SystemExit, match="sampling completed"):
        contender(code=1).step(frames=16, size=32)
