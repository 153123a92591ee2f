"""Every AnimateDiff node of the public workflows in tests/data fits the form that the server has for its id."""

import gzip
import json

import pytest
from animatediff_native.workflow_files.read import graphs_in
from comfy_execution.validation import validate_node_input
from comfy_server import ROOT
from workflows import is_ours, page_values, shared_workflows

WORKFLOWS = shared_workflows()
THEIRS = json.loads(gzip.decompress((ROOT / "tests" / "data" / "ade_nodes.json.gz").read_bytes()))
RENAMED = {("ADE_AnimateDiffLoaderWithContext", "motion_model_settings"): "ad_settings"}
"""Inputs that an early version of ComfyUI-AnimateDiff-Evolved named otherwise."""
ANY = "*"

each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def served(name: str, object_info: dict):
    """(node, its definition, all nodes of its graph) for each AnimateDiff node of a workflow that has a form."""
    for graph in graphs_in(WORKFLOWS[name]):
        for node in graph.values():
            if is_ours(node.type) and node.type in object_info:
                yield node, object_info[node.type], graph


def inputs_of(definition: dict) -> dict:
    return definition["input"].get("required", {}) | definition["input"].get("optional", {})


def file_names(node_type: str) -> set[str]:
    """The inputs that choose a file."""
    facts = THEIRS[node_type]["required"] + THEIRS[node_type]["optional"]
    return {name for name, words in facts if "<file list" in str(words.get("options", [""])[0])}


def test_there_are_65_of_both_formats():
    graphs = [name for name, document in WORKFLOWS.items() if "nodes" in document]
    assert (len(WORKFLOWS), len(graphs)) == (65, 54)


@each_workflow
def test_ids(name, object_info):
    ids = {node.type for graph in graphs_in(WORKFLOWS[name]) for node in graph.values() if is_ours(node.type)}
    assert ids and not ids - object_info.keys()


@each_workflow
def test_input_names(name, object_info):
    for node, definition, _ in served(name, object_info):
        names = node.links.keys() | (node.values.keys() if isinstance(node.values, dict) else ())
        current = {RENAMED.get((node.type, old), old) for old in names}
        assert current <= inputs_of(definition).keys(), node


@each_workflow
def test_values(name, object_info):
    """Choices are in the list, and numbers are in range. Which files there are is the user's affair.

    As a page without our script reads them, Sample Settings with one value more at the end give a switch 0.
    """
    for node, definition, _ in served(name, object_info):
        inputs = inputs_of(definition)
        for key, value in page_values(node.values, definition).items():
            if key not in node.links and key not in file_names(node.type):
                assert fits(value, *inputs[key]), (node.type, key, value)


def fits(value, kind, options=None) -> bool:
    options = options or {}
    if isinstance(kind, list) or kind == "COMBO":
        return value in (kind if isinstance(kind, list) else options["options"])
    if kind in ("INT", "FLOAT"):
        number = isinstance(value, int if kind == "INT" else (int, float)) and not isinstance(value, bool)
        return number and options.get("min", value) <= value <= options.get("max", value)
    return value in (False, True) if kind == "BOOLEAN" else isinstance(value, str)


@each_workflow
def test_links_into_our_nodes(name, object_info):
    for node, definition, graph in served(name, object_info):
        inputs = inputs_of(definition)
        for key, link in node.links.items():
            wanted = inputs[RENAMED.get((node.type, key), key)][0]
            assert connects(sent(link, graph, object_info), wanted), (node.type, key)


@each_workflow
def test_links_from_our_nodes(name, object_info):
    """Into ours and the host's nodes as these say, into other packs' as the graph says."""
    for graph in graphs_in(WORKFLOWS[name]):
        for node in graph.values():
            known = inputs_of(object_info[node.type]) if node.type in object_info else {}
            for key, link in node.links.items():
                source = graph.get(link.source)
                if source and is_ours(source.type) and source.type in object_info:
                    key = RENAMED.get((node.type, key), key)
                    wanted = known[key][0] if key in known else link.type or ANY
                    assert connects(sent(link, graph, object_info), wanted), (source.type, node.type, key)


def sent(link, graph, object_info):
    """The type that comes through a link: of a node that the server knows, else as the graph declares it."""
    source = graph.get(link.source)
    if source and source.type in object_info:
        return object_info[source.type]["output"][link.slot]
    return link.type or ANY


def connects(received, wanted) -> bool:
    """As the host judges; a list of choices is a COMBO."""
    received, wanted = ("COMBO" if isinstance(kind, list) else kind for kind in (received, wanted))
    return validate_node_input(received, wanted)
