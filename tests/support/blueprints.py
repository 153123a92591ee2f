"""Makes the blueprints out of templates: one node for a task, which opens to the graph inside it.

    <a Python with numpy> tests/support/blueprints.py

A blueprint is a template without its notes and savers. The widgets that count are on the one node, a picture or a video
comes in through a socket, and frames and video go out.
"""

import json
import uuid
from dataclasses import dataclass

from comfy_server import ROOT
from layout import lay_out
from sheet import NOTES, WIDTH
from workflows import example

FOLDER = ROOT / "subgraphs"
LEFT_OUT = (*NOTES, "SaveAnimatedWEBP", "SaveVideo", "LoadImage", "LoadVideo")
OUTSIDE = {"LoadImage": ("image", "IMAGE"), "LoadVideo": ("video", "VIDEO")}
"""What is loaded outside and comes in through a socket of that name and type."""
RESULTS = {"VAEDecode": ("images", "IMAGE"), "CreateVideo": ("video", "VIDEO")}
INPUT, OUTPUT = -10, -20
"""The ids that the page has for a subgraph's two ends."""
LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
LABELS = {
    "text": "prompt",
    "ckpt_name": "checkpoint",
    "model_name": "motion model",
    "batch_size": "frames",
    "denoise": "change",
}
TYPES = {"text": "STRING", "ckpt_name": "COMBO", "model_name": "COMBO", "batch_size": "INT", "denoise": "FLOAT"}
"""Of the widgets that have another name on the one node."""


@dataclass(frozen=True)
class Blueprint:
    template: str
    description: str
    widgets: tuple[tuple[str, str], ...]
    """(type of a node, its widget), from top to bottom; of several such nodes the first."""


PROMPT, CHECKPOINT, SEED = ("CLIPTextEncode", "text"), ("CheckpointLoaderSimple", "ckpt_name"), ("KSampler", "seed")
MOTION, FRAMES = ("ADN_LoadMotionModel", "model_name"), ("EmptyLatentImage", "batch_size")
BLUEPRINTS = {
    "Animate a Prompt": Blueprint(
        "Text to Animation",
        "AnimateDiff: an animation of what a prompt says, with any SD1.5 checkpoint. Animate text, text to video.",
        (PROMPT, CHECKPOINT, MOTION, FRAMES, SEED),
    ),
    "Animate a Picture": Blueprint(
        "Picture to Animation",
        "AnimateDiff: a picture that comes alive, with any SD1.5 checkpoint. Animate an image, image to video.",
        (PROMPT, CHECKPOINT, FRAMES, SEED),
    ),
    "Restyle a Video": Blueprint(
        "Video to Video",
        "AnimateDiff: a video in another style, with any SD1.5 checkpoint. Animate a video, video to video.",
        (PROMPT, CHECKPOINT, ("KSampler", "denoise"), SEED),
    ),
}


def blueprint(name: str) -> dict:
    """The file of that name, as the page reads it."""
    made, graph = BLUEPRINTS[name], _renumbered(name)
    sockets = {node["id"]: OUTSIDE[node["type"]] for node in graph["nodes"] if node["type"] in OUTSIDE}
    coming = [[link, INPUT, 0, *rest] for link, origin, _, *rest in graph["links"] if origin in sockets]
    graph["nodes"] = [node for node in graph["nodes"] if node["type"] not in LEFT_OUT]
    ids = {node["id"] for node in graph["nodes"]}
    graph["links"] = [link for link in graph["links"] if {link[1], link[3]} <= ids]
    graph = lay_out(graph)
    results = [_first(graph, kind)["id"] for kind in RESULTS]
    number = 1 + max(link[0] for link in [*graph["links"], *coming])
    going = [
        [number + slot, node, 0, OUTPUT, slot, kind]
        for slot, (node, (_, kind)) in enumerate(zip(results, RESULTS.values(), strict=True))
    ]
    shown = [(_first(graph, kind), widget) for kind, widget in made.widgets]
    for node, widget in shown:
        if widget in LABELS:
            label = {"label": LABELS[widget], "type": TYPES[widget], "widget": {"name": widget}, "link": None}
            node["inputs"].append({"name": widget} | label)
    for node in graph["nodes"]:
        for slot, output in enumerate(node["outputs"]):
            output["links"] = [link[0] for link in [*graph["links"], *going] if link[1:3] == [node["id"], slot]]
    inputs = [_socket(name, *socket, coming) for socket in sockets.values()]
    outputs = [_socket(name, *socket, [link]) for socket, link in zip(RESULTS.values(), going, strict=True)]
    parents = {item["id"]: item["parentId"] for item in graph["extra"].get("linkExtensions", ())}
    links = [
        dict(zip(LINK, link, strict=True)) | ({"parentId": parents[link[0]]} if link[0] in parents else {})
        for link in [*graph["links"], *coming, *going]
    ]
    edge = max(node["pos"][0] for node in graph["nodes"]) + WIDTH
    inside = {
        "id": _uuid(name),
        "version": 1,
        "state": {
            "lastGroupId": len(graph["groups"]),
            "lastNodeId": max(ids),
            "lastLinkId": going[-1][0],
            "lastRerouteId": max((reroute["id"] for reroute in graph["extra"].get("reroutes", ())), default=0),
        },
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": INPUT, "bounding": [-220, 0, 120, 80]},
        "outputNode": {"id": OUTPUT, "bounding": [edge + 100, 0, 120, 80]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": graph["nodes"],
        "groups": graph["groups"],
        "links": links,
        "reroutes": graph["extra"].get("reroutes", []),
        "extra": {},
        "category": "AnimateDiff",
        "description": made.description,
    }
    node = {
        "id": 1,
        "type": inside["id"],
        "pos": [0, 0],
        "size": [400, 380],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": socket, "type": kind, "link": None} for socket, kind in sockets.values()],
        "outputs": [{"name": socket, "type": kind, "links": None} for socket, kind in RESULTS.values()],
        "title": name,
        "properties": {"proxyWidgets": [[str(node["id"]), widget] for node, widget in shown]},
        "widgets_values": [],
    }
    return {
        "id": _uuid(name, "file"),
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "groups": [],
        "definitions": {"subgraphs": [inside]},
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _renumbered(name: str) -> dict:
    """Its template with ids that no other graph has: a page (1.58.1) that finds an id twice gives the node another, and
    then no longer finds the widgets that the one node shows."""
    graph, first = example(BLUEPRINTS[name].template), 100_000 * (1 + list(BLUEPRINTS).index(name))
    for node in graph["nodes"]:
        node["id"] += first
    graph["links"] = [
        [link, origin + first, out, target + first, *rest] for link, origin, out, target, *rest in graph["links"]
    ]
    return graph


def _first(graph: dict, kind: str) -> dict:
    return next(node for node in graph["nodes"] if node["type"] == kind)


def _socket(blueprint: str, name: str, kind: str, links: list) -> dict:
    return {"id": _uuid(blueprint, name), "name": name, "type": kind, "linkIds": [link[0] for link in links]}


def _uuid(*words: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "animatediff-native/" + "/".join(words)))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in BLUEPRINTS:
        (FOLDER / f"{name}.json").write_text(json.dumps(blueprint(name), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
