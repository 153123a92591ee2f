"""The pack in a real ComfyUI server: what it serves, its examples, and the host's options for memory."""

import pytest
import seeded
from comfy_server import FOLDER, ComfyServer
from PIL import Image
from small_graphs import frames_of, small
from workflows import TEMPLATES, example, nodes_of, to_prompt

OURS = ("ADN_", "ADE_")


def test_the_pack_loads(server):
    assert "IMPORT FAILED" not in server.log_text()
    ours = {name: node for name, node in server.get("/object_info").items() if name.startswith(OURS)}
    assert {"ADN_LoadMotionModel", "ADN_ApplyMotionModel", "ADE_UseEvolvedSampling"} <= ours.keys()


def test_every_node_and_input_explains_itself(server):
    for name, node in server.get("/object_info").items():
        if name.startswith(OURS):
            assert node["description"], name
            for group in ("required", "optional"):
                for key, (_, *options) in node["input"].get(group, {}).items():
                    assert options and options[0].get("tooltip"), (name, key)


def test_the_templates_are_listed_with_pictures(server):
    listed = server.get("/workflow_templates")[FOLDER]
    first = TEMPLATES["Text to Animation"].stem
    assert listed == [first, *sorted({path.stem for path in TEMPLATES.values()} - {first})]
    for path in TEMPLATES.values():
        assert path.with_suffix(".jpg").is_file(), path


OF_ANOTHER_SIZE = {
    "Animation in Pieces": (40, (64, 64)),
    "Upscale an Animation": (16, (96, 96)),
    "Video to Video": (16, (104, 104)),
    "Grid of Prompts": (16, (296, 128)),
    "Compare Two Settings": (16, (270, 186)),
    "Inpaint a Region": (16, (96, 96)),
    "Smooth Slow Motion": (31, (64, 64)),  # of 61: the small net puts three equal ones between two, kept as one
}
"""Template -> its frames and pixels when it is `small`, where they are not those of its empty latents."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_example_runs(server, name, request):
    object_info = server.get("/object_info")
    prompt = small(to_prompt(example(name), object_info))
    if "SDXL" in name:
        request.getfixturevalue("sdxl")
        nodes_of(prompt, "CheckpointLoaderSimple")[0]["ckpt_name"] = seeded.SDXL_CHECKPOINT
        nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = (
            seeded.SDXL_BETA if "Beta" in name else seeded.HOTSHOT
        )
    files = server.files(server.run(prompt))
    assert {file.suffix for file in files} == {".webp", ".mp4"}
    assert all(file.stat().st_size > 0 for file in files)
    webp = next(file for file in files if file.suffix == ".webp")
    with Image.open(webp) as picture:
        frames, size = OF_ANOTHER_SIZE.get(name, (None, (64, 64)))
        frames = frames or nodes_of(prompt, "EmptyLatentImage")[0]["batch_size"]
        assert (picture.n_frames, picture.size) == (frames, size)


ON_A_GPU = [pytest.param(option, marks=pytest.mark.gpu) for option in ("--lowvram", "--novram")]  # refused with --cpu


@pytest.mark.parametrize("option", ["--fp8_e4m3fn-unet", "--fp8_e5m2-unet", "--bf16-unet", *ON_A_GPU])
def test_memory_options_of_the_host(comfyui, base, option, tmp_path):
    with ComfyServer(comfyui, base, option, output=tmp_path) as server:
        prompt = small(to_prompt(example("Text to Animation"), server.get("/object_info")), frames=8)
        assert len(frames_of(server, server.run(prompt))) == 8
