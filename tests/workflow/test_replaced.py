"""Workflows of ArtVentureX's comfyui-animatediff, whose nodes are missing here."""

import pytest
import seeded
from small_graphs import pictures_in

IDS = {
    "AnimateDiffModuleLoader": "ADN_AnimateDiffModuleLoader",
    "AnimateDiffLoraLoader": "ADN_AnimateDiffLoraLoader",
    "AnimateDiffSlidingWindowOptions": "ADN_AnimateDiffSlidingWindowOptions",
    "AnimateDiffSampler": "ADN_AnimateDiffSampler",
    "AnimateDiffCombine": "SaveAnimatedWEBP",
    "ImageSizeAndBatchSize": "GetImageSize",
}


@pytest.fixture
def offered(server):
    from comfy_api.latest import io

    if not hasattr(io, "NodeReplace"):
        pytest.skip("this ComfyUI has no node replacement")
    return server.get("/node_replacements")


def test_every_replacement_fits_its_node(server, offered):
    info = server.get("/object_info")
    assert "LoadVideo" in info and "LoadVideo" not in offered
    for old, new in IDS.items():
        assert old not in info
        (found,) = offered[old]
        assert found["new_node_id"] == new
        known = {**info[new]["input"]["required"], **info[new]["input"].get("optional", {})}
        mapped = {each["new_id"] for each in found["input_mapping"]}
        assert mapped <= known.keys() and set(info[new]["input"]["required"]) <= mapped, old
        assert [each["old_idx"] for each in found["output_mapping"] or []] == [
            index for index, _ in enumerate(info[new]["output"]) if new != "SaveAnimatedWEBP"
        ]


def prompt(frames: int, *more: str) -> dict:
    """An API graph of theirs; more: "lora", "windows"."""
    sampler = {"motion_module": ["load", 0], "inject_method": "default", "frame_number": frames, "steps": 1, "seed": 1}
    sampler |= {"model": ["checkpoint", 0], "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    sampler |= {"positive": ["text", 0], "negative": ["text", 0], "latent_image": ["empty", 0]}
    windows = {"context_length": 4, "context_stride": 1, "context_overlap": 1, "context_schedule": "uniform"}
    saved = {"frame_rate": 8, "loop_count": 0, "save_image": True, "filename_prefix": "theirs", "pingpong": False}
    nodes = {
        "checkpoint": ("CheckpointLoaderSimple", {"ckpt_name": seeded.CHECKPOINT}),
        "text": ("CLIPTextEncode", {"clip": ["checkpoint", 1], "text": "a"}),
        "empty": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "load": ("AnimateDiffModuleLoader", {"model_name": seeded.MOTION_MODEL}),
        "sampler": ("AnimateDiffSampler", sampler),
        "pixels": ("VAEDecode", {"samples": ["sampler", 0], "vae": ["checkpoint", 2]}),
        "save": ("AnimateDiffCombine", {"images": ["pixels", 0], "format": "image/gif", **saved}),
    }
    if "lora" in more:
        nodes["lora"] = ("AnimateDiffLoraLoader", {"lora_name": seeded.MOTION_LORA, "alpha": 1.0})
        nodes["load"][1]["lora_stack"] = ["lora", 0]
    if "windows" in more:
        nodes["windows"] = ("AnimateDiffSlidingWindowOptions", windows | {"closed_loop": False})
        sampler["sliding_window_opts"] = ["windows", 0]
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def clip(server, prompt) -> list[bytes]:
    (file,) = server.files(server.run(prompt))
    return pictures_in(file)


@pytest.mark.usefixtures("offered")
def test_their_workflow_runs(server):
    """One latent becomes all frames; the LoRA and the windows each change them."""
    plain, adapted, windowed = (clip(server, prompt(8, *more)) for more in ((), ("lora",), ("windows",)))
    assert len(plain) == len(adapted) == len(windowed) == 8 and len(set(plain)) == 8
    assert adapted != plain and windowed != plain


@pytest.mark.usefixtures("offered")
def test_more_frames_than_a_window_need_no_options(server):
    assert len(clip(server, prompt(20))) == 20
