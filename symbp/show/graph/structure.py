"""The computational graph of a derivation: values flow forward along its edges, adjoints backward.

At neuron level a weight that multiplies one value on its way into one other stands on that edge, as in textbooks'
pictures; of many neurons, the tensors are drawn. Equal blocks of a large network are drawn once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from symbp.blocks import repeated_blocks
from symbp.expr import Access, factors, terms
from symbp.program import Program
from symbp.show.formulas.formula import Formula
from symbp.show.formulas.printer import Printer
from symbp.show.names.symbols import Names
from symbp.show.result import Derivation
from symbp.show.styles.latex import Latex
from symbp.show.styles.text import Text

DRAWN = 60  # values and weights of neurons that are drawn; of more, the tensors are
FOLDED = 30  # computed tensors from which on equal blocks are drawn once


@dataclass(frozen=True)
class GraphNode:
    """A tensor, or an entry of one. role: "input", "parameter", "state", "computed" or "loss". label, text: its symbol.

    adjoint: the name of the loss's gradient by it, "" where none is shown; adjoint_label, adjoint_text: its symbol.
    """

    name: str
    role: str
    label: str
    text: str
    adjoint: str = ""
    adjoint_label: str = ""
    adjoint_text: str = ""


@dataclass(frozen=True)
class GraphEdge:
    """target reads source. parameter: what stands on the edge. recurrent: it's read one step of time later."""

    source: str
    target: str
    parameter: GraphNode | None = None
    recurrent: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        return self.source, self.target


@dataclass(frozen=True)
class Frame:
    """A block that occurs `count` times in a row and is drawn once, with the nodes in it."""

    nodes: frozenset[str]
    count: int


@dataclass(frozen=True)
class Graph:
    """nodes: in an order in which edges that aren't recurrent point forward. folded: what isn't drawn, and the node
    that is drawn for it. values: of nodes and adjoints, as LaTeX; none where numbers aren't asked for.
    """

    title: str
    nodes: Mapping[str, GraphNode]
    edges: tuple[GraphEdge, ...]
    frames: tuple[Frame, ...] = ()
    folded: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def graph(d: Derivation, values: Mapping[str, float] | None = None) -> Graph:
    """The graph of a derivation; by another method than reverse accumulation, of the values alone.

    values: numbers of scalars, gradients included, by name; if left out, those of the derivation's point.
    """
    assert d.names is not None and d.network is not None
    shown = {f.name for s in d.steps for f in s.formulas} if d.method == "reverse" else set()
    definitions = d.definitions
    on_edges = _edge_parameters(definitions, d.names)
    fine = d.level == "neuron" and len(definitions) + len(on_edges) <= DRAWN
    if d.level == "neuron" and not fine:
        definitions, on_edges = tuple(Formula(e.target, e.value, ()) for e in d.network.equations), {}
        shown = {s.quantity for s in d.steps} if shown else shown
    printers = _Printers(d.names, {p.wrt: n for n, p in d.names.derivatives.items() if n in shown}, d.network.loss)
    position = {f.name: n for n, f in enumerate(definitions)}
    nodes: dict[str, GraphNode] = {}
    edges: dict[tuple[str, str], GraphEdge] = {}
    for n, f in enumerate(definitions):
        for read in sorted(f.value.tensors, key=d.names.position.__getitem__):
            if read in on_edges:
                continue
            if read not in nodes and read not in position:
                nodes[read] = printers.node(read)
            edges[read, f.name] = GraphEdge(read, f.name, None, position.get(read, -1) >= n)
        nodes[f.name] = printers.node(f.name)
    for name, (source, target) in on_edges.items():
        edges[source, target] = GraphEdge(source, target, printers.node(name))
    found = _needed(Graph(d.title, nodes, tuple(edges.values())), str(d.network.loss))
    if len(position) > FOLDED and not fine:
        found = _folded(found, d.network)
    known = d.values if values is None else values
    printed = {name: _short(value) for name, value in known.items() if name in d.program.tensors}
    return Graph(found.title, found.nodes, found.edges, found.frames, found.folded, printed)


def _short(value: float) -> str:
    """Three digits, as LaTeX."""
    digits, _, exponent = f"{value:.3g}".partition("e")
    return rf"{digits}\cdot 10^{{{int(exponent)}}}" if exponent else digits


class _Printers:
    def __init__(self, names: Names, adjoints: Mapping[str, str], loss: str | None) -> None:
        self.names, self.adjoints, self.loss = names, adjoints, loss
        self.latex, self.text = Printer(names, Latex()), Printer(names, Text())

    def node(self, name: str) -> GraphNode:
        role = "loss" if name == self.loss else self.names.tensors[name].role
        adjoint = self.adjoints.get(name, "")
        text = self.text.name(adjoint) if adjoint else ""
        return GraphNode(
            name, role, self.label(name), self.text.name(name), adjoint, self.label(adjoint) if adjoint else "", text
        )

    def label(self, name: str) -> str:
        """A symbol that is no taller than a line."""
        line = self.latex.style.math(self.latex.name(name)).strip("$")
        return re.sub(r"\\[bB]igg?[lr]", "", line)


def _edge_parameters(definitions: tuple[Formula, ...], names: Names) -> dict[str, tuple[str, str]]:
    """Single entries of parameters that multiply one value in one equation -> (that value, the equation's target)."""
    readers: dict[str, list[Formula]] = {}
    for f in definitions:
        for read in sorted(f.value.tensors, key=names.position.__getitem__):
            if names.tensors[read].role == "parameter" and names.tensors[read].entry:
                readers.setdefault(read, []).append(f)
    out: dict[str, tuple[str, str]] = {}
    for name, found in readers.items():
        if len(found) > 1:
            continue
        holding = [t for t in terms(found[0].value) if name in t.tensors]
        others = [a for a in factors(holding[0]) if isinstance(a, Access) and a.label != name]
        edge = (others[0].label, found[0].name) if others else ("", "")
        if len(holding) == 1 and len(factors(holding[0])) == 2 and len(others) == 1 and edge not in out.values():
            out[name] = edge
    return out


def _needed(g: Graph, loss: str) -> Graph:
    """What leads to the loss."""
    kept = {loss}
    while True:
        more = {e.source for e in g.edges if e.target in kept} - kept
        if not more:
            break
        kept |= more
    nodes = {name: node for name, node in g.nodes.items() if name in kept}
    return Graph(g.title, nodes, tuple(e for e in g.edges if e.target in kept))


def _folded(g: Graph, network: Program) -> Graph:
    """The graph with the first of equal blocks drawn for all of them."""
    names = [e.name for e in network.equations]
    folded: dict[str, str] = {}
    frames: list[Frame] = []
    for block in repeated_blocks(network):
        if block.period == 1:
            continue
        for n in range(block.start + block.period, block.stop):
            first, again = names[n - block.period], names[n]
            folded[again] = folded.get(first, first)
            mine, others = (_own(g, name) for name in (again, first))
            folded |= {a: folded.get(b, b) for a, b in zip(mine, others, strict=False)}
        inside = {n for n in names[block.start : block.start + block.period] if n in g.nodes}
        inside |= {p for n in inside for p in _own(g, n)}
        frames.append(Frame(frozenset(inside), block.count))
    edges: dict[tuple[str, str], GraphEdge] = {}
    for e in g.edges:
        source, target = folded.get(e.source, e.source), folded.get(e.target, e.target)
        if e.target not in folded and (source in g.nodes):
            edges.setdefault((source, target), GraphEdge(source, target, e.parameter, e.recurrent))
    nodes = {n: v for n, v in g.nodes.items() if n not in folded}
    return Graph(g.title, nodes, tuple(edges.values()), tuple(frames), folded)


def _own(g: Graph, name: str) -> list[str]:
    """The parameters that an equation reads, in the order of their declaration."""
    return [e.source for e in g.edges if e.target == name and g.nodes[e.source].role in ("parameter", "state")]
