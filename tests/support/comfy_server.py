"""A real ComfyUI server with this pack, driven as the web page drives it."""

import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "animatediff-native"
"""The pack's folder under custom_nodes."""
START_SECONDS = 180
TEXT = 3
"""Of the host's kinds of messages that are not JSON."""


class ServerError(RuntimeError):
    """The server did not start, refused a prompt, or a node raised; the message says what it said."""


class ComfyServer:
    """`with ComfyServer(comfyui, base) as server: server.run(prompt)`.

    base: a folder of its own for models, input, output and settings; nothing is written into the ComfyUI.
    """

    def __init__(
        self, comfyui: Path, base: Path, *options: str, packs: tuple[Path, ...] = (), output: Path | None = None
    ):
        self.comfyui, self.base, self.options = comfyui, base, options
        self.output = output or base / "output"
        self.log = base / "server.log"
        self.packs = packs
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "ComfyServer":
        for pack, name in ((ROOT, FOLDER), *((pack, pack.name) for pack in self.packs)):
            link(pack, self.base / "custom_nodes" / name)
        self.port = free_port()
        command = [sys.executable, "main.py", "--port", str(self.port), "--base-directory", str(self.base)]
        command += ["--output-directory", str(self.output), "--database-url", "sqlite:///:memory:"]
        command += ["--disable-auto-launch", "--disable-api-nodes", *self.options]
        if page := os.environ.get("COMFYUI_PAGE"):
            command += ["--front-end-root", page]
        if "--cpu" not in command and not has_gpu():
            command.append("--cpu")
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.comfyui, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ServerError(f"ComfyUI stopped while it started:\n{self.log_tail()}")
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.3)
        raise ServerError(f"ComfyUI did not answer within {START_SECONDS} s:\n{self.log_tail()}")

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str):
        """The JSON at `path`."""
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict | None = None) -> None:
        request = urllib.request.Request(self.url + path, json.dumps(body or {}).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request).close()

    def run(
        self,
        prompt: dict,
        on_progress: Callable[[str, int, int], None] | None = None,
        on_shown: Callable[[str | bytes], None] | None = None,
        on_start: Callable[[str], None] | None = None,
    ) -> dict:
        """Runs an API-format prompt and gives its outputs {node id: {"images": [...], ...}}.

        on_progress(class_type, step, steps) is called for each step that a node reports; on_shown(text or picture) for
        what a node shows while it runs; on_start(class_type) for each node that is not answered from the last run.
        """
        return asyncio.run(self._run(prompt, on_progress, on_shown, on_start))

    async def _run(self, prompt, on_progress, on_shown, on_start):
        client = uuid.uuid4().hex
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.ws_connect(f"{self.url}/ws?clientId={client}", max_msg_size=0) as events,
        ):
            async with session.post(f"{self.url}/prompt", json={"prompt": prompt, "client_id": client}) as answer:
                posted = await answer.json()
            if "prompt_id" not in posted:
                raise ServerError(f"ComfyUI refused the workflow: {explain(posted)}")
            outputs: dict = {}
            async for message in events:
                if message.type == aiohttp.WSMsgType.BINARY and on_shown:
                    on_shown(shown(message.data))
                if message.type != aiohttp.WSMsgType.TEXT:
                    continue
                event = json.loads(message.data)
                data = event.get("data", {})
                if event["type"] == "animatediff_said" and on_shown:
                    on_shown("\n".join(data["output"].get("animatediff_text", [])))
                if data.get("prompt_id") != posted["prompt_id"]:
                    continue
                if event["type"] == "progress" and on_progress:
                    on_progress(prompt[data["node"]]["class_type"], data["value"], data["max"])
                elif event["type"] == "executing" and on_start and data["node"]:
                    on_start(prompt[data["node"]]["class_type"])
                elif event["type"] == "executed":
                    outputs[data["node"]] = data["output"] or {}  # None for a node whose twin has just run
                elif event["type"] == "execution_error":
                    raise ServerError(f"{data['node_type']}: {data['exception_message'].strip()}")
                elif event["type"] == "execution_interrupted":
                    raise ServerError("The run was interrupted.")
                elif event["type"] == "execution_success":
                    return outputs
        raise ServerError(f"ComfyUI went away during the run:\n{self.log_tail()}")

    def files(self, outputs: dict) -> list[Path]:
        """The files that the save nodes of `run` wrote."""
        saved = [
            file for output in outputs.values() for file in output.get("images", []) if file.get("type") == "output"
        ]
        return [self.output / file["subfolder"] / file["filename"] for file in saved]


def shown(message: bytes) -> str | bytes:
    """The line of text that a node shows while it runs, or the file of its picture."""
    kind, first = struct.unpack(">II", message[:8])  # then the length of the node's id, or the kind of picture
    return message[8 + first :].decode() if kind == TEXT else message[8:]


def explain(refusal: dict) -> str:
    """A refused prompt in one line per node."""
    lines = [str(refusal.get("error", refusal))]
    for node, found in (refusal.get("node_errors") or {}).items():
        lines += [
            f"{found['class_type']} ({node}): {error['message']}: {error['details']}" for error in found["errors"]
        ]
    return "\n".join(lines)


def link(source: Path, target: Path) -> None:
    """`target` becomes a link to `source`, or a copy where the system allows no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        return
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".dev", ".git", "output", "__pycache__"))
        else:
            shutil.copy2(source, target)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()
