"""What our own nodes say of a run: as `ui`, so that the page shows it also where a node comes from the cache."""

import animatediff_native.nodes as nodes
import folder_paths
import pytest
import torch
from animatediff_native.motion.load import MOTION_LORAS, MOTION_MODELS
from animatediff_native.nodes.text import said as say_of_a_form
from animatediff_native.sampling.said import said_in, say
from clips import motion_model
from comfy_execution.utils import CurrentNodeContext
from pages import Page
from safetensors.torch import save_file
from server import PromptServer
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


GRAPH = {
    "1": {"class_type": "ADN_LoadMotionModel", "inputs": {"model_name": "v3"}},
    "2": {"class_type": "ADN_ApplyMotionModel", "inputs": {"motion_model": ["1", 0], "effect": 1.0}},
}


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr(PromptServer, "instance", page, raising=False)
    return page


def run(page, prompt_id: str, graph: dict, lines: dict[str, str]) -> None:
    number = page.begin(prompt_id, graph)
    for node_id, text in lines.items():
        with CurrentNodeContext(prompt_id, node_id):
            say_of_a_form(text)
    page.end(number)


def told(prompt_id: str) -> dict[str, list[str]]:
    return {entry["node"]: entry["output"]["animatediff_text"] for entry in said_in(prompt_id)}


def test_what_nodes_said_is_told_again_where_nothing_before_them_changed(page):
    run(page, "first", GRAPH, {"1": "v3", "2": "applied"})
    run(page, "all from the cache", GRAPH, {})
    assert told("all from the cache") == {"1": ["v3"], "2": ["applied"]}
    weaker = GRAPH | {"2": {**GRAPH["2"], "inputs": {"motion_model": ["1", 0], "effect": 0.5}}}
    run(page, "another effect", weaker, {"2": "weaker"})
    assert told("another effect") == {"1": ["v3"], "2": ["weaker"]}
    other = GRAPH | {"1": {**GRAPH["1"], "inputs": {"model_name": "v2"}}}
    run(page, "another file", other, {"1": "v2"})
    assert told("another file") == {"1": ["v2"]}
    assert told("a run that is not") == {}


def test_a_list_of_values_says_a_line_for_each(page):
    number = page.begin("list", {"1": {"class_type": "ADN_LoadMotionModel", "inputs": {"model_name": "of a list"}}})
    for index, text in enumerate(("one", "two")):
        with CurrentNodeContext("list", "1", index):
            say_of_a_form(text)
    page.end(number)
    assert told("list") == {"1": ["one", "two"]}


def test_a_node_that_takes_long_says_one_line_in_place_of_another(page):
    number = page.begin("long", {"1": {"class_type": "ADN_TrainMotionLoRA", "inputs": {}}})
    with CurrentNodeContext("long", "1"):
        for text in ("step 1", "step 2"):
            say([text], instead=True)
            assert page.text == text
    page.end(number)
    assert told("long") == {"1": ["step 2"]}


def test_a_long_chain_of_nodes_beside_a_circle(page):
    chain = {str(n): {"class_type": "A", "inputs": {"before": [str(n - 1), 0]}} for n in range(1, 3_000)}
    chain["0"] = {"class_type": "A", "inputs": {}}
    chain |= {"x": {"class_type": "A", "inputs": {"y": ["y", 0]}}, "y": {"class_type": "A", "inputs": {"x": ["x", 0]}}}
    run(page, "chain", chain, {"2999": "the last"})
    assert told("chain") == {"2999": ["the last"]}
