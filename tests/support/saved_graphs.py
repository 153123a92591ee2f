"""Graph files that people share, as the web page saved them, and what the page must make of our nodes in them."""

import json

from workflows import BYPASSED, MUTED, is_ours, shared_workflows

GRAPHS = {name.removesuffix(".json"): graph for name, graph in shared_workflows().items() if "nodes" in graph}
RENAMED = {"motion_model_settings": "ad_settings"}
VIRTUAL = {"Reroute", "PrimitiveNode"}
"""Nodes that the page resolves: a prompt has what is behind them."""
KINDS = {"INT": (int, float), "FLOAT": (int, float), "STRING": str, "BOOLEAN": bool}

SHOWN = """async () => {
    const nodes = [], seen = new Set()
    const visit = (graph, path) => {
        for (const node of graph._nodes) {
            nodes.push({
                graph: path, id: String(node.id), type: node.type,
                known: node.type in LiteGraph.registered_node_types,
                values: Object.fromEntries((node.widgets || []).map(widget => [widget.name, widget.value])),
                inputs: (node.inputs || []).map(input => input.name),
                linked: (node.inputs || []).filter(input => input.link != null).map(input => input.name),
            })
            if (node.subgraph && !seen.has(node.subgraph.id)) {
                seen.add(node.subgraph.id)
                visit(node.subgraph, node.subgraph.id)
            }
        }
    }
    visit(app.rootGraph, '')
    return { nodes, prompt: (await app.graphToPrompt()).output }
}"""
"""What the page has open: its nodes, those in subgraphs once for each subgraph, and the prompt that it would post."""


def assert_as_in_the_file(shown: dict, graph: dict, definitions: dict) -> None:
    """Our nodes in the page, and in the prompt that it posts, have the values and links of the file."""
    saved = nodes_of_file(graph)
    dangling = {link[0] for link in graph["links"] if ("", str(link[1])) not in saved}
    present = {key for key, node in saved.items() if is_ours(node["type"])}
    ours = [node for node in shown["nodes"] if (node["graph"], node["id"]) in present]
    assert len(ours) == len(present)
    for node in ours:
        file = saved[node["graph"], node["id"]]
        values = values_of_file(file, definitions[file["type"]])
        links = {name: link for name, link in links_of_file(file).items() if node["graph"] or link not in dangling}
        assert node["known"] and node["type"] == file["type"]
        assert exactly({name: node["values"].get(name) for name in values}, values), node["type"]
        assert sorted(node["linked"]) == sorted(links), node["type"]
        assert len(set(node["inputs"])) == len(node["inputs"]), node["type"]
        if file.get("mode", 0) not in (MUTED, BYPASSED):
            check_prompt(node, links, sources(graph, saved), shown["prompt"])


def check_prompt(node: dict, links: dict, sources: dict, prompt: dict) -> None:
    """A node's part of the prompt. One in a subgraph is there as often as the subgraph is, as 'subgraph:node'."""
    entries = [entry for key, entry in prompt.items() if key.split(":")[-1] == node["id"]]
    entries = [entry["inputs"] for entry in entries if entry["class_type"] == node["type"]]
    assert entries or node["graph"], node["type"]
    for inputs in entries:
        free = {name: value for name, value in node["values"].items() if name not in links}
        assert exactly({name: inputs.get(name) for name in free}, free), node["type"]
        for name, link in links.items():
            if not node["graph"] and link in sources:
                assert inputs[name] == sources[link], (node["type"], name)


def nodes_of_file(graph: dict) -> dict:
    """{(id of the subgraph or "", id of the node): node}."""
    graphs = {"": graph} | {inner["id"]: inner for inner in graph.get("definitions", {}).get("subgraphs", [])}
    return {(place, str(node["id"])): node for place, inner in graphs.items() for node in inner["nodes"]}


def links_of_file(node: dict) -> dict[str, int]:
    """{input: link}, the input under its name of today."""
    inputs = node.get("inputs") or []
    return {RENAMED.get(entry["name"], entry["name"]): entry["link"] for entry in inputs if entry["link"] is not None}


def sources(graph: dict, saved: dict) -> dict[int, list]:
    """{link: [node, output]} of the links that a prompt has as the file has them: not those from what is resolved."""
    resolved = VIRTUAL | {inner["id"] for inner in graph.get("definitions", {}).get("subgraphs", [])}
    found = {link[0]: [str(link[1]), link[2]] for link in graph["links"]}
    nodes = {link: saved.get(("", origin)) for link, (origin, _) in found.items()}
    return {
        link: found[link] for link, node in nodes.items() if node and not node["mode"] and node["type"] not in resolved
    }


def values_of_file(node: dict, definition: dict) -> dict:
    """The values of a node by name: the one reading of `widgets_values` in which each is of its input's kind.

    Older pages stored values of sockets, too, and many nodes end with an empty text that belongs to no input.
    """
    stored = node.get("widgets_values") or []
    required, optional = (definition["input"].get(group, {}) for group in ("required", "optional"))
    inputs = [(name, *spec, {})[:3] for name, spec in (required | optional).items() if is_value(*spec)]
    widgets = [entry for entry in inputs if not entry[2].get("forceInput")]
    readings = []
    for names in (widgets, inputs):
        for values in (stored, stored[:-1] if stored[-1:] == [""] else stored):
            pairs = list(zip(names, values, strict=False))
            if all(fits(value, kind, options) for (_, kind, options), value in pairs):
                found = {name: value for (name, _, options), value in pairs if not options.get("forceInput")}
                readings += [found] if found not in readings else []
    assert len(readings) == 1, (node["type"], stored, readings)
    return readings[0]


def is_value(kind, options=None) -> bool:
    return isinstance(kind, list) or kind in KINDS or kind == "COMBO"


def fits(value, kind, options) -> bool:
    """Whether `value` is of this kind. Of file names, none is refused: which files there are is the user's affair."""
    if isinstance(kind, list) or kind == "COMBO":
        choices = kind if isinstance(kind, list) else options["options"]
        return not choices or value in choices
    return isinstance(value, KINDS[kind]) and (kind == "BOOLEAN") == isinstance(value, bool)


def exactly(a: dict, b: dict) -> bool:
    """Equal, and False is not 0."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
