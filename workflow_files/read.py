"""Workflow files of any ComfyUI -> their nodes. Standard library only.

Graphs as the web page saves them (group nodes and subgraphs opened, however deep), API prompts, and pictures and
videos that carry either.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .media import Damaged, media_texts

MODEL_FILE = re.compile(r".*\.(safetensors|sft|ckpt|pt|pth|bin|onnx|gguf)", re.IGNORECASE)
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


def read_workflow(path: Path, order: tuple[str, ...] = ("workflow", "prompt")) -> dict:
    """The graph or API prompt of a file. Raises NotAWorkflow, and OSError as `open` does.

    order: which of the two is taken from a picture or video that carries both.
    """
    text = text_of(path, order)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotAWorkflow(
            f"{path.name} is neither JSON nor a PNG, WebP, MP4 or WebM file ({error}). "
            "Name a workflow that ComfyUI saved or exported."
        ) from None
    except RecursionError:
        raise NotAWorkflow(f"{path.name} has lists in lists without an end: it is no workflow. Get it again.") from None
    return unwrapped(document, path.name)


def text_of(path: Path, order: tuple[str, ...]) -> bytes:
    try:
        found = media_texts(path)
    except Damaged:
        raise NotAWorkflow(f"{path.name} is damaged: it cannot be read to its end. Get it again.") from None
    if found is None:
        return path.read_bytes()
    kind, texts = found
    for key in order:
        if key in texts:
            return texts[key]
    beside = " VideoHelperSuite saves a PNG of the same name beside its videos: try that." * (kind == "video")
    raise NotAWorkflow(
        f"{path.name} is a {kind} without a workflow: it was saved without, or another program or a web site "
        f"has removed it.{beside} Else ask for the workflow's JSON file."
    )


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


def nodes_in(document: dict) -> Iterator[Node]:
    """Every node that does something: those in group nodes and subgraphs too, but not these frames around them."""
    for nodes in graphs_in(document):
        yield from (node for node in nodes.values() if not is_frame(node.type))


def is_frame(node_type: str) -> bool:
    """Whether a node only stands for a group node or a subgraph."""
    return node_type.startswith(("workflow/", "workflow>")) or bool(UUID.fullmatch(node_type))


def graphs_in(document: dict) -> Iterator[dict[str, Node]]:
    """{node id: node} of the workflow, then of each group node and subgraph in it. Ids hold within one of these.

    What lies in a group node or subgraph comes once for each of its frames, with the file names that are set on that.
    """
    if not is_graph(document):
        yield {identity: api_node(identity, node) for identity, node in document.items()}
        return
    graphs = list(definitions_in(document))
    frames = [node for _, nodes in graphs for node in nodes.values() if is_frame(node.type)]
    for frame_types, nodes in graphs:
        around = [frame for frame in frames if frame.type in frame_types]
        yield from (with_files_of(frame, nodes) for frame in around)
        if not around:
            yield nodes


def definitions_in(graph: dict, *frame_types: str) -> Iterator[tuple[tuple[str, ...], dict[str, Node]]]:
    """(types of the nodes that stand for it, {node id: node}) of a graph and of all that is defined in it."""
    yield frame_types, graph_nodes(graph)
    for name, group in ((graph.get("extra") or {}).get("groupNodes") or {}).items():
        if is_graph(group):
            # In a group node ids are all -1 and links go by index.
            inside = [node | {"id": index} for index, node in enumerate(group["nodes"])]
            yield from definitions_in(group | {"nodes": inside, "links": []}, f"workflow/{name}", f"workflow>{name}")
    for inner in (graph.get("definitions") or {}).get("subgraphs") or []:
        if is_graph(inner):
            yield from definitions_in(inner, str(inner.get("id")))


def model_files(values: list | dict) -> Iterator[tuple[int | str, str]]:
    """(position or name of the value, file name)."""
    for place, value in values.items() if isinstance(values, dict) else enumerate(values):
        for text in value.values() if isinstance(value, dict) else [value]:
            if isinstance(text, str) and "\n" not in text and MODEL_FILE.fullmatch(text):
                yield place, text


def with_files_of(frame: Node, nodes: dict[str, Node]) -> dict[str, Node]:
    """The nodes with the file names of the frame around them, where it shows all of theirs: these are in one order."""
    stored = [name for node in nodes.values() for _, name in model_files(node.values)]
    shown = [name for _, name in model_files(frame.values)]
    if len(shown) != len(stored):
        return nodes
    names = iter(shown)
    return {identity: replace(node, values=renamed(node.values, names)) for identity, node in nodes.items()}


def renamed(values: list | dict, names: Iterator[str]) -> list | dict:
    """The values with the next of `names` in place of each file name."""

    def new(value):
        if isinstance(value, dict):
            return {key: new(inner) for key, inner in value.items()}
        return next(names) if [*model_files([value])] else value

    return new(values) if isinstance(values, dict) else [new(value) for value in values]


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
    linked = {entry["name"]: links[entry["link"]] for entry in node.get("inputs") or [] if entry.get("link") in links}
    return Node(
        str(node.get("id")),
        str(node.get("type")),
        properties.get("cnr_id") or properties.get("aux_id"),
        linked,
        node.get("widgets_values") or [],
        tuple(output.get("type") for output in node.get("outputs") or []),
    )
