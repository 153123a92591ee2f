"""What nodes said of their runs: on the page, and kept for pages that were not told.

The host sends a node's `ui` only to the page that runs it, and of what it takes from its cache only the last nodes'. A
page that is opened afresh asks here (web/js/lines.js). And a line can stand on a sampler, whose `ui` is the host's.
"""

import hashlib
import json
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from comfy_execution.graph_utils import is_link
from comfy_execution.utils import get_executing_context
from server import PromptServer

TEXT, CURVE = "animatediff_text", "animatediff_curve"
EVENT = "animatediff_said"
KEPT = 1_000
"""Of so many nodes."""


@dataclass(frozen=True)
class Said:
    prompt_id: str
    """The run in which it was said."""
    ui: dict[str, list]


_kept: OrderedDict[str, Said] = OrderedDict()


def kept(ui: dict[str, list]) -> dict[str, list]:
    """`ui`, which the page is told; with all that the running node said before in this run, kept for other pages."""
    context = get_executing_context()
    if context is not None:
        keep(context.prompt_id, outer(context.node_id), ui)
    return ui


def say(lines: list[str], node_id: str = "", instead: bool = False) -> None:
    """Shows lines on the node that runs, whoever made it, or on another of its run.

    No lines take away those of an earlier run. instead: of what the node has said in this run.
    """
    context, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or server is None:
        return
    node_id = node_id or outer(context.node_id)
    whole = keep(context.prompt_id, node_id, {TEXT: lines}, instead)
    told = entry(prompt_of(context.prompt_id), node_id, whole)
    server.send_sync(EVENT, told, server.client_id)


def nodes_before() -> dict[str, dict]:
    """{node id: class_type, inputs} of all that the running node's inputs come from."""
    context = get_executing_context()
    if context is None:
        return {}
    prompt = prompt_of(context.prompt_id)
    found, open_ids = {}, [outer(context.node_id)] if outer(context.node_id) in prompt else []
    while open_ids:
        new = sources(prompt[open_ids.pop()]) & prompt.keys() - found.keys()
        found |= {node_id: prompt[node_id] for node_id in new}
        open_ids += new
    return found


def said_in(prompt_id: str) -> list[dict]:
    """For each node of a run: what it said when it last ran with the same values and the same nodes before it."""
    prompt = prompt_of(prompt_id)
    marks = identities(prompt)
    return [entry(prompt, node_id, _kept[mark].ui) for node_id, mark in marks.items() if mark in _kept]


def entry(prompt: dict, node_id: str, ui: dict[str, list]) -> dict:
    return {"node": node_id, "kind": prompt.get(node_id, {}).get("class_type"), "output": ui}


def keep(prompt_id: str, node_id: str, ui: dict[str, list], instead: bool = False) -> dict[str, list]:
    """All that a node has said in a run, with `ui` at the end, or in its place."""
    mark = identities(prompt_of(prompt_id)).get(node_id)
    if mark is None:
        return ui
    before = _kept.pop(mark, None)
    if before is not None and before.prompt_id == prompt_id and not instead:
        ui = {name: before.ui.get(name, []) + lines for name, lines in ui.items()}
    _kept[mark] = Said(prompt_id, ui)
    if len(_kept) > KEPT:
        _kept.popitem(last=False)
    return ui


def outer(node_id: str) -> str:
    """The node in the graph, where it is one that a node put in its own place."""
    return node_id.partition(".")[0]


def prompt_of(prompt_id: str) -> dict[str, dict]:
    """{node id: class_type, inputs} of a run that goes on or is in the history."""
    queue = getattr(getattr(PromptServer, "instance", None), "prompt_queue", None)
    if queue is None:
        return {}
    running = [item for item in list(queue.currently_running.values()) if item[1] == prompt_id]
    items = running or [past["prompt"] for past in queue.get_history(prompt_id).values()]
    return items[0][2] if items else {}


def identities(prompt: dict[str, dict]) -> dict[str, str]:
    """Node id -> what is equal for nodes of one kind with the same values and the same nodes before them.

    Nodes that are in a circle, or behind one, have none.
    """
    found: dict[str, str] = {}
    order = TopologicalSorter({node_id: sources(node) & prompt.keys() for node_id, node in prompt.items()})
    with suppress(CycleError):  # what leads to no output may be anything
        order.prepare()
    while ready := order.get_ready():
        for node_id in ready:
            inputs = {name: marked(value, found) for name, value in prompt[node_id]["inputs"].items()}
            text = json.dumps([prompt[node_id]["class_type"], inputs], sort_keys=True)
            found[node_id] = hashlib.sha256(text.encode()).hexdigest()
        order.done(*ready)
    return found


def marked(value, marks: dict[str, str]):
    """A link with the mark of its node; any other value as it is."""
    return [marks[value[0]], value[1]] if is_link(value) and value[0] in marks else value


def sources(node: dict) -> set[str]:
    return {value[0] for value in node["inputs"].values() if is_link(value)}
