"""MotionCtrl: its camera in Camera Path, its objects in Object Path; windows, strengths, halves, and files."""

import gzip
import json

import folder_paths
import pytest
import torch
from animatediff_native.motion.load import MOTION_MODELS
from animatediff_native.motion.options import MotionRun, negatives_of
from animatediff_native.nodes.camera import CameraPath
from animatediff_native.nodes.load import LoadMotionModel
from animatediff_native.nodes.objects import ObjectPath
from animatediff_native.sampling.values.schedules import FrameValues, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from cameras import camera_state as camera_ctrl_state
from clips import latents, motion_model, sample
from i2v import own
from motion_ctrl import camera_file, camera_shapes, camera_state, object_file, object_shapes, object_state
from oracles import DATA, relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS, unet_model
from weights import motion_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    save_file(motion_state("v3", SD15_CHANNELS), folder / "ctrl_v3.safetensors")
    save_file(camera_state(SD15_CHANNELS), folder / "cmcm.safetensors")
    save_file(object_state(SD15_CHANNELS), folder / "omcm.safetensors")
    save_file(camera_ctrl_state(SD15_CHANNELS), folder / "cameractrl.safetensors")
    torch.save(camera_file(SD15_CHANNELS), folder / "motionctrl_cmcm.ckpt")
    torch.save(object_file(SD15_CHANNELS), folder / "motionctrl_omcm.ckpt")
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield folder
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


@pytest.fixture(scope="module")
def motion(folder):
    return LoadMotionModel.execute("ctrl_v3.safetensors").result[0]


def filmed(motion, path="0: pan left 1.0", **words):
    inputs = {"camera_file": "cmcm.safetensors", "speed": 1.0, "strength": 1.0}
    return CameraPath.execute(motion, path=path, **(inputs | words)).result[0]


def moved(motion, points="5,5 60,60", **words):
    inputs = {"object_file": "omcm.safetensors", "width": 64, "height": 64, "strength": 1.0, "end_percent": 1.0}
    return ObjectPath.execute(motion, points=points, **(inputs | words)).result[0]


def clip(model, frames=8, **words):
    return sample(model, frames, **({"steps": 1, "latent_image": latents(frames, 8, 8)} | words))


def test_what_is_asked_for_counts(sd15, motion):
    clips = [
        clip(own(sd15, each))
        for each in (
            motion,
            filmed(motion),
            filmed(motion, "zoom in"),
            filmed(motion, strength=0.5),
            moved(motion),
            moved(motion, "60,60 5,5"),
            moved(motion, strength=0.5),
            moved(filmed(motion)),
            filmed(motion, camera_file="cameractrl.safetensors"),
            filmed(filmed(motion), camera_file="cameractrl.safetensors"),
        )
    ]
    for index, found in enumerate(clips):
        assert found.isfinite().all()
        assert all(relative_error(found, other) > 1e-5 for other in clips[index + 1 :]), index


@pytest.mark.parametrize("put", [filmed, moved])
def test_at_strength_0_there_is_none(sd15, motion, put):
    plain = clip(own(sd15, motion), steps=2)
    assert torch.equal(clip(own(sd15, put(motion, strength=0.0)), steps=2), plain)
    nowhere = put(motion, strength_schedule=FrameValues(parsed("0: 0")))
    assert torch.equal(clip(own(sd15, nowhere), steps=2), plain)
    late = put(motion, strength_schedule=step_values("0%: 0\n50%: 1 jump"))
    half = put(motion, strength_schedule=FrameValues(parsed("0: 1, 4: 0 jump")))
    assert not any(torch.equal(clip(own(sd15, each), steps=2), plain) for each in (late, half))


def test_objects_move_at_first_only(sd15, motion):
    """As in training: what is sampled from behind end_percent on is the plain clip."""
    words = {"steps": 2, "start_step": 1, "force_full_denoise": True}
    plain = clip(own(sd15, motion), **words)
    assert torch.equal(clip(own(sd15, moved(motion, end_percent=0.3)), **words), plain)
    assert relative_error(clip(own(sd15, moved(motion)), **words), plain) > 1e-5
    assert relative_error(clip(own(sd15, moved(motion, end_percent=0.3))), clip(own(sd15, motion))) > 1e-5


PAN, WAY = ["0: pan left"] * 3, ["5.3,5.3 20.3,20.3 61.3,5.3", "5.3,5.3 19.3,19.3", "23.0333333,19.3 61.3,5.3"]


@pytest.mark.parametrize(("put", "name", "texts"), [(filmed, "path", PAN), (moved, "points", WAY)])
def test_a_window_is_the_clip_that_it_would_be_alone(sd15, motion, put, name, texts):
    """Poses count from its own first frame, and nothing has come to it."""
    whole, *parts = (own(sd15, put(motion, **{name: text})) for text in texts)
    noise = latents(16, 8, 8, seed=5)
    both = clip(with_windows(whole, WindowPlan(STANDARD_STATIC, 8, 0)), 16, noise=noise)
    for alone, part in zip(parts, (slice(0, 8), slice(8, 16)), strict=True):
        assert relative_error(both[part], clip(alone, noise=noise[part])) < 1e-5


def test_negative_prompts_have_no_pose_and_no_path(sd15, motion):
    """A clip of the negative prompt alone does not change with them."""
    for a, b in ((filmed(motion), filmed(motion, "zoom in")), (moved(motion), moved(motion, "60,60 5,5"))):
        same, others = [], []
        for each in (a, b):
            seen = Seen()
            clip(seen.through(own(sd15, each)))
            same.append(seen.negative)
            others.append(seen.positive)
        assert torch.equal(*same) and relative_error(*others) > 1e-5


class Seen:
    """What the UNet makes of each prompt."""

    def through(self, model):
        def note(arguments):
            self.positive, self.negative = arguments["cond"].clone(), arguments["uncond"].clone()
            return arguments["cond"]

        model = model.clone()
        model.set_model_sampler_cfg_function(note)
        return model


@pytest.mark.parametrize(
    ("prompts", "kinds", "expected"),
    [
        (["positive", "negative"], [0, 1], (False, True)),
        (["negative", "positive"], [1, 0], (True, False)),
        (["negative", "middle", "positive"], [0, 1, 2], (True, False, False)),
        (["positive", "negative", "empty_negative_prompt"], [0, 1, 2], (False, True, True)),
        (["negative"], [0], (True,)),
        (["positive", "positive"], [0, 1], (False, True)),
        ([], [0, 1], (False, True)),
        ([], [], ()),
    ],
)
def test_which_prompts_are_negative(prompts, kinds, expected):
    uuids = [f"{index}" for index in range(len(prompts))]
    run = MotionRun(8, prompts=dict(zip(uuids, prompts, strict=True)))
    assert negatives_of({"cond_or_uncond": kinds, "uuids": uuids}, run) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_at_a_size_that_is_no_multiple_of_64(motion, dtype):
    words = {"latent_image": latents(8, 9, 7)}
    found, expected = (
        clip(own(unet_model(dtype=each), moved(filmed(motion))), **words) for each in (dtype, torch.float32)
    )
    assert found.isfinite().all()
    assert relative_error(found, expected) < (0.02 if dtype == torch.float16 else 0.1)


def test_the_published_files_are_the_same(sd15, motion):
    whole = moved(filmed(motion, camera_file="motionctrl_cmcm.ckpt"), object_file="motionctrl_omcm.ckpt")
    assert relative_error(clip(own(sd15, whole)), clip(own(sd15, moved(filmed(motion))))) < 1e-2


def test_longer_clips_get_windows_of_16(sd15, motion, caplog):
    caplog.set_level("INFO")
    clip(own(sd15, filmed(motion)), 20)
    assert "sampled in windows of 16" in caplog.text


def test_the_public_layout():
    published = json.loads(gzip.decompress((DATA / "keylists.json.gz").read_bytes()))
    for shapes, name in ((camera_shapes(), "cmcm.ckpt (state_dict)"), (object_shapes(), "omcm.ckpt (omcm_state_dict)")):
        assert shapes == {k: tuple(shape) for k, shape in published[f"motionctrl_animatediff_{name}"].items()}


@pytest.mark.parametrize("family", ["v1", "v2", "animatelcm", "sdxl"])
def test_other_motion_models(folder, family):
    message = "^MotionCtrl puts attention weights of its own in the place of AnimateDiff v3's, and this motion model is"
    with pytest.raises(ValueError, match=message):
        filmed(motion_model(family))
    if family == "sdxl":
        with pytest.raises(ValueError, match="^MotionCtrl was made for SD1.5, and this motion model is"):
            moved(motion_model(family))


def test_two_of_a_kind(motion):
    with pytest.raises(ValueError, match="^This motion model's camera goes by MotionCtrl already"):
        filmed(filmed(motion))
    with pytest.raises(ValueError, match="^This motion model moves objects already"):
        moved(moved(motion))


def test_files_in_the_wrong_place(motion):
    for name in ("motionctrl_omcm.ckpt", "omcm.safetensors"):
        with pytest.raises(ValueError, match=f"^'{name}' is an add-on for objects .MotionCtrl., not for the camera"):
            filmed(motion, camera_file=name)
        with pytest.raises(ValueError, match="is a MotionCtrl add-on for objects.*this file with Object Path"):
            LoadMotionModel.execute(name)
    for name in ("motionctrl_cmcm.ckpt", "cmcm.safetensors", "cameractrl.safetensors"):
        with pytest.raises(ValueError, match=f"^'{name}' is an add-on for the camera, not for objects. Load it with"):
            moved(motion, object_file=name)
    with pytest.raises(ValueError, match="is a MotionCtrl add-on for the camera.*this file with Camera Path"):
        LoadMotionModel.execute("motionctrl_cmcm.ckpt")
    with pytest.raises(ValueError, match="^'ctrl_v3.safetensors' is no MotionCtrl file for objects. Choose"):
        moved(motion, object_file="ctrl_v3.safetensors")


@pytest.mark.parametrize(("put", "state", "lost"), [(filmed, camera_state, 3), (moved, object_state, 5)])
def test_a_file_that_is_cut_short(folder, motion, put, state, lost):
    tensors = state(SD15_CHANNELS)
    tensors.pop(sorted(tensors)[lost])
    save_file(tensors, folder / "cut.safetensors")
    name = "camera_file" if put is filmed else "object_file"
    with pytest.raises(ValueError, match="^'cut.safetensors' looks like MotionCtrl, but 1 of its tensors"):
        put(motion, **{name: "cut.safetensors"})


def test_numbers_out_of_range(motion):
    for name, value in (("strength", 11.0), ("end_percent", 1.5)):
        with pytest.raises(ValueError, match=f"^{name} is "):
            moved(motion, **{name: value})


def test_points_are_told_before_anything_runs():
    assert ObjectPath.validate_inputs("5,5 60,60", 64, 64) is True
    assert ObjectPath.validate_inputs(None, 64, 64) is True and ObjectPath.validate_inputs("x", None, 64) is True
    assert ObjectPath.validate_inputs("5,5 70,60", 64, 64).startswith("Line 1, column 5 of points is the point 70,60")
    assert ObjectPath.validate_inputs("5,5 60,60", 0, 64) == "width is 0, and must be from 8 to 16384."
