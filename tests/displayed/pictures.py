"""Graph pictures as a person sees them, SVG or TikZ: boxes with what is written in them, and curves between boxes.

Which box a curve joins is told by where it ends, and what a box stands for by its label.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from displayed.tree import Unreadable

Point = tuple[float, float]
_SVG = "{http://www.w3.org/2000/svg}"
_T = np.linspace(0, 1, 101)
_WEIGHTS = np.stack([(1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T * _T * (1 - _T), _T**3], 1)  # of a Bezier curve
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_AT = r"\((-?[\d.]+),(-?[\d.]+)\)"
_BOX = re.compile(rf"\\node\[(\w+), minimum width=([\d.]+)em, minimum height=([\d.]+)em\] at {_AT} {{}};")
_LABEL = re.compile(rf"\\node\[(label|adjoint)(, fill=white, font=\\scriptsize)?\] at {_AT} {{\$(.*)\$}};")
_DRAW = re.compile(r"\\draw\[(forward|backward)(, densely dotted)?\] (.*);")


@dataclass
class Box:
    """lines: (text, whether it belongs to the backward pass)."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    lines: list[tuple[str, bool]] = field(default_factory=list)

    def distance(self, p: Point) -> float:
        """From a point to the border."""
        dx, dy = abs(p[0] - self.x) - self.width / 2, abs(p[1] - self.y) - self.height / 2
        return abs(max(dx, dy)) if dx <= 0 or dy <= 0 else math.hypot(dx, dy)


@dataclass
class Wire:
    way: str
    recurrent: bool
    points: list[Point]


@dataclass
class Seen:
    """em: the length of one, in the picture's units. labels: boxes without a border, those on edges."""

    em: float
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    labels: list[Box] = field(default_factory=list)


def seen_svg(text: str) -> Seen:
    out = Seen(16.0)
    for g in ElementTree.fromstring(text).iter(f"{_SVG}g"):
        kinds = g.get("class", "").split()
        if kinds[0] == "edge":
            for path in g.iter(f"{_SVG}path"):
                numbers = [float(n) for n in _NUMBER.findall(path.get("d", ""))]
                points = list(zip(numbers[::2], numbers[1::2], strict=True))
                out.wires.append(Wire(path.get("class", "").split()[1], "recurrent" in kinds, points))
        elif kinds[0] == "node":
            rect = g.find(f"{_SVG}rect")
            assert rect is not None
            x, y, w, h = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
            box = Box(kinds[-1], x + w / 2, y + h / 2, w, h)
            for line in g.findall(f"{_SVG}text"):
                inside = abs(float(line.get("x", "")) - box.x) < 1 and abs(float(line.get("y", "")) - box.y) < h / 2
                if not inside:
                    raise Unreadable("a label outside of its box")
                box.lines.append(("".join(line.itertext()).replace("\u200b", ""), line.get("class") == "adjoint"))
            (out.labels if "on-edge" in kinds else out.boxes).append(box)
    return out


def seen_tikz(text: str) -> Seen:
    out = Seen(1.0)
    for line in text.splitlines():
        if m := _DRAW.fullmatch(line):
            points = [(float(a), float(b)) for a, b in re.findall(_AT, m[3])]
            out.wires.append(Wire(m[1], bool(m[2]), points))
        elif m := _BOX.fullmatch(line):
            out.boxes.append(Box(m[1], float(m[4]), float(m[5]), float(m[2]), float(m[3])))
        elif m := _LABEL.fullmatch(line):
            x, y, said = float(m[3]), float(m[4]), (m[5], m[1] == "adjoint")
            if m[2]:
                last = out.labels[-1] if out.labels else None
                if last is None or last.x != x or not said[1] or len(last.lines) > 1 or not 0 < y - last.y < 1.2:
                    out.labels.append(last := Box("label", x, y, 0, 0))
                else:
                    last.y = (last.y + y) / 2  # the middle of both lines
                last.lines.append(said)
                continue
            inside = [b for b in out.boxes if abs(b.x - x) < 0.02 and abs(b.y - y) < b.height / 2]
            if len(inside) != 1:
                raise Unreadable(f"a label in {len(inside)} boxes")
            inside[0].lines.append(said)
        elif line.startswith(r"\node") and r"\times" not in line:
            raise Unreadable(line)
    return out


@dataclass(frozen=True)
class Graph:
    """nodes: name -> (role, adjoint, numbers). edges: (source, target) -> (the parameter on it, whether an adjoint
    flows back, whether it's read one step later)."""

    nodes: Mapping[str, tuple[str, str, tuple[str, ...]]]
    edges: Mapping[tuple[str, str], tuple[str, bool, bool]]
    on_edges: Mapping[str, tuple[str, ...]]


def read(seen: Seen, named: Mapping[str, str]) -> Graph:
    """What the picture says. named: of what the symbols stand for, by `plain` text."""
    names = {id(b): _symbol(b.lines[0][0], named) for b in seen.boxes}
    if len(set(names.values())) < len(names):
        raise Unreadable("two boxes for one quantity")
    nodes = {}
    for b in seen.boxes:
        adjoint = [line for line, backward in b.lines if backward]
        numbers = [*(line for line, _ in b.lines[1:2] if not b.lines[1][1]), *adjoint[1:]]
        nodes[names[id(b)]] = (b.kind, _symbol(adjoint[0], named) if adjoint else "", tuple(map(number, numbers)))
    forward: dict[tuple[str, str], Wire] = {}
    back = set()
    for w in seen.wires:
        ends = [min(seen.boxes, key=lambda b, p=p: b.distance(p)) for p in (w.points[0], w.points[-1])]  # type: ignore[misc]
        if any(b.distance(p) > 0.3 * seen.em for b, p in zip(ends, (w.points[0], w.points[-1]), strict=True)):
            raise Unreadable("a curve that ends nowhere")
        a, b = (names[id(end)] for end in ends)
        if w.way == "forward":
            if (a, b) in forward:
                raise Unreadable("one edge twice")
            forward[a, b] = w
        else:
            back.add((b, a))
    if not back <= forward.keys():
        raise Unreadable("an adjoint flows where no value does")
    on: dict[tuple[str, str], str] = {}
    numbers_on = {}
    for label in seen.labels:
        ends = min(forward, key=lambda e: _near(forward[e], (label.x, label.y)))  # type: ignore[assignment]
        symbol, _, value = label.lines[0][0].partition("=")
        on[ends] = _symbol(symbol, named)  # type: ignore[index]
        numbers_on[on[ends]] = tuple(map(number, [value, *(line for line, _ in label.lines[1:])]))  # type: ignore[index]
    edges = {e: (on.get(e, ""), e in back, w.recurrent) for e, w in forward.items()}
    return Graph(nodes, edges, numbers_on)


def number(text: str) -> str:
    """A number to three digits, as Python has it; powers of ten as they are read."""
    text = re.sub(r"\\cdot |\s", lambda m: "·" if m[0][0] == "\\" else "", text.replace("−", "-"))
    m = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?:·10(?:\^\{)?(-?\d+)\}?)?", text)
    if m is None:
        raise Unreadable(f"no number: {text}")
    return f"{float(f'{m[1]}e{m[2] or 0}'):.3g}"


def plain(text: str) -> str:
    """A symbol of a text or of SVG without what raises and lowers."""
    return re.sub(r"[\s_,\[\]^]", "", unicodedata.normalize("NFKD", text).replace("\u0338", ""))


def latex_plain(latex: str) -> str:
    """A symbol in LaTeX, as a key."""
    return re.sub(r"\\[bB]igg?[lr]|[\s\ue000-\ue7ff]", "", latex)


def _symbol(text: str, named: Mapping[str, str]) -> str:
    for key in (plain(text), latex_plain(text)):
        if key in named:
            return named[key]
    raise Unreadable(f"no quantity is called {text}")


def _near(w: Wire, p: Point) -> float:
    """The distance of a point from the first piece of a curve."""
    at = _WEIGHTS @ np.array(w.points[:4])
    return float(np.min(np.hypot(at[:, 0] - p[0], at[:, 1] - p[1])))


def symbols(d: Any) -> dict[str, str]:
    """What the symbols of a derivation with numbers stand for: it lists what is put in, and defines the rest."""
    said = [(f.sides[0], f.name) for f in (*d.point, *d.definitions, *d.updates)]
    said += [(f.sides[0], f.name) for step in d.steps for f in step.formulas]
    if d.level != "neuron":
        said = [(r.symbol, r.name) for r in d.symbols]
        rows = {r.name: r.symbol for r in d.symbols}
        loss = d.network.loss
        for name, p in d.names.derivatives.items():
            if p.of == loss and p.wrt in rows and name not in rows:
                below = rows[p.wrt]
                pair = (rf"\partial {loss}/\partial {below.latex.strip('$')}", f"∂{loss}/∂{below.text}")
                said.append((type(below)(*pair), name))
    out = {}
    for text, name in said:
        out[plain(text.text)] = name
        slashed = re.sub(r"\\frac\{(\\partial [^{}]*)\}\{(\\partial .*)\}$", r"\1/\2", text.latex.strip("$"))
        out[latex_plain(slashed)] = name
    return out
