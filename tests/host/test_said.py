"""What our own nodes say of a run: as `ui`, so that the page shows it also where a node comes from the cache."""

import animatediff_native.nodes as nodes
import folder_paths
import pytest
import torch
from animatediff_native.motion.load import MOTION_LORAS, MOTION_MODELS
from clips import motion_model
from safetensors.torch import save_file
from unets import SD15_CHANNELS
from weights import motion_lora_state, motion_state

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}


def said(node_id: str, **inputs) -> str:
    (text,) = FORMS[node_id].execute(**inputs).ui["animatediff_text"]
    return text


@pytest.fixture
def files(tmp_path):
    save_file(motion_state("v2", SD15_CHANNELS), tmp_path / "mm_v2.safetensors")
    save_file(motion_lora_state(SD15_CHANNELS, family="v2"), tmp_path / "zoom.safetensors")
    for folder in (MOTION_MODELS, MOTION_LORAS):
        folder_paths.add_model_folder_path(folder, str(tmp_path))
    yield
    for folder in (MOTION_MODELS, MOTION_LORAS):
        folder_paths.folder_names_and_paths[folder][0].remove(str(tmp_path))


def test_what_a_file_is_and_how_much_of_it_fitted(files):
    assert said("ADN_LoadMotionModel", model_name="mm_v2.safetensors").startswith("AnimateDiff v2")
    text = said("ADN_LoadMotionLoRA", motion_model=motion_model("v2"), lora_name="zoom.safetensors", strength=1.0)
    assert "layers matched" in text


def test_how_a_clip_moves_and_what_is_heard():
    clip = torch.rand(3, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    assert "flicker:" in said("ADN_MeasureMotion", images=clip)
    audio = {"waveform": torch.zeros(1, 2, 8_000), "sample_rate": 8_000}
    words = {"frame_rate": 8.0, "source": "beats", "attack": 0.0, "release": 0.0, "low": 0.5, "high": 1.0}
    found = FORMS["ADN_SoundSchedule"].execute(audio=audio, **words)
    assert (
        found.ui["animatediff_curve"] == [[0.5] * 8] and "nothing of that is heard" in found.ui["animatediff_text"][0]
    )
