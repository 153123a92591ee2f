"""What is posted to a server in place of a file's name opens no other file."""

import json
import urllib.error

import pytest
from comfy_server import ServerError
from small_graphs import add, small
from workflows import example, nodes_of, to_prompt

NAMES = ["../secret.safetensors", "{base}/secret.safetensors", "link.safetensors/../../secret.safetensors", "/dev/zero"]
NAMES += ["con", "a\0b", "secret.safetensors "]
FILES = {"model_name", "lora_name", "control_net_name", "camera_file", "ckpt_name", "folder", "motion_lora", "image"}


def inputs_of_files(object_info: dict) -> list[tuple[str, str]]:
    """(node id, input) of every list of files in our nodes."""
    ours = {node_id: node["input"] for node_id, node in object_info.items() if node_id.startswith(("ADN_", "ADE_"))}
    return [
        (node_id, name)
        for node_id, groups in ours.items()
        for group in ("required", "optional")
        for name, (kind, *_) in groups.get(group, {}).items()
        if name in FILES and (isinstance(kind, list) or kind == "COMBO")
    ]


def test_every_list_of_files_refuses_what_is_not_in_it(server, base, object_info):
    (base / "secret.safetensors").write_bytes(b"secret")
    inputs = inputs_of_files(object_info)
    assert len(inputs) > 8
    for node_id, name in inputs:
        for file in NAMES:
            prompt = {"1": {"class_type": node_id, "inputs": {name: file.format(base=base)}}}
            add(prompt, "2", "PreviewAny", source=["1", 0])
            with pytest.raises(urllib.error.HTTPError) as refused:
                server.post("/prompt", {"prompt": prompt})
            errors = json.load(refused.value)["node_errors"]["1"]["errors"]
            told = [error for error in errors if error["extra_info"].get("input_name") == name]
            assert told and told[0]["type"] == "value_not_in_list", (node_id, name, file)


@pytest.mark.parametrize("file", ["../secret.safetensors", "{base}/secret.safetensors", "/dev/zero"])
def test_a_name_that_comes_through_a_link_opens_no_other_file(server, base, object_info, file):
    """A list of values is not checked by the server where it is linked."""
    (base / "secret.safetensors").write_bytes(b"secret")
    prompt = small(to_prompt(example("Text to Animation"), object_info), steps=1, frames=2)
    words = {"across_name": "", "down_name": ""}
    name = add(prompt, "names", "ADN_CompareSettings", across=file.format(base=base), down="1", **words)
    nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = name
    with pytest.raises(ServerError) as told:
        server.run(prompt)
    assert "secret is" not in str(told.value) and "is empty" not in str(told.value)
