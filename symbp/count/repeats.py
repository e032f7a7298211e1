"""How much of the naive work is repeated: every subexpression of the expanded gradients with its occurrences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from symbp.count.scalars import Listing, expanded
from symbp.expr import Access, Expr, Mul, Num, base_exponent, coefficient, factors
from symbp.language import to_sympy
from symbp.operations import computed_nodes, graph_operations, step, tree_operations
from symbp.program import Program, Tensor

SHOWN = 10
FORMULA_WIDTH = 34


@dataclass(frozen=True)
class Repeat:
    """A value of the network and how often the expanded gradients compute it. operations: of computing it once."""

    name: str
    formula: str
    occurrences: int
    operations: int


@dataclass(frozen=True)
class Repeats:
    """Repeated work in expanded expressions.

    total: operations as written. distinct: those left if every subexpression were computed once. most_repeated: the
    network's own values, most often computed first; one that occurs only inside another one on the list is left out.
    """

    total: int
    distinct: int
    most_repeated: tuple[Repeat, ...]

    @property
    def share(self) -> float:
        """The part of the operations that repeat one already done, from 0 to 1."""
        return 1 - self.distinct / self.total if self.total else 0.0

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"{100 * self.share:.1f}% of the expanded gradients' operations repeat one already done: "
            f"{self.total:,} written, {self.distinct:,} distinct."
        )

    def lines(self) -> list[str]:
        """The finding and the table as text of at most 100 columns."""
        shown = self.most_repeated[:SHOWN]
        if not shown:
            return [self.sentence]
        name = max(5, *(len(r.name) for r in shown))
        formula = max(len(r.formula) for r in shown)
        out = [self.sentence, ""]
        out.append(f"{'value'.ljust(name)}  {''.ljust(formula)}  computed  operations each  in all")
        for r in shown:
            out.append(
                f"{r.name.ljust(name)}  {r.formula.ljust(formula)}  {r.occurrences:>8,}  {r.operations:>15,}"
                f"  {r.occurrences * r.operations:>6,}"
            )
        return out

    def html(self) -> str:
        """The table as HTML."""
        head = "<tr><th>value</th><th></th><th>computed</th><th>operations each</th></tr>"
        body = "".join(
            f"<tr><td>{escape(r.name)}</td><td>{escape(r.formula)}</td><td>{r.occurrences:,}</td>"
            f"<td>{r.operations:,}</td></tr>"
            for r in self.most_repeated[:SHOWN]
        )
        return f"<table>{head}{body}</table>"

    def json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "total": self.total,
            "distinct": self.distinct,
            "share": self.share,
            "most_repeated": [vars(r) for r in self.most_repeated],
        }


def repeats(gradients: Iterable[Expr], reverse: Listing, network: Program) -> Repeats:
    """What the expanded gradients compute more than once, by the names of the reverse program at neuron level."""
    roots = list(gradients)
    times = occurrences(roots)
    label = _Labels(network, reverse)
    values = expanded(reverse)
    found: list[tuple[Repeat, Expr]] = []
    for equation in reverse.equations:
        value = values[equation.name]
        n = times.get(value, 0) or _as_part(value, times)
        if n > 1 and not isinstance(value, Access):
            operations = sum(tree_operations(value).values())
            found.append((Repeat(label.name(equation.name), label.formula(equation.value), n, operations), value))
    hidden = set()
    for repeat, value in found:
        inside = occurrences([value])
        hidden |= {
            other.name
            for other, part in found
            if part is not value and part in inside and other.occurrences == repeat.occurrences
        }
    kept = sorted((r for r, _ in found if r.name not in hidden and r.operations), key=lambda r: -r.occurrences)
    total = sum(sum(tree_operations(r).values()) for r in roots)
    return Repeats(total, sum(graph_operations(roots).values()), tuple(kept))


def occurrences(roots: Iterable[Expr]) -> dict[Expr, int]:
    """How often each subexpression is computed where the roots are written out as trees."""
    roots = list(roots)
    times: dict[Expr, int] = {}
    for r in roots:
        times[r] = times.get(r, 0) + 1
    for node, _, _ in computed_nodes(roots):
        for operand, _ in step(node).operands:
            times[operand] = times.get(operand, 0) + times[node]
    return times


def _as_part(product: Expr, times: Mapping[Expr, int]) -> int:
    """How often a product's factors occur together in a larger product."""
    wanted = dict(map(base_exponent, factors(coefficient(product)[1])))
    if not isinstance(product, Mul) or len(wanted) < 2:
        return 0
    found = 0
    for node, n in times.items():
        if isinstance(node, Mul) and coefficient(node)[0] == 1:  # c * rest computes rest, which is a node of its own
            have = dict(map(base_exponent, node.args))
            if all(b in have and _at_least(have[b], e) for b, e in wanted.items()):
                found += n
    return found


def _at_least(have: Expr, wanted: Expr) -> bool:
    if have is wanted:
        return True
    return isinstance(have, Num) and isinstance(wanted, Num) and have.value >= wanted.value > 0


class _Labels:
    """Names as people write them: h1_0_0 is h1_1 where the batch is one example and entries count from 1."""

    def __init__(self, network: Program, listing: Listing) -> None:
        self.tensors: dict[str, Tensor] = dict(network.tensors)
        self.lengths: dict[str, list[int]] = {}
        self.entries = {n: t.entry for n, t in network.tensors.items() if t.entry}
        for name, at in self.entries.values():
            known = self.lengths.setdefault(name, [1] * len(at))
            self.lengths[name] = [max(a, b + 1) for a, b in zip(known, at, strict=True)]

    def name(self, name: str) -> str:
        if name not in self.entries:
            return name
        tensor, at = self.entries[name]
        lengths = self.lengths[tensor]
        written = [str(n + 1) for n, length in zip(at, lengths, strict=True) if length > 1]
        return "_".join((tensor, *written))

    def formula(self, e: Expr) -> str:
        import sympy as sp

        names = {a.label: sp.Symbol(self.name(a.label), real=True) for a in e.accesses}
        text = str(to_sympy(e, names))
        return text if len(text) <= FORMULA_WIDTH else text[: FORMULA_WIDTH - 3] + "..."
