"""Camera Path: which motion models it takes, windows, strengths, sizes and halves."""

import gzip
import json

import folder_paths
import pytest
import torch
from animatediff_native.motion.camera import cameras
from animatediff_native.motion.load import MOTION_MODELS
from animatediff_native.nodes.camera import CameraPath
from animatediff_native.nodes.load import LoadMotionModel
from animatediff_native.sampling.values.schedules import FrameValues, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from cameras import camera_file, camera_state, encoder_shapes, merge_shapes
from clips import latents, motion_model, sample
from i2v import own
from oracles import DATA, relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS, unet_model
from weights import motion_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    save_file(motion_state("v3", SD15_CHANNELS), folder / "camera_v3.safetensors")
    save_file(camera_state(SD15_CHANNELS), folder / "CameraCtrl_pruned.safetensors")
    torch.save(camera_file(SD15_CHANNELS), folder / "CameraCtrl.ckpt")
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield folder
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


@pytest.fixture(scope="module")
def motion(folder):
    return LoadMotionModel.execute("camera_v3.safetensors").result[0]


def filmed(motion, path="0: pan left 1.0", **words):
    inputs = {"camera_file": "CameraCtrl_pruned.safetensors", "speed": 1.0, "strength": 1.0}
    return CameraPath.execute(motion, path=path, **(inputs | words)).result[0]


def clip(model, frames=8, **words):
    return sample(model, frames, **({"steps": 1, "latent_image": latents(frames, 8, 8)} | words))


def test_the_path_its_speed_and_its_strength_count(sd15, motion):
    clips = [
        clip(own(sd15, each))
        for each in (
            filmed(motion),
            motion,
            filmed(motion, "zoom in"),
            filmed(motion, speed=0.5),
            filmed(motion, strength=0.5),
            filmed(filmed(motion), "zoom in"),
        )
    ]
    assert all(relative_error(clips[0], other) > 1e-4 for other in clips[1:])
    assert torch.equal(clips[0], clip(own(sd15, filmed(motion, "0: pan left 0.5", speed=2.0))))


def test_at_strength_0_there_is_no_camera(sd15, motion):
    plain = clip(own(sd15, motion), steps=2)
    assert torch.equal(clip(own(sd15, filmed(motion, strength=0.0)), steps=2), plain)
    nowhere = filmed(motion, strength_schedule=FrameValues(parsed("0: 0")))
    assert torch.equal(clip(own(sd15, nowhere), steps=2), plain)
    late = filmed(motion, strength_schedule=step_values("0%: 0\n50%: 1 jump"))
    assert relative_error(clip(own(sd15, late), steps=2), plain) > 1e-4


def test_a_strength_over_frames(sd15, motion):
    """It counts in some frames only; what meets them in the attention changes, too."""
    half = filmed(motion, strength_schedule=FrameValues(parsed("0: 1, 4: 0 jump")))
    found = clip(own(sd15, half))
    assert all(relative_error(found, clip(own(sd15, each))) > 1e-4 for each in (motion, filmed(motion)))


def test_a_window_is_the_clip_that_it_would_be_alone(sd15, motion):
    """Its poses count from its own first frame."""
    noise = latents(16, 8, 8, seed=5)
    windows = with_windows(own(sd15, filmed(motion)), WindowPlan(STANDARD_STATIC, 8, 0))
    both = clip(windows, 16, noise=noise)
    for part in (slice(0, 8), slice(8, 16)):
        assert relative_error(both[part], clip(own(sd15, filmed(motion)), noise=noise[part])) < 1e-5


def test_longer_clips_get_windows_of_16(sd15, motion, caplog):
    caplog.set_level("INFO")
    clip(own(sd15, filmed(motion)), 20)
    assert "20 frames are more than the motion model takes at once (16): sampled in windows of 16" in caplog.text
    caplog.clear()
    clip(own(sd15, motion), 20)
    assert "windows of" not in caplog.text


@pytest.mark.parametrize("size", [(10, 8), (9, 13), (11, 7)])
def test_sizes_that_are_no_multiple_of_64(sd15, motion, size):
    words = {"latent_image": latents(8, *size)}
    found, plain = (clip(own(sd15, each), **words) for each in (filmed(motion), motion))
    assert found.shape[-2:] == size and found.isfinite().all() and relative_error(found, plain) > 1e-4


def test_a_pose_file_that_is_shorter(sd15, motion, caplog):
    row = "0 0.5 0.8 0.5 0.5 0 0 1 0 0 {} 0 1 0 0 0 0 1 0"
    path = "\n".join(row.format(x / 10) for x in range(5))
    clip(own(sd15, filmed(motion, path)), steps=2)
    assert caplog.text.count("The camera has 5 poses for 8 frames: it rests at the last one.") == 1


def test_features_are_made_once_for_each_window(sd15, motion):
    filmed_motion = filmed(motion)
    (camera,) = cameras(filmed_motion)
    made = []
    hook = camera.model.encoder.register_forward_hook(lambda *_: made.append(1))
    clip(with_windows(own(sd15, filmed_motion), WindowPlan(STANDARD_STATIC, 8, 0)), 16, steps=3)
    hook.remove()
    assert len(made) == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(motion, dtype):
    found, expected = (clip(own(unet_model(dtype=each), filmed(motion))) for each in (dtype, torch.float32))
    assert found.isfinite().all()
    assert relative_error(found, expected) < (0.02 if dtype == torch.float16 else 0.1)


def test_the_published_file_is_the_same(sd15, motion):
    whole = filmed(motion, camera_file="CameraCtrl.ckpt")
    assert relative_error(clip(own(sd15, whole)), clip(own(sd15, filmed(motion)))) < 1e-2


def test_the_public_layout():
    published = json.loads(gzip.decompress((DATA / "keylists.json.gz").read_bytes()))
    for shapes, name in ((encoder_shapes(), "pose encoder"), (merge_shapes(), "attention processors")):
        theirs = {key: tuple(shape) for key, shape in published[f"CameraCtrl {name}"].items()}
        assert {key: shape for key, shape in shapes.items() if ".pe" not in key} == {
            key: shape for key, shape in theirs.items() if ".pe" not in key
        }


@pytest.mark.parametrize("family", ["v1", "v2", "animatelcm", "sdxl"])
def test_other_motion_models(folder, family):
    with pytest.raises(ValueError, match="^CameraCtrl was made for AnimateDiff v3, and this motion model is"):
        filmed(motion_model(family))


def test_other_files(folder, motion):
    with pytest.raises(ValueError, match="^'camera_v3.safetensors' is no CameraCtrl file. Choose CameraCtrl.ckpt here"):
        filmed(motion, camera_file="camera_v3.safetensors")
    with pytest.raises(ValueError, match="is a CameraCtrl add-on, not a motion model.*this file with Camera Path"):
        LoadMotionModel.execute("CameraCtrl.ckpt")
    for name, value in (("speed", float("nan")), ("strength", 11.0)):
        with pytest.raises(ValueError, match=f"^{name} is "):
            filmed(motion, **{name: value})
