"""The three stages of training in a real server: watched, stopped, gone on with, and used in another graph."""

import io

import pytest
from comfy_server import ServerError
from PIL import Image
from safetensors.torch import load_file
from small_graphs import add, frames_of, small
from small_training import same
from training_graphs import ADAPTER, FOLDERS, FRAMES, LORA, training
from workflows import nodes_of


def stopped_run(server, prompt: dict) -> list[str | bytes]:
    """Cancels a training run at its first step; what its node has shown."""
    shown: list[str | bytes] = []

    def stop(node, done, total):
        if node.startswith("ADN_Train") and done == 1:
            server.post("/interrupt")

    with pytest.raises(ServerError, match="interrupted"):
        server.run(prompt, stop, shown.append)
    return shown


def once_more(prompt: dict) -> dict:
    """The prompt as the cache takes it for another one, on the models that are there: no float32 sees the difference"""
    nodes_of(prompt, "KSampler")[0]["cfg"] += 1e-12
    return prompt


def using(prompt: dict, stage: str, name: str) -> dict:
    """The prompt with a trained file in it."""
    apply = nodes_of(prompt, "ADN_ApplyMotionModel")[0]
    if stage == LORA:
        words = {"motion_model": apply["motion_model"], "lora_name": name, "strength": 1.0}
        apply["motion_model"] = add(prompt, "lora", "ADN_LoadMotionLoRA", **words)
    elif stage == ADAPTER:
        words = {"model": apply["model"], "lora_name": name, "strength_model": 1.0}
        apply["model"] = add(prompt, "lora", "LoraLoaderModelOnly", **words)
    else:
        nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = name
    return prompt


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_run_that_is_stopped_goes_on_to_the_same_file_which_works_in_another_graph(server, base, prompt, stage):
    prompt = small(prompt, frames=FRAMES)
    before = frames_of(server, server.run(prompt))
    log = len(server.log_text())
    whole, parts = f"whole_{FOLDERS[stage]}", f"parts_{FOLDERS[stage]}"
    server.run(training(stage, whole))
    stopped_run(server, training(stage, parts))
    assert f"'{parts}' is saved at step " in server.log_text()[log:]
    server.run(training(stage, parts))
    whole, parts = (base / "models" / FOLDERS[stage] / f"{name}.safetensors" for name in (whole, parts))
    assert same(load_file(whole), load_file(parts))
    assert frames_of(server, server.run(once_more(prompt))) == before
    assert "model_type EPS" not in server.log_text()[log:]  # the very models that training was given
    assert frames_of(server, server.run(using(prompt, stage, parts.name))) != before


def test_a_run_shows_its_losses_and_a_sample_clip_and_when_it_is_cancelled_how_to_go_on(server):
    shown = stopped_run(server, training(LORA, "shown", sample_every=100, steps=200))
    texts = [each for each in shown if isinstance(each, str)]
    assert texts[0].startswith("'shown': 6 clips, 4 frames of 64 x 64, 200 steps, ")
    assert any(each.startswith("step 1 of 200 · loss ") for each in texts)
    assert texts[-1].startswith("'shown' is saved at step ")
    pictures = [Image.open(io.BytesIO(each)) for each in shown if isinstance(each, bytes)]
    assert {(picture.size, picture.n_frames) for picture in pictures} == {((512, 512), FRAMES)}
