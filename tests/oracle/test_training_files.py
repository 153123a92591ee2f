"""What training writes, in the real diffusers: a motion model, and a LoRA on it, give the same noise there as here."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.formats import TABLE
from animatediff_native.motion.lora import load_motion_lora, with_motion_lora
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.training.fresh import low_rank
from animatediff_native.training.layouts import DIFFUSERS, lora_state, model_state
from animatediff_native.training.plan import ATTENTION
from animatediff_native.training.subject import lora_layers
from oracles import data, relative_error
from safetensors.torch import save_file
from tiny_unet import motion_of, predicted_noise

WIDTHS = (32, 32, 32, 32)
AS_DIFFUSERS = MotionSettings(norms="as diffusers")


@pytest.fixture(scope="module")
def motion(unet):
    return motion_of(unet[1], "v2")


@pytest.fixture
def theirs(unet, motion):
    """Their UNet with motion, of the file that we write of ours."""
    from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel

    plain = UNet2DConditionModel(
        block_out_channels=WIDTHS, cross_attention_dim=24, attention_head_dim=8, norm_num_groups=32
    )
    own = plain.state_dict()
    plain.load_state_dict({key: value for key, value in unet[1].items() if key in own})
    adapter = MotionAdapter(block_out_channels=WIDTHS)
    weights = {key: value for key, value in motion.model.state_dict().items() if not TABLE.search(key)}
    adapter.load_state_dict(model_state(weights, motion.model.format, DIFFUSERS))
    return UNetMotionModel.from_unet2d(plain, adapter).eval()


@pytest.fixture(scope="module")
def lora(motion, tmp_path_factory):
    """A file of random factors for all layers that training changes."""
    layers = low_rank(lora_layers(motion.model, ATTENTION), 4, seed=1)
    generator = torch.Generator().manual_seed(2)
    for factors in layers.values():
        factors.up = torch.randn(factors.up.shape, generator=generator) * 0.3
    path = tmp_path_factory.mktemp("lora") / "zoom.safetensors"
    save_file(lora_state(layers, DIFFUSERS), path)
    return path


def noise_of(theirs) -> torch.Tensor:
    tensors = data("tiny_unet.io")
    clips = tensors["x"].expand(2, -1, -1, -1, -1)
    text = tensors["ctx"].repeat_interleave(clips.shape[2], dim=0)
    with torch.inference_mode():
        return theirs(clips, tensors["t"], text).sample


def test_a_motion_model(unet, motion, theirs):
    found = predicted_noise(attach(unet[0], motion, AS_DIFFUSERS), data("tiny_unet.io"))
    assert relative_error(found, noise_of(theirs)) < 1e-4


def test_a_lora_changes_the_layers_that_they_have(theirs, lora):
    from safetensors.torch import load_file

    layers, state = dict(theirs.named_modules()), load_file(lora)
    for key, down in state.items():
        if key.endswith(".lora_A.weight"):
            name = key.removeprefix("unet.").removesuffix(".lora_A.weight")
            up = state[key.replace("lora_A", "lora_B")]
            assert layers[name].weight.shape == (up.shape[0], down.shape[1]), name
    assert len(state) == 168 * 2


def test_a_lora_that_they_load(unet, motion, theirs, lora):
    pytest.importorskip("peft", reason="diffusers loads LoRAs with the package peft, which is not installed.")
    theirs.load_lora_adapter(str(lora.parent), weight_name=lora.name, prefix="unet")
    without = predicted_noise(attach(unet[0], motion, AS_DIFFUSERS), data("tiny_unet.io"))
    with_it, _ = with_motion_lora(motion_of(unet[1], "v2"), load_motion_lora(str(lora)), 1.0)
    found = predicted_noise(attach(unet[0], with_it, AS_DIFFUSERS), data("tiny_unet.io"))
    assert relative_error(found, noise_of(theirs)) < 1e-4 < relative_error(found, without)
