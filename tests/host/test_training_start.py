"""A motion LoRA that goes on learning from another one's file."""

import folder_paths
import pytest
import torch
from animatediff_native.motion.lora import header_of
from animatediff_native.training.files import running_factors
from animatediff_native.training.plan import ATTENTION_AND_FF
from animatediff_native.training.runs import Order, run
from animatediff_native.training.subject import subject_of
from safetensors.torch import save_file
from small_training import CHANNELS, examples, motion_model, plan, small_unet
from weights import motion_lora_state

RANK = 4


@pytest.fixture(scope="module")
def model():
    return small_unet()


@pytest.fixture(scope="module")
def motion():
    return motion_model("v2")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Of motion LoRAs, with one that was made for v2: zoom.safetensors, of rank 4."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    endings = folder_paths.folder_names_and_paths["animatediff_motion_lora"][1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "animatediff_motion_lora", ([str(tmp_path)], endings))
    state = motion_lora_state(CHANNELS["sd15"], rank=RANK, family="v2")
    save_file({key: value.half() for key, value in state.items()}, tmp_path / "zoom.safetensors")
    return tmp_path


def products(layers) -> dict[str, torch.Tensor]:
    return {name.removesuffix(".0"): factors.up.float() @ factors.down.float() for name, factors in layers.items()}


@pytest.mark.parametrize("rank", [RANK, RANK + 3])
def test_it_begins_as_that_file(model, motion, folder, rank):
    from animatediff_native.motion.lora import load_motion_lora

    with torch.inference_mode(False):
        subject = subject_of(model, motion, plan(rank=rank, start_from="zoom.safetensors"))
    found = running_factors({name: value.detach() for name, value in subject.parameters().items()})
    assert {factors.down.shape[0] for factors in found.values()} == {rank}
    found, wanted = products(found), products(load_motion_lora(str(folder / "zoom.safetensors")).layers)
    assert found.keys() == wanted.keys()
    for name, product in wanted.items():
        torch.testing.assert_close(found[name], product, rtol=1e-6, atol=1e-7)


def test_what_it_learns_goes_into_a_file_of_its_own(model, motion, folder):
    before = (folder / "zoom.safetensors").read_bytes()
    with torch.inference_mode():
        _, (path,) = run(Order(model, motion, examples(), plan(name="further", start_from="zoom.safetensors")))
    assert path.name == "further.safetensors" and (folder / "zoom.safetensors").read_bytes() == before
    assert header_of(str(path))["animatediff.started_from"] == "zoom.safetensors"


WITH_FF = {"layers": ATTENTION_AND_FF}


@pytest.mark.parametrize(
    ("changes", "family", "sentence"),
    [
        ({"start_from": "pan.safetensors"}, "v2", "There is no 'pan.safetensors' in models/animatediff_motion_lora."),
        ({"rank": 2}, "v2", "'zoom.safetensors' has rank 4, and rank is 2. Set rank to 4 or more."),
        ({}, "v3", "'zoom.safetensors' was made for AnimateDiff v2 (mm_sd_v15_v2), and only 160 of its 168 layers fit"),
    ],
)
def test_what_cannot_go_on_is_refused(model, motion, changes, family, sentence):
    order = Order(model, motion_model(family), examples(), plan(**{"start_from": "zoom.safetensors"} | changes))
    with pytest.raises(ValueError) as reason, torch.inference_mode():
        run(order)
    assert sentence in str(reason.value)


def test_layers_that_are_not_trained_are_refused(model, motion, folder):
    with torch.inference_mode():
        _, (path,) = run(Order(model, motion, examples(), plan(name="wide", **WITH_FF)))
        with pytest.raises(ValueError, match="'wide.safetensors' has feed-forward layers, too, which are not trained"):
            run(Order(model, motion, examples(), plan(start_from=path.name)))
        run(Order(model, motion, examples(), plan(name="on", start_from=path.name, **WITH_FF)))


def test_a_lora_of_another_kind_is_refused(model, motion, folder):
    layer = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
    save_file({f"{layer}.diff": torch.zeros(32, 32)}, folder / "difference.safetensors")
    with (
        pytest.raises(ValueError, match="'difference.safetensors' is no plain LoRA .it has diff."),
        torch.inference_mode(),
    ):
        run(Order(model, motion, examples(), plan(start_from="difference.safetensors")))
