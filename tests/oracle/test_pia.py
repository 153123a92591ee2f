"""PIA on the host's UNet, whose first convolution stays the checkpoint's, against the official code."""

from dataclasses import replace

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.picture_channels import MOVEMENTS, Movement
from animatediff_native.motion.settings import MotionSettings, ReferencePicture
from official_i2v import predicted_noise, unet_of, weights
from oracles import data, relative_error

SCALE = 0.18215
OFFICIAL = ["small", "moderate", "large", "small loop", "moderate loop", "large loop", "restyle much", "restyle more"]
"""By the number of the official table."""
CASES = {"pia_wide": 9400, "pia_wide_f7": 9500}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(tensors, MODEL, MOTION_MODEL)"""
    return data(request.param), *unet_of(weights("pia_unet", CASES[request.param]))


def movement_of(key: str) -> Movement:
    """key: 'y.range1.cond5'"""
    _, number, frame = key.split(".")
    return Movement(OFFICIAL[int(number.removeprefix("range"))], int(frame.removeprefix("cond")))


def test_tables(case):
    """The official code repeats a loop's last value where the clip is not 16 frames long; ours comes back instead."""
    tensors = case[0]
    for key in (key for key in tensors if key.startswith("mask.")):
        movement = movement_of(key)
        frames = len(tensors[key])
        if frames == 16 or "loop" not in movement.name:
            assert movement.shares(frames) == pytest.approx(tensors[key].tolist()), key


def test_pictures(case):
    tensors, model, motion = case
    cases = [key for key in tensors if key.startswith("y.")]
    assert len(cases) == 2
    for key in cases:
        share = tensors[key.replace("y.", "mask.")].view(-1, 1, 1)
        reference = ReferencePicture(tensors["image_latent"] / SCALE, share=share)
        moved = attach(model, motion, MotionSettings(reference=reference))
        assert relative_error(predicted_noise(moved, tensors), tensors[key]) < 1e-5, key


def test_the_cases_could_fail(case):
    """Another table, another frame, half the strength and other norms are far away."""
    tensors, model, motion = case
    key = next(key for key in tensors if key.startswith("y.range1"))
    right = MotionSettings(reference=ReferencePicture(tensors["image_latent"] / SCALE, share=movement_of(key)))
    wrong = [replace(right, norms="as ADE")]
    for change in ({"share": Movement("small", 3)}, {"share": Movement("large")}, {"strength": 0.5}):
        wrong.append(replace(right, reference=replace(right.reference, **change)))
    assert relative_error(predicted_noise(attach(model, motion, right), tensors), tensors[key]) < 1e-5
    for settings in wrong:
        assert relative_error(predicted_noise(attach(model, motion, settings), tensors), tensors[key]) > 1e-3


def test_every_movement_has_a_share_for_every_frame():
    for name in MOVEMENTS:
        for frames in (1, 2, 7, 15, 16, 17, 48):
            for at in (0, 3, frames - 1, -1, -frames, 100):
                shares = Movement(name, at).shares(frames)
                assert len(shares) == frames and min(shares) >= 0.2 and max(shares) <= 1.0
            assert Movement(name, -1).shares(frames)[-1] == Movement(name).shares(frames)[0]
    for name in ("small loop", "moderate loop", "large loop"):
        for frames in (7, 15, 17, 48):
            assert Movement(name).shares(frames) == Movement(name).shares(frames)[::-1]


def test_official_and_mirrored_loops_differ_where_they_are_said_to():
    differences = {
        name: sum(
            a != b for a, b in zip(Movement(name).shares(16), Movement(name, mirrored=True).shares(16), strict=True)
        )
        for name in ("small loop", "moderate loop", "large loop")
    }
    assert differences == {"small loop": 1, "moderate loop": 3, "large loop": 0}
    assert torch.equal(Movement("small")(type("M", (), {"full_length": 3})()).flatten(), torch.tensor([1.0, 0.9, 0.85]))
