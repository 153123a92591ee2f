"""AnimateLCM-I2V: files and forms, and what they refuse."""

import pytest
import torch
from animatediff_native.motion.adjust import Adjustments
from animatediff_native.motion.load import load_motion_model, readjusted
from clips import latents, motion_model, sample
from i2v import FORMS, I2V, PLAIN, SDXL, applied, small_vae, without_picture
from unets import SD15_CHANNELS, unet_model
from weights import image_encoder_shapes, motion_state

import nodes


def test_the_file_is_held_with_its_image_encoder(i2v):
    motion, encoder_only = i2v
    state = motion.model.state_dict()
    for key in image_encoder_shapes(SD15_CHANNELS):
        assert torch.equal(state[key], motion_state("animatelcm_i2v", SD15_CHANNELS)[key]), key
        assert torch.equal(encoder_only.model.state_dict()[key], state[key])
    assert set(encoder_only.model.state_dict()) == set(image_encoder_shapes(SD15_CHANNELS))
    assert motion.model.format.summary() == "AnimateLCM-I2V for SD1.5, up to 64 frames"
    assert "image encoder" in encoder_only.model.format.summary()
    assert motion.model_size() > sum(value.nbytes for key, value in state.items() if "img_encoder" not in key)


def test_the_host_can_make_both_anew(i2v):
    for patcher in i2v:
        factory, arguments = patcher.cached_patcher_init
        fresh = factory(*arguments, disable_dynamic=True)
        assert fresh.model is not patcher.model and fresh.model.format == patcher.model.format
        assert all(
            torch.equal(value, patcher.model.state_dict()[key]) for key, value in fresh.model.state_dict().items()
        )


def test_an_adjusted_motion_model_keeps_its_image_encoder(i2v):
    assert readjusted(i2v[0], Adjustments()).model.format.image_encoder
    assert readjusted(i2v[1], Adjustments()).model.format.encoder_only


def test_the_plain_loader_takes_the_file_and_warns_without_a_picture(i2v_folder, sd15, caplog):
    motion = load_motion_model(str(i2v_folder / I2V))
    assert sample(without_picture(sd15, motion), steps=1).isfinite().all()
    assert "AnimateLCM-I2V was trained with a picture" in caplog.text


def test_an_injected_image_encoder(sd15, i2v_folder, i2v):
    motion, _ = i2v
    injected = FORMS["InjectI2VIntoAnimateDiffModel"].execute(model_name=PLAIN, motion_model=motion).result[0]
    assert injected.model.format.family.name == "AnimateLCM" and injected.model.format.image_encoder
    again = FORMS["InjectI2VIntoAnimateDiffModel"].execute(model_name=PLAIN, motion_model=injected).result[0]
    expected = sample(applied(sd15, motion), steps=1)  # the files' motion modules are the same
    for patcher in (injected, again):
        assert torch.equal(sample(applied(sd15, patcher), steps=1), expected)
    factory, arguments = injected.cached_patcher_init
    assert factory(*arguments, disable_dynamic=True).model.format == injected.model.format


@pytest.mark.parametrize("crop", ["center", "disabled"])
def test_a_picture_is_brought_to_the_size_of_the_clip(crop):
    """The same as the host's Upscale Image and VAE Encode."""
    vae = small_vae()
    image = torch.rand(2, 40, 100, 4, generator=torch.Generator().manual_seed(8))
    inputs = {"latent_size": {"samples": latents(4, 5, 7)}, "scale_method": "bicubic", "crop": crop}
    found = FORMS["UpscaleAndVAEEncode"].execute(image=image, vae=vae, **inputs).result[0]["samples"]
    (scaled,) = nodes.ImageScale().upscale(image, "bicubic", 56, 40, crop)
    (expected,) = nodes.VAEEncode().encode(vae, scaled[..., :3])
    assert found.shape == (2, 4, 5, 7) and found.isfinite().all() and torch.equal(found, expected["samples"])


NONSENSE = {
    "a plain AnimateLCM in the I2V loader": (
        lambda w: FORMS["LoadAnimateLCMI2VModel"].execute(model_name=PLAIN),
        "'random_lcm.safetensors' .AnimateLCM. has no image encoder.* load this file with Load AnimateDiff Model",
    ),
    "a motion model without image encoder": (
        lambda w: applied(w.model, motion_model()),
        "This motion model .AnimateDiff v3. has no image encoder, so it cannot start from a picture",
    ),
    "latents of 16 channels": (
        lambda w: applied(w.model, w.motion, torch.zeros(1, 16, 8, 8)),
        r"The picture's latents have the shape \[1, 16, 8, 8\], and must be pictures of 4 channels",
    ),
    "latents of a video": (
        lambda w: applied(w.model, w.motion, torch.zeros(1, 4, 3, 8, 8)),
        r"The picture's latents have the shape \[1, 4, 3, 8, 8\]",
    ),
    "no latents": (
        lambda w: applied(w.model, w.motion, torch.zeros(0, 4, 8, 8)),
        "The picture's latents have the shape",
    ),
    "latents of NaN": (
        lambda w: applied(w.model, w.motion, torch.full((1, 4, 8, 8), float("nan"))),
        "The picture's latents hold NaN or infinity",
    ),
    "a drift of NaN": (lambda w: applied(w.model, w.motion, ref_drift=float("nan")), "ref_drift is nan, and must be"),
    "a drift below 0": (lambda w: applied(w.model, w.motion, ref_drift=-1.0), "ref_drift is -1, and must be from 0"),
    "a range turned round": (
        lambda w: applied(w.model, w.motion, start_percent=0.8, end_percent=0.2),
        "the motion would never run",
    ),
    "SDXL": (lambda w: applied(unet_model("sdxl"), w.motion), "motion model for SD1.5 .* connected model is SDXL"),
    "the encoder alone without a picture": (
        lambda w: without_picture(w.model, w.alone),
        "does nothing but add a picture, and there is none. Use Apply AnimateLCM-I2V Model",
    ),
    "an injection from a motion model without image encoder": (
        lambda w: FORMS["InjectI2VIntoAnimateDiffModel"].execute(model_name=PLAIN, motion_model=motion_model()),
        "motion_model .AnimateDiff v3. has no image encoder. Connect one from Load AnimateLCM-I2V Model",
    ),
    "an injection into SDXL": (
        lambda w: FORMS["InjectI2VIntoAnimateDiffModel"].execute(model_name=SDXL, motion_model=w.motion),
        "'random_xl.safetensors' is a motion model for SDXL, and what takes a picture in, 'random_i2v.saf",
    ),
}


class World:
    def __init__(self, model, i2v):
        self.model, (self.motion, self.alone) = model, i2v


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense(sd15, i2v, case):
    act, message = NONSENSE[case]
    with pytest.raises(ValueError, match=message):
        act(World(sd15, i2v))
