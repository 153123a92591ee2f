"""Model files of small seeded random weights, and a small video, made once in a base directory of the host."""

import sys
from pathlib import Path

from weights import motion_state

CHECKPOINT = "random_sd15.safetensors"
MOTION_MODEL = "random_v3.safetensors"
CONTROLNET = "random_controlnet.safetensors"
VIDEO = "square.mp4"
CHANNELS = (320, 320, 320, 320)
"""The random checkpoint has SD1.5's blocks, all on 320 channels."""


def make_models(base: Path) -> None:
    """models/checkpoints, models/animatediff_models, ... and input/, as in a ComfyUI. What is there is used again."""
    import host

    models, video = base / "models", base / "input" / VIDEO
    motion = models / "animatediff_models" / MOTION_MODEL
    if not motion.exists():
        save({key: value.half() for key, value in motion_state("v3", CHANNELS).items()}, motion)
    made_by_the_host = {
        models / "checkpoints" / CHECKPOINT: "checkpoint_state",
        models / "controlnet" / CONTROLNET: "controlnet_state",
    }
    missing = {path: maker for path, maker in made_by_the_host.items() if not path.exists()}
    if missing:
        host.enter_host(Path(host.find_host()))
        import unets

        for path, maker in missing.items():
            save(getattr(unets, maker)(), path)
    if not video.exists():
        save_video(video)


def save_video(path: Path, frames: int = 24, size: int = 64) -> None:
    """A bright square that wanders over a dark ground, 8 frames a second."""
    import av
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            picture = np.full((size, size, 3), 30, dtype=np.uint8)
            picture[20:44, index : index + 24] = 220
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def save(state: dict, path: Path) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({key: value.contiguous() for key, value in state.items()}, part)
    part.replace(path)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
