"""The operations of tensor equations, exactly: for every entry that is needed, what isn't known to be zero.

Conditions on indices cost nothing: they decide which entries are computed. A sum counts the terms that aren't known to
be zero, an entry that nothing reads isn't counted. So the count is that of the unrolled network, where such conditions
are settled before anything is computed; it is found without unrolling, region by region (`regions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symbp.count.polynomial import Polynomial, total
from symbp.count.regions import ALL, NONE, Region, Space, arranged
from symbp.count.tensors import Tensors, is_index_mask
from symbp.expr import (
    ZERO,
    Access,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    coefficient,
    index,
    mul,
    substitute,
)
from symbp.functions import zero_of_zeros
from symbp.operations import EITHER, MINUS, PLUS, step, swappable
from symbp.program import Equation
from symbp.recurrence import Group

Amounts = dict[str, Polynomial]  # by kind; "mac": sums of products, term by term, counted among add and mul too
Operand = tuple[Expr, Region, int]
MAC = "mac"


@dataclass
class Work:
    """The work of a list of equations in a space of index values.

    share: whether a subexpression costs once, or as often as it is written. free: equations that are known to have
    nothing to do with conditions, they aren't counted again.
    """

    listing: Tensors
    space: Space
    share: bool = False
    free: frozenset[str] = frozenset()
    alive: dict[str, Region] = field(default_factory=dict)
    needed: dict[str, Region] = field(default_factory=dict)
    memo: dict[Expr, Region] = field(default_factory=dict)
    constrained: set[str] = field(default_factory=set)  # equations that have to do with conditions

    def by_equation(self) -> dict[str, Amounts]:
        """Operations of every equation by kind. What several equations share counts for the first."""
        for group in self.listing.groups:
            self.find_alive(group)
        found = self.find_needed(self.listing.groups)
        in_order = [(e.name, found[e.name]) for group in self.listing.groups for e in group.equations]
        return self.once(in_order) if self.share else {name: summed(records) for name, records in in_order}

    def find_needed(self, groups: Sequence[Group]) -> dict[str, list[Record]]:
        """What their equations take; notes what they need."""
        for name in self.listing.outputs:
            self.needed[name] = ALL
        found: dict[str, list[Record]] = {}
        for group in reversed(groups):
            found |= self.count_group(group)
        return found

    def once(self, found: list[tuple[str, list[Record]]]) -> dict[str, Amounts]:
        """The amounts by equation, equal subexpressions counted where they come first."""
        occurrences: Counter[bytes] = Counter()
        for _, records in found:
            occurrences.update(node.skeleton for node in {r.node for r in records})
        seen: dict[Expr, Region] = {}
        out: dict[str, Amounts] = {}
        for name, records in found:
            new: dict[Expr, Fraction] = {}  # the part of a node's places that isn't computed before
            for r in records:
                if r.node not in new:
                    new[r.node] = self.part(r, seen) if occurrences[r.node.skeleton] > 1 else Fraction(1)
                    if new[r.node] not in (0, 1):
                        self.constrained.add(name)
            out[name] = summed(r if new[r.node] == 1 else replace(r, amount=r.amount * new[r.node]) for r in records)
        return out

    def part(self, r: Record, seen: dict[Expr, Region]) -> Fraction:
        """The part of a node's places where no equal one is seen yet; notes that they are seen."""
        renamed = canonical_indices(r.node)
        key, where = substitute(r.node, renamed), rename_axes(r.where, renamed)
        before = seen.get(key, NONE)
        now = seen[key] = self.space.either((before, where))
        places = [self.space.count(x, key.free).at(self.space.sizes) for x in (now, before, where)]
        new = places[0] - places[1]
        return Fraction(0) if not new else new.ratio(places[2])

    # --------------------------------------------------------------------------------- where it isn't zero

    def find_alive(self, group: Group) -> None:
        """Where the entries of the group's tensors aren't known to be zero; a recurrence starts from zero."""
        if group.time is None:
            (e,) = group.equations
            self.alive[e.name] = ALL if e.name in self.free else self.not_zero(e.value)
            return
        for e in group.equations:
            self.alive[e.name] = NONE
        changed = True
        while changed:
            changed = False
            for e in group.equations:
                self.memo.clear()
                new = self.not_zero(e.value)
                changed |= not new.same(self.alive[e.name])
                self.alive[e.name] = new
        self.memo.clear()

    def not_zero(self, e: Expr) -> Region:
        """Where an expression isn't known to be zero."""
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self._not_zero(e)
        return found

    def _not_zero(self, e: Expr) -> Region:
        space = self.space
        match e:
            case Num():
                return NONE if e is ZERO else ALL
            case Access():
                inside = self.alive.get(e.label, ALL)
                return space.read(e, self.listing.tensors[e.label].indices, inside)
            case Add():
                return space.either(map(self.not_zero, e.args))
            case Mul():
                out = ALL
                for f in sorted(e.args, key=lambda f: not (is_index_mask(f))):
                    out = space.both(out, self.not_zero(f))
                return out
            case Pow() if isinstance(e.args[1], Num) and e.args[1].value > 0:
                return self.not_zero(e.args[0])
            case Reduce() if e.label == "sum":
                return space.without(self.not_zero(e.body), e.indices)
            case Call() if zero_of_zeros(e):
                return space.either(self.not_zero(a) for a in e.args if a.accesses)
            case Delta() if not e.accesses:
                return space.where(e)
            case Select():
                condition, then, other = e.args
                if condition.accesses:
                    return space.either(map(self.not_zero, (then, other)))
                branches = ((then, True), (other, False))
                return space.either(
                    space.both(space.where(condition, holds), self.not_zero(branch))
                    for branch, holds in branches
                    if branch is not ZERO
                )
        return ALL

    # ------------------------------------------------------------------------------- what it costs

    def count_group(self, group: Group) -> dict[str, list[Record]]:
        """Operations of the group's equations; what they read is noted as needed."""
        if group.time is None:
            (e,) = group.equations
            return {e.name: self.count(e)}
        while True:
            before = {e.name: self.needed.get(e.name, NONE) for e in group.equations}
            found = {e.name: self.count(e) for e in reversed(group.equations)}
            if all(self.needed.get(name, NONE).same(r) for name, r in before.items()):
                return found

    def count(self, equation: Equation) -> list[Record]:
        if equation.name in self.free:
            self.needed.update((name, ALL) for name in equation.value.tensors if name in self.alive)
            return []
        where = self.space.both(self.needed.get(equation.name, NONE), self.alive[equation.name])
        if not where.is_all:
            self.constrained.add(equation.name)
        counter = Tally(self, equation.name)
        if self.share:
            counter.as_graph(equation.value, where)
        else:
            counter.as_tree(equation.value, where, equation.target.free)
        return counter.records

    def note_read(self, equation: str, read: Access, where: Region) -> None:
        if read.label in self.alive:
            entries = self.space.entries(read, self.listing.tensors[read.label].indices, where)
            if not entries.is_all:
                self.constrained.add(equation)
            self.needed[read.label] = self.space.either((self.needed.get(read.label, NONE), entries))


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
        return Record(kind, node, places, self.size(where, at) * each, where, self.scope or at.free, each)

    def size(self, where: Region, e: Expr) -> Polynomial:
        """In how many places of a region the node is computed."""
        if not where.is_all:
            self.work.constrained.add(self.equation)
        return self.work.space.count(where, (e.free if self.scope is None else self.scope) | set(where.axes))

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
    """Operations of one kind that a node takes, in all. where: in which places it's computed.

    counted, over, each: of these the amount is made, so many at every place of a region over these indices.
    """

    kind: str
    node: Expr
    where: Region
    amount: Polynomial
    counted: Region = ALL
    over: frozenset[Index] = frozenset()
    each: int = 1


def summed(records: Iterable[Record]) -> Amounts:
    """By kind."""
    by_kind: dict[str, list[Polynomial]] = {}
    for r in records:
        by_kind.setdefault(r.kind, []).append(r.amount)
    return {kind: n for kind, amounts in by_kind.items() if (n := total(amounts))}


def canonical_indices(e: Expr) -> dict[Expr, Expr]:
    """New names for the free indices, by the order in which the expression reads them."""
    found: dict[Expr, Expr] = {}

    def visit(node: Expr, bound: frozenset[Expr]) -> None:
        if isinstance(node, Index):
            if node not in bound and node not in found:
                found[node] = index(f"{len(found)}", node.size)
            return
        if isinstance(node, Reduce):
            bound = bound.union(node.indices)
        for a in node.args:
            visit(a, bound)

    visit(e, frozenset())
    return found


def rename_axes(r: Region, names: Mapping[Expr, Expr]) -> Region:
    """The region over renamed indices."""
    return arranged(tuple(names[i] for i in r.axes), r.rows) if r.axes else r  # type: ignore[misc]


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


