"""One ComfyUI as a child process on 127.0.0.1, used through the interface that its page uses: /prompt and /history."""

import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS = 600
SCRATCH = "animatediff-farm-"
POLL_SECONDS = 0.25
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


class ComfyError(RuntimeError):
    """ComfyUI did not do it; the message says what it said. `kind`: see worker.Outcome."""

    def __init__(self, message: str, kind: str = "other"):
        super().__init__(message)
        self.kind = kind


class Comfy:
    """A ComfyUI that is started when it is asked for, and again after it has ended."""

    def __init__(self, folder: Path, python: str, inputs: dict[str, bytes], environment: dict[str, str]):
        self.folder, self.python, self.environment = folder, python, environment
        self.options = shlex.split(os.environ.get("COMFYUI_ARGS", ""))
        clear_left_behind()
        self.scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
        self.process: subprocess.Popen | None = None
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is for other machines
        for name, data in inputs.items():
            path = self.scratch / "input" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def start(self) -> None:
        """Starts it unless it runs already. Raises ComfyError with the end of its log."""
        if self.process is not None and self.process.poll() is None:
            return
        self.port = free_port()
        command = [self.python, "main.py", "--listen", "127.0.0.1", "--port", str(self.port), "--disable-auto-launch"]
        command += ["--output-directory", str(self.scratch / "output"), "--temp-directory", str(self.scratch)]
        command += ["--database-url", "sqlite:///:memory:"]
        if (self.scratch / "input").exists():
            command += ["--input-directory", str(self.scratch / "input")]
        with open(self.scratch / "comfyui.log", "ab") as log:
            process = self.process = subprocess.Popen(
                [*command, *self.options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl+C in the terminal is for the farm, which then lets the clip end
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise ComfyError(f"ComfyUI stopped while it started:\n{self.log_tail()}")
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(POLL_SECONDS)
        self.stop()
        raise ComfyError(f"ComfyUI did not answer within {START_SECONDS} s:\n{self.log_tail()}")

    def base(self) -> Path:
        """The folder with its models and packs."""
        places = [index for index, option in enumerate(self.options[:-1]) if option == "--base-directory"]
        return Path(self.options[places[-1] + 1]) if places else self.folder

    def stop(self) -> None:
        if (process := self.process) is not None:
            process.kill()
            process.wait()
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def log_tail(self, lines: int = 30) -> str:
        text = (self.scratch / "comfyui.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def get(self, path: str):
        return self.asked(path)

    def post(self, path: str, body: dict) -> dict:
        return self.asked(path, json.dumps(body).encode())

    def asked(self, path: str, body: bytes | None = None):
        """The JSON that it answers. Raises OSError, HTTPError among them."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except (http.client.HTTPException, ValueError) as error:  # it ended in the middle of its answer
            raise ConnectionError(str(error)) from error

    def run(self, prompt: dict, seconds: float) -> dict:
        """The outputs {node id: {"images": [...], ...}} of an API prompt. Raises ComfyError."""
        end, process = time.monotonic() + seconds, self.process
        identity = self.queue(prompt)
        while True:
            try:
                found = self.get(f"/history/{identity}")
            except OSError:
                found = {}
            if identity in found:
                return outputs_of(found[identity])
            if process.poll() is not None:
                raise ComfyError(f"ComfyUI ended while it made the clip (exit code {process.returncode}).")
            if time.monotonic() > end:
                self.stop()  # an interrupt waits for the end of a step, which may never come
                raise ComfyError(f"It took longer than {seconds:.0f} s (--limit).", "time")
            time.sleep(POLL_SECONDS)

    def queue(self, prompt: dict) -> str:
        try:
            return self.post("/prompt", {"prompt": prompt})["prompt_id"]
        except urllib.error.HTTPError as error:
            kind = "wrong" if error.code < 500 else "other"
            raise ComfyError(f"ComfyUI refused the workflow: {explained(error.read())}", kind) from None
        except OSError as error:
            raise ComfyError(f"ComfyUI does not answer ({error}).") from None

    def tidy(self, outputs: dict) -> None:
        """Removes files of earlier clips. Not those of this one: ComfyUI names them again where a node need not run."""
        kept = {path.resolve() for _, path in self.files(outputs)}
        for path in (self.scratch / "output").rglob("*"):
            if path.is_file() and path.resolve() not in kept:
                path.unlink()

    def files(self, outputs: dict) -> list[tuple[str, Path]]:
        """(node id, file) for all that save nodes wrote."""
        return [
            (node, self.scratch / "output" / entry.get("subfolder", "") / entry["filename"])
            for node, output in outputs.items()
            for entries in (output or {}).values()
            if isinstance(entries, list)
            for entry in entries
            if isinstance(entry, dict) and entry.get("type") == "output" and "filename" in entry
        ]


def outputs_of(entry: dict) -> dict:
    """Of an entry of ComfyUI's history. Raises ComfyError with what the node said."""
    status = entry.get("status") or {}
    if status.get("status_str", "success") == "success":
        return entry["outputs"]
    for event, data in status.get("messages", ()):
        if event == "execution_error":
            kind = data.get("exception_type", "")
            words = data.get("exception_message", "").strip()
            raise ComfyError(f"{data.get('node_type')} ({data.get('node_id')}): {kind}: {words}", kind_of(kind, words))
    raise ComfyError("The run was interrupted.")


def kind_of(exception: str, words: str) -> str:
    if exception.endswith("OutOfMemoryError") or "out of memory" in words.lower():
        return "memory"
    return "wrong" if exception.endswith("ValueError") else "other"


def explained(refusal: bytes) -> str:
    """A refused prompt in one line a node."""
    try:
        found = json.loads(refusal)
    except ValueError:
        return refusal.decode("utf-8", "replace")[:300]
    error = found.get("error", found)
    lines = [error.get("message", str(error)) if isinstance(error, dict) else str(error)]
    for node, there in (found.get("node_errors") or {}).items():
        lines += [f"{there['class_type']} ({node}): {one['message']}: {one['details']}" for one in there["errors"]]
    return "; ".join(lines)


def die_with_parent() -> None:
    """In the child, on Linux: the system kills it when the process that started it ends, however that ends."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def clear_left_behind() -> None:
    """Removes the folders of workers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        with contextlib.suppress(ValueError, OSError):
            if os.name != "nt" and not is_alive(int(folder.name.removeprefix(SCRATCH).split("-")[0])):
                shutil.rmtree(folder, ignore_errors=True)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # asks only
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
