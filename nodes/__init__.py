"""The forms that users fill in: every node of the pack. Nothing here computes: a form calls one function below."""

from importlib import import_module

from .compat import NODES as COMPAT_NODES

FORMS = [
    "load",
    "lora",
    "adjust",
    "picture",
    "camera",
    "sparse",
    "apply",
    "context",
    "sampler",
    "preview",
    "noise",
    "freeinit",
    "schedules",
    "sound",
    "prompts",
    "guidance",
    "blocks",
    "grid",
    "measure",
    "training",
    "training_options",
    "training_files",
    "training_data",
    "training_clips",
    "compat.artventure",
]
"""The files here that end in NODES."""
NODES = [*(node for name in FORMS for node in import_module(f".{name}", __name__).NODES), *COMPAT_NODES]
