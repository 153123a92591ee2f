"""What lies in a job's folder. Files first, then the line that says so: a clip counts when its line is whole.

job.json        the job; a folder belongs to one
manifest.jsonl  a line for each clip that is done: values, files, sha256, seconds, tries, machine, versions
failed.jsonl    a line for each that failed, with the error and the end of ComfyUI's log; the next start tries it again
running.json    who is at what, while a farm runs
A part k/n keeps a manifest, failures and a running file of its own, so that parts on many machines may share a folder.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .job import Clip, Job
from .worker import Machine, Outcome

ROOM_NEEDED = 200_000_000


@dataclass(frozen=True)
class Folder:
    path: Path
    part: str = ""
    """"3-of-20", or empty."""

    def named(self, name: str) -> Path:
        stem, ending = name.split(".")
        return self.path / (f"{stem}.{self.part}.{ending}" if self.part else name)

    def take(self, job: Job) -> None:
        """Makes the folder this job's. Raises ValueError where it is another's."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / "job.json"
        there = sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))
        if not there:
            written(file, json.dumps(job.to_json()).encode())
        elif file.name not in there:
            raise ValueError(
                f"{self.path} holds other things already ({there[0]}). Name a new or an empty folder as --output."
            )
        elif self.job() != job:
            raise ValueError(
                f"{self.path} holds another job: other values, another workflow or other input files "
                f"(it was made of {self.job().workflow}). Name another folder as --output."
            )

    def job(self) -> Job:
        try:
            return Job.from_json(json.loads((self.path / "job.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ValueError(f"{self.path} is no folder of a job: it has no job.json.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path / 'job.json'} is damaged ({error}). Start the job in a new folder.") from None

    def room(self) -> int:
        """Free bytes."""
        return shutil.disk_usage(self.path).free

    def done(self) -> dict[str, dict]:
        """{clip's name: its line} where the files are still there, whole."""
        lines = [line for file in sorted(self.path.glob("manifest*.jsonl")) for line in lines_in(file)]
        return {line["clip"]: line for line in lines if all(map(self.is_whole, line["files"]))}

    def is_whole(self, file: dict) -> bool:
        path = self.path / file["name"]
        return path.is_file() and path.stat().st_size == file["bytes"]

    def failed(self) -> dict[str, dict]:
        lines = [line for file in sorted(self.path.glob("failed*.jsonl")) for line in lines_in(file)]
        done = self.done()
        return {line["clip"]: line for line in lines if line["clip"] not in done}

    def save(self, clip: Clip, outcome: Outcome, machine: Machine, tries: int) -> None:
        """The files, then their line. Raises OSError; the clip is then not done."""
        for file in outcome.files:
            if file.data is not None:  # else the worker wrote it
                written(self.path / file.name, file.data)
        files = [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in outcome.files]
        line = {"clip": clip.name, "values": clip.values, "files": files, "seconds": round(outcome.seconds, 2)}
        self.add("manifest.jsonl", line | {"tries": tries, **machine_facts(machine), "ended": now()})

    def save_failure(self, clip: Clip, error: str, log: str, tries: int, machine: Machine | None) -> None:
        line = {"clip": clip.name, "values": clip.values, "error": error, "tries": tries, "log": log.splitlines()}
        self.add("failed.jsonl", line | (machine_facts(machine) if machine else {}) | {"ended": now()})

    def add(self, name: str, line: dict) -> None:
        with open(self.named(name), "ab") as file:
            torn = file.tell() > 0 and not ends_with_newline(self.named(name))  # by a farm that was killed
            file.write(b"\n" * torn + json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def note_running(self, workers: list[dict]) -> None:
        written(self.named("running.json"), json.dumps({"pid": os.getpid(), "workers": workers}).encode())

    def end_running(self) -> None:
        self.named("running.json").unlink(missing_ok=True)

    def running(self) -> list[dict]:
        found = []
        for file in sorted(self.path.glob("running*.json")):
            with contextlib.suppress(OSError, ValueError):  # it is just being replaced
                workers = json.loads(file.read_text(encoding="utf-8"))["workers"]
                found += workers if is_locked(file.with_name(file.name.replace("running", "lock")[:-4] + "txt")) else []
        return found

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """One farm at a time; the system lets go of it however this one ends."""
        with open(self.named("lock.txt"), "a") as file:
            try:
                lock(file)
            except OSError:
                raise RuntimeError(
                    f"Another farm works in {self.path} at this moment. Wait for it, or stop it first."
                ) from None
            try:
                yield
            finally:
                self.end_running()


def machine_facts(machine: Machine) -> dict:
    facts = asdict(replace(machine, problem=""))
    del facts["problem"]
    return facts


def written(path: Path, data: bytes) -> None:
    """The file is there whole or not at all, even where the machine goes down."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def lines_in(path: Path) -> Iterator[dict]:
    """The whole lines: the last one of a farm that was killed may be torn."""
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            if line:
                yield json.loads(line)


def ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def is_locked(path: Path) -> bool:
    """Whether a farm lives that took it."""
    try:
        with open(path, "a") as file:
            lock(file)
    except OSError:
        return True
    return False


def lock(file) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
