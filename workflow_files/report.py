"""The command `workflows FILE_OR_DIR...`: why nodes of a workflow are red, and which files it needs."""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .known_nodes import folder_of, host_nodes, instead_of, is_animatediff, own_nodes, pack_of
from .read import Node, NotAWorkflow, graphs_in, is_frame, is_graph, model_files, read_workflow

ENDINGS = (".json", ".png", ".webp", ".mp4", ".mov", ".webm", ".mkv")
OURS, FOR_SHARED, NOT_SERVED, HOST, UNKNOWN = (
    "AnimateDiff Native's own nodes",
    "AnimateDiff nodes that AnimateDiff Native serves (red: install or update it, and restart ComfyUI)",
    "AnimateDiff nodes that AnimateDiff Native does not serve: red, unless ComfyUI-AnimateDiff-Evolved is installed",
    "ComfyUI's own nodes (red: update ComfyUI)",
    "Nodes of packs that this list does not know (ComfyUI-Manager's Install Missing Custom Nodes may)",
)
PACKS = "Nodes of other packs: red until the pack is installed (ComfyUI-Manager: Install Missing Custom Nodes)"


@dataclass
class Report:
    """What a workflow holds: how many nodes of each id by heading, by pack, and the files that it names by folder."""

    kind: str
    ids: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    packs: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    files: dict[str, set] = field(default_factory=lambda: defaultdict(set))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="workflows", description=__doc__.split(": ")[1])
    what = "JSON, or a PNG, WebP, MP4 or WebM file that carries a workflow"
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_DIR", help=what)
    sys.stdout.reconfigure(errors="replace")  # names of nodes in a console that lacks their letters
    failed = False
    for path in files_of(parser.parse_args(words).paths):
        try:
            print("\n".join([str(path), *lines(report(path)), ""]), flush=True)
        except NotAWorkflow as error:
            failed = True
            print(f"{error}\n", file=sys.stderr, flush=True)
    return int(failed)


def files_of(paths: list[Path]) -> Iterator[Path]:
    """The files, and those in the folders that can hold a workflow."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        else:
            yield path


def report(path: Path) -> Report:
    """Raises NotAWorkflow for every file that cannot be read as a workflow."""
    try:
        document = read_workflow(path)
        found = Report("graph" if is_graph(document) else "API prompt")
        nodes = [node for graph in graphs_in(document) for node in graph.values()]
        for node in nodes:
            if not is_frame(node.type):
                count(node, found)
        # A frame that shows only some of its files does not say whose they are.
        shown = {name for node in nodes if is_frame(node.type) for _, name in model_files(node.values)}
        if rest := shown.difference(*found.files.values()):
            found.files["set on a group node or subgraph, in the folder of the node inside"] = rest
    except FileNotFoundError:
        raise NotAWorkflow(f"There is no file {path}. Name a workflow that ComfyUI saved or exported.") from None
    except OSError as error:
        raise NotAWorkflow(f"{path} cannot be read: {error.strerror}. Check its permissions.") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, NotAWorkflow):
            raise
        raise NotAWorkflow(f"{path.name} looks like a workflow, but its nodes are damaged. Get it again.") from error
    return found


def count(node: Node, found: Report) -> None:
    heading = heading_of(node)
    if heading == PACKS:
        found.packs[pack_name(node)][node.type] += 1
    else:
        found.ids[heading][node.type] += 1
    for place, name in model_files(node.values):
        folder = folder_of(node.type, place)
        found.files[f"ComfyUI/models/{folder}" if folder else f"where the pack of {node.type} says"].add(name)


def heading_of(node: Node) -> str:
    if node.type in own_nodes():
        return FOR_SHARED if own_nodes()[node.type] else OURS
    if is_animatediff(node.type):
        return NOT_SERVED
    if node.type in host_nodes() or node.pack == "comfy-core":
        return HOST
    return PACKS if noted(node) or pack_of(node.type) else UNKNOWN


def pack_name(node: Node) -> str:
    """The pack that the graph notes, in our table's spelling where that is the same one; else by the node's id."""
    known = pack_of(node.type)
    if not noted(node):
        return known
    return known if known and known.casefold() == node.pack.split("/")[-1].casefold() else node.pack


def noted(node: Node) -> bool:
    return bool(node.pack) and node.pack != "comfy-core"


def lines(found: Report) -> Iterator[str]:
    if not any(found.ids[heading] for heading in (OURS, FOR_SHARED, NOT_SERVED)):
        yield f"  {found.kind} without AnimateDiff nodes"
    else:
        yield f"  {found.kind}"
    for heading, note in (
        (OURS, lambda node_id: ""),
        (FOR_SHARED, lambda node_id: f"  (in new workflows: {own_nodes()[node_id]})"),
        (NOT_SERVED, lambda node_id: f"  ({instead_of(node_id)})"),
    ):
        if found.ids[heading]:
            yield f"  {heading}"
            yield from (f"    {number:3} x {node_id}{note(node_id)}" for node_id, number in listed(found.ids[heading]))
    if found.packs:
        yield f"  {PACKS}"
        yield from (f"    {pack}: {in_one_line(ids)}" for pack, ids in sorted(found.packs.items()))
    for heading in (UNKNOWN, HOST):
        if found.ids[heading]:
            yield f"  {heading}"
            yield f"    {in_one_line(found.ids[heading])}"
    if found.files:
        yield "  Files that it names"
        yield from (f"    {folder}: {', '.join(sorted(names))}" for folder, names in sorted(found.files.items()))


def listed(ids: Counter) -> list[tuple[str, int]]:
    return sorted(ids.items())


def in_one_line(ids: Counter) -> str:
    return ", ".join(f"{number} x {node_id}" for node_id, number in listed(ids))
