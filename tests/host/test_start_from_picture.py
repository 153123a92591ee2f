"""Start from Picture: the numbers of the shared workflows' forms, steered as our own nodes steer."""

import pytest
import torch
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.nodes.adjust import AdjustMotionModel
from animatediff_native.nodes.load import LoadMotionModel
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from clips import latents, motion_model, sample
from i2v import FORMS, I2V, PLAIN, Fed, applied, own, pictures, small_vae, started
from oracles import relative_error
from unets import SD15_CHANNELS
from weights import motion_lora_state

ADJUSTED = {"use_frames": 16, "stretch_to": 24, "weights": 1.0, "attention_weights": 1.0}


@pytest.fixture(scope="module")
def motion(i2v_folder):
    return LoadMotionModel.execute(I2V).result[0]


def with_forms(model, motion, image, **words):
    """What Scale Ref Image and VAE Encode, Apply AnimateLCM-I2V Model and Use Evolved Sampling give."""
    scaled = {"latent_size": {"samples": latents(8)}, "scale_method": "lanczos", "crop": "center"}
    reference = FORMS["UpscaleAndVAEEncode"].execute(image=image, vae=small_vae(), **scaled).result[0]["samples"]
    return applied(model, motion, reference, **words)


@pytest.mark.parametrize("count, drift", [(1, 0.8), (3, 0.0)])
def test_the_same_numbers_as_the_forms_of_shared_workflows(sd15, motion, count, drift):
    image = pictures(count)
    expected = sample(with_forms(sd15, motion, image, ref_drift=drift), steps=1)
    found = sample(own(sd15, started(motion, image, drift=drift)), steps=1)
    assert torch.equal(found, expected) and relative_error(found, sample(own(sd15, motion), steps=1)) > 1e-2


def test_the_motion_model_itself_stays_without_a_picture(sd15, motion, caplog):
    started(motion)
    own(sd15, motion)
    assert "gets none here: frames come out poor. Put Start from Picture behind Load Motion Model" in caplog.text
    caplog.clear()
    own(sd15, started(motion))
    assert "gets none here" not in caplog.text


def test_the_later_picture_counts(sd15, motion):
    one, two = (started(motion, pictures(seed=seed)) for seed in (1, 2))
    found = sample(own(sd15, started(one, pictures(seed=2))), steps=1)
    assert torch.equal(found, sample(own(sd15, two), steps=1))
    assert relative_error(found, sample(own(sd15, one), steps=1)) > 1e-2


def test_it_counts_wherever_it_is_applied(sd15, motion):
    """Also in a form that brings a picture of its own."""
    mine = started(motion)
    (held,) = applied(sd15, mine).get_additional_models()
    assert held.get_attachment("animatediff").reference is mine.get_attachment("animatediff_picture")


def test_a_motion_lora_behind_it_keeps_the_picture(sd15, motion):
    lora = MotionLoRA("x.safetensors", factors_of(motion_lora_state(SD15_CHANNELS)))
    behind, before = with_motion_lora(started(motion), lora, 0.5)[0], started(with_motion_lora(motion, lora, 0.5)[0])
    without = with_motion_lora(motion, lora, 0.5)[0]
    found, expected, other = (sample(own(sd15, each), steps=1) for each in (behind, before, without))
    assert torch.equal(found, expected) and relative_error(found, other) > 1e-2


def test_adjust_motion_model_behind_it_keeps_the_picture(sd15, motion):
    behind = own(sd15, AdjustMotionModel.execute(started(motion), **ADJUSTED).result[0])
    before = own(sd15, started(AdjustMotionModel.execute(motion, **ADJUSTED).result[0]))
    found = sample(behind, steps=1)
    assert torch.equal(found, sample(before, steps=1))
    assert relative_error(found, sample(own(sd15, started(motion)), steps=1)) > 1e-4


def test_at_strength_0_there_is_no_picture(sd15, motion):
    without = sample(own(sd15, motion), steps=1)
    with Fed(motion) as fed:
        assert torch.equal(sample(own(sd15, started(motion, strength=0.0)), steps=1), without)
        nowhere = started(motion, strength_schedule=FrameValues(parsed("0: 0")))
        assert torch.equal(sample(own(sd15, nowhere), steps=1), without)
    assert not fed.encoded


def alone(model, motion, **words):
    """The picture without motion, so that frames do not meet."""
    return own(model, started(motion, keep_without_motion=True, **words), effect=0.0)


def test_a_strength_over_frames(sd15, motion):
    half = FrameValues(parsed("0: 1, 4: 0 jump"))
    clip = sample(alone(sd15, motion, strength_schedule=half), steps=1)
    full, plain = sample(alone(sd15, motion), steps=1), sample(sd15, steps=1)
    assert torch.allclose(clip[:4], full[:4], atol=1e-5) and torch.allclose(clip[4:], plain[4:], atol=1e-5)
    assert not torch.allclose(clip[:4], plain[:4], atol=1e-2)


def test_a_strength_in_a_region(sd15, motion):
    """The feature at the first place that gets one, times the mask and the strength."""
    mask = torch.zeros(1, 16, 16)
    mask[..., 8:] = 1
    region = Region(mask, 1.0)
    first, seen = "down_blocks.0.motion_modules.1", {}
    models = {"with": started(motion, strength=0.5, strength_schedule=region), "without": motion}
    for name, each in models.items():
        with Fed(motion) as fed:
            sample(own(sd15, each), steps=1)
        seen[name] = fed.inputs[first][0][0], fed.encoded
    (x, (((_, features)),)), (plain, _) = seen["with"], seen["without"]
    wanted = (0.5 * features[0]).repeat(2, 1, 1, 1)
    assert torch.allclose((x - plain)[..., 8:], wanted[..., 8:], atol=1e-5)
    assert torch.equal(x[..., :8], plain[..., :8])


def test_a_strength_over_the_sampling(sd15, motion):
    """Up to the middle as with the picture, then as without."""
    seen, words = {}, {"sampler_name": "euler", "scheduler": "normal", "steps": 4}
    halved = started(motion, strength_schedule=step_values("0%: 1\n50%: 0 jump"))
    for name, each in (("half", halved), ("full", started(motion))):
        steps = seen[name] = []
        model = own(sd15, each)
        model.set_model_sampler_post_cfg_function(lambda args, steps=steps: steps.append(args["denoised"]) or steps[-1])
        with Fed(motion) as fed:
            sample(model, **words)
        assert len(fed.encoded) == 1
    half, full = seen["half"], seen["full"]
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(half, full, strict=True)]
    assert same[0] and not same[-1] and same == sorted(same, reverse=True)


def test_kept_without_motion_it_is_the_encoder_alone(sd15, i2v, motion):
    image = pictures()
    expected = sample(with_forms(sd15, i2v[1], image), steps=1)
    assert torch.allclose(sample(alone(sd15, motion), steps=1), expected, atol=1e-5)
    left = own(sd15, started(motion), effect=0.0)
    assert torch.equal(sample(left, steps=1), sample(sd15, steps=1))


def test_in_front_of_another_motion_model_it_is_an_injected_encoder(sd15, motion):
    """What Inject I2V into AnimateDiff Model gives."""
    image = pictures()
    injected = FORMS["InjectI2VIntoAnimateDiffModel"].execute(model_name=PLAIN, motion_model=motion).result[0]
    plain = LoadMotionModel.execute(PLAIN).result[0]
    found = sample(own(alone(sd15, motion), plain), steps=1)
    assert torch.allclose(found, sample(with_forms(sd15, injected, image), steps=1), atol=1e-4)
    assert relative_error(found, sample(own(sd15, plain), steps=1)) > 1e-2


def test_the_picture_is_cut_to_the_size_of_latent_image(motion):
    """Its middle, without distortion."""
    image = torch.zeros(1, 64, 256, 3)
    image[:, :, 96:160] = pictures(1, 64, 64)
    words = {"latent_image": {"samples": latents(8, 8, 8)}}
    cut, square = (started(motion, each, **words) for each in (image, image[:, :, 96:160]))
    one, other = (each.get_attachment("animatediff_picture").latents for each in (cut, square))
    assert one.shape == (1, 4, 8, 8) and torch.equal(one, other)


NAN = float("nan")
NONSENSE = {
    "a motion model without image encoder": (
        {"motion": motion_model},
        "This motion model .AnimateDiff v3. has no image encoder, so it cannot start from a picture. Load AnimateLCM",
    ),
    "no picture": ({"image": lambda: torch.zeros(0, 64, 64, 3)}, r"image has the shape \[0, 64, 64, 3\], and must be"),
    "one channel": ({"image": lambda: torch.zeros(1, 64, 48, 1)}, r"image has the shape \[1, 64, 48, 1\]"),
    "a mask": ({"image": lambda: torch.zeros(1, 64, 64)}, r"image has the shape \[1, 64, 64\], and must be pictures"),
    "a picture of NaN": ({"image": lambda: torch.full((1, 64, 64, 3), NAN)}, "image holds NaN or infinity"),
    "a checkpoint without VAE": ({"vae": lambda: None}, "There is no VAE in the checkpoint's file. Connect one"),
    "the VAE of another kind of checkpoint": (
        {"vae": lambda: small_vae(16)},
        "The VAE makes latents of 16 channels, and must make 4. Connect the VAE of an SD1.5 checkpoint",
    ),
    "latents of a video": (
        {"latent_image": lambda: {"samples": torch.zeros(1, 4, 3, 8, 8)}},
        r"latent_image has the shape \[1, 4, 3, 8, 8\], and must be frames",
    ),
    "no latents": (
        {"latent_image": lambda: {"samples": torch.zeros(0, 4, 8, 8)}},
        r"latent_image has the shape \[0, 4, 8, 8\]",
    ),
    "a drift of NaN": ({"drift": lambda: NAN}, "drift is nan, and must be from 0 to 10"),
    "a drift below 0": ({"drift": lambda: -1.0}, "drift is -1, and must be"),
    "a strength of 10^9": ({"strength": lambda: 1e9}, "strength is 1e.09, and must be from 0 to 10"),
    "a strength of NaN": ({"strength": lambda: NAN}, "strength is nan"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense(motion, case):
    wrong, message = NONSENSE[case]
    words = {"motion": motion} | {name: make() for name, make in wrong.items()}
    with pytest.raises(ValueError, match=f"^{message}"):
        started(words.pop("motion"), **words)
