"""PIA through Load Motion Model, Start from Picture and Apply Motion Model."""

import folder_paths
import pytest
import torch
from animatediff_native.motion.load import MOTION_MODELS
from animatediff_native.nodes.load import LoadMotionModel
from animatediff_native.sampling.values.schedules import FrameValues, parsed
from clips import compiled, conditioning, latents, sample
from comfy.ldm.modules.attention import attention_pytorch
from i2v import own, pictures, started
from oracles import relative_error
from safetensors.torch import save_file
from unets import SD15_CHANNELS, unet_model
from weights import motion_state


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    save_file(motion_state("pia", SD15_CHANNELS), folder / "random_pia.safetensors")
    folder_paths.add_model_folder_path(MOTION_MODELS, str(folder))
    yield LoadMotionModel.execute("random_pia.safetensors").result[0]
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(folder))


def clip(model, frames=8, **words):
    words = {"steps": 1, "latent_image": latents(frames, 8, 8)} | words
    return sample(model, frames, **words)


def small(motion, image=None, **words):
    image = pictures(1, 64, 64) if image is None else image
    return started(motion, image, latent_image={"samples": latents(8, 8, 8)}, **words)


def test_the_picture_its_movement_and_its_frame_count(sd15, motion):
    clips = [
        clip(own(sd15, small(motion, **words)))
        for words in ({}, {"movement": "large"}, {"at_frame": -1}, {"strength": 0.5}, {"image": pictures(1, 64, 64, 3)})
    ]
    assert all(relative_error(clips[0], other) > 1e-3 for other in clips[1:])
    assert torch.equal(clips[2], clip(own(sd15, small(motion, at_frame=7))))
    assert torch.equal(clips[0], clip(own(sd15, small(motion, drift=0.3)))), "drift is AnimateLCM-I2V's"


def test_without_a_picture(sd15, motion):
    with pytest.raises(
        ValueError, match="^PIA starts from a picture, and there is none: put Start from Picture between"
    ):
        own(sd15, motion)
    assert clip(own(sd15, small(motion))).isfinite().all()


def test_at_strength_0_there_is_no_picture(sd15, motion):
    """Whatever the picture; and the checkpoint's first convolution is as it was."""
    a, b = (clip(own(sd15, small(motion, pictures(1, 64, 64, seed), strength=0.0))) for seed in (1, 2))
    assert torch.equal(a, b)
    nowhere = small(motion, strength_schedule=FrameValues(parsed("0: 0")))
    assert torch.equal(clip(own(sd15, nowhere)), a)
    before = sd15.model.diffusion_model.input_blocks[0][0].weight.clone()
    plain = clip(sd15)
    clip(own(sd15, small(motion)))
    assert torch.equal(sd15.model.diffusion_model.input_blocks[0][0].weight, before)
    assert torch.equal(clip(sd15), plain)


def test_out_of_its_range_it_is_kept_where_that_is_asked_for(sd15, motion):
    plain = clip(sd15)
    assert torch.equal(clip(own(sd15, small(motion), effect=0.0)), plain)
    kept = clip(own(sd15, small(motion, keep_without_motion=True), effect=0.0))
    assert relative_error(kept, plain) > 1e-3


def test_a_lora_on_the_first_convolution_still_counts(sd15, motion):
    changed = sd15.clone()
    weight = sd15.model.diffusion_model.input_blocks[0][0].weight
    changed.add_patches({"diffusion_model.input_blocks.0.0.weight": (torch.ones_like(weight) * 0.01,)}, 1.0)
    a, b = (clip(own(model, small(motion))) for model in (sd15, changed))
    assert relative_error(a, b) > 1e-3


def test_an_inpainting_checkpoint(motion):
    """Its own five channels and PIA's are added up."""
    model = own(unet_model(in_channels=9), small(motion))
    mask = torch.ones(1, 1, 8, 8)
    conds = [
        [[text, {"concat_latent_image": latents(1, 8, 8), "concat_mask": mask}]]
        for text in (cond[0][0] for cond in (conditioning(5), conditioning(6)))
    ]
    found = clip(model, positive=conds[0], negative=conds[1])
    other = own(unet_model(in_channels=9), small(motion, pictures(1, 64, 64, 3)))
    assert found.isfinite().all() and relative_error(found, clip(other, positive=conds[0], negative=conds[1])) > 1e-3


def test_longer_clips_get_windows_by_themselves(sd15, motion, caplog):
    caplog.set_level("INFO")
    assert clip(own(sd15, small(motion, movement="large loop")), 24).isfinite().all()
    assert "24 frames are more than the motion model takes at once (16)" in caplog.text


@pytest.mark.parametrize("breaks", [False, True])
def test_compiled(sd15, motion, breaks):
    """With PyTorch's attention, as on GPUs; the host's other one for CPUs asks for the free memory, which breaks."""
    unet = sd15.clone()
    if not breaks:
        options = unet.model_options["transformer_options"]
        options["optimized_attention_override"] = lambda function, *words, **named: attention_pytorch(*words, **named)
    model, other = own(unet, small(motion)), own(unet, small(motion, pictures(1, 64, 64, 3), movement="large"))
    torch._dynamo.reset()
    for each in (model, other):
        assert relative_error(clip(compiled(each)), clip(each)) < 1e-4
    torch._dynamo.reset()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(motion, dtype):
    found, expected = (clip(own(unet_model(dtype=each), small(motion))) for each in (dtype, torch.float32))
    assert found.isfinite().all()
    assert relative_error(found, expected) < (0.02 if dtype == torch.float16 else 0.1)
