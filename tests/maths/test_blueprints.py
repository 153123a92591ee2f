"""Blueprints: one node for a task, made of a template."""

import functools
import json

import pytest
from animatediff_native.workflow_files.known_nodes import host_nodes, own_nodes
from blueprints import BLUEPRINTS, FOLDER
from blueprints import blueprint as made

blueprint = functools.cache(made)
every_blueprint = pytest.mark.parametrize("name", BLUEPRINTS)


def test_there_are_no_others():
    assert {file.stem for file in FOLDER.glob("*.json")} == set(BLUEPRINTS)


@every_blueprint
def test_the_file_is_what_its_template_gives(name):
    """After a change of the template: tests/support/blueprints.py makes it again."""
    assert json.loads((FOLDER / f"{name}.json").read_text("utf-8")) == blueprint(name)


@every_blueprint
def test_it_asks_for_five_things_and_no_other_pack(name):
    graph = blueprint(name)
    (node,), (inside,) = graph["nodes"], graph["definitions"]["subgraphs"]
    assert len(node["inputs"]) + len(node["properties"]["proxyWidgets"]) == 5
    assert {kind["type"] for kind in inside["nodes"]} <= host_nodes() | own_nodes().keys()


@every_blueprint
def test_every_end_of_a_link_is_there(name):
    (inside,) = blueprint(name)["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    reroutes = {reroute["id"] for reroute in inside["reroutes"]}
    links = {link["id"]: link for link in inside["links"]}
    for link in links.values():
        ends = [(nodes, "origin", "outputs"), (nodes, "target", "inputs")]
        assert all(
            link[f"{end}_id"] < 0 or link[f"{end}_slot"] < len(of[link[f"{end}_id"]][sockets])
            for of, end, sockets in ends
        )
        assert link.get("parentId") in reroutes | {None}
    held = [given["link"] for node in nodes.values() for given in node["inputs"] if given["link"] is not None]
    assert sorted(held + [number for socket in inside["outputs"] for number in socket["linkIds"]]) == sorted(links)
