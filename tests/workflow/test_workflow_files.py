"""What carries a workflow: JSON, pictures and videos; and what is said of files that carry none."""

import json
from fractions import Fraction

import av
import pytest
import torch
from animatediff_native.workflow_files.read import NotAWorkflow, read_workflow
from animatediff_native.workflow_files.report import FOR_SHARED, report
from comfy_api.latest import InputImpl, Types
from PIL import Image, PngImagePlugin
from workflow_command import API


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "webp", "comf"])
def test_pictures_that_carry_a_workflow(tmp_path, kind):
    picture, path = Image.new("RGB", (8, 8)), tmp_path / ("x.webp" if kind == "webp" else "x.png")
    if kind == "webp":
        exif = picture.getexif()
        exif[0x0110] = f"prompt:{json.dumps(API)}"
        picture.save(path, exif=exif)
    else:
        info = PngImagePlugin.PngInfo()
        add = info.add_itxt if kind == "iTXt" else info.add_text
        if kind == "comf":  # the host's SaveAnimatedPNG
            info.add(b"comf", b"prompt\0" + json.dumps(API).encode(), after_idat=True)
        else:
            add("prompt", json.dumps(API), zip=kind == "zTXt")
        picture.save(path, pnginfo=info)
    assert report(path).ids[FOR_SHARED] == {"ADE_AnimateDiffLoaderGen1": 1}


def video(path, tags, **options):
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(tags)
        stream = container.add_stream("mpeg4" if path.suffix in (".mp4", ".mov") else "libvpx", rate=8)
        stream.width = stream.height = 32
        frames = [av.VideoFrame(32, 32, "yuv420p") for _ in range(3)]
        for packet in (packet for frame in [*frames, None] for packet in stream.encode(frame)):
            container.mux(packet)
    return path


BOTH = {"prompt": json.dumps(API), "workflow": json.dumps({"nodes": [{"id": 1, "type": "ADE_AnimateDiffCombine"}]})}


@pytest.mark.parametrize("order", [("workflow", "prompt"), ("prompt", "workflow")])
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".webm", ".mkv"])
def test_videos_that_carry_a_workflow(tmp_path, ending, order):
    """By names, as the host's Save Video and Save WEBM write them, and in the comment, as VideoHelperSuite does."""
    named = video(tmp_path / f"named{ending}", BOTH, movflags="use_metadata_tags")
    theirs = video(
        tmp_path / f"comment{ending}", {"comment": json.dumps(BOTH | {"workflow": json.loads(BOTH["workflow"])})}
    )
    for path in (named, theirs):
        assert read_workflow(path, order) == json.loads(BOTH[order[0]])


def test_a_video_of_the_hosts_saver(tmp_path):
    clip = Types.VideoComponents(images=torch.zeros(3, 64, 64, 3), frame_rate=Fraction(8))
    InputImpl.VideoFromComponents(clip).save_to(str(tmp_path / "x.mp4"), metadata={"prompt": API})
    assert report(tmp_path / "x.mp4").ids[FOR_SHARED] == {"ADE_AnimateDiffLoaderGen1": 1}


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_videos_without_a_workflow(tmp_path, ending):
    for tags in ({}, {"comment": "{mine}"}, {"comment": "[1]"}):
        with pytest.raises(NotAWorkflow, match="is a video without a workflow: .* try that. Else ask for"):
            report(video(tmp_path / f"x{ending}", tags))


def test_a_video_that_was_cut_short(tmp_path):
    whole = video(tmp_path / "x.mp4", BOTH, movflags="use_metadata_tags+faststart").read_bytes()
    for length in range(12, len(whole), 7):
        (tmp_path / "y.mp4").write_bytes(whole[:length])
        try:
            report(tmp_path / "y.mp4")
        except NotAWorkflow as error:
            assert str(error).startswith("y.mp4 ")
    whole = video(tmp_path / "x.webm", BOTH).read_bytes()
    (tmp_path / "y.webm").write_bytes(whole[: whole.index(b"WORKFLOW") + 6])
    with pytest.raises(NotAWorkflow, match="y.webm is damaged"):
        report(tmp_path / "y.webm")


def test_the_graph_of_a_picture_comes_before_its_prompt(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", json.dumps(API))
    info.add_text("workflow", json.dumps({"nodes": []}))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    assert report(tmp_path / "x.png").kind == "graph"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("text.json", "no", "text.json is neither JSON nor a PNG, WebP, MP4 or WebM file"),
        ("list.json", [1], "list.json is JSON, but no workflow"),
        ("other.json", {"a": {"b": 1}}, "other.json is JSON, but no workflow"),
        ("damaged.json", {"nodes": [3]}, "damaged.json looks like a workflow, but its nodes are damaged"),
        ("damaged.json", {"nodes": [{"id": 1, "type": "A"}], "links": [[1]]}, "its nodes are damaged"),
        (None, None, "There is no file"),
    ],
)
def test_what_is_no_workflow(saved, tmp_path, name, content, sentence):
    path = tmp_path / "missing.json" if name is None else saved(name, content)
    with pytest.raises(NotAWorkflow, match=sentence):
        report(path)


def test_pictures_without_a_workflow(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "x.webp")
    for name in ("x.png", "x.webp"):
        with pytest.raises(NotAWorkflow, match="is a picture without a workflow"):
            report(tmp_path / name)
