"""A graph as SVG: for a page of its own, or inside of an HTML page, where formulas are MathML."""

from __future__ import annotations

from html import escape

from symbp.show.graph.layered import Point
from symbp.show.graph.picture import LINE, SMALL, Box, Picture, Wire, label_size, picture
from symbp.show.graph.structure import Graph, GraphNode
from symbp.show.pages.mathml import MathML
from symbp.show.styles.latex_tree import EMPTY, Node, read

EM = 16.0  # user units of an em
SCRIPT = 0.7  # size of subscripts and superscripts

STYLE = """
svg { color-scheme: light dark; --ink: #1d2430; --paper: #ffffff; --forward: #1d5fa8; --backward: #b3420c;
  --input: #eef1f5; --edge: #8a94a3; --frame: #8a94a3; font-size: 16px; background: var(--paper);
  font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "Times New Roman", serif; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6e9ee; --paper: #14181f; --forward: #7db6f5; --backward: #ff9d66;
  --input: #232a35; --edge: #7d8796; --frame: #7d8796; } }
"""
SHARED = """
.node rect { fill: var(--paper); stroke: var(--forward); stroke-width: 1.3; }
.node.input rect { fill: var(--input); stroke: none; }
.node.parameter rect { stroke: var(--edge); stroke-dasharray: 3 2; }
.node.loss rect { stroke-width: 2.4; } .node text { fill: var(--ink); } .node text.adjoint { fill: var(--backward); }
.node .letters { font-style: italic; } .flow { fill: none; stroke-width: 1.2; }
.flow.forward { stroke: var(--forward); } .flow.backward { stroke: var(--backward); stroke-dasharray: 4 2.5; }
.recurrent .flow.forward { stroke-dasharray: 1 3; } .tip-forward { fill: var(--forward); }
.tip-backward { fill: var(--backward); } .frame rect { fill: none; stroke: var(--frame); stroke-dasharray: 6 4; }
.frame text { fill: var(--ink); } .node.on-edge rect { fill: var(--paper); stroke: none; opacity: .85; }
"""


def svg(g: Graph, described: str) -> str:
    """A picture that stands alone. described: what it shows, for those who don't see it."""
    p = picture(g)
    w, h = p.width * EM, p.height * EM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:g}" height="{h:g}" viewBox="0 0 {w:g} {h:g}" role="img">'
        f"<title>{escape(described)}</title><style>{STYLE}{SHARED}</style>{drawing(p)}</svg>\n"
    )


def drawing(p: Picture, math: MathML | None = None) -> str:
    """What stands inside of <svg>. math: writes labels as MathML in <foreignObject>, and makes nodes buttons."""
    heads = "".join(
        f'<marker id="tip-{way}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="tip-{way}" d="M0 1 L8 4 L0 7 z"/></marker>'
        for way in ("forward", "backward")
    )
    out = [f"<defs>{heads}</defs>"]
    for x, y, w, h, count in p.frames:
        out.append(
            f'<g class="frame"><rect x="{_u(x)}" y="{_u(y)}" width="{_u(w)}" height="{_u(h)}" rx="8"/>'
            f'<text x="{_u(x + w + 0.4)}" y="{_u(y + 1.2)}">× {count}</text></g>'
        )
    out += [_wire(w) for w in p.wires]
    out += [_box(b, math) for b in p.boxes]
    out += [_on_edge(w, math) for w in p.wires if w.edge.parameter]
    return "".join(out)


def _wire(w: Wire) -> str:
    kind = "edge recurrent" if w.edge.recurrent else "edge"
    back = ""
    if w.backward:
        back = f'<path class="flow backward" d="{_path(w.backward)}" marker-end="url(#tip-backward)"/>'
    return (
        f'<g class="{kind}" data-source="{escape(w.edge.source)}" data-target="{escape(w.edge.target)}">'
        f'<path class="flow forward" d="{_path(w.forward)}" marker-end="url(#tip-forward)"/>{back}</g>'
    )


def _path(points: tuple[Point, ...]) -> str:
    (x, y), *rest = points
    pieces = [rest[k : k + 3] for k in range(0, len(rest), 3)]
    curves = " ".join("C" + " ".join(f"{_u(a)} {_u(b)}" for a, b in piece) for piece in pieces)
    return f"M{_u(x)} {_u(y)} {curves}"


def _u(em: float) -> str:
    return f"{em * EM:.1f}".removesuffix(".0")


def _box(b: Box, math: MathML | None) -> str:
    inside = (
        f'<rect x="{_u(b.x - b.width / 2)}" y="{_u(b.y - b.height / 2)}" width="{_u(b.width)}" '
        f'height="{_u(b.height)}" rx="{7 if b.node.role == "computed" else 3}"/>'
    )
    for k, (line, backward) in enumerate(b.lines):
        middle = b.y + (k - (len(b.lines) - 1) / 2) * LINE
        inside += _label(line, b.x, middle, b.width, backward, math)
    return f"<g{_button(b.node, math)}>{inside}</g>"


def _button(node: GraphNode, math: MathML | None, kind: str = "node") -> str:
    names = f' class="{kind} {node.role}" data-node="{escape(node.name)}" data-adjoint="{escape(node.adjoint)}"'
    if math is None:
        return names
    said = node.text + (f", {node.adjoint_text}" if node.adjoint else "")
    return f'{names} tabindex="0" role="button" aria-label="{escape(said)}"'


def _on_edge(w: Wire, math: MathML | None) -> str:
    """A parameter on its edge; with numbers, its value and its gradient's."""
    node = w.edge.parameter
    assert node is not None
    x, y = w.label
    wide, tall = label_size(w.lines)
    inside = f'<rect x="{_u(x - wide / 2)}" y="{_u(y - tall / 2)}" width="{_u(wide)}" height="{_u(tall)}" rx="3"/>'
    for k, (line, backward) in enumerate(w.lines):
        inside += _label(line, x, y + (k - (len(w.lines) - 1) / 2) * 1.2, wide, backward, math, SMALL)
    return f"<g{_button(node, math, 'node on-edge')}>{inside}</g>"


def _label(line: str, x: float, y: float, wide: float, backward: bool, math: MathML | None, size: float = 1.0) -> str:
    """A line of a label around its middle."""
    kind = ' class="adjoint"' if backward else ""
    if math is not None:
        tall = LINE * size
        return (
            f'<foreignObject x="{_u(x - wide / 2)}" y="{_u(y - tall / 2)}" width="{_u(wide)}" height="{_u(tall)}">'
            f'<div xmlns="http://www.w3.org/1999/xhtml" class="label{" adjoint" if backward else ""}" '
            f'style="font-size:{_u(size * 0.95)}px;line-height:{_u(tall)}px">'
            f"{math.formula(line, False)}</div></foreignObject>"
        )
    scaled = f' font-size="{_u(size)}"' if size != 1.0 else ""
    at = f'x="{_u(x)}" y="{_u(y + 0.33 * size)}" text-anchor="middle"'
    return f"<text{kind}{scaled} {at}>{_spans(read(line), size * EM)}</text>"


def _spans(node: Node, em: float) -> str:
    """A label on one line: scripts smaller, above and below the line, below each other."""
    if node.kind == "scripts":
        base, below, above = node.parts
        widths = [SCRIPT * em * _width(part) for part in (above, below)]
        out = _spans(base, em) + _script(above, 0.38 * em, 0.0, em)
        if below != EMPTY:
            out += _script(below, -0.22 * em, -widths[0], em)
            left = max(widths[0] - widths[1], 0.0)
            out += f'<tspan dx="{left:.1f}">&#8203;</tspan>' if left else ""
        return out
    if node.kind == "accent":
        marks = {"^": "\u0302", "~": "\u0303", "¯": "\u0304", "˙": "\u0307", "→": "\u20d7"}
        return _spans(node.parts[0], em) + marks[node.text]
    if node.parts or node.kind == "row":
        return "".join(_spans(p, em) for p in node.parts)
    if node.kind == "letter" and node.text != "⊤":
        return f'<tspan class="letters">{escape(node.text)}</tspan>'
    gap = "\u2009" if node.text == "=" else ""
    return "" if node.kind == "space" else f"{gap}{escape(node.text)}{gap}"


def _script(node: Node, dy: float, dx: float, em: float) -> str:
    if node == EMPTY:
        return ""
    inside = f'<tspan font-size="{SCRIPT:.0%}" dx="{dx:.1f}" dy="{-dy:.1f}">{_spans(node, SCRIPT * em)}</tspan>'
    return f'{inside}<tspan dy="{dy:.1f}">&#8203;</tspan>'


def _width(node: Node) -> float:
    """In em."""
    if node.parts or node.kind == "row":
        return sum(map(_width, node.parts))
    return sum(0.39 if c in "()[]" else 0.28 if c in ",.′" else 0.5 if c.isdigit() else 0.55 for c in node.text)
