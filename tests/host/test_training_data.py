"""Videos and pictures through the nodes, the VAE and the text encoder, to what a training run learns from."""

import weakref

import animatediff_native.nodes.training_clips as clip_forms
import animatediff_native.nodes.training_data as data_forms
import drawn
import encoders
import folder_paths
import i2v
import pytest
import torch
from animatediff_native.nodes.training_inputs import NO_FOLDER, folders
from animatediff_native.training.clips import BEGINNING, HOLD, Taking
from animatediff_native.training.encode import BESIDE, TEMP
from animatediff_native.training.folder import FolderSettings, clips_in
from encoders import PROBE, Counting, encoded

FORMS = {node.GET_SCHEMA().node_id: node for node in (*data_forms.NODES, *clip_forms.NODES)}
FOLDER = {
    **{"clip_frames": 4, "stride": 2, "width": 64, "height": 64, "fit": "crop center", "start": "random"},
    **{"short_clips": "refuse", "fallback_caption": "", "trigger": "", "flip": False},
    **{"repeats_by_folder_name": True, "csv": ""},
}


@pytest.fixture(scope="module")
def text_encoder():
    return encoders.text_encoder()


@pytest.fixture(scope="module")
def vae():
    return i2v.small_vae()


@pytest.fixture(autouse=True)
def host_folders(tmp_path, monkeypatch):
    """The host's input and temp folders, for one test."""
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    (tmp_path / "input").mkdir()
    return tmp_path


@pytest.fixture
def folder(host_folders):
    folder = host_folders / "input" / "sea"
    drawn.video(folder / "a.mp4", 20, "waves")
    drawn.video(folder / "b.mp4", 12, "waves")
    drawn.video(folder / "3_calm" / "c.mp4", 9)
    return folder


def run(node_id, **inputs):
    """(the node's first output, what the page shows)"""
    with torch.inference_mode():
        output = FORMS[node_id].execute(**inputs)
    return output.result[0], output.ui


def clips(folder, taking=None, **words):
    return clips_in(folder, FolderSettings(taking or Taking(4, 2), 64, 64, **words))


def test_a_folder_becomes_examples(folder, vae, text_encoder):
    found, shown = run("ADN_ClipDataset", folder="sea", **(FOLDER | {"trigger": "wavy", "flip": True}))
    assert len(shown["images"]) == 1
    examples, _ = run("ADN_EncodeClips", clips=found, vae=vae, clip=text_encoder, variants=3, cache=TEMP)
    assert [(item.name, item.repeats) for item in examples.items] == [("a.mp4", 1), ("b.mp4", 1), ("3_calm/c.mp4", 3)]
    for item in examples.items:
        assert item.latents.shape[1:] == (4, 4, 8, 8) and item.latents.dtype == torch.float32
        assert 1 < len(item.latents) <= 3
    assert (examples.trigger, examples.flipped, examples.stride) == ("wavy", True, 2)
    assert (examples.width, examples.height, len(examples.hash)) == (64, 64, 64)
    assert examples.summary.startswith("3 clips, 1 without caption, shortest 9 frames, ")


def test_latents_are_what_the_vae_makes_of_the_frames(folder, vae, text_encoder):
    data = clips(folder, Taking(4, 2, BEGINNING))
    examples = encoded(data, vae, text_encoder)
    item = data.items[0]
    pixels = data.pixels(item, data.shot(item, 0))
    with torch.inference_mode():
        assert examples.items[0].latents[0].equal(vae.encode(pixels))
    assert [drawn.number_of(frame) for frame in pixels] == [0, 2, 4, 6]


def test_captions_are_what_the_text_encoder_makes_of_them(folder, vae, text_encoder):
    examples = encoded(clips(folder), vae, text_encoder)
    with torch.inference_mode():
        expected = {
            text: text_encoder.encode_from_tokens_scheduled(text_encoder.tokenize(text)) for text in ("waves", "")
        }
    assert examples.items[0].cond is examples.items[1].cond  # encoded once
    assert examples.items[0].cond[0][0].equal(expected["waves"][0][0])
    assert examples.empty[0][0].equal(expected[""][0][0])


def test_one_clip_is_decoded_at_a_time(folder, vae, text_encoder):
    """Nothing is left of a clip's pixels when those of the next one are there."""
    seen = []

    class Watching(Counting):
        def encode(self, pixels):
            assert not any(pixels() is not None for pixels in seen[1:])
            seen.append(weakref.ref(pixels))
            return super().encode(pixels)

    encoded(clips(folder), Watching(vae), text_encoder, 3)
    assert len(seen) > 4


def test_pictures_with_a_camera_move(host_folders, vae, text_encoder):
    for name in "ab":
        drawn.picture(host_folders / "input" / "photos" / f"{name}.png", "a hill", width=128, height=128)
    stills, _ = run(
        "ADN_StillsDataset", folder="photos", **{key: FOLDER[key] for key in FOLDER if key in STILLS_INPUTS}
    )
    moved, shown = run("ADN_CameraMove", clips=stills, move="pan left", amount=0.5, own_motion="keep", clip_frames=5)
    assert shown["images"]
    examples = encoded(moved, vae, text_encoder)
    assert [item.latents.shape for item in examples.items] == [(1, 5, 4, 8, 8)] * 2
    item = moved.items[0]
    means = moved.pixels(item, moved.shot(item, 0)).mean((1, 2, 3))
    assert (means.diff() < 0).all()  # the picture is lighter on its right, and the camera goes to the left


STILLS_INPUTS = [entry.id for entry in FORMS["ADN_StillsDataset"].GET_SCHEMA().inputs]
IMAGES = {key: [FOLDER[key]] for key in ("clip_frames", "stride", "width", "height", "fit", "start", "short_clips")}


def test_images_of_the_graph(vae, text_encoder):
    frames = torch.from_numpy(drawn.frames(12)) / 255
    one, shown = run("ADN_ClipsFromImages", images=[frames], caption=["waves"], images_are=["one clip"], **IMAGES)
    both, _ = run(
        "ADN_ClipsFromImages", images=[frames.flip(0)], caption=[""], images_are=["one clip"], clips=[one], **IMAGES
    )
    assert shown["images"] and [item.name for item in both.items] == ["clip 1", "clip 2"]
    examples = encoded(both, vae, text_encoder, 2, BESIDE)
    assert [item.frames for item in examples.items] == [4, 4]


def test_single_pictures_of_the_graph(vae, text_encoder):
    frames = torch.from_numpy(drawn.frames(3)) / 255
    stills, _ = run("ADN_ClipsFromImages", images=[frames], caption=["a"], images_are=["single pictures"], **IMAGES)
    assert [item.latents.shape for item in encoded(stills, vae, text_encoder).items] == [(1, 1, 4, 8, 8)] * 3


def test_latents_of_the_graph():
    latents = [{"samples": torch.randn(4, 4, 8, 8)} for _ in range(2)]
    cond = [[torch.zeros(1, 77, 768), {}]]
    examples, _ = run("ADN_ClipsFromLatents", latents=latents, conditioning=[cond], empty=[cond])
    assert examples.summary == "2 clips of 4 frames" and examples.items[1].latents[0].equal(latents[1]["samples"])


def test_stage_one_sees_another_frame_for_every_variant(folder, vae, text_encoder):
    stills = clips(folder, Taking(1, 1, short_clips=HOLD))
    examples = encoded(stills, vae, text_encoder, 6)
    assert all(item.frames == 1 for item in examples.items) and len(examples.items[0].latents) > 3


@pytest.mark.parametrize(
    "missing, said",
    [
        ({"vae": None}, "There is no VAE in the checkpoint's file. Connect the one for it from Load VAE."),
        ({"clip": None}, "There is no text encoder in the checkpoint's file. Connect the one for it from Load CLIP."),
        ({"vae": "flux"}, "The VAE makes latents of 16 channels, and SD1.5 and SDXL have 4. Connect the VAE of the"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_encoded(folder, vae, text_encoder, missing, said):
    counting = Counting(vae)
    inputs = {"vae": counting, "clip": text_encoder} | missing
    if inputs["vae"] == "flux":
        inputs["vae"] = i2v.small_vae(16)
    with pytest.raises(ValueError, match=said):
        run("ADN_EncodeClips", clips=clips(folder), variants=1, cache=TEMP, **inputs)
    assert not counting.frames


def test_a_vae_that_fails_in_half_precision(folder, vae, text_encoder):
    class Failing(Counting):
        def encode(self, pixels):
            return super().encode(pixels) * (float("nan") if len(pixels) > PROBE else 1.0)

    with pytest.raises(RuntimeError, match="The VAE gives no numbers for 'a.mp4' .* Start ComfyUI with --fp32-vae"):
        encoded(clips(folder), Failing(vae), text_encoder)


def test_without_a_folder(host_folders):
    assert folders() == [NO_FOLDER]
    with pytest.raises(ValueError, match="There is no folder '.*yet.*' in .*input. Make a folder there"):
        run("ADN_ClipDataset", folder=NO_FOLDER, **FOLDER)


def test_folders_of_the_host_for_data_sets(host_folders, monkeypatch, folder):
    (host_folders / "sets" / "hills").mkdir(parents=True)
    paths = folder_paths.folder_names_and_paths
    monkeypatch.setitem(paths, "datasets", ([str(host_folders / "sets"), str(host_folders / "none")], set()))
    (folder / ".latents").mkdir()
    (host_folders / "sets" / "notes.txt").touch()
    (host_folders / "other").mkdir()
    assert folders() == ["sea", "sea/3_calm", "datasets/hills"]
    drawn.video(host_folders / "sets" / "hills" / "a.mp4", 9)
    found, _ = run("ADN_ClipDataset", folder="datasets/hills", **FOLDER)
    assert found.folder == host_folders / "sets" / "hills"
    with pytest.raises(ValueError, match="There is no folder 'datasets/../other'"):
        run("ADN_ClipDataset", folder="datasets/../other", **FOLDER)


def test_a_new_file_makes_the_node_run_again(folder):
    form = FORMS["ADN_ClipDataset"]
    before = form.fingerprint_inputs(folder="sea", **FOLDER)
    assert form.fingerprint_inputs(folder="sea", **FOLDER) == before
    drawn.video(folder / "d.mp4", 9)
    assert form.fingerprint_inputs(folder="sea", **FOLDER) != before
