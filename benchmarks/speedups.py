"""The host's speed-ups beside motion: what each saves, and how far the clip is from the one without it.

    python dev.py speedups [--full] [--only easycache tome ...] [--in clip windows long] [--steps 12] [--rounds 2]

Two MODELs take turns (A B A B) in one process: motion alone, and motion with the speed-up. What counts is the ratio
within a round, after a step of each that warms up. changes: how far the clip is from the one without the speed-up
(norm of the difference over the norm). without motion: the same of the UNet alone, 16 frames, so what the speed-up does
by itself. steps skipped: the mean of the windows, (each). Small seeded models; --full: SD1.5's full size.
"""

import argparse
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import comfy.model_management  # noqa: E402
import torch  # noqa: E402
from animatediff_native.sampling.run import watch  # noqa: E402
from animatediff_native.sampling.windows.caches import HOLDER  # noqa: E402
from animatediff_native.sampling.windows.handler import with_windows  # noqa: E402
from animatediff_native.sampling.windows.presets import preset  # noqa: E402
from bench import machine, weights_folder  # noqa: E402
from clips import animated, latents, motion_model, sample  # noqa: E402
from comfy.ldm.modules import attention  # noqa: E402
from comfy.patcher_extension import WrappersMP  # noqa: E402
from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode  # noqa: E402
from comfy_extras.nodes_hypertile import HyperTile  # noqa: E402
from comfy_extras.nodes_tomesd import TomePatchModel  # noqa: E402
from unets import full_unet, unet_model  # noqa: E402

PLACES = {"clip": (None, 16), "windows": ("stable", 40), "long": ("long", 96)}
"""(preset of windows, frames)"""


@dataclass(frozen=True)
class SpeedUp:
    title: str
    change: Callable = lambda model: model
    dtype: torch.dtype | None = None
    """Of the UNet's weights, where the speed-up is that."""
    available: bool = True


def node(kind, *inputs) -> Callable:
    """What one of the host's nodes makes of a MODEL."""

    def change(model):
        output = kind.execute(model, *inputs)
        return output[0] if isinstance(output, tuple) else output.args[0]

    return change


def overridden(model, function):
    """As nodes do that choose another attention."""
    model = model.clone()
    options = model.model_options["transformer_options"]
    options["optimized_attention_override"] = lambda usual, *others, **words: function(*others, **words)
    return model


def speed_ups(threshold: float, size: int) -> dict[str, SpeedUp]:
    sage = getattr(attention, "SAGE_ATTENTION_IS_AVAILABLE", False) and torch.cuda.is_available()
    return {
        "easycache": SpeedUp(f"EasyCache, {threshold:g}", node(EasyCacheNode, threshold, 0.15, 0.95, False)),
        "lazycache": SpeedUp(f"LazyCache, {threshold:g}", node(LazyCacheNode, threshold, 0.15, 0.95, False)),
        "tome": SpeedUp("ToMe, 0.5", node(TomePatchModel, 0.5)),
        "hypertile": SpeedUp(f"HyperTile, {4 * size}, depth 1", node(HyperTile, 4 * size, 2, 1, False)),
        "fp8": SpeedUp("weights in fp8_e4m3fn", dtype=torch.float8_e4m3fn),
        "sage": SpeedUp("SageAttention", partial(overridden, function=attention.attention_sage), available=sage),
    }


class Skipped(logging.Handler):
    """The steps that EasyCache or LazyCache skipped in the last run: as the host's log says, and window by window."""

    def __init__(self):
        super().__init__()
        self.clear()

    def clear(self) -> None:
        self.told, self.windows, self.sigma = "", [], None

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"skipped ([\d.]+/\d+) steps", record.getMessage()):
            self.told = found[1]

    def note(self, executor, model, conds, x, timestep, options):
        """A CALC_COND_BATCH wrapper: each window of a step is one call."""
        result = executor(model, conds, x, timestep, options)
        holder, sigma = options["transformer_options"].get(HOLDER), float(timestep.max())
        if sigma != self.sigma:
            self.sigma, self.windows = sigma, []
        self.windows.append(getattr(holder, "total_steps_skipped", 0))
        return result

    def text(self) -> str:
        counts = " ".join(str(each) for each in self.windows)
        return self.told + (f" ({counts})" if any(self.windows) and len(self.windows) > 1 else "")


@cache
def checkpoint(full: bool, dtype: torch.dtype):
    if not full:
        return unet_model("sd15", dtype)
    folder = weights_folder("sd15", str(dtype).removeprefix("torch."))
    return full_unet("sd15", folder / "unet.safetensors", dtype)


@cache
def motion(full: bool, dtype: torch.dtype):
    if not full:
        return motion_model("v3", dtype=dtype)
    from animatediff_native.motion.load import load_motion_model

    return load_motion_model(str(weights_folder("sd15", str(dtype).removeprefix("torch.")) / "motion.safetensors"))


class Clips:
    """The runs of one place: a clip, windows, long windows."""

    def __init__(self, arguments: argparse.Namespace, place: str):
        self.arguments, self.dtype = arguments, getattr(torch, arguments.dtype)
        self.preset, self.frames = PLACES[place]

    def model(self, speed_up: SpeedUp | None, moves: bool = True):
        model = checkpoint(self.arguments.full, speed_up and speed_up.dtype or self.dtype)
        if moves:
            model = animated(model, motion(self.arguments.full, self.dtype))
            if self.preset is not None:
                model = watch(with_windows(model, preset(self.preset, self.arguments.windows_of)))
        return speed_up.change(model) if speed_up else model

    def run(self, model, frames: int | None = None, steps: int | None = None) -> tuple[float, torch.Tensor]:
        """(seconds, the clip)"""
        size = self.arguments.size
        torch.manual_seed(0)  # ToMe and HyperTile draw from the global generator
        start = time.perf_counter()
        words = {"steps": steps or self.arguments.steps, "disable_pbar": True}
        clip = sample(model, latent_image=latents(frames or self.frames, size, size), **words)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start, clip


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def row(clips: Clips, place: str, speed_up: SpeedUp, skipped: Skipped) -> str:
    """A line of the table."""
    seconds, plain, quick = [], clips.model(None), clips.model(speed_up)
    quick.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, "note", skipped.note)
    for model in (plain, quick):
        clips.run(model, steps=1)
    for _ in range(clips.arguments.rounds):
        skipped.clear()
        (usual, expected), (less, found) = clips.run(plain), clips.run(quick)
        seconds.append((usual, less))
    told = skipped.text()
    alone, changed = (clips.run(clips.model(each, moves=False), 16)[1] for each in (None, speed_up))
    ratios = [less / usual for usual, less in seconds]
    spread = f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    times = " | ".join(f"{median(column):.2f}" for column in zip(*seconds, strict=True))
    changes = f"{distance(found, expected):.4f} | {distance(changed, alone):.4f}"
    return f"| {speed_up.title} | {place}, {clips.frames} | {times} | {spread} | {told} | {changes} |"


def main() -> None:
    names = list(speed_ups(0.2, 16))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="SD1.5's full size in place of small models")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--in", nargs="+", choices=PLACES, default=list(PLACES), dest="places")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--size", type=int, default=16, help="of the latents")
    parser.add_argument("--windows-of", type=int, default=16, help="frames of a window, or of a view")
    parser.add_argument("--threshold", type=float, default=0.2, help="of EasyCache and LazyCache")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    arguments = parser.parse_args()
    skipped = Skipped()
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(skipped)
    logging.getLogger().setLevel(logging.INFO)
    print(f"{machine()}, {comfy.model_management.get_torch_device()}, {arguments.dtype}\n")
    print("| speed-up | frames in | s without | s with | ratio (spread) | steps skipped | changes | without motion |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name, speed_up in speed_ups(arguments.threshold, arguments.size).items():
        for place in arguments.places if name in arguments.only and speed_up.available else ():
            print(row(Clips(arguments, place), place, speed_up, skipped), flush=True)


if __name__ == "__main__":
    main()
