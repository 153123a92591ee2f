"""Graphs made small for a test's server, and the pictures that come out."""

from pathlib import Path

import seeded
from PIL import Image
from workflows import nodes_of

FILES = {
    "ckpt_name": seeded.CHECKPOINT,
    "model_name": seeded.MOTION_MODEL,
    "camera_file": seeded.CAMERA,
    "control_net_name": seeded.CONTROLNET,
    "lora_name": seeded.LORA,
    "file": seeded.VIDEO,
    "image": seeded.PICTURE,
    "folder": seeded.PICTURES,
    "audio": seeded.SOUND,
}
"""The small files, by the inputs that name them."""

DATA_SETS = {"ADN_StillsDataset", "ADN_ClipsFromImages"}
OF_A_KIND = {
    ("ADN_LoadMotionLoRA", "lora_name"): seeded.MOTION_LORA,
    ("FrameInterpolationModelLoader", "model_name"): seeded.INTERPOLATION,
}
"""Where the node wants another kind of file."""

KINDS = {
    ("model_name", "i2v"): seeded.ANIMATELCM_I2V,
    ("control_net_name", "sparsectrl_rgb"): seeded.SPARSE_RGB,
    ("control_net_name", "sparsectrl_scribble"): seeded.SPARSE_SCRIBBLE,
}
"""Input, and a part of the name that it asks for -> the small file."""


def small(prompt: dict, pixels: int = 64, steps: int = 2, frames: int | None = None) -> dict:
    """The prompt with the small models, on few pixels and steps."""
    for node in prompt.values():
        values = {name: value for name, value in node["inputs"].items() if isinstance(value, str)}
        node["inputs"].update({name: small_file(name, values[name]) for name in FILES.keys() & values.keys()})
    for (class_type, name), file in OF_A_KIND.items():
        for node in nodes_of(prompt, class_type):
            node[name] = file
    for node in nodes_of(prompt, "EmptyLatentImage"):
        node.update(width=pixels, height=pixels, batch_size=frames or min(node["batch_size"], 20))
    for node in nodes_of(prompt, "ImageScale"):
        node.update(width=pixels, height=pixels)
    for node in [*nodes_of(prompt, "KSampler"), *nodes_of(prompt, "ADN_ContextSampler")]:
        node["steps"] = steps
    for node in nodes_of(prompt, "ADN_TrainMotionLoRA"):
        node.update(steps=1, rank=4, sample_every=0)
    for node in (each["inputs"] for each in prompt.values() if each["class_type"] in DATA_SETS):
        node.update(width=pixels, height=pixels)
    for node in [*nodes_of(prompt, "ADN_CameraMove"), *nodes_of(prompt, "ADN_ClipsFromImages")]:
        node["clip_frames"] = 4
    for node in nodes_of(prompt, "ImageScaleToTotalPixels"):
        node["megapixels"] = 0.01
    return prompt


def small_file(name: str, wanted: str) -> str:
    """The small file for the one that the input `name` asks for."""
    return next((file for (each, mark), file in KINDS.items() if each == name and mark in wanted), FILES[name])


def images_in(file: Path) -> list[Image.Image]:
    """Each frame of an animated file."""
    with Image.open(file) as picture:
        frames = []
        for index in range(picture.n_frames):
            picture.seek(index)
            frames.append(picture.convert("RGB"))
    return frames


def pictures_in(file: Path) -> list[bytes]:
    """The pixels of each frame of an animated file."""
    return [frame.tobytes() for frame in images_in(file)]


def frames_of(server, outputs: dict) -> list[bytes]:
    """The pixels of each frame of the WebP that a run saved."""
    return pictures_in(next(file for file in server.files(outputs) if file.suffix == ".webp"))


def forget(server) -> None:
    """Drops the server's cached node outputs and loaded models, so that the next run does everything again."""
    server.post("/free", {"unload_models": True, "free_memory": True})
    # The server does so after the prompt at hand, which may be one that came later: so an idle one comes first.
    idle = {"1": {"class_type": "PrimitiveInt", "inputs": {"value": 0}}}
    server.run(idle | {"2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})


def key_of(prompt: dict, class_type: str) -> str:
    return next(key for key, node in prompt.items() if node["class_type"] == class_type)


def add(prompt: dict, key: str, class_type: str, **inputs) -> list:
    """Puts a node into the prompt, in the place of one of that key. The link to its first output comes back."""
    prompt[key] = {"class_type": class_type, "inputs": inputs}
    return [key, 0]
