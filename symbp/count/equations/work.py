"""The operations of tensor equations, exactly: for every entry that is needed, what isn't known to be zero.

Conditions on indices cost nothing: they decide which entries are computed. A sum counts the terms that aren't known to
be zero, an entry that nothing reads isn't counted. So the count is that of the unrolled network, where such conditions
are settled before anything is computed; it is found without unrolling, region by region (`regions`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from symbp.count.algebra.regions import ALL, NONE, Region, Space, arranged
from symbp.count.equations.tally import Record, Tally, summed
from symbp.count.equations.tensors import Tensors, is_index_mask
from symbp.count.equations.written import Amounts
from symbp.expr import ZERO, Access, Add, Call, Delta, Expr, Index, Mul, Num, Pow, Reduce, Select, index, substitute
from symbp.functions import zero_of_zeros
from symbp.program import Equation
from symbp.recurrence import Group


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
        if self.share:
            return self.once(in_order)
        return {name: summed(((r, 1) for r in records), self.space) for name, records in in_order}

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
            out[name] = summed(((r, new[r.node]) for r in records), self.space)
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
