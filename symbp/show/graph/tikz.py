"""A graph as TikZ: a tikzpicture for \\input, or a document of its own."""

from __future__ import annotations

from symbp.show.graph.layered import Point
from symbp.show.graph.picture import LINE, Box, Wire, picture
from symbp.show.graph.structure import Graph

COLOURS = {"forward": "1D5FA8", "backward": "B3420C", "edge": "8A94A3", "input": "EEF1F5"}
NEEDS = "\\usepackage{tikz}\n\\usepackage{amsmath,amssymb}\n\\usetikzlibrary{arrows.meta}\n"


def tikz(g: Graph, document: bool = False) -> str:
    """The picture; it needs the packages tikz, amsmath and amssymb and TikZ's library arrows.meta."""
    p = picture(g)
    out = [rf"\definecolor{{symbp{name}}}{{HTML}}{{{value}}}" for name, value in COLOURS.items()]
    out += [
        r"\begin{tikzpicture}[x=1em, y=-1em, >={Latex[length=0.45em]},",
        r"  box/.style={draw, inner sep=0pt, rounded corners=0.3em, fill=white},",
        r"  computed/.style={box, draw=symbpforward}, loss/.style={box, draw=symbpforward, very thick},",
        r"  input/.style={box, draw=none, fill=symbpinput}, state/.style={input},",
        r"  parameter/.style={box, draw=symbpedge, densely dashed},",
        r"  forward/.style={->, draw=symbpforward}, backward/.style={->, draw=symbpbackward, densely dashed},",
        r"  label/.style={inner sep=1pt}, adjoint/.style={label, text=symbpbackward}]",
    ]
    for x, y, w, h, count in p.frames:
        out.append(rf"\draw[symbpedge, dashed, rounded corners=0.4em] {_at((x, y))} rectangle {_at((x + w, y + h))};")
        out.append(rf"\node[label, anchor=north west] at {_at((x + w + 0.3, y))} {{$\times {count}$}};")
    for wire in p.wires:
        out += _wire(wire)
    for b in p.boxes:
        out += _box(b)
    for wire in p.wires:
        if wire.edge.parameter:
            out += _on_edge(wire)
    text = "\n".join([*out, r"\end{tikzpicture}"]) + "\n"
    if not document:
        return text
    return f"\\documentclass[border=6pt]{{standalone}}\n{NEEDS}\\begin{{document}}\n{text}\\end{{document}}\n"


def _at(p: Point) -> str:
    return f"({p[0]:.2f},{p[1]:.2f})"


def _wire(w: Wire) -> list[str]:
    out = []
    for way, points in (("forward", w.forward), ("backward", w.backward)):
        if points:
            rest = [points[k : k + 3] for k in range(1, len(points), 3)]
            curves = " ".join(f".. controls {_at(a)} and {_at(b)} .. {_at(c)}" for a, b, c in rest)
            dotted = ", densely dotted" if w.edge.recurrent and way == "forward" else ""
            out.append(rf"\draw[{way}{dotted}] {_at(points[0])} {curves};")
    return out


def _box(b: Box) -> list[str]:
    size = f"minimum width={b.width:.2f}em, minimum height={b.height:.2f}em"
    out = [rf"\node[{b.node.role}, {size}] at {_at((b.x, b.y))} {{}};"]
    for k, (line, backward) in enumerate(b.lines):
        middle = b.y + (k - (len(b.lines) - 1) / 2) * LINE
        out.append(rf"\node[{'adjoint' if backward else 'label'}] at {_at((b.x, middle))} {{${line}$}};")
    return out


def _on_edge(w: Wire) -> list[str]:
    x, y = w.label
    return [
        rf"\node[{'adjoint' if backward else 'label'}, fill=white, font=\scriptsize] at "
        rf"{_at((x, y + (k - (len(w.lines) - 1) / 2) * 1.1))} {{${line}$}};"
        for k, (line, backward) in enumerate(w.lines)
    ]
