"""What lies in a job's folder, after every way that a farm can end."""

import json
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from animatediff_native.farm.job import Job
from animatediff_native.farm.progress import status_lines
from animatediff_native.farm.results import Folder, written
from animatediff_native.farm.vary import parse
from animatediff_native.farm.worker import File, Machine, Outcome, file_name

PROMPT = {"1": {"class_type": "Sampler", "inputs": {"seed": 1}}}
JOB = Job("w.json", PROMPT, (parse("seed=1..3", PROMPT),))
CLIPS = JOB.clips()


def outcome(clip, data=b"frames"):
    return Outcome((File(f"{clip.name}-9.webp", "its sha256", len(data), data),), 31.0)


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path / "night")
    folder.take(JOB)
    return folder


def test_a_clip_is_done_when_its_line_and_its_files_are_there(folder):
    folder.save(CLIPS[0], outcome(CLIPS[0]), Machine("a", "GPU", 8, "1", "2", "3"), tries=2)
    (name, line), *rest = folder.done().items()
    assert name == CLIPS[0].name and not rest and line["values"] == {"seed": 1} and line["tries"] == 2
    assert (line["machine"], line["gpu"], line["comfyui"], line["torch"], line["pack"]) == ("a", "GPU", "1", "2", "3")
    file = folder.path / f"{name}-9.webp"
    assert file.read_bytes() == b"frames"
    file.write_bytes(b"half")
    assert not folder.done()
    file.unlink()
    assert not folder.done()


def test_a_torn_line_is_no_line_and_the_next_is_whole(folder):
    machine = Machine("a")
    for clip in CLIPS[:2]:
        folder.save(clip, outcome(clip), machine, 1)
    manifest = folder.path / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    assert folder.done().keys() == {CLIPS[0].name}
    folder.save(CLIPS[2], outcome(CLIPS[2]), machine, 1)
    assert folder.done().keys() == {CLIPS[0].name, CLIPS[2].name}


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    written(tmp_path / "x", b"before")
    monkeypatch.setattr("animatediff_native.farm.results.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "x", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x").read_bytes() == b"before"


def test_a_folder_belongs_to_one_job(folder, tmp_path):
    folder.take(JOB)
    with pytest.raises(
        ValueError, match=r"night holds another job: .* made of w.json.*Name another folder as --output"
    ):
        folder.take(Job("w.json", PROMPT, (parse("seed=1..4", PROMPT),)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ValueError, match=r"mine holds other things already \(thesis.txt\)"):
        Folder(tmp_path / "mine").take(JOB)
    with pytest.raises(ValueError, match="mine is no folder of a job"):
        Folder(tmp_path / "mine").job()
    (folder.path / "job.json").write_text("{")
    with pytest.raises(ValueError, match="job.json is damaged"):
        folder.job()


def test_one_farm_at_a_time_but_parts_side_by_side(folder):
    with folder.held():
        with (
            pytest.raises(RuntimeError, match="Another farm works in .*night at this moment"),
            Folder(folder.path).held(),
        ):
            pass
        with Folder(folder.path, "1-of-2").held(), Folder(folder.path, "2-of-2").held():
            pass
    with folder.held():
        pass


def test_status_tells_what_is_done_runs_and_failed(folder):
    assert list(status_lines(folder, JOB)) == ["0 of 3 clips are done", "No farm works on it at this moment."]
    folder.save(CLIPS[0], outcome(CLIPS[0]), Machine("a"), 1)
    folder.save_failure(CLIPS[1], "it broke\nmore", "the log\nits end", 3, Machine("b"))
    with folder.held():
        folder.note_running([{"machine": "a (GPU)", "clip": CLIPS[2].name, "out": ""}])
        told, note = list(status_lines(folder, JOB)), (folder.path / "running.json").read_bytes()
    (folder.path / "running.json").write_bytes(note)  # as a farm leaves it that was killed
    assert not folder.running()
    assert told == [
        "1 of 3 clips are done",
        f"  a (GPU): {CLIPS[2].name}",
        f"  {CLIPS[1]}  failed after 3 tries: it broke",
        "31 s a clip; 1 to go: 31 s on 1 GPUs",
    ]
    line = json.loads((folder.path / "failed.jsonl").read_text())
    assert line["log"] == ["the log", "its end"] and line["machine"] == "b"
    part = Folder(folder.path, "2-of-2")
    part.save(CLIPS[1], outcome(CLIPS[1]), Machine("b"), 1)
    assert not folder.failed() and len(folder.done()) == 2


@pytest.mark.parametrize("node", ["../../x", "/x", "a/../../x", "..\\..\\x", "C:\\x", "x\0y", "猫"])
def test_a_clips_file_lies_in_the_jobs_folder_whatever_its_node_is_called(node):
    name = file_name("0001-a1b2", node, 1, ".webp")
    assert name.startswith("0001-a1b2-") and name.endswith("-2.webp") and name.isprintable()
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert file_name("0001-a1b2", "3:9", 0, ".webp") == "0001-a1b2-3.9.webp"
