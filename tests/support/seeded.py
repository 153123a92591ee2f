"""Model files of small seeded random weights, made once in a folder. Run with the host on `sys.path`."""

import sys
from pathlib import Path

from weights import motion_state

CHECKPOINT = "random_sd15.safetensors"
MOTION_MODEL = "random_v3.safetensors"
CHANNELS = (320, 320, 320, 320)
"""The random checkpoint has SD1.5's blocks, all on 320 channels."""


def make_models(models: Path) -> None:
    """models/checkpoints and models/animatediff_models, as in a ComfyUI. What is there is used again."""
    import host

    checkpoint = models / "checkpoints" / CHECKPOINT
    if not checkpoint.exists():
        host.enter_host(Path(host.find_host()))
        from unets import checkpoint_state

        save(checkpoint_state(), checkpoint)
    motion = models / "animatediff_models" / MOTION_MODEL
    if not motion.exists():
        save({key: value.half() for key, value in motion_state("v3", CHANNELS).items()}, motion)


def save(state: dict, path: Path) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({key: value.contiguous() for key, value in state.items()}, part)
    part.replace(path)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
