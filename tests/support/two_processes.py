"""One of the processes that torchrun starts for a test: trains a small motion LoRA, and the first of them writes it.

torchrun ... tests/support/two_processes.py FOLDER ACCUMULATE    (RANK in FOLDER is the process's number)
"""

import os
import sys
from pathlib import Path

import host

host.enter(host.find_host())

import small_training  # noqa: E402
import torch  # noqa: E402
from animatediff_native.training.distributed import joined  # noqa: E402
from safetensors.torch import save_file  # noqa: E402


def main(folder: Path, accumulate: int) -> None:
    with joined() as world:
        own_plan = small_training.plan(accumulate=accumulate, learning_rate=1e-4)
        model, motion = small_training.small_unet(), small_training.motion_model("v3")
        clips = small_training.examples(5)
        _, state = small_training.trained(model, motion, clips, own_plan, folder, world=world)
        if world.is_first:
            tensors = {name: value.detach() for name, value in state.parameters.items()}
            save_file(tensors | {"losses": torch.tensor(state.losses)}, folder / "learnt.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1].replace("RANK", os.environ["RANK"])), int(sys.argv[2]))
