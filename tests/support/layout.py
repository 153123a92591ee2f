"""Lays templates out: groups in the order of work, and no link under a node.

    <a Python with numpy> tests/support/layout.py [template ...]

Rewrites positions, groups and reroutes of the named templates (of all, without a name), and prints how many links run
under nodes and how many cross, before and after. The group of a node follows from its type (GROUP_OF in sheet.py), the
rest from the links: a link that would run under a node goes through the gaps between nodes, by reroutes. Of the orders
that a group's nodes can be in, the one with the fewest crossings is taken. The same graph always gives the same layout.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter

from link_paths import Path, crossings, paths, socket, under_nodes
from sheet import HEIGHTS, LANE, NOTES, WORDS, Gap, Orders, Place, Sheet, arranged, group_of, left, right
from workflows import TEMPLATES

SIDE, NEXT, CORNER = 22, 8, 18
"""Pixels beside a column where the first link goes up or down, further for each other one, and from a corner on."""

SCREEN, HIGHS = (1500, 800), (920, 1080)
"""What a page shows at 100 %; how high columns may be, unless one node is higher."""

Way = list[tuple[int, Gap]]
"""The gaps that a link goes through, each with its column."""


def lay_out(graph: dict) -> dict:
    orders = {}
    for node in graph["nodes"]:
        if node["type"] not in NOTES:
            orders.setdefault(group_of(node), []).append(node["id"])
    orders = {group: _in_order(keys, graph["links"]) for group, keys in orders.items()}
    return min((_improved(graph, orders, high) for high in HIGHS), key=itemgetter(1))[0]


def _improved(graph: dict, orders: Orders, high: int) -> tuple[dict, float]:
    """The graph in the orders to which no other swap of two nodes is to be preferred."""
    best, cost = _tried(graph, orders, high)
    improved = True
    while improved:
        improved = False
        for other in _swapped(orders, graph["links"]):
            candidate, price = _tried(graph, other, high)
            if price < cost:
                best, cost, orders, improved = candidate, price, other, True
    return best, cost


def _in_order(keys: list[int], links: list) -> list[int]:
    """Sources before targets, and a target right behind its source where that can be."""
    found: list[int] = []
    while len(found) < len(keys):
        ready = [
            key
            for key in keys
            if key not in found
            and all(origin in found or origin not in keys for _, origin, _, target, *_ in links if target == key)
        ]
        behind = [key for key in ready if found and any(link[1] == found[-1] and link[3] == key for link in links)]
        found.append((behind or ready)[0])
    return found


def _swapped(orders: Orders, links: list) -> Iterator[Orders]:
    """The orders in which two nodes of a group that are not linked have changed places. Prompts keep theirs."""
    for group, keys in ((group, keys) for group, keys in orders.items() if group != WORDS):
        for first in range(len(keys)):
            for last in range(first + 1, len(keys)):
                changed = list(keys)
                changed[first], changed[last] = changed[last], changed[first]
                at = {key: number for number, key in enumerate(changed)}
                if all(at[origin] < at[target] for _, origin, _, target, *_ in links if origin in at and target in at):
                    yield orders | {group: changed}


def _tried(graph: dict, orders: Orders, high: int) -> tuple[dict, float]:
    """The graph in these orders, and what speaks against it: links under nodes, crossings, long ways, small writing,
    nodes that the file has in another order."""
    graph = json.loads(json.dumps(graph))
    for node in graph["nodes"]:
        node["size"][1] = HEIGHTS.get(node["type"], node["size"][1])
    lanes: dict[Gap, list] = {}
    ways = _ways(graph, arranged(graph, orders, {}, high), lanes)
    sheet = arranged(graph, orders, lanes, high)
    sheet.write(graph)
    _reroute(graph, sheet, ways, lanes)
    found = paths(graph)
    long = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for path in found.values() for a, b in pairwise(path))
    points = [point for path in found.values() for point in path]
    wide, tall = (max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1))
    small = max(wide / SCREEN[0], tall / SCREEN[1])
    listed = {node["id"]: number for number, node in enumerate(graph["nodes"])}
    turned = sum(listed[a] > listed[b] for keys in orders.values() for n, b in enumerate(keys) for a in keys[:n])
    hidden, crossed = len(under_nodes(graph, found)), crossings(graph, found)
    return graph, 10_000 * hidden + 200 * crossed + 100 * turned + 8000 * small + long


def _ways(graph: dict, sheet: Sheet, lanes: dict[Gap, list]) -> dict[int, Way]:
    """{link: the gaps that it goes through}.

    Fills `lanes` with the outputs that go through each gap; gaps of one height share a list, so that a link has the
    same place in all of them.
    """
    ways, level = {}, {}
    for link, origin, output, target, slot, _ in graph["links"]:
        start, end = sheet.places[origin], sheet.places[target]
        y, goal = (
            p.top + socket(p.node, s, out)[1] - p.node["pos"][1]
            for p, s, out in ((start, output, True), (end, slot, False))
        )
        ways[link] = _cheapest(sheet, (start, y), (end, goal), (origin, output), lanes)
        for column, gap in ways[link]:
            users = lanes.setdefault(gap, level.setdefault(sheet.gaps(column)[gap], []))
            if (origin, output) not in users:
                users.append((origin, output))
    return ways


def _cheapest(sheet: Sheet, begin: tuple, finish: tuple, user: tuple, lanes: dict) -> Way:
    """The gaps, one of each column on the way, that keep it short and are not full of other links.

    begin, finish: the two nodes with the heights of the sockets.
    """
    (start, y), (end, goal) = begin, finish
    last, back = start.column + start.columns - 1, backwards(start, end)
    columns = list(range(last, end.column - 1, -1)) if back else list(range(last + 1, end.column))
    ends: dict[float, tuple[float, Way]] = {y: (0.0, [])}
    for column in columns:
        reached = {}
        for gap, (at, _) in sheet.gaps(column).items():
            others = 2 * LANE * sum(other != user for other in lanes.get(gap, ()))
            steps = (
                (price + others + _climb(sheet, column + back, before, at), [*way, (column, gap)])
                for before, (price, way) in ends.items()
            )
            reached[at] = min(steps, key=itemgetter(0))
        ends = reached
    return min(
        ((price + _climb(sheet, end.column, at, goal), way) for at, (price, way) in ends.items()), key=itemgetter(0)
    )[1]


def backwards(start: Place, end: Place) -> bool:
    """Whether a link goes to its own column, or to one further left."""
    return end.column < start.column + start.columns


def _climb(sheet: Sheet, column: int, start: float, end: float) -> float:
    """What it costs to go from one height to another to the left of a column: not through a node that lies there."""
    low, high = sorted((start, end))
    through = any(
        place.column < column < place.column + place.columns and place.top < high and low < place.bottom
        for place in sheet.places.values()
    )
    return high - low + 40 * (low != high) + 5000 * through


def _reroute(graph: dict, sheet: Sheet, ways: dict[int, Way], lanes: dict[Gap, list]) -> None:
    """The points that links go through, as the page saves them; links of one output share what they have in common."""
    reroutes, parents, beside = {}, [], {}
    for link, origin, output, target, *_ in graph["links"]:
        points = []
        back = backwards(sheet.places[origin], sheet.places[target])
        for column, gap in ways[link]:
            at, direction = sheet.gaps(column)[gap]
            y = at + direction * LANE * lanes[gap].index((origin, output))
            sides = (
                (left(column) - _beside(beside, column - 1, (origin, output)), y),
                (
                    right(column) + _beside(beside, column, (origin, output)),
                    y,
                ),
            )
            points += reversed(sides) if back else sides
        points = _straight(points)
        parent = None
        for number in range(len(points)):
            key = origin, output, *points[: number + 1]
            reroute = reroutes.setdefault(
                key, {"id": len(reroutes) + 1, "pos": [round(v) for v in points[number]], "linkIds": []}
            )
            if parent:
                reroute["parentId"] = parent
            reroute["linkIds"].append(link)
            parent = reroute["id"]
        if parent:
            parents.append({"id": link, "parentId": parent})
    graph["extra"] = {key: value for key, value in graph["extra"].items() if key not in ("reroutes", "linkExtensions")}
    if parents:
        graph["extra"] |= {"reroutes": list(reroutes.values()), "linkExtensions": parents}


def _straight(points: Path) -> Path:
    """Without the points between others of one height; with one behind each corner, as a link goes through a reroute
    in the mean direction and would leave a long line in a bow."""
    corners = [
        p
        for n, p in enumerate(points)
        if not 0 < n < len(points) - 1 or not points[n - 1][1] == p[1] == points[n + 1][1]
    ]
    found = corners[:1]
    for (x, y), (to, at) in pairwise(corners):
        if y == at and abs(to - x) > 5 * CORNER:
            step = CORNER if to > x else -CORNER
            found += [(x + step, y), (to - step, y)]
        found.append((to, at))
    return found


def _beside(beside: dict, column: int, user: tuple) -> int:
    """How far from a column's side the links of an output go up and down there."""
    users = beside.setdefault(column, [])
    if user not in users:
        users.append(user)
    return SIDE + NEXT * users.index(user)


def main(names: list[str]) -> None:
    for name in names or TEMPLATES:
        file = TEMPLATES[name]
        before = json.loads(file.read_text("utf-8"))
        after = lay_out(before)
        file.write_text(json.dumps(after, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{name}: {_figures(before)} -> {_figures(after)}")


def _figures(graph: dict) -> str:
    found: dict[int, Path] = paths(graph)
    return f"{len(under_nodes(graph, found))} under nodes, {crossings(graph, found)} crossings"


if __name__ == "__main__":
    main(sys.argv[1:])
