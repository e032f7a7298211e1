"""A graph laid out for drawing, in em: boxes with their lines of text, curves of edges; SVG and TikZ print it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from symbp.show.graph.layered import Layout, Point, layered
from symbp.show.graph.structure import Graph, GraphEdge, GraphNode
from symbp.show.styles.latex_width import width

LINE = 1.5  # em of a line of text
PAD = 0.9
WIDEST = 75.0  # em of a picture from left to right; a longer one runs from top to bottom
SMALL = 0.8  # size of labels on edges
APART = 0.22  # em between the two lines of an edge
CLEAR = 0.8  # em from the middle of a label to the next edge


@dataclass(frozen=True)
class Box:
    """A node at its centre. lines: (LaTeX of a formula or plain number, whether it belongs to the backward pass)."""

    node: GraphNode
    x: float
    y: float
    width: float
    height: float
    lines: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Wire:
    """An edge as a cubic Bezier curve: start, then two control points and an end for each piece.

    backward: the same for the adjoint that flows back, empty if none does. label: where the parameter stands; lines:
    what stands there, as of a box.
    """

    edge: GraphEdge
    forward: tuple[Point, ...]
    backward: tuple[Point, ...]
    label: Point
    lines: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Picture:
    """width, height: of the whole. wide: whether it runs from left to right. frames: (x, y, width, height, count)."""

    graph: Graph
    width: float
    height: float
    wide: bool
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    frames: tuple[tuple[float, float, float, float, int], ...]


def picture(g: Graph) -> Picture:
    """The graph from left to right where that isn't too wide, else from top to bottom."""
    boxes = {name: _lines(g, node) for name, node in g.nodes.items()}
    sizes = {name: _size(lines) for name, lines in boxes.items()}
    sources = frozenset(n for n, node in g.nodes.items() if node.role in ("input", "parameter", "state"))
    light = frozenset(n for n in sources if g.nodes[n].role != "input")
    labelled = any(e.parameter for e in g.edges)
    on_edge = 17.0 if g.values else 9.0
    room = {e.ends: on_edge if e.parameter else 2.6 for e in g.edges if not e.recurrent}
    found = layered(sizes, room, sources, light, 2.0 if labelled else 1.1)
    wide = max((x + sizes[n][0] / 2 for n, (x, _) in found.at.items()), default=0.0) <= WIDEST or labelled
    if not wide:
        turned = {n: (h, w) for n, (w, h) in sizes.items()}
        found = layered(turned, {ends: 0.75 * free for ends, free in room.items()}, sources, light, 1.0)
    return _drawn(g, found, sizes, boxes, wide)


def _lines(g: Graph, node: GraphNode) -> tuple[tuple[str, bool], ...]:
    """Symbol and value, adjoint's symbol and value."""
    out = [(node.label, False)]
    out += [(g.values[node.name], False)] if node.name in g.values else []
    if node.adjoint:
        out.append((node.adjoint_label, True))
        out += [(g.values[node.adjoint], True)] if node.adjoint in g.values else []
    return tuple(out)


def _on_edge(g: Graph, node: GraphNode | None) -> tuple[tuple[str, bool], ...]:
    """The parameter's symbol, its value, its gradient's."""
    if node is None:
        return ()
    value = f" = {g.values[node.name]}" if node.name in g.values else ""
    below = [(g.values[node.adjoint], True)] if node.adjoint in g.values else []
    return ((node.label + value, False), *below)


def label_size(lines: tuple[tuple[str, bool], ...]) -> Point:
    """Width and height of what stands on an edge."""
    return max(2.6, SMALL * max(width(line) for line, _ in lines) + 0.3), 1.3 * len(lines)


def _labelled(wires: list[Wire], middles: list[tuple[Point, ...]]) -> tuple[Wire, ...]:
    """The wires with places for their labels. middles: of the two lines of each."""
    taken: list[tuple[Point, Point]] = []  # middles and sizes of labels
    sampled = [np.array([_on(p, k / 40) for k in range(41)]) for p in middles]
    out = []
    for k, (w, points) in enumerate(zip(wires, middles, strict=True)):
        if w.lines:
            others = np.concatenate([*(s for j, s in enumerate(sampled) if j != k), np.full((1, 2), np.inf)])
            w = replace(w, label=_free(points, label_size(w.lines), taken, others))
        out.append(w)
    return tuple(out)


def _free(points: tuple[Point, ...], size: Point, taken: list[tuple[Point, Point]], others: Any) -> Point:
    """A place on an edge where a label covers little of other ones and lies on no other edge, near the middle.

    others: points of all other edges.
    """

    def covered(t: float) -> float:
        x, y = _on(points, t)
        over = 0.0
        for (a, b), (w, h) in taken:
            wide, tall = (size[0] + w) / 2 - abs(x - a), (size[1] + h) / 2 - abs(y - b)
            over += wide * tall if wide > 0 and tall > 0 else 0.0
        nearest = float(np.min(np.hypot(others[:, 0] - x, others[:, 1] - y)))
        return over + 3 * max(0.0, CLEAR - nearest) + abs(t - 0.5)

    place = _on(points, min((k / 40 for k in range(6, 35)), key=covered))
    taken.append((place, size))
    return place


def _size(lines: tuple[tuple[str, bool], ...]) -> Point:
    return max(2.6, PAD + max(width(text) for text, _ in lines)), PAD / 2 + LINE * len(lines)


def _drawn(g: Graph, layout: Layout, sizes: dict[str, Point], lines: dict[str, tuple[tuple[str, bool], ...]],
           wide: bool) -> Picture:  # fmt: skip
    def turned(p: Point) -> Point:
        return p if wide else (p[1], p[0])

    at = {n: turned(p) for n, p in layout.at.items()}
    loops = any(e.recurrent for e in g.edges)
    left = min((at[n][0] - sizes[n][0] / 2 for n in at), default=0.0) - (1.0 if wide or not loops else 5.0)
    top = min((at[n][1] - sizes[n][1] / 2 for n in at), default=0.0) - (4.0 if wide and loops else 1.0)
    bends = {ends: [turned(p) for p in way] for ends, way in layout.bends.items()}
    every = [*at.values(), *(p for way in bends.values() for p in way)]
    left = min([left, *(p[0] - 1 for p in every)])
    top = min([top, *(p[1] - 1 for p in every)])
    at = {n: (x - left, y - top) for n, (x, y) in at.items()}
    boxes = tuple(Box(g.nodes[n], *at[n], *sizes[n], lines[n]) for n in at)
    wires: list[Wire] = []
    middles = []
    for e in g.edges:
        way = [(x - left, y - top) for x, y in bends.get(e.ends, [])]
        points = _way(at[e.source], at[e.target], sizes[e.source], sizes[e.target], way, wide, e.recurrent)
        flows = bool(g.nodes[e.source].adjoint and g.nodes[e.target].adjoint) or (
            g.nodes[e.target].role == "loss" and bool(g.nodes[e.source].adjoint)
        )
        apart = APART if flows else 0.0
        points = (points[0], points[0], points[-1], points[-1]) if e.parameter and not way else points
        back = _moved(points, -apart, wide)[::-1] if flows else ()
        middles.append(points)
        wires.append(Wire(e, _moved(points, apart, wide), back, (0.0, 0.0), _on_edge(g, e.parameter)))
    frames = []
    for frame in g.frames:
        inside = [b for b in boxes if b.node.name in frame.nodes]
        ways = [p for w in wires if {*w.edge.ends} <= frame.nodes for p in w.forward]
        x0 = min([*(b.x - b.width / 2 for b in inside), *(p[0] for p in ways)]) - 0.7
        y0 = min([*(b.y - b.height / 2 for b in inside), *(p[1] for p in ways)]) - 0.7
        x1 = max([*(b.x + b.width / 2 for b in inside), *(p[0] for p in ways)]) + 0.7
        y1 = max([*(b.y + b.height / 2 for b in inside), *(p[1] for p in ways)]) + 0.7
        frames.append((x0, y0, x1 - x0, y1 - y0, frame.count))
    right = max([*(b.x + b.width / 2 for b in boxes), *(x + w + 2.5 for x, _, w, _, _ in frames),
                 *(p[0] - left for p in every)]) + 1.0  # fmt: skip
    bottom = max([*(b.y + b.height / 2 for b in boxes), *(p[1] - top for p in every)]) + 1.0
    return Picture(g, right, bottom, wide, boxes, _labelled(wires, middles), tuple(frames))


def _way(a: Point, b: Point, of_a: Point, of_b: Point, bends: list[Point], wide: bool, recurrent: bool
         ) -> tuple[Point, ...]:  # fmt: skip
    """The curve from the side of one box to that of the other; against the direction around them."""
    if recurrent:
        side = 0 if wide else 1
        first = (a[0], a[1] - of_a[1] / 2) if wide else (a[0] - of_a[0] / 2, a[1])
        last = (b[0], b[1] - of_b[1] / 2) if wide else (b[0] - of_b[0] / 2, b[1])
        reach = 1.6 + 0.12 * abs(a[side] - b[side])
        shift = 0.8 if a == b else 0.0
        if wide:
            first, last = (first[0] + shift, first[1]), (last[0] - shift, last[1])
            return first, (first[0], first[1] - reach), (last[0], last[1] - reach), last
        first, last = (first[0], first[1] + shift), (last[0], last[1] - shift)
        return first, (first[0] - reach, first[1]), (last[0] - reach, last[1]), last
    first = (a[0] + of_a[0] / 2, a[1]) if wide else (a[0], a[1] + of_a[1] / 2)
    last = (b[0] - of_b[0] / 2, b[1]) if wide else (b[0], b[1] - of_b[1] / 2)
    points = [first, *bends, last]
    out = [first]
    for p, q in pairwise(points):
        half = ((q[0] - p[0]) / 2, 0.0) if wide else (0.0, (q[1] - p[1]) / 2)
        out += [(p[0] + half[0], p[1] + half[1]), (q[0] - half[0], q[1] - half[1]), q]
    return tuple(out)


def _moved(points: tuple[Point, ...], by: float, wide: bool) -> tuple[Point, ...]:
    """The curve shifted sideways."""
    return tuple((x, y + by) if wide else (x + by, y) for x, y in points)


def _on(points: tuple[Point, ...], t: float) -> Point:
    """A point on the first piece of a curve."""
    p, q, r, s = points[:4]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(w * c[0] for w, c in zip(weights, (p, q, r, s), strict=True)),
        sum(w * c[1] for w, c in zip(weights, (p, q, r, s), strict=True)),
    )
