"""Pictures, videos, workflows and what training keeps, broken on purpose, each from a seed."""

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import seeded
import small_training
import torch
from animatediff_native.training import jobs, media, saves
from animatediff_native.workflow_files.report import report
from broken_bytes import BYTES
from PIL import Image, PngImagePlugin
from workflows import TEMPLATES

PLAN = small_training.plan()


def state() -> saves.State:
    parameters = {"a": torch.nn.Parameter(torch.ones(4, 4))}
    optimizer = torch.optim.AdamW(parameters.values())
    parameters["a"].sum().backward()
    optimizer.step()
    return saves.State(parameters, optimizer, step=3, losses=[1.0, 0.5, 0.2])


def workflow() -> str:
    return next(iter(TEMPLATES.values())).read_text(encoding="utf-8")


def picture(path: Path, text: str = "") -> None:
    pixels = Image.fromarray(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("workflow", text, zip=True)
    pixels.save(path, **({"pnginfo": notes} if path.suffix == ".png" else {}))


MAKERS: dict[str, Callable[[Path], object]] = {
    "workflow.json": lambda path: path.write_text(workflow(), encoding="utf-8"),
    "workflow.png": lambda path: picture(path, workflow()),
    "workflow.webp": lambda path: path.write_bytes(
        b"RIFF\x00\x00\x00\x00WEBPworkflow:" + json.dumps(json.loads(workflow())).encode() + b"\0"
    ),
    "workflow.mp4": seeded.save_video,
    "picture.png": picture,
    "picture.gif": picture,
    "picture.tif": picture,
    "picture.jpg": picture,
    "video.mp4": seeded.save_video,
    "video.mkv": seeded.save_video,
    "save.safetensors": lambda path: saves.save(path.parent, state(), PLAN, {saves.EXAMPLES: "0" * 64}).rename(path),
    "clips.safetensors": lambda path: jobs.write_clips(path, small_training.examples()),
    "plan.json": lambda path: path.write_text(jobs.Job(PLAN, "a.safetensors").text(), encoding="utf-8"),
}


@cache
def whole(name: str, folder: Path) -> bytes:
    path = folder / f"whole_{name}"
    MAKERS[name](path)
    data = path.read_bytes()
    path.unlink()
    return data


def decoded(path: str) -> None:
    source = media.source_of(Path(path))
    for _ in source.read(list(range(source.frames))):
        pass


LOADERS: dict[str, Callable[[str], object]] = {
    "workflow": lambda path: report(Path(path)),
    "picture": decoded,
    "video": decoded,
    "save": lambda path: saves.load(Path(path), state(), PLAN, {saves.EXAMPLES: "0" * 64}),
    "clips": lambda path: jobs.read_clips(Path(path)),
    "plan": lambda path: jobs.job_of(Path(path).read_text(encoding="utf-8", errors="replace")),
}


def damaged_json(data: bytes, chance: random.Random) -> bytes:
    """The same JSON with some of its values replaced by others."""
    strange = [None, 7, -1, 1e308, "x", "", [], {}, [[]], {"a": {}}, True, 10**400, "\u0000\ud800", [None] * 50]

    def changed(value, share: float):
        if chance.random() < share:
            return chance.choice(strange)
        if isinstance(value, dict):
            return {key: changed(each, share) for key, each in value.items()}
        return [changed(each, share) for each in value] if isinstance(value, list) else value

    return json.dumps(changed(json.loads(data), chance.choice([0.003, 0.02, 0.2]))).encode()


TEXTS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "other values": damaged_json,
    "lists without an end": lambda data, chance: b"[" * 100_000 + b"]" * 100_000,
    "dicts without an end": lambda data, chance: b'{"nodes":' * 50_000 + b"[]" + b"}" * 50_000,
    "a number without an end": lambda data, chance: b'{"nodes": [' + b"7" * 10_000_000 + b"]}",
    "ten megabytes in one line": lambda data, chance: b'{"nodes": ["' + b"x" * 10_000_000 + b'"]}',
    "subgraphs in subgraphs": lambda data, chance: json.dumps(partial_graphs(chance.choice([5, 200]))).encode(),
}


def partial_graphs(depth: int) -> dict:
    graph: dict = {"nodes": [], "links": []}
    for level in range(depth):
        graph = {
            "id": str(level),
            "nodes": [{"id": 1, "type": str(level)}],
            "definitions": {"subgraphs": [graph, graph]},
        }
        if level > 8:  # twice as much at every level is a bomb that JSON has to spell out
            graph["definitions"]["subgraphs"].pop()
    return graph


def broken_other(seed: int, folder: Path) -> tuple[Path, Callable[[str], object], str]:
    """(its path, what opens it, what was done to it)."""
    chance = random.Random(seed)
    name = chance.choice(list(MAKERS))
    data = whole(name, folder)
    table = BYTES if not name.endswith("json") or chance.random() < 0.3 else TEXTS
    what = chance.choice(list(table))
    kind, ending = name.split(".")
    path = folder / f"broken_{seed}.{ending}"
    path.write_bytes(table[what](data, chance))
    return path, LOADERS[kind], f"{name}: {what}"
