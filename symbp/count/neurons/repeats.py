"""How much of the naive work is repeated: every subexpression of the expanded gradients with its occurrences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import sympy as sp

from symbp.count.neurons.scalars import Listing
from symbp.derive.repeated import outermost, written_values
from symbp.expr import Access, Expr, Mul, Num, base_exponent, coefficient, factors, occurrences
from symbp.language import to_sympy
from symbp.operations import graph_operations, step, tree_operations
from symbp.program import Equation, Tensor

SHOWN = 10
FORMULA_WIDTH = 34
HEADER = ("value", "", "computed", "operations once", "in all")


@dataclass(frozen=True)
class Repeat:
    """A value of the network and how often the expanded gradients compute it.

    tensor: whose entry it is. operations: of computing it once.
    """

    name: str
    tensor: str
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

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The most repeated values: (name, formula, times computed, operations each, operations in all).

        Entries of one tensor with the same figures stand in one row.
        """
        groups: dict[tuple[str, int, int], list[Repeat]] = {}
        for r in self.most_repeated:
            groups.setdefault((r.tensor, r.occurrences, r.operations), []).append(r)
        out = []
        for (_, times, operations), members in list(groups.items())[:SHOWN]:
            name = members[0].name if len(members) == 1 else f"{members[0].name} .. {members[-1].name}"
            each = "" if len(members) == 1 else " each"
            spent = len(members) * times * operations
            out.append((name, members[0].formula, f"{times:,}{each}", f"{operations:,}", f"{spent:,}"))
        return out

    def lines(self) -> list[str]:
        """The finding and the table as text of at most 100 columns."""
        table = [HEADER, *self.rows()]
        if len(table) == 1:
            return [self.sentence]
        widths = [max(len(cells[n]) for cells in table) for n in range(len(HEADER))]
        aligned = (
            "  ".join(c.ljust(w) if n < 2 else c.rjust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True)))
            for cells in table
        )
        return [self.sentence, "", *aligned]

    def html(self) -> str:
        """The table as HTML."""
        head = "".join(f"<th>{escape(h)}</th>" for h in HEADER)
        body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>" for cells in self.rows())
        return f"<table><tr>{head}</tr>{body}</table>"

    def json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "total": self.total,
            "distinct": self.distinct,
            "share": self.share,
            "most_repeated": [vars(r) for r in self.most_repeated],
        }


def repeats(roots: Sequence[Expr], reverse: Listing) -> Repeats:
    """What the expanded gradients compute more than once, by the names of the reverse program at neuron level."""
    times = occurrences(roots, _operands)
    label = _Labels(reverse.tensors)
    values = written_values(reverse.equations, reverse.tensors)
    found: dict[str, tuple[Expr, int]] = {}
    for equation in reverse.equations:
        value = values[equation.name]
        n = _as_part(value, times) if isinstance(value, Mul) else times.get(value, 0)
        if n > 1 and not isinstance(value, Access) and equation.name not in reverse.outputs:
            found[equation.name] = value, n
    shown = set(outermost(found, lambda value: occurrences([value], _operands)))
    repeated = [
        label.repeat(e, found[e.name][1], sum(tree_operations(found[e.name][0]).values()))
        for e in reverse.equations
        if e.name in shown
    ]
    kept = sorted((r for r in repeated if r.operations), key=lambda r: -r.occurrences)
    total = sum(sum(tree_operations(r).values()) for r in roots)
    return Repeats(total, sum(graph_operations(roots).values()), tuple(kept))


def _operands(e: Expr) -> list[Expr]:
    """What computing a node takes: of c * rest, rest."""
    return [operand for operand, _ in step(e).operands]


def _as_part(product: Expr, times: Mapping[Expr, int]) -> int:
    """How often a product occurs, alone or among the factors of a larger one."""
    wanted = dict(map(base_exponent, factors(coefficient(product)[1])))
    if len(wanted) < 2:
        return times.get(product, 0)
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

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.entries = {n: t.entry for n, t in tensors.items() if t.entry}
        self.lengths: dict[str, list[int]] = {}
        for name, at in self.entries.values():
            known = self.lengths.setdefault(name, [1] * len(at))
            self.lengths[name] = [max(a, b + 1) for a, b in zip(known, at, strict=True)]

    def repeat(self, equation: Equation, occurrences: int, operations: int) -> Repeat:
        tensor, _ = self.entries.get(equation.name, (equation.name, ()))
        return Repeat(self.name(equation.name), tensor, self.formula(equation.value), occurrences, operations)

    def name(self, name: str) -> str:
        if name not in self.entries:
            return name
        tensor, at = self.entries[name]
        lengths = self.lengths[tensor]
        written = [str(n + 1) for n, length in zip(at, lengths, strict=True) if length > 1]
        return "_".join((tensor, *written))

    def formula(self, e: Expr) -> str:
        names = {a.label: sp.Symbol(self.name(a.label), real=True) for a in e.accesses}
        text = str(to_sympy(e, names))
        return text if len(text) <= FORMULA_WIDTH else text[: FORMULA_WIDTH - 3] + "..."
