"""Workflow files of any ComfyUI -> their nodes. Standard library only.

Graphs as the web page saves them (group nodes and subgraphs opened, however deep), API prompts, and PNG and WebP
pictures that carry either.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"
WEBP_TEXT = re.compile(rb"(workflow|prompt):(\{[^\0]*\})\0")
"""As the host's SaveAnimatedWEBP writes them into Exif: texts that end with a zero byte."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NotAWorkflow(ValueError):
    """A file holds no workflow; the message says what it holds, and begins with the file's name."""


@dataclass(frozen=True)
class Link:
    source: str
    """The id of the node that it comes from, in the same graph."""
    slot: int
    type: str | list | None
    """As the graph has it; an API prompt has none."""


@dataclass(frozen=True)
class Node:
    id: str
    type: str
    pack: str | None = None
    """The pack's id in the registry or on GitHub, where the web page noted one."""
    links: dict[str, Link] = field(default_factory=dict)
    values: list | dict = field(default_factory=list)
    """By position (graph) or by name (API prompts, and graph nodes of some packs)."""
    outputs: tuple = ()
    """The declared type of each output; an API prompt has none."""


def read_workflow(path: Path) -> dict:
    """The graph or API prompt of a file. Raises NotAWorkflow, and OSError as `open` does."""
    data = path.read_bytes()
    try:
        texts = picture_texts(data)
    except zlib.error:
        raise NotAWorkflow(f"{path.name} is a damaged picture. Get it again.") from None
    if texts is None:
        texts = {"": data}
    elif not {"workflow", "prompt"} & texts.keys():
        raise NotAWorkflow(
            f"{path.name} is a picture without a workflow: it was saved without, or another program or a web site "
            "has removed it. Ask for the workflow's JSON file."
        )
    text = next(texts[key] for key in ("workflow", "prompt", "") if key in texts)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotAWorkflow(
            f"{path.name} is neither JSON nor a PNG or WebP picture ({error}). "
            "Name a workflow that ComfyUI saved or exported."
        ) from None
    return unwrapped(document, path.name)


def unwrapped(document, name: str) -> dict:
    """The graph or API prompt itself, out of what is posted to /prompt ({"prompt": ...})."""
    if isinstance(document, dict) and isinstance(document.get("prompt"), dict):
        document = document["prompt"]
    if isinstance(document, dict):
        if is_graph(document):
            return document
        prompt = {key: node for key, node in document.items() if isinstance(node, dict) and "class_type" in node}
        if prompt:
            return prompt
    raise NotAWorkflow(
        f"{name} is JSON, but no workflow: it has neither a graph's list of nodes nor an API prompt's nodes with "
        "class_type. Name a workflow that ComfyUI saved or exported."
    )


def is_graph(document: dict) -> bool:
    return isinstance(document.get("nodes"), list)


def picture_texts(data: bytes) -> dict[str, bytes] | None:
    """{keyword: text} that ComfyUI wrote into a picture; None for anything but PNG and WebP."""
    if data.startswith(PNG):
        return png_texts(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return {found[1].decode(): found[2] for found in WEBP_TEXT.finditer(data)}
    return None


def png_texts(data: bytes) -> dict[str, bytes]:
    """{keyword: text} of the tEXt, zTXt and iTXt chunks: each is length, kind, data, CRC (PNG specification, 5.3)."""
    texts, at = {}, len(PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        at += length + 12
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or b"\0" not in chunk:
            continue
        keyword, text = chunk.split(b"\0", 1)
        packed = kind == b"zTXt"
        if kind == b"iTXt":
            packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
        elif packed:
            text = text[1:]
        texts[keyword.decode("latin-1")] = zlib.decompress(text) if packed else text
    return texts


def nodes_in(document: dict) -> Iterator[Node]:
    """Every node that does something: those in group nodes and subgraphs too, but not these frames around them."""
    for nodes in graphs_in(document):
        yield from (node for node in nodes.values() if not is_frame(node.type))


def is_frame(node_type: str) -> bool:
    """Whether a node only stands for a group node or a subgraph."""
    return node_type.startswith(("workflow/", "workflow>")) or bool(UUID.fullmatch(node_type))


def graphs_in(document: dict) -> Iterator[dict[str, Node]]:
    """{node id: node} of the workflow, then of each group node and subgraph in it. Ids hold within one of these."""
    if not is_graph(document):
        yield {identity: api_node(identity, node) for identity, node in document.items()}
        return
    yield graph_nodes(document)
    groups = (document.get("extra") or {}).get("groupNodes") or {}
    insides = [group | {"links": []} for group in groups.values()]  # a group node's links go by index, not by id
    for inner in (*insides, *((document.get("definitions") or {}).get("subgraphs") or [])):
        if is_graph(inner):
            yield from graphs_in(inner)


def api_node(identity: str, node: dict) -> Node:
    inputs = node.get("inputs") or {}
    links = {name: Link(str(value[0]), value[1], None) for name, value in inputs.items() if is_link(value)}
    values = {name: value for name, value in inputs.items() if name not in links}
    return Node(str(identity), str(node["class_type"]), links=links, values=values)


def is_link(value) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def graph_nodes(graph: dict) -> dict[str, Node]:
    links = dict(graph_link(link) for link in graph.get("links") or [] if link)
    nodes = (graph_node(node, links) for node in graph["nodes"])
    return {node.id: node for node in nodes}


def graph_link(link: list | dict) -> tuple[int, Link]:
    """(id, link) of a graph's list [id, source, slot, target, slot, type], or of a subgraph's names for the same."""
    if isinstance(link, dict):
        return link["id"], Link(str(link["origin_id"]), link["origin_slot"], link.get("type"))
    identity, source, slot, *_, kind = link
    return identity, Link(str(source), slot, kind)


def graph_node(node: dict, links: dict[int, Link]) -> Node:
    properties = node.get("properties") or {}
    identity = node.get("id", node.get("index"))  # in a group node it is the index
    linked = {entry["name"]: links[entry["link"]] for entry in node.get("inputs") or [] if entry.get("link") in links}
    return Node(
        str(identity),
        str(node.get("type")),
        properties.get("cnr_id") or properties.get("aux_id"),
        linked,
        node.get("widgets_values") or [],
        tuple(output.get("type") for output in node.get("outputs") or []),
    )
