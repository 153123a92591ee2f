"""48 frames in windows on a real server: each has its own pictures' and its own camera's influence, and no other's."""

import pytest
import seeded
from graphs import Graph
from safetensors.torch import load_file

FRAMES, LAST = 48, 32
"""The last window begins at frame LAST."""
PATH = "0: static, 36: pan left 2.0"


def prompt_of(object_info, last_picture: int = 0x20A0F0, path: str = PATH) -> dict:
    """Two pictures, on the first and on the last frame, and a camera that rests and then goes; windows of 16."""
    graph = Graph(object_info)
    graph.add("checkpoint", "CheckpointLoaderSimple", ckpt_name=seeded.CHECKPOINT)
    graph.add("load", "ADN_LoadMotionModel", model_name=seeded.MOTION_MODEL)
    graph.add("camera", "ADN_CameraPath", motion_model=["load", 0], camera_file=seeded.CAMERA, path=path)
    graph.add("apply", "ADN_ApplyMotionModel", model=["checkpoint", 0], motion_model=["camera", 0])
    windows = {"context_length": 16, "context_overlap": 4, "context_schedule": "standard_static"}
    graph.add("windows", "ADN_ContextWindows", model=["apply", 0], preset="custom", **windows)
    graph.add("first", "EmptyImage", width=64, height=64, batch_size=1, color=0xF08020)
    graph.add("last", "EmptyImage", width=64, height=64, batch_size=1, color=last_picture)
    graph.add("pictures", "ImageBatch", image1=["first", 0], image2=["last", 0])
    sparse = {"frames": "0, -1", "without_picture": "nothing", "control_net_name": seeded.SPARSE_RGB}
    graph.add("sparse", "ADN_LoadSparseCtrl", **sparse)
    words = {"positive": ["text", 0], "negative": ["text", 0], "image": ["pictures", 0], "vae": ["checkpoint", 2]}
    graph.add("text", "CLIPTextEncode", clip=["checkpoint", 1], text="a lake")
    graph.add("control", "ControlNetApplyAdvanced", control_net=["sparse", 0], **words)
    graph.add("latents", "EmptyLatentImage", width=64, height=64, batch_size=FRAMES)
    sampled = {"model": ["windows", 0], "positive": ["control", 0], "negative": ["control", 1]}
    settings = {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "seed": 5}
    graph.add("sample", "KSampler", latent_image=["latents", 0], **sampled, **settings)
    graph.add("save", "SaveLatent", samples=["sample", 0])
    return graph.prompt


@pytest.fixture(scope="module")
def latents_of(server, object_info):
    def run(**changes):
        outputs = server.run(prompt_of(object_info, **changes))
        (file,) = outputs["save"]["latents"]
        return load_file(server.output / file["subfolder"] / file["filename"])["latent_tensor"]

    return run


def changed(a, b) -> list[int]:
    return [frame for frame, (x, y) in enumerate(zip(a, b, strict=True)) if not x.equal(y)]


def test_what_is_left_out_changes_just_its_frames(latents_of):
    """Another last picture: those of the last window. No move: those of the windows in which the camera moves."""
    whole = latents_of()
    assert whole.shape == (FRAMES, 4, 8, 8) and whole.isfinite().all()
    assert changed(whole, latents_of(last_picture=0x101010)) == list(range(LAST, FRAMES))
    assert changed(whole, latents_of(path="0: static")) == list(range(24, FRAMES))
