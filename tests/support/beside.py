"""A real server with other packs beside this one, and small graphs for both."""

from pathlib import Path

import seeded
from comfy_server import ComfyServer


def beside(comfyui, base, folder: Path, first: list[Path], last: list[Path]) -> ComfyServer:
    """A server that loads the packs `first`, then this one, then `last`: a folder of folders each, in a file of paths.

    (In one folder the order is the file system's.)
    """
    sections = []
    for when, packs in (("first", first), ("last", last)):
        (folder / when).mkdir()
        for pack in packs:
            (folder / when / pack.name).symlink_to(pack, target_is_directory=True)
        default = "  is_default: true\n" if when == "first" else ""
        sections.append(f"{when}:\n  base_path: {folder / when}\n  custom_nodes: .\n{default}")
    paths = folder / "paths.yaml"
    paths.write_text("".join(sections), encoding="utf-8")
    return ComfyServer(comfyui, base, "--extra-model-paths-config", str(paths))


def graph(model: list) -> dict:
    """Eight small frames, sampled with `model`."""
    nodes = {
        "checkpoint": ("CheckpointLoaderSimple", {"ckpt_name": seeded.CHECKPOINT}),
        "text": ("CLIPTextEncode", {"clip": ["checkpoint", 1], "text": "a"}),
        "frames": ("ADE_EmptyLatentImageLarge", {"width": 64, "height": 64, "batch_size": 8}),
        "sampler": ("KSampler", {"model": model, "positive": ["text", 0], "negative": ["text", 0]}),
        "save": ("SaveLatent", {"samples": ["sampler", 0], "filename_prefix": "neighbours"}),
    }
    nodes["sampler"][1].update(latent_image=["frames", 0], seed=1, steps=1, cfg=4.0, denoise=1.0)
    nodes["sampler"][1].update(sampler_name="euler", scheduler="normal")
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def ours(prompt: dict, model: list, file: str = seeded.MOTION_MODEL) -> dict:
    """`prompt` with our motion on `model`, in the node "ours"."""
    settings = {"motion_scale": 1.0, "effect": 1.0, "beta_schedule": "auto", "start_percent": 0.0, "end_percent": 1.0}
    settings |= {"norms": "official", "model": model, "motion_model": ["our file", 0]}
    prompt["our file"] = {"class_type": "ADN_LoadMotionModel", "inputs": {"model_name": file}}
    prompt["ours"] = {"class_type": "ADN_ApplyMotionModel", "inputs": settings}
    return prompt
