"""What a newcomer relies on in every template file."""

import json
import re

import pytest
from animatediff_native.sampling.windows.presets import PRESETS, preset
from animatediff_native.workflow_files.known_nodes import host_nodes, own_nodes
from comfy_server import ROOT
from workflows import TEMPLATES as FILES
from workflows import example

TEMPLATES = {name: example(name) for name in FILES}
LOADERS = {
    "CheckpointLoaderSimple",
    "ControlNetLoader",
    "LoraLoaderModelOnly",
    "ADN_LoadMotionModel",
    "ADN_LoadMotionLoRA",
    "ADN_LoadSparseCtrl",
    "ADN_CameraPath",
}
CHINESE, LINKS = re.compile("[\u4e00-\u9fff]"), re.compile(r"https?://[^\s)]+")
HOSTS = {"batch_size", "denoise", "amount", "length", "scale_by", "multiplier", "duration", "steps", "seed", "fps"}
INPUTS = HOSTS.union(
    *(form["inputs"] for form in json.loads((ROOT / "locales/zh/nodeDefs.json").read_text("utf-8")).values())
).difference(PRESETS)
MADE_HERE = {"my_motion.safetensors"}
"""Files that users have made themselves."""
every_template = pytest.mark.parametrize("name", TEMPLATES)


@every_template
def test_its_nodes_are_the_hosts_and_ours(name):
    """No other pack is needed, and nobody learns the forms that are there for shared workflows."""
    for_new_ones = {node_id for node_id, instead in own_nodes().items() if instead is None}
    assert not {node["type"] for node in TEMPLATES[name]["nodes"]} - host_nodes() - for_new_ones


@every_template
def test_two_notes_say_what_to_do_in_two_languages(name):
    english, chinese = [node for node in TEMPLATES[name]["nodes"] if node["type"] == "MarkdownNote"]
    assert english["widgets_values"][0].startswith(f"### {name}\n") and chinese["title"] == "中文说明"
    assert not CHINESE.search(english["title"] + english["widgets_values"][0])
    for text in (note["widgets_values"][0] for note in (english, chinese)):
        for node in TEMPLATES[name]["nodes"]:
            for file in node["properties"].get("models", ()):
                assert f"**models/{file['directory']}**" in text, file
        assert set(LINKS.findall(text)) == set(LINKS.findall(english["widgets_values"][0]))


@every_template
def test_its_chinese_note_calls_widgets_as_the_chinese_page_does(name):
    """No name in bold that is an input of ours: the page shows those in Chinese."""
    (text,) = [node["widgets_values"][0] for node in TEMPLATES[name]["nodes"] if node.get("title") == "中文说明"]
    assert not set(re.findall(r"\*\*(\w+)\*\*", text)) & INPUTS


SHA256 = {
    "v1-5-pruned-emaonly-fp16.safetensors": "e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916",
    "sd_xl_base_1.0.safetensors": "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b",
}
"""Of the files whose publishers state it; the page then knows a file under another name, too."""


@every_template
def test_every_loader_says_where_its_file_is_to_be_had(name):
    """So that the page offers the download. Checkpoints may be any."""
    for node in TEMPLATES[name]["nodes"]:
        if node["type"] in LOADERS and node["widgets_values"][0] not in MADE_HERE:
            (file,) = node["properties"]["models"]
            assert file["name"] == node["widgets_values"][0] == file["url"].split("/")[-1].split("?")[0]
            assert file.get("hash") == SHA256.get(file["name"]) and file.get("hash_type", "SHA256") == "SHA256"


@every_template
def test_windows_show_what_their_preset_does(name):
    """The page shows the settings of `custom` for every preset."""
    for node in TEMPLATES[name]["nodes"]:
        if node["type"] == "ADN_ContextWindows":
            chosen, length, overlap, schedule, fuse_method, stride, closed = node["widgets_values"]
            plan = preset(chosen, length)
            assert (overlap, schedule) == (plan.context_overlap, plan.context_schedule)
            assert (fuse_method, stride, closed) == (plan.fuse_method, plan.context_stride, plan.closed_loop)


@every_template
def test_the_clip_is_saved_by_the_hosts_own_nodes(name):
    types = {node["type"] for node in TEMPLATES[name]["nodes"]}
    assert {"SaveAnimatedWEBP", "CreateVideo", "SaveVideo"} <= types


def test_every_file_of_a_run_has_a_name_of_its_own():
    """The host counts names: with one for both, the WebP is number 1 and the MP4 number 2."""
    saving = ("SaveAnimatedWEBP", "SaveVideo")
    nodes = [node for graph in TEMPLATES.values() for node in graph["nodes"] if node["type"] in saving]
    names = [node["widgets_values"][0] for node in nodes]
    assert len(set(names)) == len(names) and all(name.startswith("animatediff/") for name in names)


def test_no_two_templates_have_the_same_id():
    """The page takes two files with one id for the same workflow."""
    assert len({graph["id"] for graph in TEMPLATES.values()}) == len(TEMPLATES)
