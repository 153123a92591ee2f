"""The command from end to end, without Ray, on a ComfyUI that is a stand-in."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from animatediff_native.farm import command
from animatediff_native.farm.results import written
from comfy_server import ROOT
from simulated_cluster import processes

CLIP = {"6": {"class_type": "Fake", "inputs": {"seed": 1, "model": "a.safetensors"}, "_meta": {"title": "Clip"}}}


@pytest.fixture
def workflow(tmp_path):
    def write(**inputs):
        prompt = {"6": CLIP["6"] | {"inputs": CLIP["6"]["inputs"] | inputs}}
        (tmp_path / "w.json").write_text(json.dumps(prompt))
        return "w.json"

    return write


@pytest.fixture
def farm(tmp_path, stand_in, monkeypatch):
    """farm(*words) runs to its end; farm.start(*words) gives the process."""
    monkeypatch.setenv("COMFYUI_DIR", str(stand_in))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def start(*words):
        command = [sys.executable, str(ROOT), "farm", *words]
        return subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(*words):
        process = start(*words)
        out, err = process.communicate(timeout=180)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    run.start = start
    return run


def left_behind(tmp_path):
    return list(tmp_path.glob("animatediff-farm-*"))


def names(folder):
    return sorted(path.name.split("-")[0] for path in folder.glob("*.webp"))


def test_a_part_makes_its_share_and_the_others_make_the_rest(farm, workflow, tmp_path):
    words = (workflow(), "--vary", "seed=1..5", "--output", "night")
    code, out, err = farm(*words, "--part", "1/2")
    assert (code, err) == (0, "") and "[3/3]" in out and names(tmp_path / "night") == ["0001", "0003", "0005"]
    code, out, _ = farm(*words, "--part", "2/2")
    assert code == 0 and names(tmp_path / "night") == ["0001", "0002", "0003", "0004", "0005"]
    code, out, _ = farm("night", "--part", "1/1")
    assert code == 0 and "5 clips, 5 are there already" in out
    _, out, _ = farm("night", "--status")
    assert out == "5 of 5 clips are done\n" and not left_behind(tmp_path)
    made = json.loads((tmp_path / "night" / names_of(tmp_path, "0003")).read_text())
    assert made["6"]["inputs"]["seed"] == 3


def test_a_proxy_for_other_machines_is_not_asked_for_the_comfyui_here(farm, workflow, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    process = farm.start(workflow(), "--output", "night", "--part", "1/1")
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "") and "[1/1]" in out


def names_of(tmp_path, number):
    (path,) = (tmp_path / "night").glob(f"{number}-*.webp")
    return path.name


def test_a_dry_run_makes_nothing(farm, workflow, tmp_path):
    code, out, _ = farm(workflow(), "--vary", "seed=1..3", "--vary", "model=a,b", "--output", "night", "--dry-run")
    assert code == 0 and out.endswith("6 clips\n") and "  seed=2  model=b" in out and not (tmp_path / "night").exists()


@pytest.mark.parametrize(
    ("inputs", "words", "tries", "error"),
    [
        ({"does": "raise"}, (), 3, "Fake (6): RuntimeError: it broke"),
        ({"does": "wrong"}, (), 1, "Fake (6): ValueError: the value is wrong"),
        (
            {"does": "refuse"},
            (),
            1,
            "ComfyUI refused the workflow: Prompt outputs failed validation; Fake (6): Value not in list: model: 'b'",
        ),
        ({"does": "nothing"}, (), 1, "The workflow saved nothing"),
        ({"does": "end"}, (), 3, "ComfyUI ended while it made the clip (exit code 9)"),
        ({"does": "hang"}, ("--limit", "0.5s"), 3, "It took longer than"),
    ],
)
def test_a_clip_that_fails(farm, workflow, tmp_path, inputs, words, tries, error):
    code, out, _ = farm(workflow(**inputs), "--output", "night", "--part", "1/1", *words)
    assert (
        code == 1 and f"failed: {error}" in out and "1 of 1 clips are missing. The same command again goes on." in out
    )
    line = json.loads((tmp_path / "night" / "failed.1-of-1.jsonl").read_text())
    assert line["tries"] == tries and "the stand-in starts" in line["log"] and not left_behind(tmp_path)


@pytest.mark.parametrize("does", ["raise", "end", "hang"])
def test_what_fails_once_is_made_by_the_next_try(farm, workflow, tmp_path, does):
    code, out, _ = farm(workflow(does=does, once="once.txt"), "--output", "night", "--part", "1/1", "--limit", "3s")
    once = tmp_path / "ComfyUI" / "once.txt"
    assert code == 0 and once.exists() and "will be tried again" in out


def test_a_machine_that_lacks_a_file_says_which(farm, workflow, tmp_path):
    words = (workflow(), "--vary", "model=a.safetensors,b.safetensors", "--output", "night", "--part", "1/1")
    code, out, err = farm(*words)
    assert code == 1 and "is left out: it lacks 'b.safetensors' in model of Fake" in out
    assert "farm: No machine is left that can make clips." in err and not names(tmp_path / "night")
    (tmp_path / "ComfyUI" / "models.txt").write_text("a.safetensors\nb.safetensors")
    assert farm(*words)[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("missing.json", "--output", "night"), "There is no missing.json. Name a workflow, or the folder"),
        (("w.json",), "--output is missing"),
        (("w.json", "--output", "night", "--part", "3/2"), "--part 3/2 is no share: write 1/20 to 20/20"),
        (("w.json", "--output", "night", "--vary", "sed=1"), "--vary sed: the workflow has no such input"),
        (("w.json", "--output", "night", "--gang", "0"), "--gang 0 is no number of GPUs"),
        (("w.json", "--output", "night", "--gang", "2"), "w.json has no Spread Windows (AnimateDiff)"),
        (("w.json", "--output", "night", "--gang", "2", "--part", "1/1"), "on one GPU, and --gang on several"),
        (("w.json", "--output", "night", "--input", "nowhere"), "--input nowhere is no folder"),
        (("ComfyUI", "--vary", "seed=1"), "is the folder of a job that was begun"),
        (("ComfyUI",), "ComfyUI is no folder of a job"),
        (("w.json", "--output", "ComfyUI"), "ComfyUI holds other things already"),
    ],
)
def test_what_cannot_begin(farm, workflow, words, sentence):
    workflow()
    code, out, err = farm(*words)
    assert code == 2 and err.startswith("farm: ") and sentence in err and err.count("\n") == 1


def test_no_comfyui(farm, workflow, monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_DIR", str(tmp_path / "nowhere"))
    code, out, err = farm(workflow(), "--output", "night", "--part", "1/1")
    assert code == 1 and "there is no ComfyUI: COMFYUI_DIR names" in err


def test_a_comfyui_that_does_not_start_shows_its_log(farm, workflow, stand_in):
    (stand_in / "main.py").write_text("print('no torch here'); raise SystemExit(3)")
    code, out, err = farm(workflow(), "--output", "night", "--part", "1/1")
    assert code == 1 and "ComfyUI stopped while it started:\nno torch here" in out


def test_a_full_disk(workflow, stand_in, tmp_path, monkeypatch, capsys):
    def full(path, data):
        if path.suffix == ".webp":
            raise OSError(28, "No space left on device", "night/0001.webp")
        written(path, data)

    monkeypatch.setenv("COMFYUI_DIR", str(stand_in))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("animatediff_native.farm.results.written", full)
    workflow()
    sentence = "farm: night/0001.webp: No space left on device. When that is mended, the same command goes on.\n"
    assert command.main(["w.json", "--output", "night", "--part", "1/1"]) == 2 and capsys.readouterr().err == sentence
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("animatediff_native.farm.command.ROOM_NEEDED", 10**18)
    assert command.main(["w.json", "--output", "night", "--part", "1/1"]) == 2
    assert "MB free. Free some space, and run this again." in capsys.readouterr().err


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"no {text}")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for it that a test could send")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(farm, workflow, tmp_path, times):
    words = (workflow(seconds=3), "--vary", "seed=1..9", "--output", "night", "--part", "1/1")
    process = farm.start(*words)
    wait_for(process, "is ready")
    time.sleep(0.5)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "The same command again goes on." in out and "Traceback" not in err
    assert len(names(tmp_path / "night")) == (times == 1) and not left_behind(tmp_path)
    assert not list((tmp_path / "night").glob("running*")) and not list((tmp_path / "night").glob(".*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_farm_that_is_killed_takes_its_comfyui_along_and_goes_on_later(farm, workflow, tmp_path):
    words = (workflow(seconds=0.5), "--vary", "seed=1..4", "--output", "night", "--part", "1/1")
    process = farm.start(*words)
    wait_for(process, "[2/4]")
    assert len(processes(str(tmp_path / "animatediff-farm-"))) == 1
    process.kill()
    process.communicate()
    time.sleep(0.5)
    assert not processes(str(tmp_path / "animatediff-farm-"))
    code, out, _ = farm(*words)
    assert code == 0 and "4 clips, 2 are there already" in out and len(names(tmp_path / "night")) == 4
    assert not left_behind(tmp_path)


def test_input_files_come_along(farm, workflow, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.png").write_bytes(b"a cat")
    words = (workflow(picture="cat.png"), "--output", "night", "--part", "1/1", "--input", "pictures")
    assert "reads cat.png" in farm(*words, "--dry-run")[1] and farm(*words)[0] == 0
    assert farm(*words, "--status")[1] == "1 of 1 clips are done\n"
    (tmp_path / "pictures" / "cat.png").write_bytes(b"another cat")
    assert "holds another job" in farm(*words)[2]
