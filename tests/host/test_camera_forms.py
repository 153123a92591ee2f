"""Camera poses of shared workflows, as nodes of other packs read them; and CameraCtrl there."""

import os

import animatediff_native.nodes.compat as compat
import folder_paths
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.camera_path import PRESETS, joined_rows, moved, rows_of
from animatediff_native.motion.load import MOTION_MODELS
from animatediff_native.nodes.camera import CameraPath
from animatediff_native.nodes.load import LoadMotionModel
from animatediff_native.sampling.run import watch
from cameras import camera_state
from clips import latents, sample
from i2v import own
from oracles import relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS
from weights import motion_state

FORMS = {node.GET_SCHEMA().node_id: node for node in compat.NODES}
SIX = ["Pan Left", "Static", "Zoom In", "Static", "Static", "Pan Left"]


def poses(node_id: str, **inputs) -> list[list[float]]:
    (found,) = FORMS[node_id].execute(**inputs).args
    assert all(type(number) in (int, float) for row in found for number in row)
    return found


def test_one_move():
    found = poses("ADE_CameraPoseBasic", motion_type="Roll Clockwise", speed=0.5, frame_length=7)
    assert found == rows_of(moved(PRESETS["Roll Clockwise"], 0.5, 7))


def test_six_at_once():
    words = {f"motion_type{number}": name for number, name in enumerate(SIX, 1)}
    found = poses("ADE_CameraPoseCombo", speed=-1.0, frame_length=4, **words)
    assert [row[10::4] for row in found] == [pytest.approx([-3 * k / 16, 0, 3 * k / 16]) for k in range(4)]


def test_one_after_the_other():
    first = poses("ADE_CameraPoseBasic", motion_type="Tilt Up", speed=1.0, frame_length=4)
    words = {"motion_type": "Zoom In", "speed": 1.0, "frame_length": 4}
    found = poses("ADE_CameraPoseBasic", prev_poses=first, **words)
    assert found == joined_rows(first, poses("ADE_CameraPoseBasic", **words)) and len(found) == 8


def test_six_at_once_with_shares():
    words = {f"motion_type{number}": name for number, name in enumerate(SIX, 1)}
    words |= {f"strength{number}": share for number, share in enumerate((0.5, 9, 2, 9, 9, 0), 1)}
    found = poses("ADE_CameraPoseAdvanced", speed=1.0, frame_length=4, **words)
    assert [row[10::4] for row in found] == [pytest.approx([0.5 * 1.5 * k / 16, 0, -6 * k / 16]) for k in range(4)]


def test_appended_by_hand():
    first = poses("ADE_CameraPoseBasic", motion_type="Tilt Up", speed=1.0, frame_length=4)
    last = poses("ADE_CameraPoseBasic", motion_type="Zoom In", speed=1.0, frame_length=3)
    assert poses("ADE_CameraManualPoseAppend", poses_first=first, poses_last=last) == joined_rows(first, last)


def test_another_lens_and_another_size():
    first = poses("ADE_CameraPoseBasic", motion_type="Pan Left", speed=1.0, frame_length=3)
    lens = poses("ADE_ReplaceCameraParameters", poses=first, fx=0.4, fy=0.6, cx=0.5, cy=0.25)
    size = poses("ADE_ReplaceOriginalPoseAspectRatio", poses=lens, orig_pose_width=512, orig_pose_height=768)
    assert size[1][:7] == [0, 0.4, 0.6, 0.5, 0.25, 512, 768] and size[1][7:] == first[1][7:]
    assert first[1][5:7] == [1280, 720], "what came in stays as it was"


LINE = "0 0.5 0.8 0.5 0.5 0 0 1 0 0 {} 0 1 0 0 0 0 1 0"


@pytest.fixture
def pose_file(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    file = tmp_path / "house.txt"
    file.write_text("https://example.org/video\n" + "\n".join(LINE.format(x) for x in (0, 0.5)), "utf-8")
    (tmp_path / "broken.txt").write_text("https://example.org/video\n" + LINE.format("left"), "utf-8")
    return file


def test_a_pose_file(pose_file):
    found = poses("ADE_LoadCameraPoses", pose_filename="house.txt")
    assert [row[5:7] + [row[10]] for row in found] == [[1280, 720, 0], [1280, 720, 0.5]]
    for path in ("house.txt", str(pose_file), f' "{pose_file}" '):
        assert poses("ADE_LoadCameraPosesFromPath", file_path=path) == found
    combo = FORMS["ADE_LoadCameraPoses"].INPUT_TYPES()["required"]["pose_filename"]
    assert combo[1]["options"] == ["broken.txt", "house.txt"]
    before = FORMS["ADE_LoadCameraPoses"].fingerprint_inputs(pose_filename="house.txt")
    os.utime(pose_file, (1, 1))
    assert FORMS["ADE_LoadCameraPoses"].fingerprint_inputs(pose_filename="house.txt") != before


@pytest.mark.parametrize("name", ["/etc/passwd", "../house.txt", "X://path/to/pose_file.txt", "", "."])
def test_no_file_outside_the_input_folder_is_read(pose_file, name):
    with pytest.raises(ValueError, match=r"^There is no pose file '.*' in ComfyUI's input folder, and no other"):
        poses("ADE_LoadCameraPosesFromPath", file_path=name)
    assert FORMS["ADE_LoadCameraPosesFromPath"].fingerprint_inputs(file_path=name) == 0.0


def test_a_pose_file_that_is_wrong(pose_file):
    with pytest.raises(ValueError, match="^Line 2, column 11 of the poses is 'left', and must be a number"):
        poses("ADE_LoadCameraPoses", pose_filename="broken.txt")
    pose_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="^'house.txt' is no text. A RealEstate10K pose file has 19 numbers a line"):
        poses("ADE_LoadCameraPoses", pose_filename="house.txt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    for family in ("v3", "v2"):
        save_file(motion_state(family, SD15_CHANNELS), folder / f"form_{family}.safetensors")
    save_file(camera_state(SD15_CHANNELS), folder / "form_camera.safetensors")
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield folder
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


def loaded(model_name="form_v3.safetensors", camera_ctrl="form_camera.safetensors"):
    load = FORMS["ADE_LoadAnimateDiffModelWithCameraCtrl"].execute
    return load(model_name=model_name, camera_ctrl=camera_ctrl).args[0]


def applied(model, motion_model, rows, **words):
    apply = FORMS["ADE_ApplyAnimateDiffModelWithCameraCtrl"].execute
    inputs = {"start_percent": 0.0, "end_percent": 1.0, "cameractrl_poses": rows}
    ((motion, settings),) = apply(motion_model=motion_model, **(inputs | words)).args[0]
    return watch(attach(model, motion, settings))


def clip(model, frames=8, **words):
    return sample(model, frames, **({"steps": 1, "latent_image": latents(frames, 8, 8)} | words))


def panned(frames=8):
    return poses("ADE_CameraPoseBasic", motion_type="Pan Left", speed=1.0, frame_length=frames)


def test_the_same_clip_as_our_own_node(sd15, folder):
    """In windows, too, and with another strength."""
    motion = LoadMotionModel.execute("form_v3.safetensors").result[0]
    filmed = CameraPath.execute(motion, "form_camera.safetensors", "0: pan left", 1.0, 0.6).result[0]
    for frames in (8, 24):
        found = clip(applied(sd15, loaded(), panned(frames), cameractrl_multival=0.6), frames)
        assert torch.equal(found, clip(own(sd15, filmed, norms="as ADE"), frames))


def test_another_lens_and_size_count(sd15, folder):
    motion, first = loaded(), panned()
    others = [
        poses("ADE_ReplaceCameraParameters", poses=first, fx=0.4, fy=0.6, cx=0.5, cy=0.25),
        poses("ADE_ReplaceOriginalPoseAspectRatio", poses=first, orig_pose_width=512, orig_pose_height=768),
    ]
    found = clip(applied(sd15, motion, first))
    assert all(relative_error(clip(applied(sd15, motion, other)), found) > 1e-4 for other in others)


def test_a_keyframe_multiplies_the_camera(sd15, folder):
    motion, key = loaded(), FORMS["ADE_CameraCtrlAnimateDiffKeyframe"].execute

    def keyed(**words):
        keys = key(**({"start_percent": 0.0} | words)).args[0]
        return clip(applied(sd15, motion, panned(), ad_keyframes=keys))

    assert torch.equal(keyed(cameractrl_multival=0.5), clip(applied(sd15, motion, panned(), cameractrl_multival=0.5)))
    assert torch.equal(keyed(), clip(applied(sd15, motion, panned())))
    without = clip(applied(sd15, motion, panned(), cameractrl_multival=0.0))
    assert torch.equal(keyed(cameractrl_multival=0.0), without)
    assert torch.equal(clip(own(sd15, LoadMotionModel.execute("form_v3.safetensors").result[0])), without)


def test_what_is_wrong_is_said(folder, sd15):
    with pytest.raises(
        ValueError, match="^CameraCtrl was made for AnimateDiff v3, and this motion model is AnimateDiff"
    ):
        loaded("form_v2.safetensors")
    with pytest.raises(ValueError, match="^'form_v3.safetensors' is no CameraCtrl file"):
        loaded(camera_ctrl="form_v3.safetensors")
    motion = LoadMotionModel.execute("form_v3.safetensors").result[0]
    with pytest.raises(ValueError, match=r"^motion_model has no CameraCtrl. Load it with Load AnimateDiff\+CameraCtrl"):
        applied(sd15, motion, panned())
    for rows, message in (([], "There are no poses"), ([[1.0] * 18], "The camera's pose 0 has 18 numbers")):
        with pytest.raises(ValueError, match=f"^{message}"):
            applied(sd15, loaded(), rows)
    flat = poses("ADE_ReplaceCameraParameters", poses=panned(), fx=0.0, fy=0.6, cx=0.5, cy=0.5)
    with pytest.raises(ValueError, match="^A pose of the camera has fx, fy, width or height 0"):
        applied(sd15, loaded(), flat)
