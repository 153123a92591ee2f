"""The graph files that the web page saves -> the prompts that it posts; the workflows that people share."""

import json
import zipfile

from comfy_server import ROOT

EXAMPLES = ROOT / "example_workflows"
TEMPLATES = {path.stem.removeprefix("AnimateDiff "): path for path in sorted(EXAMPLES.glob("AnimateDiff *.json"))}
"""{name: file}. The page searches templates by the names of their files, so each begins with AnimateDiff."""
SHARED = ROOT / "tests" / "data" / "shared_workflows.zip"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
NO_PROMPT = {"Note", "MarkdownNote"}
MUTED, BYPASSED = 2, 4


def example(name: str) -> dict:
    return json.loads(TEMPLATES[name].read_text(encoding="utf-8"))


def shared_workflows() -> dict[str, dict]:
    """{file name: graph or API prompt} of the public workflows in tests/data."""
    with zipfile.ZipFile(SHARED) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}


def is_ours(node_type: str) -> bool:
    return node_type.startswith(("ADE_", "ADN_")) or node_type == "CheckpointLoaderSimpleWithNoiseSelect"


def widget_names(definition: dict, sockets: bool = False) -> list[str | None]:
    """The widgets of a node in the order of `widgets_values`; None stands for a value that is no input.

    sockets: with the inputs that are only a socket by forceInput.
    """
    names: list[str | None] = []
    for group in ("required", "optional"):
        for name in definition["input_order"].get(group, []):
            kind, *rest = definition["input"][group][name]
            options = rest[0] if rest else {}
            if (isinstance(kind, list) or kind in WIDGETS) and (sockets or not options.get("forceInput")):
                names.append(name)
                if options.get("control_after_generate", name in ("seed", "noise_seed")):
                    names.append(None)
    return names


def to_prompt(graph: dict, object_info: dict) -> dict:
    """The API form of a saved graph. Raises KeyError for a node type that the server does not know."""
    sources = {link[0]: [str(link[1]), link[2]] for link in graph["links"]}
    prompt = {}
    for node in graph["nodes"]:
        if node["type"] in NO_PROMPT or node.get("mode", 0) in (MUTED, BYPASSED):
            continue
        names = widget_names(object_info[node["type"]])
        values = dict(zip(names, node.get("widgets_values", []), strict=False))
        values.pop(None, None)
        linked = {i["name"]: sources[i["link"]] for i in node.get("inputs", []) if i.get("link") is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": values | linked}
    return prompt


def nodes_of(prompt: dict, class_type: str) -> list[dict]:
    return [node["inputs"] for node in prompt.values() if node["class_type"] == class_type]


def page_values(values: list | dict, definition: dict) -> dict:
    """{input name: value} that the web page gives a node with these saved values when it opens it; links are not in it.

    By position, after the widgets of the definition. Where there are just so many values more as the definition has
    sockets that would have been widgets in old pages (forceInput), the page leaves out the values of these.
    """
    if isinstance(values, dict):
        return values
    names = widget_names(definition)
    with_sockets = widget_names(definition, sockets=True)
    if len(values) == len(with_sockets):
        values = [value for name, value in zip(with_sockets, values, strict=True) if name in names]
    found = dict(zip(names, values, strict=False))
    found.pop(None, None)
    return found
