"""The command `workflows`, and a prompt for it to report on."""

import subprocess
import sys

from comfy_server import ROOT

API = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {"class_type": "ADE_AnimateDiffLoaderGen1", "inputs": {"model": ["1", 0], "model_name": "mm.ckpt"}},
    "3": {"class_type": "ADN_ApplyMotionModel", "inputs": {"model": ["2", 0]}},
    "4": {"class_type": "ADE_LoraHookCombine", "inputs": {}},
    "5": {"class_type": "VHS_VideoCombine", "inputs": {}},
    "6": {"class_type": "Somebody's node", "inputs": {}},
}


def door(*words):
    """Without any package (-S), so without torch, too."""
    command = [sys.executable, "-I", "-S", str(ROOT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def command(*paths):
    return door("workflows", *paths)
