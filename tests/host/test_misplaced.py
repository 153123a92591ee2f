"""What does nothing in a run stands on the node that has it: a motion LoRA in the host's own Load LoRA, frames of a
schedule that the clip does not have.
"""

import folder_paths
import pytest
import torch
from clips import animated, latents, motion_model, sample
from comfy_execution.utils import CurrentNodeContext
from pages import Page
from safetensors.torch import save_file
from server import PromptServer
from unets import SD15_CHANNELS
from weights import motion_lora_state

STYLE = {f"lora_unet_mid_block_attentions_0_proj_in.lora_{end}.weight": torch.ones(4, 4) for end in ("up", "down")}


@pytest.fixture
def loras(tmp_path):
    moves = motion_lora_state(SD15_CHANNELS, family="v2")
    save_file(moves, tmp_path / "zoom.safetensors")
    torch.save({"state_dict": moves}, tmp_path / "pan.ckpt")
    save_file(STYLE, tmp_path / "style.safetensors")
    save_file(moves | STYLE, tmp_path / "both.safetensors")
    folder_paths.add_model_folder_path("loras", str(tmp_path))
    yield
    folder_paths.folder_names_and_paths["loras"][0].remove(str(tmp_path))


def told_in_a_run(sd15, monkeypatch, graph: dict, name: str) -> dict[str, str]:
    """What each node is told when node 7 samples 8 frames."""
    page = Page()
    monkeypatch.setattr(PromptServer, "instance", page, raising=False)
    page.begin(name, graph)
    with CurrentNodeContext(name, "7"):
        sample(animated(sd15, motion_model()), steps=1, latent_image=latents(8, 8, 8))
    return {entry["node"]: "\n".join(entry["output"]["animatediff_text"]) for entry in page.told}


@pytest.mark.parametrize(
    ("file", "is_said"),
    [("zoom.safetensors", True), ("pan.ckpt", True), ("style.safetensors", False), ("both.safetensors", False)],
)
def test_a_motion_lora_in_a_loader_for_the_checkpoint(sd15, loras, monkeypatch, file, is_said):
    loader = {"lora_name": file, "strength_model": 1.0, "model": ["1", 0]}
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": loader},
        "3": {"class_type": "ADN_ApplyMotionModel", "inputs": {"model": ["2", 0]}},
        "4": {"class_type": "ADN_LoadMotionLoRA", "inputs": {"lora_name": "zoom.safetensors"}},
        "5": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "zoom.safetensors"}},
        "7": {"class_type": "KSampler", "inputs": {"model": ["3", 0], "positive": ["4", 0]}},
    }
    told = told_in_a_run(sd15, monkeypatch, graph, file)
    assert told.keys() == {"2", "7"}  # not a node that the sampler gets nothing from, nor our own loader
    assert (f"'{file}' is a motion LoRA, and does nothing to a checkpoint" in told["2"]) == is_said
    assert is_said or told["2"] == ""


def test_frames_of_a_schedule_that_the_clip_does_not_have(sd15, monkeypatch):
    texts = {"1": "0: 1.0, 7: 0.5, 50%: 1", "2": "0: 1.0, 24: 0.5, -9: 1"}
    graph = {node_id: {"class_type": "ADN_FrameSchedule", "inputs": {"text": text}} for node_id, text in texts.items()}
    graph["7"] = {"class_type": "KSampler", "inputs": {"one": ["1", 0], "two": ["2", 0]}}
    told = told_in_a_run(sd15, monkeypatch, graph, "schedules")
    assert told["1"] == "" and told["2"].startswith("24, -9: outside of this clip (frames 0 to 7)")
