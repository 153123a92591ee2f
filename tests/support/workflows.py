"""The graph files that the web page saves -> the prompts that it posts."""

import json
from pathlib import Path

from comfy_server import ROOT

EXAMPLES = ROOT / "example_workflows"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
NO_PROMPT = {"Note", "MarkdownNote"}
MUTED, BYPASSED = 2, 4


def example(name: str) -> dict:
    return json.loads(Path(EXAMPLES, f"{name}.json").read_text(encoding="utf-8"))


def widget_names(definition: dict) -> list[str | None]:
    """The widgets of a node in the order of `widgets_values`; None stands for a value that is no input."""
    names: list[str | None] = []
    for group in ("required", "optional"):
        for name in definition["input_order"].get(group, []):
            kind, *rest = definition["input"][group][name]
            options = rest[0] if rest else {}
            if (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput"):
                names.append(name)
                if options.get("control_after_generate") or name in ("seed", "noise_seed"):
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
