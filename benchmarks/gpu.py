"""All that is to be measured on a GPU, in one go and within a given time: the rows of RESULTS.md.

    python dev.py gpu [--ade DIR] [--sdcpp BINARY] [--minutes 10] [--only clips long ...] [--small]

What matters most comes first; what the time no longer allows is named at the end, and --only takes it up. Needs
ComfyUI with its requirements (diffusers where there), and no network: weights are seeded random ones, 8 GB on the disk.
--small: the same on small models and without waiting for compilers, to try all of it on a CPU; without the peers, which
do not take such models.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent

import torch  # noqa: E402
from bench import (  # noqa: E402
    Process,
    machine,
    make_checkpoint,
    options_of,
    run_scene,
    table,
    those_at_hand,
    weights_folder,
)
from contender import CONTENDERS  # noqa: E402
from scenes import SCENES  # noqa: E402

SMALLEST = {"size": 8, "takes_minutes": False}


class Session:
    """What is measured, and until when."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.end = arguments, time.monotonic() + 60 * arguments.minutes
        arguments.compile = None

    @property
    def prefix(self) -> str:
        return "small-" if self.arguments.small else ""

    def scene(self, name: str):
        scene = SCENES[name]
        if not self.arguments.small:
            return scene
        contenders = tuple(each for each in scene.contenders if each[0] in ("ours", "plain"))
        frames = min(scene.frames, 24)
        words = {"title": f"{scene.title}, in small", "arch": f"small-{scene.arch}"} | SMALLEST
        return replace(scene, contenders=contenders, frames=frames, **words)

    def compared(self, name: str, dtype: str = "float16", compile: bool = False) -> Iterator[str]:
        """The contenders beside each other, A B A B."""
        own = argparse.Namespace(**vars(self.arguments))
        own.dtype = "float32" if self.arguments.small and not torch.cuda.is_available() else dtype
        own.compile = ("eager" if self.arguments.small else "inductor") if compile else None
        scene = self.scene(name)
        yield f"{scene.title}, {own.dtype}{', TorchCompileModel' if compile else ''}"
        yield from table(scene, run_scene(scene, own))

    def ours(self, do: str, cases: list[tuple[str, int, int]], *options: str) -> Iterator[tuple[str, int, int, dict]]:
        """What our contender answers to `do` for (arch, frames, size) each, in float16."""
        own = argparse.Namespace(**vars(self.arguments))
        own.dtype = "float16" if torch.cuda.is_available() else "float32"
        for arch, frames, size in cases:
            if self.arguments.small:
                arch, frames, size = f"small-{arch}", min(frames, 24), 8
            words = options_of(arch, own)
            make_checkpoint(weights_folder(arch, own.dtype), words)
            process = Process("ours", [*words, *options])
            process("step", frames=frames, size=size)
            yield arch, frames, size, process(do, frames=frames, size=size)
            process.close()

    def rates(self) -> Iterator[str]:
        """What the card can do at most, and the motion modules beside it."""
        words = ["--size", "8" if self.arguments.small else "64", "--dtype"]
        words += ["float16" if torch.cuda.is_available() else "float32"]
        found = subprocess.run(
            [sys.executable, str(HERE / "motion_profile.py"), *words], capture_output=True, text=True, check=False
        )
        yield "Motion modules beside the card's rates"
        yield from (found.stdout or found.stderr[-2000:]).split("\n\n---")[0].splitlines()[:9]

    def clips(self) -> Iterator[str]:
        yield from self.compared("large")

    def long(self) -> Iterator[str]:
        yield from self.compared("long-large")

    def sdxl(self) -> Iterator[str]:
        yield from self.compared("sdxl-large")

    def compiled(self) -> Iterator[str]:
        yield from self.compared("large", compile=True)

    def bf16(self) -> Iterator[str]:
        yield from self.compared("large", "bfloat16")

    def profile(self) -> Iterator[str]:
        """Where a step's time goes."""
        yield "Where a step goes"
        kinds = ["attention", "products", "copies", "norms", "rest"]
        yield f"| | {' | '.join(f'{kind}, ms' for kind in kinds)} | launches | waits | copies to the GPU | from it |"
        yield "|---" * (len(kinds) + 5) + "|"
        for arch, frames, size, found in self.ours("profile", [("sd15", 16, 64), ("sd15", 128, 64), ("sdxl", 16, 128)]):
            times = " | ".join(f"{1e3 * found['kinds'][kind]:.1f}" for kind in kinds)
            counts = " | ".join(str(found[what]) for what in ("launches", "waits", "sent", "fetched"))
            yield f"| {arch}, {frames} x {size}x{size} | {times} | {counts} |"

    def memory(self) -> Iterator[str]:
        """Activations beside the host's estimate: what `handler.CHUNKED` is to be; then what a motion model leaves."""
        yield "Activations beside the host's estimate"
        yield "| | held, GB | reckoned, GB | share |"
        yield "|---|---|---|---|"
        cases = [("sd15", 16, 64), ("sd15", 48, 64), ("sd15", 72, 64), ("sdxl", 16, 128)]
        for arch, frames, size, found in self.ours("activations", cases):
            held, reckoned = found["held"] / 1e9, found["reckoned"] / 1e9
            yield f"| {arch}, {frames} x {size}x{size} | {held:.2f} | {reckoned:.2f} | {held / reckoned:.2f} |"
        for arch, _, _, found in self.ours("given_back", [("sd15", 16, 64)]):
            freed = (found["before"] - found["after"]) / 1e9
            whole = found["motion"] / 1e9
            yield f"\n{arch}: a motion model of {whole:.2f} GB leaves {freed:.2f} GB when its range is over."

    def fast(self) -> Iterator[str]:
        """The host's --fast."""
        yield "A step of 16 frames with the host's --fast"
        for options in ((), ("--fast",)):
            for arch, frames, size, found in self.ours("step", [("sd15", 16, 64)], *options):
                yield f"- {arch}, {frames} x {size}x{size} {' '.join(options)}: {found['seconds']:.3f} s"

    def speedups(self) -> Iterator[str]:
        """EasyCache, weights in fp8, SageAttention where it is there."""
        words = ["--only", "easycache", "fp8", "sage", "--in", "clip", "--steps", "6"]
        words += [] if self.arguments.small else ["--full", "--size", "64", "--dtype", "float16"]
        found = subprocess.run(
            [sys.executable, str(HERE / "speedups.py"), *words], capture_output=True, text=True, check=False
        )
        yield "Speed-ups of the host"
        yield from (found.stdout or found.stderr[-2000:]).splitlines()


ORDER = ("rates", "clips", "profile", "long", "memory", "sdxl", "compiled", "bf16", "speedups", "fast")
"""By what they are worth."""


def told(section: Callable[[], Iterator[str]]) -> float:
    """Prints what it finds; how long it took."""
    start = time.monotonic()
    title, *lines = section()
    print(f"\n## {title}\n", *lines, sep="\n", flush=True)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ade", type=Path, help="a folder with ComfyUI-AnimateDiff-Evolved")
    parser.add_argument("--sdcpp", type=Path, help="stable-diffusion.cpp's sd-cli, built for this GPU")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=ORDER, default=ORDER)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    arguments.contenders = those_at_hand(arguments)
    session, late = Session(arguments), []
    print(machine())
    longest = 0.0
    for name in (each for each in ORDER if each in arguments.only):
        if time.monotonic() + longest > session.end:
            late.append(name)
            continue
        try:
            longest = max(longest, told(getattr(session, name)))
        except SystemExit as error:  # one that cannot run here is no reason to lose the others
            print(f"\n## {name}\n\n{error}", flush=True)
    if late:
        print(f"\nNo time was left for: --only {' '.join(late)}")


if __name__ == "__main__":
    main()
