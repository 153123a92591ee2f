"""A folder as a data set: what is found, how it is named, what is said of it."""

import re

import drawn
import pytest
from animatediff_native.training.clips import HOLD, PIECES, Taking
from animatediff_native.training.dataset import CameraMove, summary, warnings
from animatediff_native.training.folder import FolderSettings, clips_in, state_of

TAKING = Taking(4, 2)


def settings(taking=TAKING, width=64, height=64, **words):
    return FolderSettings(taking, width, height, **words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    drawn.video(folder / "b.mp4", 12, "waves at night")
    drawn.video(folder / "a.mp4", 20)
    drawn.video(folder / "10_calm" / "a.mp4", 9, "[trigger] sea\nat noon")
    drawn.video(folder / "0_left out" / "a.mp4", 9)
    drawn.video(folder / ".latents" / "a.mp4", 9)
    (folder / "notes.md").write_text("not a clip")
    drawn.picture(folder / "cover.png")
    return folder


def test_files_captions_and_repeats(folder):
    clips = clips_in(folder, settings(trigger="wavy", fallback_caption="the sea"))
    found = [(item.name, item.caption, item.repeats, item.source.frames, item.captioned) for item in clips.items]
    assert found == [
        ("a.mp4", "wavy, the sea", 1, 20, False),
        ("b.mp4", "wavy, waves at night", 1, 12, True),
        ("10_calm/a.mp4", "wavy sea at noon", 10, 9, True),
    ]
    assert summary(clips) == "3 clips, 1 without caption, shortest 9 frames"
    assert (clips.trigger, clips.folder, clips.frames) == ("wavy", folder, 4)


def test_repeats_are_left_alone_on_request(folder):
    clips = clips_in(folder, settings(repeats_by_folder_name=False))
    assert {item.repeats for item in clips.items} == {1} and len(clips.items) == 4


def test_stills_are_pictures_and_frames_of_videos(folder):
    clips = clips_in(folder, settings(Taking(1, 1, short_clips=HOLD)))
    assert [item.name for item in clips.items] == ["a.mp4", "b.mp4", "cover.png", "10_calm/a.mp4"]
    assert summary(clips) == "4 pictures, 2 without caption" and clips.frames == 1
    moved = clips.moved(CameraMove("zoom in", 0.4, False, 16))
    assert summary(moved) == "4 pictures, 2 without caption, 16 frames each, zoom in"


def test_pieces(folder):
    clips = clips_in(folder, settings(Taking(4, 2, PIECES)))
    assert [(item.name, item.first) for item in clips.items] == [
        *(("a.mp4 #1", 0), ("a.mp4 #2", 13)),
        *(("b.mp4", 2), ("10_calm/a.mp4", 1)),
    ]


def test_a_csv_in_place_of_text_files(folder):
    (folder / "list.csv").write_text("videoid,name,page_dir\nb,a storm,0\nmissing,none,0\n", "utf-8")
    (item,) = clips_in(folder, settings(csv="list.csv")).items
    assert (item.name, item.caption) == ("b.mp4", "a storm")


@pytest.mark.parametrize(
    "csv, text, said",
    [
        ("no.csv", None, "There is no 'no.csv' in "),
        ("../out.csv", "videoid,name\na,b\n", "There is no '../out.csv' in "),
        ("x.csv", "id,name\na,b\n", "'x.csv' lacks the column videoid; guoyww's have videoid, name, page_dir."),
        ("x.csv", "videoid,name\nq,b\nr,c\n", "'x.csv' lists 2 videos, and none of them is in "),
    ],
)
def test_a_csv_that_does_not_fit(tmp_path, csv, text, said):
    folder = tmp_path / "clips"
    drawn.video(folder / "a.mp4", 9)
    if text:
        (folder / csv).write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        clips_in(folder, settings(csv=csv))


def test_an_empty_folder(tmp_path):
    drawn.picture(tmp_path / "cats" / "a.png")
    with pytest.raises(
        ValueError, match=r"'cats' holds no videos \(mp4, mov, .*gif, webp\). Put them into .*cats, each"
    ):
        clips_in(tmp_path / "cats", settings())
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"'none' holds no videos or pictures \(mp4, .*png, jpg"):
        clips_in(tmp_path / "none", settings(Taking(1, 1)))


def test_too_short(folder):
    with pytest.raises(
        ValueError, match="'10_calm/a.mp4' has 9 frames, and 4 frames at stride 4 need 13. Use stride 2, or"
    ):
        clips_in(folder, settings(Taking(4, 4)))


def test_a_caption_in_another_encoding(tmp_path):
    drawn.video(tmp_path / "a.mp4", 9)
    (tmp_path / "a.txt").write_bytes("un été".encode("cp1252"))
    with pytest.raises(ValueError, match="'a.txt' is not text in UTF-8. Save it again as UTF-8."):
        clips_in(tmp_path, settings())


def test_a_size_that_the_unet_cannot_halve(folder):
    with pytest.raises(ValueError, match="250 x 256 is not a multiple of 64. Use 256 x 256."):
        clips_in(folder, settings(width=250, height=256))


def said(clips):
    return "\n".join(warnings(clips))


def test_warnings(folder, tmp_path):
    clips = clips_in(folder, settings())
    assert re.match("3 clips: with so few, the paper's motion LoRAs learn the pictures instead", said(clips))
    large = clips_in(folder, settings(width=128, height=64))
    assert "3 of 3 clips are smaller than 128 x 64 and are enlarged." in said(large)
    drawn.video(tmp_path / "a.mp4", 9)
    bare = clips_in(tmp_path, settings())
    assert said(bare) == (
        "There is no caption; it is trained with an empty prompt: the motion will come with every prompt, and more "
        "weakly."
    )
    drawn.video(tmp_path / "b.mp4", 9)
    named = clips_in(tmp_path, settings(fallback_caption="the sea"))
    assert said(named).startswith('None of the 2 clips has a caption; all are trained with "the sea".\n')


def test_progress_is_told(folder):
    heard = []
    clips_in(folder, settings(), lambda done, of: heard.append((done, of)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_a_changed_folder_is_another_one(tmp_path):
    drawn.video(tmp_path / "a.mp4", 9)
    before = state_of(tmp_path)
    drawn.described(tmp_path / "a.mp4", "waves")
    assert state_of(tmp_path) != before == before
