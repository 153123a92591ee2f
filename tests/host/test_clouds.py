"""The weights that are built by hand do what they say: so the demo and the templates' cards show something."""

import clouds
import comfy.taesd.taesd
import pytest
import torch
import torch.nn.functional as F
import unets
from clips import animated, motion_model, sample

FRAMES = 16


@pytest.fixture(scope="module")
def model():
    config = unets.WHOLE_CHECKPOINT
    return unets.patcher_of("sd15", config, clouds.unet(unets.unet_shapes(config)), torch.float32)


@pytest.fixture(scope="module")
def vae():
    vae = comfy.taesd.taesd.TAESD()
    shapes = {key: tuple(value.shape) for key, value in vae.state_dict().items() if value.ndim}
    vae.load_state_dict(vae.state_dict() | clouds.taesd(shapes, "sd15"))
    return vae


@pytest.fixture(scope="module")
def still(model):
    return clip(model)


def clip(model):
    return sample(model, FRAMES, steps=6, latent_image=torch.zeros(FRAMES, 4, 8, 8))


def alike(one, other) -> float:
    return F.cosine_similarity(one.flatten(1), other.flatten(1)).mean().item()


def test_motion_makes_neighbouring_frames_alike(model, still):
    moving = clip(animated(model, motion_model(channels=(320,) * 4, build=clouds.motion_model)))
    assert alike(moving[:-1], moving[1:]) > 0.9 > 0.5 > alike(still[:-1], still[1:])
    assert alike(moving[:1], moving[-1:]) < 0.9


def test_the_clouds_are_smooth(still):
    """The noise is gone: neighbouring pixels are alike."""
    assert alike(still[..., 1:], still[..., :-1]) > 0.8


def test_the_vae_gives_a_smooth_picture_back(vae):
    picture = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    picture = F.interpolate(picture, size=(128, 128), mode="bicubic").clamp(0, 1) * 2 - 1
    with torch.inference_mode():
        again = vae.decode(vae.encode(picture))
    inside = (..., slice(16, -16), slice(16, -16))
    assert (again - picture)[inside].abs().mean() < 0.1
