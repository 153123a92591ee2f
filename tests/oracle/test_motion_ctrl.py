"""MotionCtrl on the host's UNet, against the official code."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.camera import camera_of, with_camera
from animatediff_native.motion.camera_path import LENS, SIZE
from animatediff_native.motion.camera_poses import Poses
from animatediff_native.motion.motion_ctrl import motion_ctrl_objects
from animatediff_native.motion.objects import Ways, with_objects
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.motion.trajectory_encoder import TrajectoryEncoder
from official_i2v import predicted_noise, tensor_for, unet_of, weights
from oracles import data, relative_error

CASES = {"motionctrl_wide": ("motionctrl_unet", 10100), "motionctrl_wide_v2": ("motionctrl_unet_v2", 10200)}
OVERWRITTEN = (".attention_blocks.1.", ".norms.1.")


class Given:
    """Maps in the place of paths."""

    def __init__(self, small):
        """small: (2 f h w), a value for 8 x 8 pixels."""
        self.all = small.movedim(0, 1).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)

    def maps(self, frames, full_length, height, width):
        return self.all[list(frames)]


class Case:
    """A motion model whose last attentions are others than those of the official one, which the camera's file has."""

    def __init__(self, name: str):
        network, seed = CASES[name]
        self.tensors, state = data(name), weights(network, seed)
        plain = {key: value for key, value in state.items() if ".cc_projection." not in key}
        own = {k: tensor_for(k, v.shape, 1) for k, v in plain.items() if any(part in k for part in OVERWRITTEN)}
        self.model, self.motion = unet_of(plain | own)
        self.with_attentions = unet_of(plain)[1]
        self.camera, self.encoder = camera_of(state), motion_ctrl_objects(weights("omcm", seed + 1))
        self.encoder_weights = weights("omcm", seed + 1)
        poses = self.tensors["RT"].double()
        camera = torch.tensor((*LENS, *SIZE), dtype=torch.float64).expand(len(poses), -1)
        self.path, self.given = Poses(torch.cat([camera, poses], dim=1)), Given(self.tensors["traj_small"])

    def predicted(self, text: str, motion=None, strength: float = 1.0):
        """text: as the cases are named, 'cmcm+omcm'."""
        if motion is None:
            motion = self.motion if text.split("+")[0] == "cmcm" else self.with_attentions
        if "cmcm" in text.split("+"):
            motion = with_camera(motion, self.camera, self.path, strength)
        if "omcm" in text:
            motion = with_objects(motion, self.encoder, Ways(self.given, strength, end_percent=0.3))
        return predicted_noise(attach(self.model, motion, MotionSettings()), self.tensors)


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return Case(request.param)


def test_pictures(case):
    for key in (key for key in case.tensors if key.startswith("y.")):
        assert relative_error(case.predicted(key.removeprefix("y.")), case.tensors[key]) < 1e-5, key


def test_the_cases_could_fail(case):
    """Half the strength is far away, and so is the motion model's own attention; strength 0 is that."""
    expected = case.tensors["y.cmcm+omcm"]
    plain = case.predicted("", case.motion)
    for found in (case.predicted("cmcm+omcm", strength=0.5), case.predicted("omcm", case.motion), plain):
        assert relative_error(found, expected) > 1e-3
    assert torch.equal(case.predicted("cmcm+omcm", strength=0.0), plain)


def test_features(case):
    """The last level's, which is never added, too."""
    encoder = TrajectoryEncoder((32, 64, 96, 128))
    encoder.load_state_dict(case.encoder_weights)
    maps = case.given.all
    with torch.inference_mode():
        found = [torch.stack(pair) for pair in zip(encoder(torch.zeros_like(maps)), encoder(maps), strict=True)]
    for key in (key for key in case.tensors if key.startswith("feature.")):
        level = found[int(key[8])].movedim(1, 2)
        mine = level[1][:, 1] if key.endswith(".frame1.cond") else level
        assert relative_error(mine, case.tensors[key]) < 1e-5, key
