"""Where the page draws the links of a saved graph, and what they run under.

Curves are those of litegraph's splines: control points lie a quarter of the distance to the side of a socket, and along
the mean direction at a reroute.
"""

import math
from itertools import combinations, pairwise

import numpy as np

SLOT, TITLE = 20, 30
"""Pixels from socket to socket, and of a node's title, which lies above its position."""
FARTHEST = 80
"""How far a reroute's control point lies from it at most."""
INSIDE = 4
"""Pixels that a link must be inside a node's border to be under it."""

Point = tuple[float, float]
Path = list[Point]


def paths(graph: dict) -> dict[int, Path]:
    """{link id: points along it, from the output to the input}"""
    nodes = {node["id"]: node for node in graph["nodes"]}
    reroutes = {reroute["id"]: reroute for reroute in graph["extra"].get("reroutes", ())}
    last = {item["id"]: item["parentId"] for item in graph["extra"].get("linkExtensions", ())}
    stops, found = {}, {}
    for link, origin, output, target, slot, _ in graph["links"]:
        on_the_way, at = [], last.get(link)
        while at is not None:
            on_the_way.insert(0, at)
            at = reroutes[at].get("parentId")
        points = [tuple(reroutes[number]["pos"]) for number in on_the_way]
        stops[link] = on_the_way, [socket(nodes[origin], output, True), *points, socket(nodes[target], slot, False)]
    directions = _directions(stops)
    for link, (on_the_way, points) in stops.items():
        found[link] = []
        angles = [0.0, *(directions[number] for number in on_the_way), 0.0]
        for number, (start, end) in enumerate(pairwise(points)):
            away = math.dist(start, end) * 0.25
            out, back = (min(away, FARTHEST) if 0 < at < len(points) - 1 else away for at in (number, number + 1))
            found[link] += _spline(start, end, (out, angles[number]), (back, angles[number + 1]))
    return found


def socket(node: dict, slot: int, output: bool) -> Point:
    x, y = node["pos"]
    return x + node["size"][0] * output, y + SLOT * (slot + 0.7)


def _directions(stops: dict) -> dict[int, float]:
    """{reroute: the angle at which links go through it}: half way between where they come from and where they go."""
    comes, goes = {}, {}
    for on_the_way, points in stops.values():
        for number, reroute in enumerate(on_the_way, 1):
            comes[reroute] = _angle(points[number - 1], points[number])
            goes.setdefault(reroute, []).append(_angle(points[number], points[number + 1]))
    found = {}
    for reroute, angles in goes.items():
        half = (comes[reroute] - sum(angles) / len(angles)) / 2
        found[reroute] = comes[reroute] - (half + math.pi if abs(half) > math.pi / 2 else half)
    return found


def _angle(start: Point, end: Point) -> float:
    return math.atan2(end[1] - start[1], end[0] - start[0])


def _spline(start: Point, end: Point, out: tuple[float, float], back: tuple[float, float], count: int = 16) -> Path:
    one = start[0] + out[0] * math.cos(out[1]), start[1] + out[0] * math.sin(out[1])
    two = end[0] - back[0] * math.cos(back[1]), end[1] - back[0] * math.sin(back[1])
    points = []
    for step in range(count + 1):
        t = step / count
        weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        points.append(
            tuple(sum(w * p[axis] for w, p in zip(weights, (start, one, two, end), strict=True)) for axis in (0, 1))
        )
    return points


def boxes(graph: dict) -> dict[int, tuple[float, float, float, float]]:
    """{node: left, top, right, bottom with its title}"""
    return {
        node["id"]: (
            node["pos"][0],
            node["pos"][1] - TITLE,
            node["pos"][0] + node["size"][0],
            node["pos"][1] + node["size"][1],
        )
        for node in graph["nodes"]
    }


def under_nodes(graph: dict, found: dict[int, Path] | None = None) -> list[tuple[int, int]]:
    """(link, node) of every link that runs under a node; its own two nodes are nodes like the others."""
    rectangles = boxes(graph).items()
    return [
        (link, node)
        for link, path in (found or paths(graph)).items()
        for node, (left, top, right, bottom) in rectangles
        if any(left + INSIDE < x < right - INSIDE and top + INSIDE < y < bottom - INSIDE for x, y in path)
    ]


def crossings(graph: dict, found: dict[int, Path] | None = None) -> int:
    """How often links of different outputs cross."""
    found = found or paths(graph)
    outputs: dict[tuple[int, int], set] = {}
    for link, origin, output, *_ in graph["links"]:
        outputs.setdefault((origin, output), set()).update(pairwise(found[link]))
    pieces = [np.array(sorted(segments)) for segments in outputs.values()]
    return sum(_cross(one, other) for one, other in combinations(pieces, 2))


def _cross(one: np.ndarray, other: np.ndarray) -> int:
    """one: (n, 2, 2), other: (m, 2, 2), the ends of segments; how many pairs of them cross."""

    def sides(segments: np.ndarray, points: np.ndarray) -> np.ndarray:
        """On which side of each segment each point lies: (segments, points)."""
        (x, y), (dx, dy) = segments[:, 0].T, (segments[:, 1] - segments[:, 0]).T
        return dx[:, None] * (points[:, 1] - y[:, None]) - dy[:, None] * (points[:, 0] - x[:, None])

    apart = sides(one, other[:, 0]) * sides(one, other[:, 1]) < 0
    return int((apart & (sides(other, one[:, 0]) * sides(other, one[:, 1]) < 0).T).sum())
