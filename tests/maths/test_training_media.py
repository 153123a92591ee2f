"""Frames out of files: the right ones, upright, without decoding the others."""

import shutil

import av
import numpy as np
import pytest
import torch
from animatediff_native.training.media import Pictures, picture_file, source_of, video_file
from PIL import Image

WIDTH, HEIGHT, FRAMES = 64, 48, 40


def numbered(count=FRAMES, height=HEIGHT, width=WIDTH):
    """Frames that are brighter and brighter, with a red left half."""
    pictures = np.zeros((count, height, width, 3), dtype=np.uint8)
    for index, picture in enumerate(pictures):
        picture[:] = 6 * index
        picture[:, : width // 2, 0] = 255
    return pictures


def save_video(path, pictures, codec="libx264", rate=8, stamps=None):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options={"g": "12", "bf": "2", "b": "4M"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index if stamps is None else stamps[index]
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def numbers(frames):
    """Which frame each is, by its blue."""
    return [round(float(frame[..., 2].float().mean()) / 6) for frame in frames]


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return save_video(tmp_path_factory.mktemp("video") / "a.mp4", numbered())


@pytest.mark.parametrize(
    "name, codec", [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")]
)
def test_every_container_gives_the_frames_that_are_asked_for(tmp_path, name, codec):
    video = video_file(save_video(tmp_path / name, numbered(), codec))
    assert (video.frames, video.width, video.height) == (FRAMES, WIDTH, HEIGHT)
    for wanted in ([0], [39], [13, 14, 14, 30], list(range(3, 40, 4)), [20] * 5):
        found = list(video.read(wanted))
        assert numbers(found) == wanted
        assert found[0].shape == (HEIGHT, WIDTH, 3) and found[0].dtype == torch.uint8


def test_frames_of_uneven_length_are_counted_by_their_stamps(tmp_path):
    """As phones film: seconds are no measure."""
    stamps = np.cumsum([1, 3, 2, 1] * (FRAMES // 4)).tolist()
    video = video_file(save_video(tmp_path / "a.mkv", numbered(), rate=30, stamps=stamps))
    assert numbers(video.read([5, 17, 38])) == [5, 17, 38]


def test_a_late_piece_of_a_long_video_is_found_without_decoding_all_before(mp4):
    video, decoded = video_file(mp4), []
    with av.open(str(mp4)) as file:
        file.seek(video.stamps[38], stream=file.streams.video[0])
        decoded = [frame.pts for frame in file.decode(video=0)]
    assert len(decoded) < 12
    assert numbers(video.read([38, 39])) == [38, 39]


def test_what_a_phone_filmed_sideways_stands_upright(tmp_path, mp4):
    """The turn is written in the file's header, as phones do it."""
    data = bytearray(mp4.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of the box
    one = (1 << 16).to_bytes(4, "big")
    zero, minus = bytes(4), (-(1 << 16)).to_bytes(4, "big", signed=True)
    assert data[at : at + 4] == one
    data[at : at + 36] = zero + one + zero + minus + zero + zero + zero + zero + (1 << 30).to_bytes(4, "big")
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    video = video_file(turned)
    assert (video.width, video.height) == (HEIGHT, WIDTH)
    (frame,) = video.read([0])
    assert frame.shape == (WIDTH, HEIGHT, 3)
    assert frame[: WIDTH // 2 - 4, :, 0].min() > 200 > 50 > frame[WIDTH // 2 + 4 :, :, 0].max()  # left came to the top


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animations_that_pillow_reads(tmp_path, ending):
    pictures = [Image.fromarray(picture) for picture in numbered(6)]
    path = tmp_path / f"a.{ending}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], lossless=True)
    animation = source_of(path)
    assert (animation.frames, animation.width, animation.height) == (6, WIDTH, HEIGHT)
    assert numbers(animation.read([1, 1, 3, 5])) == [1, 1, 3, 5]


def test_a_photograph_lies_as_its_camera_was_held(tmp_path):
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(numbered(1)[0]).save(path, exif=exif, quality=95)
    picture = picture_file(path)
    (pixels,) = picture.read([0])
    assert (picture.width, picture.height) == (HEIGHT, WIDTH) == (pixels.shape[1], pixels.shape[0])
    assert pixels[4, HEIGHT // 2, 0] > 200 > 50 > pixels[-4, HEIGHT // 2, 0]


def test_pictures_in_memory():
    pixels = torch.rand(5, 8, 6, 3)
    source = Pictures(pixels)
    assert (source.frames, source.width, source.height) == (5, 6, 8)
    assert torch.stack(list(source.read([1, 1, 4]))).equal(pixels[[1, 1, 4]])


def test_a_digest_tells_contents_apart_and_not_names(tmp_path, mp4):
    copy = shutil.copy(mp4, tmp_path / "b.mp4")
    other = save_video(tmp_path / "c.mp4", numbered(20))
    assert video_file(mp4).digest == video_file(copy).digest != video_file(other).digest
    pixels = torch.rand(2, 4, 4, 3)
    assert Pictures(pixels).digest == Pictures(pixels.clone()).digest != Pictures(pixels + 0.1).digest


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.png"])
def test_what_is_no_video(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        ValueError, match=f"'{name}' cannot be decoded \\(.+\\). Export it again, or take it out of the f"
    ):
        source_of(path)


def test_a_download_that_broke_off(tmp_path, mp4):
    path = tmp_path / "a.mp4"
    path.write_bytes(mp4.read_bytes()[:3000])
    with pytest.raises(ValueError, match="'a.mp4' cannot be decoded"):
        video_file(path)


def test_a_file_that_lost_its_end_after_it_was_listed(tmp_path):
    path = save_video(tmp_path / "a.mkv", numbered())
    video = video_file(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="'a.mkv' (ends before its frame|cannot be decoded)"):
        list(video.read([39]))


def test_only_sound(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(ValueError, match="'a.mp4' has no pictures in it, only sound. Take it out of the folder."):
        video_file(path)
