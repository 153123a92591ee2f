"""Encoded clips are kept, and known again by their contents."""

import logging
import shutil

import comfy.sd
import comfy.taesd.taesd
import drawn
import encoders
import folder_paths
import i2v
import pytest
import torch
from animatediff_native.training.clips import BEGINNING, PIECES, Taking
from animatediff_native.training.dataset import RANDOM_CROP, CameraMove
from animatediff_native.training.encode import BESIDE, TEMP
from animatediff_native.training.folder import FolderSettings, clips_in
from animatediff_native.training.graph import clips_of_images
from encoders import PROBE, Counting, encoded
from weights import filled


@pytest.fixture(scope="module")
def text_encoder():
    return encoders.text_encoder()


@pytest.fixture(scope="module")
def vae():
    return i2v.small_vae()


@pytest.fixture(scope="module")
def other_vae():
    like = comfy.taesd.taesd.TAESD().state_dict()
    return comfy.sd.VAE(sd=filled({key: tuple(value.shape) for key, value in like.items()}, 1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    folder = tmp_path / "input" / "sea"
    drawn.video(folder / "a.mp4", 20, "waves")
    drawn.video(folder / "b.mp4", 12, "waves")
    drawn.video(folder / "3_calm" / "c.mp4", 9)
    return folder


def clips(folder, taking=None, **words):
    return clips_in(folder, FolderSettings(taking or Taking(4, 2), 64, 64, **words))


@pytest.mark.parametrize("cache", [TEMP, BESIDE])
def test_what_was_encoded_is_read_from_the_cache(folder, tmp_path, vae, text_encoder, cache):
    data, first, second = clips(folder, fit=RANDOM_CROP), Counting(vae), Counting(vae)
    once = encoded(data, first, text_encoder, 2, cache)
    again = encoded(data, second, text_encoder, 2, cache)
    assert (first.frames, second.frames) == (3 * 2 * 4 + PROBE, PROBE)
    for one, other in zip(once.items, again.items, strict=True):
        assert one.latents.equal(other.latents)
    assert once.hash == again.hash and again.summary.endswith(", 6 variants, 6 from the cache")
    place = folder / ".latents" if cache == BESIDE else tmp_path / "temp" / "animatediff_latents"
    assert len(list(place.iterdir())) == 6


def test_more_variants_encode_only_what_is_new(folder, vae, text_encoder):
    data, counting = clips(folder, fit=RANDOM_CROP), Counting(vae)
    encoded(data, vae, text_encoder, 2)
    encoded(data, counting, text_encoder, 3)
    assert counting.frames == 3 * 4 + PROBE


def test_the_cache_goes_by_contents(folder, vae, other_vae, text_encoder):
    """A renamed file is known; another file under the same name is not, nor another VAE, nor another size."""
    counting, data = Counting(vae), clips(folder, Taking(4, 2, BEGINNING))
    encoded(data, counting, text_encoder)
    before = counting.frames
    shutil.move(folder / "a.mp4", folder / "z.mp4")
    encoded(clips(folder, Taking(4, 2, BEGINNING)), counting, text_encoder)
    assert counting.frames == before + PROBE
    drawn.video(folder / "z.mp4", 16)
    encoded(clips(folder, Taking(4, 2, BEGINNING)), counting, text_encoder)
    assert counting.frames == before + 2 * PROBE + 4
    other = Counting(other_vae)
    encoded(clips(folder, Taking(4, 2, BEGINNING)), other, text_encoder)
    assert other.frames == 3 * 4 + PROBE


def test_a_broken_cache_is_written_anew(folder, vae, text_encoder):
    data = clips(folder)
    once = encoded(data, vae, text_encoder, 1, BESIDE)
    for path in (folder / ".latents").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    again = encoded(data, vae, text_encoder, 1, BESIDE)
    assert all(one.latents.equal(other.latents) for one, other in zip(once.items, again.items, strict=True))
    assert encoded(data, vae, text_encoder, 1, BESIDE).summary.endswith("3 from the cache")


def test_a_cache_that_cannot_be_written_stops_nobody(folder, vae, text_encoder, caplog):
    (folder / ".latents").write_text("in the way")
    with caplog.at_level(logging.WARNING, "animatediff"):
        assert len(encoded(clips(folder), vae, text_encoder, 1, BESIDE).items) == 3
    assert "cannot be kept" in caplog.text


def test_other_pictures_of_the_same_size_are_another_data_set(folder, vae, text_encoder):
    one, other = (torch.full((4, 64, 64, 3), shade) for shade in (0.2, 0.8))
    hashes = [
        encoded(clips_of_images([each], [""], Taking(4, 1, BEGINNING), (64, 64), "crop center"), vae, text_encoder).hash
        for each in (one, other, one.clone())
    ]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_long_video_is_read_once_for_all_of_its_pieces(folder, vae, text_encoder, monkeypatch):
    read, opened = [], type(folder).open

    def note(path, *words, **more):
        read.extend([path.name] if words == ("rb",) else [])
        return opened(path, *words, **more)

    monkeypatch.setattr(type(folder), "open", note)
    encoded(clips(folder, Taking(3, 2, PIECES)), vae, text_encoder)
    assert sorted(read) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_changed_data_set_has_another_hash(folder, vae, text_encoder):
    data = clips(folder)
    hashes = {
        encoded(each, vae, text_encoder).hash
        for each in (data, data, clips(folder, trigger="wavy"), data.moved(CameraMove("zoom in", 0.4, False, 4)))
    }
    assert len(hashes) == 3
