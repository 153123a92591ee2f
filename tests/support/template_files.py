"""The small seeded files under the names that the templates ask for, so that a template runs as it is opened."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import seeded
from comfy_server import link

SEEDED = {
    "checkpoints": seeded.CHECKPOINT,
    "animatediff_models": seeded.MOTION_MODEL,
    "animatediff_motion_lora": seeded.MOTION_LORA,
    "controlnet": seeded.CONTROLNET,
    "loras": seeded.LORA,
    "frame_interpolation": seeded.INTERPOLATION,
}
"""Folder under models -> the seeded file for whatever a template wants from there."""
OF_A_KIND = {
    "AnimateLCM_sd15_i2v.ckpt": seeded.ANIMATELCM_I2V,
    "CameraCtrl.ckpt": seeded.CAMERA,
    "v3_sd15_sparsectrl_rgb.ckpt": seeded.SPARSE_RGB,
    "v3_sd15_sparsectrl_scribble.ckpt": seeded.SPARSE_SCRIBBLE,
    "sd_xl_base_1.0.safetensors": seeded.SDXL_CHECKPOINT,
    "hsxl_temporal_layers.f16.safetensors": seeded.HOTSHOT,
    "mm_sdxl_v10_beta.ckpt": seeded.SDXL_BETA,
}
"""A file of another kind that a template wants -> the seeded one."""
INPUTS = {"LoadImage": seeded.PICTURE, "LoadVideo": seeded.VIDEO, "LoadAudio": seeded.SOUND}
MADE_HERE = {"ADN_LoadMotionLoRA": ("animatediff_motion_lora", seeded.MOTION_LORA)}
"""What a user has trained, where the template names no file to get: node -> its folder under models, the seeded one."""


def make_template_files(comfyui: Path, base: Path, graphs: list[dict], *more: str) -> None:
    """In the base directory of a server: what `graphs` name in their nodes, of seeded weights (`more`: as there)."""
    environment = os.environ | {"COMFYUI_DIR": str(comfyui)}
    subprocess.run([sys.executable, seeded.__file__, str(base), "all", "sdxl", *more], check=True, env=environment)
    for node in (node for graph in graphs for node in graph["nodes"]):
        for file in node["properties"].get("models", ()):
            kind = OF_A_KIND.get(file["name"]) or SEEDED[file["directory"]]
            put(base / "models" / file["directory"] / kind, file["name"])
        if node["type"] in MADE_HERE and "models" not in node["properties"]:
            put(base.joinpath("models", *MADE_HERE[node["type"]]), node["widgets_values"][0])
        if node["type"] == "ADN_StillsDataset":  # the host lists no links to folders
            shutil.copytree(base / "input" / seeded.PICTURES, base / "input" / node["widgets_values"][0])
        if node["type"] in INPUTS:
            link(base / "input" / INPUTS[node["type"]], base / "input" / node["widgets_values"][0])


def put(source: Path, name: str) -> None:
    """`source` beside itself under another name; as a pickle where that ends with .ckpt."""
    target = source.with_name(name)
    if target.suffix != ".ckpt":
        link(source, target)
    elif not target.exists():
        import torch
        from safetensors.torch import load_file

        torch.save(load_file(source), target)
