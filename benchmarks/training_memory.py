"""What a step of training holds on full-size UNets, beside what is reckoned before a run. See TRAINING.md.

    COMFYUI_DIR=<a ComfyUI> <its Python> benchmarks/training_memory.py [--frames 16] [--sizes 256 512] [--only sd15]

The UNet, the motion model and the step are the real ones, computed in bfloat16, the motion model held in float32 as on
a CPU, but their tensors have no numbers (PyTorch's FakeTensorMode): forward and backward pass run in seconds, need
neither weights nor a GPU, and every byte of every tensor is counted. kept: when the loss is there. at most: until its
gradients are there, those of what is trained left out. On a CPU with numbers a small UNet gives the same counts:
`--real` counts one both ways.
"""

import argparse
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import torch  # noqa: E402
from animatediff_native.motion.convert import canonical  # noqa: E402
from animatediff_native.motion.formats import detect  # noqa: E402
from animatediff_native.motion.load import patcher_of  # noqa: E402
from animatediff_native.training.estimate import GIB  # noqa: E402
from animatediff_native.training.losses import plain, residual  # noqa: E402
from animatediff_native.training.plan import MOTION_LORA, MOTION_MODEL  # noqa: E402
from animatediff_native.training.recompute import with_recomputing  # noqa: E402
from animatediff_native.training.runs import reckoned  # noqa: E402
from animatediff_native.training.step import denoised, encoded  # noqa: E402
from animatediff_native.training.subject import lora_subject, motion_subject  # noqa: E402
from memory import PeakMemory  # noqa: E402
from small_training import conditioning, plan  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from unets import ALL_OF_SDXL, FULL, SD15, empty_unet  # noqa: E402
from weights import motion_state  # noqa: E402

MIB = 2**20
BASES = {"sd15": ("SD1.5", "v2", FULL["sd15"]), "sdxl": ("SDXL", "sdxl", FULL["sdxl"] | ALL_OF_SDXL)}
RANK = 64


def subject(arch: str, kind: str, dtype: torch.dtype, config: dict):
    """With weights that are not filled in."""
    base = empty_unet(arch, config, dtype)
    base.set_model_compute_dtype(dtype)  # which a CPU would not choose
    base.model.requires_grad_(False)
    channels = tuple(config["model_channels"] * multiplier for multiplier in config["channel_mult"])
    weights = canonical(motion_state(BASES[arch][1], channels, build=empty))
    motion = patcher_of(detect(weights), weights, disable_dynamic=True)
    return (lora_subject if kind == MOTION_LORA else motion_subject)(base, motion, plan(kind, rank=RANK))


def empty(shapes: dict, seed: int = 0) -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape) for key, shape in shapes.items()}


def without_numbers(subject, mode: FakeTensorMode) -> None:
    for each in (subject.model, *subject.model.get_nested_additional_models()):
        for module in each.model.modules():
            for name, value in module.named_parameters(recurse=False):
                fake = torch.nn.Parameter(mode.from_tensor(value.detach()), value.requires_grad)
                module.register_parameter(name, fake)


def held(subject, arch: str, frames: int, size: int, real: bool = False) -> tuple[int, int]:
    """(bytes kept, most bytes), without the gradients of what is trained."""
    shape, sigma = (1, frames, 4, size // 8, size // 8), torch.tensor([3.0])
    conds = [encoded(subject.model, conditioning(1, arch), torch.Size(shape[1:]))]
    mode = contextlib.nullcontext() if real else FakeTensorMode(allow_non_fake_inputs=True)
    if not real:
        without_numbers(subject, mode)
    with mode:
        clean = torch.zeros(shape)
        with PeakMemory() as memory:
            prediction = denoised(subject.model, clean, sigma, conds)
            loss = plain(residual(prediction, clean, sigma, False)).sum()
            del prediction
            kept = memory.now
            loss.backward()
    gradients = sum(value.nbytes for value in subject.parameters().values())
    return kept, max(memory.peak - gradients, kept)


def row(arch: str, kind: str, frames: int, size: int, recomputing: bool) -> str:
    each = subject(arch, kind, torch.bfloat16, BASES[arch][2])
    need = reckoned(each, plan(kind, rank=RANK), frames * (size // 8) ** 2)
    if recomputing:
        with_recomputing(each.model, each.motion_format.family.norms)
    each.load()
    kept, most = held(each, arch, frames, size)
    own = need.recomputed if recomputing else need.plain
    clip = f"{BASES[arch][0]}, {frames} × {size}² | {kind} | {'on' if recomputing else 'off'}"
    return f"| {clip} | {kept / GIB:.2f} | {most / GIB:.2f} | {own / GIB:.2f} |"


def both_ways() -> None:
    for kind in (MOTION_LORA, MOTION_MODEL):
        for recomputing in (False, True):
            found = []
            for real in (False, True):
                each = subject("sd15", kind, torch.float32, SD15)
                if recomputing:
                    with_recomputing(each.model, each.motion_format.family.norms)
                each.load()
                found.append(" and ".join(f"{value / MIB:.2f}" for value in held(each, "sd15", 4, 64, real)))
            print(f"{kind}, checkpointing {'on' if recomputing else 'off'}: {found[0]} MiB; with numbers {found[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--only", choices=list(BASES), nargs="+", default=list(BASES))
    parser.add_argument("--real", action="store_true", help="count a small UNet with numbers and without")
    arguments = parser.parse_args()
    if arguments.real:
        both_ways()
        return
    print("| base, clip | trains | checkpointing | kept, GiB | at most | reckoned |\n|---|---|---|---|---|---|")
    for arch in arguments.only:
        for size in arguments.sizes:
            for kind in (MOTION_LORA, MOTION_MODEL):
                for recomputing in (False, True):
                    print(row(arch, kind, arguments.frames, size, recomputing), flush=True)


if __name__ == "__main__":
    main()
