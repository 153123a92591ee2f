"""The forms that users fill in: every node of the pack. Nothing here computes: a form calls one function below."""

from .compat import NODES as COMPAT_NODES
from .host_names import working

FORMS = [
    "load",
    "lora",
    "adjust",
    "picture",
    "camera",
    "objects",
    "sparse",
    "apply",
    "context",
    "spread",
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
NODES = [*(node for form in working(FORMS, __name__) for node in form.NODES), *COMPAT_NODES]

SERVICES = working(["before_run", "first_card", "replaced", "text", "compat.renamed"], __name__)
"""What is registered with the server, beside nodes."""
