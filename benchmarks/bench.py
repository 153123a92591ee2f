"""Seconds and memory per step, side by side with the peers, on one set of seeded full-size weights.

    python dev.py bench [--ade DIR] [--sdcpp BINARY] [--scenes clip long ...] [--rounds 3] [--out NAME]

Every contender has a process of its own; their turns alternate (A B C A B C), the first round warms up. What counts is
the ratio within a round: machines are noisy. --ade: a folder with ComfyUI-AnimateDiff-Evolved; --sdcpp: the program
sd-cli of stable-diffusion.cpp; neither is part of this project. --first-clip: what somebody at the page waits for.
Prints tables; --out NAME also writes benchmarks/NAME.json and the plot benchmarks/NAME.png.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import torch  # noqa: E402
from contender import ANSWER, CONTENDERS  # noqa: E402
from first_clip import run_first_clip  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from scenes import SCENES, SDCPP, Scene  # noqa: E402
from weights import SD15_CHANNELS, SDXL_CHANNELS, motion_state  # noqa: E402

MOTION = {
    "sd15": ("v2", SD15_CHANNELS),
    "sdxl": ("sdxl", SDXL_CHANNELS),
    "small-sd15": ("v2", (32, 64, 128, 128)),
    "small-sdxl": ("sdxl", (32, 64, 128)),
}


class Process:
    """A contender that does what it is told."""

    def __init__(self, name: str, options: list[str]):
        command = [sys.executable, str(HERE / "contender.py"), name, *options]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.name = name

    def __call__(self, do: str, **words) -> dict:
        self.process.stdin.write(json.dumps({"do": do} | words) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return json.loads(line.removeprefix(ANSWER))
        raise SystemExit(
            f"bench: {self.name} ended in '{do}'. Run benchmarks/contender.py {self.name} by hand to see why."
        )

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def weights_folder(arch: str, dtype: str) -> Path:
    """The folder with the checkpoint's and the motion model's files, made where they are absent."""
    folder = HERE.parent / ".dev" / "bench" / f"{arch}-{dtype}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "motion.safetensors").exists():
        state = motion_state(*MOTION[arch])
        save_file({key: value.to(getattr(torch, dtype)) for key, value in state.items()}, folder / "motion.safetensors")
    return folder


def those_at_hand(arguments: argparse.Namespace) -> list[str]:
    """The contenders that were asked for, without those whose place was not told."""
    absent = ["ade"] * (not arguments.ade) + [name for name, _ in SDCPP] * (not arguments.sdcpp)
    return [name for name in arguments.contenders if name not in absent]


def run_scene(scene: Scene, arguments: argparse.Namespace) -> list[dict]:
    """A row for each contender: seconds of each round after the first, first step, memory."""
    folder = weights_folder(scene.arch, arguments.dtype)
    options = options_of(scene.arch, arguments)
    wanted = [each for each in scene.contenders if each[0] in arguments.contenders]
    make_checkpoint(folder, options)
    rows = [{"contender": name, "plan": plan, "seconds": []} for name, plan in wanted]
    if scene.takes_minutes and not torch.cuda.is_available():
        for row in rows:
            take_turns([row], replace(scene, size=16, frames=min(scene.frames, 24)), scene, 1, options, folder)
    else:
        take_turns(rows, scene, scene, arguments.rounds, options, folder)
    compare(rows, folder)
    return rows


def options_of(arch: str, arguments: argparse.Namespace) -> list[str]:
    """The words for a contender."""
    options = ["--weights", str(weights_folder(arch, arguments.dtype)), "--arch", arch, "--dtype", arguments.dtype]
    options += ["--ade", str(arguments.ade)] if arguments.ade else []
    options += ["--sdcpp", str(arguments.sdcpp)] if arguments.sdcpp else []
    return options + (["--compile", arguments.compile] if arguments.compile else [])


def make_checkpoint(folder: Path, options: list[str]) -> None:
    """One process makes it, the others find it."""
    if not (folder / "unet.safetensors").exists():
        maker = Process("plain", options)
        maker("step", frames=1, size=8)
        maker.close()


def take_turns(rows: list[dict], first: Scene, scene: Scene, rounds: int, options: list[str], folder: Path) -> None:
    """Each contender in a process of its own, one after the other: a round of `first` to warm up, then `rounds`."""
    processes = {row["contender"]: Process(row["contender"], options) for row in rows}
    for turn in range(rounds + 1):
        now = scene if turn else first
        for row in rows:
            words = {"frames": now.frames, "size": now.size, "plan": row["plan"]}
            save = str(folder / f"{row['contender']}.pt")
            answer = processes[row["contender"]]("step", **words, save=save)
            if turn:
                row["seconds"].append(answer["seconds"])
                row |= {key: answer[key] for key in ("memory", "reserved") if key in answer}
            else:
                row["first"] = answer["seconds"]
            print(
                f"  {turn} {row['contender']} {row['plan'] or ''} {answer['seconds']:.2f} s",
                file=sys.stderr,
                flush=True,
            )
    for process in processes.values():
        process.close()


def compare(rows: list[dict], folder: Path) -> None:
    """Notes how far our clip is from the incumbent's: they are to be the same numbers."""
    files = [folder / f"{name}.pt" for name in ("ade", "ours")]
    if {"ade", "ours"} <= {row["contender"] for row in rows} and all(row["plan"] is None for row in rows):
        theirs, ours = (torch.load(file) for file in files)
        rows[0]["difference"] = ((theirs - ours).norm() / theirs.norm()).item()


def table(scene: Scene, rows: list[dict]) -> list[str]:
    base = rows[0]
    lines = ["| | s per step | ratio (spread) | first step, s | memory, GB |", "|---|---|---|---|---|"]
    for row in rows:
        ratios = [a / b for a, b in zip(row["seconds"], base["seconds"], strict=True)]
        spread = f"{median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"
        memory = f"{row['memory'] / 1e9:.2f}" + (
            f" ({row['reserved'] / 1e9:.2f} reserved)" if "reserved" in row else ""
        )
        name = row["contender"] + (f", {row['plan']}" if row["plan"] else "")
        lines.append(f"| {name} | {median(row['seconds']):.2f} | {spread} | {row['first']:.2f} | {memory} |")
    if "difference" in base:
        lines += ["", f"Our clip differs from the incumbent's by {base['difference']:.1e} (relative)."]
    return lines


def run_loading(arguments: argparse.Namespace) -> list[str]:
    """Load and import times of each contender with a loader."""
    folder = weights_folder("sd15", arguments.dtype)
    lines = ["| | import, s | motion model, s | over reading the file |", "|---|---|---|---|"]
    for name in ("ours", "ade", "diffusers"):
        if name not in arguments.contenders:
            continue
        options = ["--weights", str(folder), "--dtype", arguments.dtype]
        options += ["--ade", str(arguments.ade)] if arguments.ade else []
        first = Process(name, options)  # Python keeps what it compiles: every start but the first reads that
        first("imports")
        first.close()
        process = Process(name, options)
        imports, load = process("imports"), process("load")
        process.close()
        ratio = load["seconds"] / load["file"]
        lines.append(f"| {name} | {imports['seconds']:.2f} | {load['seconds']:.2f} | {ratio:.2f} |")
    return lines


def run_arithmetic(arguments: argparse.Namespace) -> list[str]:
    """What the motion modules add by torch's FLOP counter: the least that any code could do."""
    folder = weights_folder("sd15", arguments.dtype)
    flops = {}
    for name in ("plain", "ours"):
        process = Process(name, ["--weights", str(folder), "--dtype", arguments.dtype])
        for size in (32, 64):
            flops[name, size] = process("step", frames=16, size=size, flops=True)["flops"]
        process.close()
    lines = ["| latents | UNet, GMAC a frame | motion modules | together / UNet |", "|---|---|---|---|"]
    for size in (32, 64):
        plain, ours = (flops[name, size] / 2 / 32 / 1e9 for name in ("plain", "ours"))
        lines.append(f"| {size}x{size} | {plain:.1f} | {ours - plain:.1f} | {ours / plain:.3f} |")
    return lines


def machine() -> str:
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
        name = f"{os.cpu_count()} cores of {cpu.split(':')[1].strip()}"
    host = Path(os.environ.get("COMFYUI_DIR", "")).name
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    with contextlib.suppress(PackageNotFoundError):
        versions += f", diffusers {version('diffusers')}"
    return f"{date.today()}, {name}, {host}, {versions}"


def plot(results: dict[str, list[dict]], path: Path) -> None:
    """Bars of seconds over the incumbent's, scene by scene."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(3.2 * len(results), 3.2), sharey=True, squeeze=False)
    for axis, (name, rows) in zip(axes[0], results.items(), strict=True):
        base = median(rows[0]["seconds"])
        labels = [row["contender"] + (f"\n{row['plan']}" if row["plan"] else "") for row in rows]
        heights = [median(row["seconds"]) / base for row in rows]
        colours = ["tab:blue" if row["contender"] == "ours" else "lightgrey" for row in rows]
        axis.bar_label(axis.bar(labels, heights, color=colours), fmt="%.2f")
        axis.set_title(SCENES[name].title.replace(", ", "\n"), fontsize=8)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("time per step, over the first")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ade", type=Path, help="a folder with ComfyUI-AnimateDiff-Evolved")
    parser.add_argument("--sdcpp", type=Path, help="stable-diffusion.cpp's sd-cli")
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=["clip"])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument(
        "--compile", nargs="?", const="inductor", metavar="BACKEND", help="every UNet behind TorchCompileModel"
    )
    parser.add_argument("--loading", action="store_true", help="also load and import times")
    words = {"nargs": "?", "const": "full", "choices": ["full", "small"]}
    parser.add_argument("--first-clip", **words, help="also from Run to the clip, with models of that size")
    parser.add_argument("--arithmetic", action="store_true", help="also what the arithmetic asks for")
    parser.add_argument("--out", help="name of the files to write in benchmarks/")
    arguments = parser.parse_args()
    arguments.contenders = those_at_hand(arguments)
    print(machine())
    results = {}
    for name in arguments.scenes:
        results[name] = run_scene(SCENES[name], arguments)
        print(f"\n### {SCENES[name].title}\n", *table(SCENES[name], results[name]), sep="\n", flush=True)
    if arguments.loading:
        print("\n### Loading\n", *run_loading(arguments), sep="\n", flush=True)
    if arguments.first_clip:
        print("\n### First clip\n")
        for line in run_first_clip(arguments.ade, arguments.first_clip == "full"):
            print(line, flush=True)
    if arguments.arithmetic:
        print("\n### Arithmetic\n", *run_arithmetic(arguments), sep="\n", flush=True)
    if arguments.out and results:
        (HERE / f"{arguments.out}.json").write_text(json.dumps(results, indent=1) + "\n")
        plot(results, HERE / f"{arguments.out}.png")


if __name__ == "__main__":
    main()
