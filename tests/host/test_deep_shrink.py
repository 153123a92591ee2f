"""PatchModelAddDownscale (Kohya's Deep Shrink), which makes hidden states smaller while the picture takes shape."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.camera import camera_of, with_camera
from animatediff_native.motion.camera_poses import camera_path
from animatediff_native.motion.settings import MotionSettings, ReferencePicture
from animatediff_native.motion.sparse_net import sparse_net
from animatediff_native.sampling.sparse_control import SparseControl, SparseSettings
from cameras import camera_state
from clips import animated, conditioning, latents, motion_model, sample
from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
from i2v import pictures
from oracles import relative_error
from sparse import sparse_state
from unets import SD15_CHANNELS

import nodes


def shrunk(model, block=3, after_skip=True):
    words = (block, 2.0, 0.0, 0.5, after_skip, "bicubic", "bicubic")
    return PatchModelAddDownscale.execute(model, *words).result[0]


def clip(model, conds=None, **words):
    positive, negative = conds or (conditioning(5), conditioning(6))
    words = {"steps": 2, "latent_image": latents(8, 16, 16)} | words
    return sample(model, 8, positive=positive, negative=negative, **words)


@pytest.mark.parametrize(("block", "after_skip"), [(3, True), (3, False), (1, False)])
def test_a_camera(sd15, block, after_skip):
    model = shrunk(sd15, block, after_skip)
    camera = camera_of(camera_state(SD15_CHANNELS))
    found = clip(animated(model, with_camera(motion_model("v3"), camera, camera_path("pan left"), 1.0)))
    plain = clip(animated(model, motion_model("v3")))
    assert found.isfinite().all() and relative_error(found, plain) > 1e-4


@pytest.mark.parametrize("after_skip", [True, False])
def test_a_picture_of_pia(sd15, after_skip):
    a, b = (
        clip(attach(shrunk(sd15, 1, after_skip), motion_model("pia"), MotionSettings(reference=ReferencePicture(each))))
        for each in (latents(1, 16, 16, seed=3), latents(1, 16, 16, seed=4))
    )
    assert a.isfinite().all() and relative_error(a, b) > 1e-3


def scribbled(strength: float = 1.0):
    control = SparseControl(sparse_net(sparse_state("scribble", SD15_CHANNELS)), SparseSettings())
    apply = nodes.ControlNetApplyAdvanced().apply_controlnet
    return apply(conditioning(5), conditioning(6), control, pictures(1, 128, 128), strength, 0.0, 1.0)


@pytest.mark.parametrize(("block", "after_skip"), [(3, True), (6, True), (1, False)])
def test_sparsectrl(sd15, caplog, block, after_skip):
    """All that it adds is brought to the sizes that there are."""
    model = animated(shrunk(sd15, block, after_skip), motion_model("v3"))
    found, plain = (clip(model, each) for each in (scribbled(), None))
    assert found.isfinite().all() and relative_error(found, plain) > 1e-4
    assert "control could not be applied" not in caplog.text
    assert torch.equal(clip(model, scribbled(0.0)), plain)
