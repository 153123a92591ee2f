"""Trained weights under the key names of public files: what our own loader reads is what was written."""

import pytest
import torch
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import TABLE, detect
from animatediff_native.motion.low_rank import Factors, MotionLoRA, factors_of, matched, trained_as
from animatediff_native.motion.model import MotionModel
from animatediff_native.motion.temporal import Steering
from animatediff_native.training.fresh import low_rank, motion_state
from animatediff_native.training.layouts import (
    LAYOUTS,
    adapter_state,
    fingerprint,
    header,
    lora_state,
    model_state,
)
from weights import motion_lora_state
from weights import motion_state as file_of

CHANNELS = (32, 64, 64, 64)


def model_of(family="v2", channels=CHANNELS):
    weights = canonical(file_of(family, channels))
    model = MotionModel(detect(weights))
    model.load_state_dict({key: value for key, value in weights.items() if not TABLE.search(key)})
    return model


def linears(model, also_ff):
    return [
        (name, tuple(layer.weight.shape))
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and ("attention_blocks" in name or (also_ff and ".ff." in name))
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("also_ff", [False, True])
def test_a_lora_is_read_as_it_was_written(layout, also_ff):
    model = model_of()
    layers = low_rank(linears(model, also_ff), 4, seed=1)
    read = matched(MotionLoRA("a", factors_of(lora_state(layers, layout))), model)
    assert read.keys() == layers.keys()
    assert all(torch.equal(read[name].down, layers[name].down) and read[name].scale == 1 for name in layers)


def test_a_loras_names_are_the_official_ones():
    model = model_of("v3")
    assert lora_state(low_rank(linears(model, False), 4, 0)).keys() == motion_lora_state(CHANNELS).keys()


def test_a_scale_goes_into_up():
    factors = Factors(down=torch.ones(4, 8), up=torch.ones(8, 4), alpha=2.0)
    name = "mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
    up = lora_state({name: factors})[name.replace(".to_q", ".processor.to_q_lora.up.weight")]
    assert torch.equal(up, torch.full((8, 4), 0.5))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", ["v1", "v2", "v3", "long", "sdxl"])
def test_a_motion_model_is_read_as_it_was_written(family, layout):
    weights = canonical(file_of(family, CHANNELS[: 3 if family == "sdxl" else 4]))
    written = model_state(
        {key: value for key, value in weights.items() if not TABLE.search(key)}, detect(weights), layout
    )
    assert written.keys() == file_of(family, CHANNELS[: 3 if family == "sdxl" else 4], layout=layout).keys()
    read = canonical(written)
    assert read.keys() == weights.keys() and detect(read) == detect(weights)
    assert all(torch.equal(read[key], weights[key]) or TABLE.search(key) for key in weights)
    assert all(torch.allclose(read[key], weights[key]) for key in weights)


def test_an_adapters_names_are_the_official_ones():
    layers = {
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0": Factors(torch.ones(2, 8), torch.ones(8, 2))
    }
    assert sorted(adapter_state(layers)) == [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
    ]


@pytest.mark.parametrize("family", ["v2", "v3", "sdxl"])
def test_a_new_motion_model_passes_on_what_it_gets(family):
    motion_format = model_of(family, CHANNELS[: 3 if family == "sdxl" else 4]).format
    model = MotionModel(motion_format)
    model.load_state_dict(motion_state(motion_format, seed=3))
    x = torch.randn(8, 32, 4, 4)
    module = model.sites()["down_blocks.0.motion_modules.0"]
    assert torch.equal(module(x, Steering(8)), x)
    deviation = module.proj_in.weight.std() / torch.nn.Linear(32, 32).weight.std()
    assert 0.9 < deviation < 1.1
    again = motion_state(motion_format, seed=3)
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())


def test_a_fingerprint_is_of_the_values_not_of_their_type():
    weights = canonical(file_of("v3", CHANNELS))
    assert fingerprint({key: value.half() for key, value in weights.items()}) == fingerprint(weights)
    other = dict(weights, **{next(iter(weights)): next(iter(weights.values())) + 1})
    assert fingerprint(other) != fingerprint(weights)


def test_a_header_says_how_the_file_was_made():
    entries = header("motion LoRA", "zoom", "SD1.5", made_for="AnimateDiff v2", steps=2000, rank=64, trigger="")
    assert entries["animatediff.kind"] == "motion LoRA" and entries["ss_network_dim"] == "64"
    assert all(isinstance(value, str) for value in entries.values()) and "animatediff.trigger" not in entries
    assert trained_as(entries) == "trained on AnimateDiff v2, 2000 steps, rank 64"
    assert trained_as({"format": "pt"}) == trained_as(None) == ""
