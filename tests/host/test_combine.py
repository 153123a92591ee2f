"""AnimateDiff Combine: files that players read."""

import json
from pathlib import Path

import av
import folder_paths
import numpy as np
import pytest
import torch
from animatediff_native.nodes.compat.combine import animatediff_combine
from animatediff_native.sampling.clips.animation import FORMATS
from comfy.cli_args import args
from executed import executed
from PIL import Image

FRAMES = torch.linspace(0.1, 0.9, 5).view(5, 1, 1, 1).expand(5, 34, 50, 3)


@pytest.fixture
def combine(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "output"))
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path / "temp"))

    def run(format: str, images=FRAMES, **words):
        words = {
            "frame_rate": 8,
            "loop_count": 0,
            "filename_prefix": "a/clip",
            "pingpong": False,
            "save_image": True,
        } | words
        result = executed(animatediff_combine, images=images, format=format, **words)
        return Path(result.result[0]), result.ui

    return run


def brightness(path: Path) -> list[float]:
    """Mean of each frame, 0 to 255."""
    if path.suffix in (".gif", ".webp"):
        with Image.open(path) as file:
            frames = []
            for index in range(file.n_frames):
                file.seek(index)
                frames.append(np.asarray(file.convert("RGB")))
    else:
        with av.open(str(path)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return [float(frame.mean()) for frame in frames]


EXPECTED = [25.5, 76.5, 127.5, 178.5, 229.5]


def test_formats():
    assert FORMATS[:2] == ["image/gif", "image/webp"] and {"video/h264-mp4", "video/webm"} <= set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_each_format(combine, format):
    path, ui = combine(format)
    assert brightness(path) == pytest.approx(EXPECTED, abs=4)
    assert path.parent.name == "a" and path.name == ui["gifs"][0]["filename"] and ui["gifs"][0]["format"] == format
    assert ui["images"] == [{"filename": path.name, "subfolder": "a", "type": "output"}] and ui["animated"] == (True,)
    with Image.open(path.with_suffix(".png")) as first:
        assert np.asarray(first).mean() == pytest.approx(25, abs=1)
    second, _ = combine(format)
    assert second != path and path.exists()


@pytest.mark.parametrize("format", ["image/gif", "image/webp", "video/h264-mp4"])
def test_there_and_back(combine, format):
    path, _ = combine(format, pingpong=True)
    assert brightness(path) == pytest.approx([*EXPECTED, *EXPECTED[3:0:-1]], abs=4)


def test_speed_and_loops(combine):
    with Image.open(combine("image/gif", frame_rate=10, loop_count=3)[0]) as file:
        assert (file.info["duration"], file.info["loop"]) == (100, 3)
    with av.open(str(combine("video/h264-mp4", frame_rate=12)[0])) as file:
        assert file.streams.video[0].average_rate == 12


def test_odd_sizes_lose_a_row_in_videos(combine):
    """They are cut off: the rest is not scaled."""
    images = torch.zeros(2, 33, 49, 3)
    images[:, -1], images[:, :, -1] = 1, 1
    path, _ = combine("video/h264-mp4", images=images)
    assert brightness(path) == pytest.approx([0, 0], abs=0.5)
    with av.open(str(path)) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (48, 32)


def test_only_shown(combine, tmp_path):
    path, ui = combine("image/webp", save_image=False)
    assert path.is_relative_to(tmp_path / "temp") and ui["images"][0]["type"] == "temp"


def test_one_frame(combine):
    assert len(brightness(combine("image/gif", images=FRAMES[:1], pingpong=True)[0])) == 1


PROMPT = {"1": {"class_type": "X", "inputs": {}}}


def texts(path: Path) -> dict:
    with Image.open(path.with_suffix(".png")) as first:
        return {key: json.loads(text) for key, text in first.text.items()}


def test_the_workflow_is_in_the_first_frame(combine):
    path, _ = combine("image/gif", prompt=PROMPT, extra_pnginfo={"workflow": {"nodes": []}})
    assert texts(path) == {"prompt": PROMPT, "workflow": {"nodes": []}}


def test_colours_outside_of_the_range_are_cut_off(combine):
    path, _ = combine("image/webp", images=torch.tensor([-0.5, 1.5]).view(2, 1, 1, 1).expand(2, 32, 32, 3))
    assert brightness(path) == pytest.approx([0, 255], abs=2)


def test_no_workflow_is_written_where_the_host_is_told_so(combine, monkeypatch):
    words = {"prompt": PROMPT, "extra_pnginfo": {"workflow": None}}
    assert texts(combine("image/gif", **words)[0]) == {"prompt": PROMPT}
    monkeypatch.setattr(args, "disable_metadata", True)
    assert not texts(combine("image/gif", **words)[0])
