"""The operations of one expression, node by node: of which kind, and in which places of a region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.algebra.regions import ALL, NONE, Region, Space
from symbp.count.equations.tensors import is_index_mask
from symbp.count.equations.written import Amounts
from symbp.expr import ZERO, Access, Add, Call, Expr, Index, Mul, Reduce, Select, coefficient, mul
from symbp.operations import EITHER, MINUS, PLUS, step, swappable

if TYPE_CHECKING:
    from symbp.count.equations.work import Work

Operand = tuple[Expr, Region, int]
MAC = "mac"  # kind of the sums of products, term by term, counted among add and mul too


@dataclass
class Tally:
    """Counts one expression. scope: where it's written out, the indices of the equation and of the sums around a node:
    it is computed for each of their values. As a graph, a node is computed for the values of its own indices."""

    work: Work
    equation: str
    scope: frozenset[Index] | None = None
    records: list[Record] = field(default_factory=list)

    def add(self, kind: str, node: Expr, places: Region, where: Region, each: int = 1) -> None:
        """Notes operations of a node that is computed in some places; of this kind, at every one of a region."""
        if each and not where.empty:
            self.records.append(self.record(kind, node, places, where, node, each))

    def note_read(self, read: Access, where: Region) -> None:
        self.work.note_read(self.equation, read, where)

    def record(self, kind: str, node: Expr, places: Region, where: Region, at: Expr, each: int = 1) -> Record:
        """What is done at every place of a region where an expression is computed."""
        if not where.is_all:
            self.work.constrained.add(self.equation)
        over = (at.free if self.scope is None else self.scope).union(where.axes)
        return Record(kind, node, places, where, over, each)

    def as_tree(self, e: Expr, where: Region, scope: frozenset[Index], sign: int = PLUS) -> None:
        """The expression as it is written: a subexpression costs as often as it appears."""
        self.scope = scope
        minus = sign == MINUS
        swapped = minus and swappable(e)
        inside = self.kept(e, where)
        if minus and not swapped and e.accesses:
            self.add("neg", e, inside, inside)
        inner = scope.union(e.indices) if isinstance(e, Reduce) else scope
        for operand, there, wanted in self.one(e, inside, swapped):
            self.as_tree(operand, there, inner, wanted)

    def as_graph(self, root: Expr, where: Region) -> None:
        """Each distinct subexpression once, wherever one of those that read it needs it."""
        order: list[Expr] = []
        self._order(root, order, set())
        asked: dict[Expr, list[tuple[Region, int]]] = {root: [(where, PLUS)]}
        for e in reversed(order):
            signs = {sign for _, sign in asked.get(e, ())}
            if not signs:
                continue
            inside = self.kept(e, self.work.space.either(r for r, _ in asked[e]))
            swapped = MINUS in signs and PLUS not in signs and swappable(e)
            for operand, r, sign in self.one(e, inside, swapped):
                asked.setdefault(operand, []).append((r, sign))
            if MINUS in signs and not swapped and e.accesses:
                self.add("neg", e, inside, inside)

    def _order(self, e: Expr, order: list[Expr], seen: set[Expr]) -> None:
        if e not in seen:
            seen.add(e)
            for operand in operands(e):
                self._order(operand, order, seen)
            order.append(e)

    def kept(self, e: Expr, where: Region) -> Region:
        """Where it's needed and not known to be zero, by its own indices."""
        space = self.work.space
        inside = space.both(where, self.work.not_zero(e))
        return inside if self.scope is not None else space.without(inside, [i for i in inside.axes if i not in e.free])

    def one(self, e: Expr, where: Region, swapped: bool) -> list[Operand]:
        """Counts this node alone; returns what it's computed from."""
        space = self.work.space
        if where.empty:
            return []
        match e:
            case Access():
                self.note_read(e, where)
                return []
            case _ if not e.accesses:
                return []
            case Add():
                return self.sum(e, where, swapped)
            case Mul() if masks(e):
                rest = mul(*(f for f in e.args if not is_index_mask(f)))
                return [(rest, where, MINUS if swapped else PLUS)]
            case Reduce():
                body = space.both(where, self.work.not_zero(e.body) if e.label == "sum" else ALL)
                kind = "add" if e.label == "sum" else "compare"
                self.add(kind, e, where, where, -1)
                outside = self.scope
                self.scope = None if outside is None else outside.union(e.indices)
                each_term = self.record(kind, e, where, body, e.body)
                self.scope = outside
                self.records.append(each_term)
                if e.label == "sum" and isinstance(without_condition(e.body), Mul):
                    self.records.append(replace(each_term, kind=MAC))
                return [(e.body, body, PLUS)]
            case Select() if not e.args[0].accesses:
                return [
                    (branch, space.both(where, space.where(e.args[0], holds)), PLUS)
                    for branch, holds in ((e.args[1], True), (e.args[2], False))
                ]
        here = step(e, swapped)
        inside = where
        if isinstance(e, Call):  # of known zeros it's a known number
            inside = space.both(where, space.either(self.work.not_zero(a) for a in e.args if a.accesses))
        for kind, n in here.operations:
            self.add(kind, e, where, inside, n)
        return [(operand, inside, sign) for operand, sign in here.operands]

    def sum(self, e: Expr, where: Region, swapped: bool) -> list[Operand]:
        """Terms that aren't zero, one addition between two; constants are one term."""
        out: list[Operand] = []
        numbers = NONE
        positive: list[Region] = []
        for term in e.args:
            inside = self.work.space.both(where, self.work.not_zero(term))
            if not term.accesses:
                numbers = self.work.space.either((numbers, inside))
                continue
            number, _ = coefficient(term)
            self.add("add", e, where, inside)
            out.append((-term if number < 0 else term, inside, EITHER if (number < 0) != swapped else PLUS))
            if (number < 0) == swapped or swappable(out[-1][0]):  # one that comes out positive for nothing
                positive.append(inside)
        self.add("add", e, where, numbers)
        self.add("add", e, where, where, -1)
        first = self.work.space.both(where, self.work.space.either((numbers, *positive)))
        if not first.same(where):  # where only negative terms are left
            self.add("neg", e, where, where)
            self.add("neg", e, where, first, -1)
        return out


@dataclass(frozen=True)
class Record:
    """Operations of one kind that a node takes. where: in which places it's computed.

    counted, over, each: so many of them at every place of a region over these indices.
    """

    kind: str
    node: Expr
    where: Region
    counted: Region = ALL
    over: frozenset[Index] = frozenset()
    each: int = 1


def summed(records: Iterable[tuple[Record, Fraction | int]], space: Space) -> Amounts:
    """By kind. records: each with the part of it that counts."""
    by_kind: dict[str, list[Polynomial]] = {}
    for r, part in records:
        by_kind.setdefault(r.kind, []).append(space.count(r.counted, r.over) * (r.each * part))
    return {kind: n for kind, amounts in by_kind.items() if (n := total(amounts))}


def without_condition(e: Expr) -> Expr:
    """What a term of a sum is where a condition on indices holds."""
    if isinstance(e, Select) and not e.args[0].accesses and ZERO in e.args[1:]:
        return without_condition(next(a for a in e.args[1:] if a is not ZERO))
    return mul(*(f for f in e.args if not is_index_mask(f))) if isinstance(e, Mul) and masks(e) else e


def masks(e: Expr) -> bool:
    return any(map(is_index_mask, e.args))


def operands(e: Expr) -> tuple[Expr, ...]:
    """What a node is computed from, as `Tally.one` has it."""
    if isinstance(e, Access) or not e.accesses:
        return ()
    if isinstance(e, Add):
        return tuple(-t if coefficient(t)[0] < 0 else t for t in e.args if t.accesses or t.free)
    if isinstance(e, Mul) and masks(e):
        return (mul(*(f for f in e.args if not is_index_mask(f))),)
    if isinstance(e, Reduce):
        return (e.body,)
    if isinstance(e, Select) and not e.args[0].accesses:
        return e.args[1:]
    return tuple(o for swapped in (False, True) for o, _ in step(e, swapped and swappable(e)).operands)


