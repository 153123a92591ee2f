"""How every template lies before its reader: groups in the order of work, links that can be followed."""

import json
import re
from itertools import combinations

import pytest
from layout import lay_out
from link_paths import boxes, crossings, paths, under_nodes
from sheet import GROWS, NOTES, TITLES, group_of
from workflows import TEMPLATES, example

every_template = pytest.mark.parametrize("name", TEMPLATES)


def apart(one, other) -> bool:
    """Left, top, right, bottom each."""
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@every_template
def test_no_link_runs_under_a_node(name):
    assert not under_nodes(example(name))


@every_template
def test_nodes_lie_side_by_side_when_a_run_has_made_them_higher(name):
    graph = example(name)
    grown = [GROWS.get(node["type"], 0) for node in graph["nodes"]]
    rectangles = [
        (left, top, right, bottom + more)
        for (left, top, right, bottom), more in zip(boxes(graph).values(), grown, strict=True)
    ]
    assert all(apart(one, other) for one, other in combinations(rectangles, 2))


@every_template
def test_groups_are_numbered_in_the_order_of_work_and_hold_their_nodes(name):
    graph, inside = example(name), boxes(example(name))
    edges = [(x, y, x + wide, y + high) for x, y, wide, high in (group["bounding"] for group in graph["groups"])]
    assert all(apart(one, other) for one, other in combinations(edges, 2))
    assert [group["title"].split()[0] for group in graph["groups"]] == [str(n + 1) for n in range(len(edges))]
    assert len({group["title"] for group in graph["groups"]}) == len(edges)
    assert all(re.fullmatch("#[0-9a-f]{6}", group["color"]) for group in graph["groups"])
    for node in graph["nodes"]:
        left, top, right, bottom = inside[node["id"]]
        around = [
            group["title"].split(" ", 1)[1]
            for group, (x, y, to, below) in zip(graph["groups"], edges, strict=True)
            if x <= left and y <= top and right <= to and bottom <= below
        ]
        assert around == ([] if node["type"] in NOTES else [TITLES[group_of(node)]]), node["type"]


def test_the_file_is_what_the_tool_makes():
    graph = example("Text to Animation")
    assert lay_out(json.loads(json.dumps(graph))) == graph


def test_a_link_under_a_node_is_seen():
    """From the first node under the second to the third; and two links that cross."""
    nodes = [{"id": n, "type": "a", "pos": [400 * n, 0], "size": [200, 100]} for n in range(3)]
    graph = {"nodes": nodes, "links": [[1, 0, 0, 2, 0, "X"]], "extra": {}}
    assert under_nodes(graph) == [(1, 1)]
    nodes[1]["pos"][1] = 200
    assert not under_nodes(graph)
    graph["links"] = [[1, 0, 0, 2, 3, "X"], [2, 0, 4, 2, 0, "X"]]
    assert crossings(graph) == 1
    graph["extra"] = {"reroutes": [{"id": 5, "pos": [300, 250]}], "linkExtensions": [{"id": 1, "parentId": 5}]}
    assert (300, 250) in paths(graph)[1] and under_nodes(graph) == [(1, 1)]
