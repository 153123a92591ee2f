"""CameraCtrl on the host's UNet, against the official code."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.camera import CAMERAS, camera_of, with_camera
from animatediff_native.motion.camera_poses import Poses, camera_path, rays
from animatediff_native.motion.settings import MotionSettings
from official_i2v import camera_state, predicted_noise, unet_of, weights
from oracles import data, relative_error

CASES = {"cameractrl_wide": 9700, "cameractrl_wide_20frames": 9750, "cameractrl_wide_square": 9800}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(tensors, MODEL, MOTION_MODEL, the camera's patcher)"""
    seed = CASES[request.param]
    model, motion = unet_of(weights("camera_unet", seed))
    return data(request.param), model, motion, camera_of(camera_state(seed))


def path_of(tensors) -> Poses:
    return camera_path("\n".join(" ".join(f"{number:.17g}" for number in row) for row in tensors["poses"].tolist()))


def seen(tensors) -> torch.Tensor:
    height, width = (side * 8 for side in tensors["x"].shape[-2:])
    return rays(path_of(tensors).rows, height, width)


def test_rays(case):
    """Of the first and the last frame, in one corner."""
    tensors = case[0]
    expected = tensors["plucker.first_last_2x2_corner"]
    found = seen(tensors)[[0, -1]].movedim(1, 0)
    corners = [found[..., :2, :2], found[..., -2:, -2:], found[..., :2, -2:], found[..., -2:, :2]]
    assert min(relative_error(each, expected) for each in corners) < 1e-5


def test_features(case):
    tensors, _, _, camera = case
    with torch.inference_mode():
        found = camera.model.encoder(seen(tensors))
    for key in (key for key in tensors if key.startswith("feature.")):
        level = found[int(key[8])]
        mine = level[3] if key.endswith(".frame3") else level.movedim(1, 0)
        assert relative_error(mine, tensors[key]) < 1e-5, key


def test_pictures(case):
    tensors, model, motion, camera = case
    for key in (key for key in tensors if key.startswith("y.")):
        strength = float(key.removeprefix("y.scale_"))
        moved = with_camera(motion, camera, path_of(tensors), strength)
        found = predicted_noise(attach(model, moved, MotionSettings()), tensors)
        assert relative_error(found, tensors[key]) < 1e-5, key
        other = predicted_noise(
            attach(model, with_camera(motion, camera, path_of(tensors), 0.7), MotionSettings()), tensors
        )
        assert relative_error(other, tensors[key]) > 1e-3


def test_at_strength_0_there_is_no_camera(case):
    tensors, model, motion, camera = case
    still = with_camera(motion, camera, path_of(tensors), 0.0)
    found, expected = (predicted_noise(attach(model, each, MotionSettings()), tensors) for each in (still, motion))
    assert torch.equal(found, expected)
    assert motion.get_additional_models_with_key(CAMERAS) == []
