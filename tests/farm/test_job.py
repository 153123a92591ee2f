"""Which clips a job has, and what it reads."""

import json

import pytest
from animatediff_native.farm.check import lacking
from animatediff_native.farm.job import Job, input_files, read_prompt
from animatediff_native.farm.vary import parse
from PIL import Image, PngImagePlugin

PROMPT = {"1": {"class_type": "Sampler", "inputs": {"seed": 1, "image": "sub/cat.png"}}}


def test_clips_have_the_same_names_each_time_and_of_no_two_the_same():
    job = Job("w.json", PROMPT, (parse("seed=1..12", PROMPT),))
    clips = job.clips()
    assert [clip.number for clip in clips] == list(range(1, 13)) and len({clip.name for clip in clips}) == 12
    assert [clip.prompt["1"]["inputs"]["seed"] for clip in clips] == list(range(1, 13)) and clips[2].values == {
        "seed": 3
    }
    assert PROMPT["1"]["inputs"]["seed"] == 1
    again = Job.from_json(json.loads(json.dumps(job.to_json())))
    assert again == job and again.clips() == clips
    assert clips[0].name.startswith("0001-") and str(clips[0]).endswith("  seed=1")
    other = Job("w.json", PROMPT, job.variations, inputs={"sub/cat.png": "another picture"})
    assert not {clip.name for clip in other.clips()} & {clip.name for clip in clips}


def test_a_workflow_without_variations_is_one_clip():
    (clip,) = Job("w.json", PROMPT).clips()
    assert clip.prompt == PROMPT and str(clip) == clip.name


def test_prompts_are_read_from_json_and_pictures(tmp_path):
    noted = {"1": PROMPT["1"] | {"_meta": {"title": "T"}, "is_changed": [float("nan")]}, "2": {"class_type": "Empty"}}
    (tmp_path / "api.json").write_text(json.dumps(noted))
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", json.dumps(noted))
    info.add_text("workflow", json.dumps({"nodes": []}))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    for name in ("api.json", "x.png"):
        assert read_prompt(tmp_path / name) == {
            "1": PROMPT["1"] | {"_meta": {"title": "T"}},
            "2": {"class_type": "Empty", "inputs": {}},
        }
    (tmp_path / "graph.json").write_text(json.dumps({"nodes": [], "links": []}))
    with pytest.raises(
        ValueError, match=r"graph.json is a workflow as ComfyUI's page keeps it.* File > Export \(API\)"
    ):
        read_prompt(tmp_path / "graph.json")


def test_files_of_the_input_folder_that_a_prompt_names(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "cat.png").touch()
    (tmp_path / "dog.png").touch()
    prompt = {
        "1": PROMPT["1"],
        "2": {"class_type": "Load", "inputs": {"a": "dog.png [input]", "b": "", "c": "sub", "d": 1}},
        "3": {"class_type": "Text", "inputs": {"a": "猫" * 200, "b": "../dog.png", "c": str(tmp_path / "dog.png")}},
    }
    folder = tmp_path / "sub" / ".."
    (tmp_path / "sub" / "dog.png").touch()
    assert list(input_files(Job("w", prompt).clips(), folder)) == ["dog.png", "sub/cat.png"]
    assert not input_files(Job("w", {"3": prompt["3"]}).clips(), tmp_path / "sub"), "outside of the folder"


def test_what_a_comfyui_lacks(tmp_path):
    nodes = {
        "Old": {"input": {"required": {"model": [["a", "b"], {}]}, "optional": {"vae": ["COMBO", {"options": ["c"]}]}}},
        "Other": {"input": {"required": {"text": ["STRING", {}], "picture": [["x.png"], {}]}}},
    }
    prompt = {
        "1": {"class_type": "Old", "inputs": {"model": "z", "vae": "c", "unknown": "?"}},
        "2": {"class_type": "Old", "inputs": {"model": ["1", 0], "vae": "y"}},
        "3": {"class_type": "Gone", "inputs": {}},
        "4": {"class_type": "Other", "inputs": {"text": "free", "picture": "ours.png"}},
    }
    found = ["'z' in model of Old", "'y' in vae of Old", "the node Gone"]
    assert list(lacking(prompt, nodes, tmp_path)) == [*found, "'ours.png' in picture of Other"]
    (tmp_path / "ours.png").touch()
    prompt["4"]["inputs"]["picture"] = "ours.png [input]"  # as the mask editor leaves it
    assert list(lacking(prompt, nodes, tmp_path)) == found
    prompt["4"]["inputs"]["picture"] = "猫" * 200
    assert list(lacking(prompt, nodes, tmp_path)) == [*found, f"'{chr(0x732B) * 200}' in picture of Other"]
