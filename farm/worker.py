"""One ComfyUI that makes one clip after the other: on a machine of the cluster, or in this process for a part k/n."""

import hashlib
import os
import platform
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .check import lacking, pack_version
from .comfy import Comfy, ComfyError, free_port

OWN_NODE = "ADN_LoadMotionModel"
PYTHONS = ("venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe", "../python_embeded/python.exe")
NO_COMFYUI = (
    "there is no ComfyUI: COMFYUI_DIR names {}. Set COMFYUI_DIR to the folder with ComfyUI's main.py "
    "(on a machine of the cluster: before 'ray start'), or name it with --comfyui."
)


@dataclass(frozen=True)
class Machine:
    machine: str = ""
    gpu: str = ""
    vram: int = 0
    """Bytes; 0 without a GPU."""
    comfyui: str = ""
    torch: str = ""
    pack: str = ""
    problem: str = ""
    """Why it cannot make the job's clips; empty where it can."""

    def __str__(self) -> str:
        return f"{self.machine} ({self.gpu})" if self.gpu else self.machine

    def versions(self) -> tuple[str, str, str]:
        return self.comfyui, self.torch, self.pack


@dataclass(frozen=True)
class File:
    name: str
    """In the job's folder."""
    sha256: str
    bytes: int
    data: bytes | None
    """None where the worker itself has written it there (--shared)."""


@dataclass(frozen=True)
class Outcome:
    """What came of a clip: files, or an error."""

    files: tuple[File, ...] = ()
    seconds: float = 0.0
    error: str = ""
    kind: str = ""
    """Of an error: wrong (the workflow is, so nobody tries it again), memory, time, other."""
    log: str = ""


@dataclass(frozen=True)
class Orders:
    """What a worker is told once."""

    prompts: tuple[dict, ...]
    """One for each set of files that a clip may need."""
    inputs: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 3600
    comfyui: str = ""
    python: str = ""
    unset: tuple[str, ...] = ()
    """Variables of the environment that ComfyUI does not get."""
    shared: str = ""
    """The job's folder, where all machines see it under this name."""


GANG = "ANIMATEDIFF_GANG"
"""By which ComfyUI knows that it is one of several that make a clip together: rank/size@host:port."""


class Worker:
    def __init__(self, orders: Orders):
        self.orders = orders
        self.comfy: Comfy | None = None
        self.rank = 0
        """In a gang; the first one's files are the clip."""

    def meeting(self, head: str) -> str:
        """host:port where a gang may meet whose first member is here, as other machines of the cluster see it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((head, 9))  # sends nothing
            host = probe.getsockname()[0]
        return f"{host}:{free_port(host)}"

    def start(self, rank: int = 0, size: int = 1, meeting: str = "") -> Machine:
        """Starts ComfyUI and looks whether it has all that the job needs. meeting: of a gang of that size."""
        self.rank = rank
        name = platform.node()
        folder = Path(os.environ.get("COMFYUI_DIR") or self.orders.comfyui or ".")
        if not (folder / "main.py").is_file():
            return Machine(name, problem=NO_COMFYUI.format(os.environ.get("COMFYUI_DIR") or "nothing"))
        environment = {key: value for key, value in os.environ.items() if key not in self.orders.unset}
        if meeting:
            environment[GANG] = f"{rank}/{size}@{meeting}"
        self.comfy = Comfy(folder.resolve(), self.python(folder), self.orders.inputs, environment)
        try:
            self.comfy.start()
            return described(name, self.comfy, self.orders.prompts)
        except (ComfyError, OSError) as error:
            self.comfy.close()
            return Machine(name, problem=str(error))

    def python(self, folder: Path) -> str:
        """ComfyUI's Python: as named, or its virtual environment's, or this one."""
        named = os.environ.get("COMFYUI_PYTHON") or self.orders.python
        return named or next((str(folder / path) for path in PYTHONS if (folder / path).exists()), sys.executable)

    def make(self, name: str, prompt: dict, afresh: bool = False) -> Outcome:
        """A clip whose files begin with `name`. A ComfyUI that ended, or took too long, is started again.

        afresh: also one that runs.
        """
        start = time.monotonic()
        if afresh:
            self.comfy.stop()
        try:
            self.comfy.start()
            outputs = self.comfy.run(prompt, self.orders.seconds)
            if self.rank:
                self.comfy.tidy({})
                return Outcome((), time.monotonic() - start)
            files = tuple(self.delivered(name, self.comfy.files(outputs)))
            self.comfy.tidy(outputs)
            if not files:
                raise ComfyError(
                    "The workflow saved nothing: it needs a node that saves, not only one that shows.", "wrong"
                )
        except (ComfyError, OSError) as error:
            kind = getattr(error, "kind", "other")
            return Outcome((), time.monotonic() - start, str(error), kind, self.comfy.log_tail())
        return Outcome(files, time.monotonic() - start)

    def delivered(self, name: str, files: list[tuple[str, Path]]) -> Iterator[File]:
        for index, (node, path) in enumerate(files):
            nth = sum(before == node for before, _ in files[:index])
            own_name = file_name(name, node, nth, path.suffix)
            data = path.read_bytes()
            if self.orders.shared:
                write_shared(Path(self.orders.shared) / own_name, path)
            digest = hashlib.sha256(data).hexdigest()
            yield File(own_name, digest, len(data), None if self.orders.shared else data)

    def stop(self) -> None:
        if self.comfy:
            self.comfy.close()

    def give_up(self) -> None:
        """Ends a clip at hand, from another thread; ComfyUI is started anew for the next one."""
        if self.comfy:
            self.comfy.stop()

    def hold(self) -> None:
        """Stays, without ComfyUI, until it is ended from outside."""
        self.stop()
        threading.Event().wait()


def file_name(clip: str, node: str, nth: int, ending: str) -> str:
    """Of a clip's file, the `nth` of that node: a name without folders, whatever a workflow calls its nodes."""
    return re.sub(r"[^\w.-]", ".", f"{clip}-{node}{f'-{nth + 1}' * bool(nth)}{ending}")


def write_shared(target: Path, source: Path) -> None:
    beside = target.with_name(f".{target.name}.{platform.node()}.{os.getpid()}.part")
    shutil.copyfile(source, beside)
    os.replace(beside, target)


def described(name: str, comfy: Comfy, prompts: tuple[dict, ...]) -> Machine:
    stats, nodes = comfy.get("/system_stats"), comfy.get("/object_info")
    device = next(iter(stats.get("devices") or ()), {})
    is_gpu = device.get("type") not in (None, "cpu")
    missing = sorted({lack for prompt in prompts for lack in lacking(prompt, nodes, comfy.scratch / "input")})
    return Machine(
        name,
        device.get("name", "") if is_gpu else "",
        device.get("vram_total", 0) if is_gpu else 0,
        stats["system"].get("comfyui_version") or "",
        stats["system"].get("pytorch_version") or "",
        pack_version(comfy.base(), nodes.get(OWN_NODE, {}).get("python_module", "")),
        f"it lacks {', '.join(missing)}" if missing else "",
    )
