"""Forward mode's equations counted, and written out, where conditions on indices tell the entries of a tensor apart.

An entry's value written out takes its own operations and those of the values that it reads; its tangents by all
parameters together take their own operations, the values that they read, and the tangents that they read: a linear
recurrence on the equations. What conditions on indices don't tell apart is one number, the rest one number an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from symbp.count.algebra.polynomial import ZERO as zero
from symbp.count.algebra.polynomial import Coefficient, Polynomial, whole
from symbp.count.algebra.regions import Region
from symbp.count.entrywise.places import Field, Layout, Pieces, Reading, Sum, adding_up, joined, multiplied, put
from symbp.count.entrywise.plans import Costs, Own, Plan, Term, Times, tangent_plan, value_plan
from symbp.count.equations.depth import BEHIND, FIRST, LAST, MARKS, OTHER
from symbp.count.equations.written import Amounts, added
from symbp.count.gradients.shapes import Shapes
from symbp.errors import SymbpError
from symbp.expr import Access, Index
from symbp.operations import KINDS
from symbp.program import Equation

BLOCKS = MARKS[FIRST]  # how many blocks the first one stands for
EXACT = 1 << 62  # machine integers below it don't overflow when two are added


@dataclass
class Fields:
    """A forward program's values and tangents, written out.

    values, tangents: for every entry of every tensor; of the second middle block, where there are many, those of the
    last one in the middle. costs: of every equation's tangents in forward mode. taken_over: those of other equations,
    by place, found at another size.
    """

    shapes: Shapes
    equations: Sequence[Equation] = ()
    huge: Mapping[str, int] = field(default_factory=dict)
    costs: dict[str, Costs] = field(default_factory=dict)
    taken_over: dict[int, Costs] = field(default_factory=dict)
    values: dict[str, Field] = field(default_factory=dict)
    tangents: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = self.shapes.space
        self.depth = self.shapes.depth
        self.numbers = {**self.huge, **self.space.sizes, **{m: 1 for m in MARKS if m != BLOCKS}}
        self.equations = self.equations or self.shapes.listing.equations
        self.plans: dict[str, tuple[Plan, Plan]] = {}
        for e in self.equations:
            tangents, self.costs[e.name] = tangent_plan(self.shapes, e)
            self.plans[e.name] = value_plan(self.shapes, e), tangents
        self.prepared: dict[str, list[tuple[list[Own], list[tuple[Term, Times]]]]] = {}
        self.counted: dict[object, Sum] = {}
        self.readings: dict[object, Reading] = {}
        self.together: dict[object, tuple[Layout, list[dict[int, np.ndarray]]]] = {}

    def run(self, kinds: Sequence[str] | None = None) -> Fields:
        """Writes everything out. kinds: of operations that there may be."""
        used = {t.kind for plans in self.plans.values() for plan in plans for t in plan}
        self.kinds = [k for k in KINDS if k in used] if kinds is None else kinds
        places = {e.name: self.place(e.name) for e in self.equations}
        repeated = [e for e in self.equations if places[e.name] == OTHER]
        for e in self.equations:
            if places[e.name] != OTHER:
                self.fill(e, self.depth.left_out if places[e.name] in (LAST, BEHIND) else 0)
            elif e is repeated[0]:
                self.repeat(repeated)
        return self

    def place(self, name: str) -> int:
        return self.depth.place(self.shapes.tensors[name])

    def fill(self, e: Equation, more: int) -> None:
        """more: how many blocks come before it that aren't kept."""
        if e.name not in self.prepared:
            self.prepared[e.name] = [self.prepare(e, plan) for plan in self.plans[e.name]]
        values, tangents = self.prepared[e.name]
        self.values[e.name] = self.filled(e, *values, 1 + more)
        self.tangents[e.name] = self.filled(e, *tangents, 1 + more)

    def repeat(self, block: Sequence[Equation]) -> None:
        """Fills the second middle block again and again, each time from what it has just given.

        Raises SymbpError where from the block before the first middle one it doesn't give what that one has.
        """
        last = [e.name for e in block]
        before = [self.depth.earlier[name] for name in last]
        first = [self.depth.earlier[name] for name in before]
        read = self.shapes.computed & frozenset().union(*(e.value.tensors for e in block))
        if not read <= {*last, *before} or not self.values.keys() >= {*before, *first}:
            raise SymbpError("a block reads more than the one before it")
        kept = [(found, name, found[name]) for found in (self.values, self.tangents) for name in before]
        self.move(first, before)
        for n in range(-1, self.depth.left_out + 1):
            for e in block:
                self.fill(e, n)
            if n < 0:
                self.move(last, before)
                if not all(found[name].same(f) for found, name, f in kept):
                    raise SymbpError("the blocks in the middle differ")
            elif n < self.depth.left_out:
                self.move(last, before)

    def move(self, names: Sequence[str], to: Sequence[str]) -> None:
        """Has some tensors' numbers stand for those of others."""
        for name, new in zip(names, to, strict=True):
            indices = dict(zip(self.shapes.tensors[name].indices, self.shapes.tensors[new].indices, strict=True))
            for found in (self.values, self.tangents):
                f = found[name]
                found[new] = Field(Layout(tuple(indices[i] for i in f.layout.axes), f.layout.at), f.numbers)

    # ------------------------------------------------------------------------------------------ forward mode

    def forward_mode(self) -> Amounts:
        """The operations of all tangents, by kind."""
        found: dict[int, list[Amounts]] = {}
        for place, costs in (*self.costs_by_place(self.costs).items(), *self.taken_over.items()):
            amounts = ({kind: self.space.count(where, over) * n} for (kind, where, over), n in costs.items())
            found.setdefault(place, []).extend(amounts)
        return self.depth.whole({place: added(parts) for place, parts in found.items()})

    def costs_by_place(self, names: Iterable[str]) -> dict[int, Costs]:
        out: dict[int, Costs] = {}
        for name in names:
            costs = out.setdefault(self.place(name), {})
            for key, n in self.costs[name].items():
                costs[key] = costs.get(key, zero) + n
        return out

    # ----------------------------------------------------------------------------------------- the numbers

    def prepare(self, e: Equation, plan: Plan) -> tuple[list[Own], list[tuple[Term, Times]]]:
        """A plan's operations entry by entry, those of one layout together, and its reads with how often."""
        own: dict[object, list[tuple[Sum, int, Times]]] = {}
        reads = []
        for term, n in plan.items():
            times = self.times(n * self.space.extents(term.free))
            if term.read is None:
                counted = self.places(e, term.where)
                own.setdefault(counted.layout.key, []).append((counted, self.kinds.index(term.kind), times))
            else:
                reads.append((term, times))
        return [self.own(found) for found in own.values()], reads

    def own(self, found: Sequence[tuple[Sum, int, Times]]) -> Own:
        blocks = self.depth.left_out + 1
        largest = sum(int(c.counts.max()) * (abs(t.start) + abs(t.growth) * blocks) for c, _, t in found)
        layout = found[0][0].layout
        numbers = np.zeros((2, *layout.shape, len(self.kinds)), np.int64 if largest < EXACT else object)
        for counted, kind, times in found:
            counts = counted.counts.astype(numbers.dtype)
            numbers[0, ..., kind] += counts * times.start
            numbers[1, ..., kind] += counts * times.growth
        return Own(layout, *numbers)

    def filled(self, e: Equation, own: Sequence[Own], reads: Sequence[tuple[Term, Times]], blocks: int) -> Field:
        pieces = {o.layout.key: (o.layout, o.at(blocks)) for o in own}
        spread: dict[Reading, np.ndarray] = {}  # few numbers that stand for many are added up beforehand
        for term, times in reads:
            source = (self.tangents if term.tangents else self.values).get(term.read.label)  # type: ignore[union-attr]
            if source is not None:
                reading = self.reading(e, term, source.layout)
                n = times.at(blocks) * reading.each
                if reading.spreads:
                    numbers = multiplied(source.numbers, n)
                    spread[reading] = spread[reading] + numbers if reading in spread else numbers
                else:
                    put(pieces, reading.layout, multiplied(reading.of(source.numbers), n))
        for reading, numbers in spread.items():
            put(pieces, reading.layout, reading.of(numbers))
        return self.added(e, pieces)

    def places(self, e: Equation, where: Region) -> Sum:
        """How many places of a region an entry of the target has."""
        axes: tuple[Index, ...] = tuple(i for i in e.target.args if i in where.axes)
        key = where.key, axes
        if key not in self.counted:
            columns = [where.rows[:, where.axes.index(i)] for i in axes]
            self.counted[key] = adding_up(axes, columns, self.lengths(axes), (), (), len(where.rows))
        return self.counted[key]

    def reading(self, e: Equation, term: Term, source: Layout) -> Reading:
        """What it takes to add up numbers that are laid out so over the places of the term's region."""
        read, where = term.read, term.where
        assert read is not None
        key = where.key, read.args, self.shapes.tensors[read.label].indices, source.key, e.target.args
        found = self.readings.get(key)
        if found is None:
            found = self.readings[key] = self._reading(e, where, read, source)
        return found

    def _reading(self, e: Equation, where: Region, read: Access, source: Layout) -> Reading:
        at = dict(zip(self.shapes.tensors[read.label].indices, read.args, strict=True))
        args = [at[i] for i in source.axes]
        outer = [
            n for n, a in enumerate(args)
            if a in e.target.free and a not in where.axes and not any(a in b.free for m, b in enumerate(args) if m != n)
        ]  # fmt: skip
        joint = [n for n in range(len(args)) if n not in outer]
        needed = sorted({i for n in joint for i in args[n].free}, key=lambda i: (i.label, i.digest))
        summed = [i for i in read.free if i not in e.target.free and i not in where.axes and i not in needed]
        if joint:
            where = self.space.spread(where, needed)
            rows = {i: where.rows[:, n] for n, i in enumerate(where.axes)}
            steps = [source.at[n][self.space.affine(args[n], rows, len(where.rows)).astype(np.int64)] for n in joint]
            axes: tuple[Index, ...] = tuple(i for i in e.target.args if i in where.axes)
            shape = [source.shape[n] for n in joint]
            places = adding_up(axes, [rows[i] for i in axes], self.lengths(axes), steps, shape, len(where.rows))
        else:
            places = self.places(e, where)
        axes = (*places.layout.axes, *(args[n] for n in outer))  # type: ignore[arg-type]
        layout = Layout(axes, (*places.layout.at, *(source.at[n] for n in outer)))
        order, each = (*joint, *outer, len(args)), self.times(self.space.extents(summed)).start
        return Reading(places, layout, order, each, prod(source.shape) < prod(layout.shape))

    def added(self, e: Equation, pieces: Pieces) -> Field:
        """The sum, without an axis along which all is the same."""
        if not pieces:
            return Field(Layout((), ()), np.zeros(len(self.kinds), object))
        key = *pieces, e.target.args
        if key not in self.together:
            self.together[key] = joined([layout for layout, _ in pieces.values()], e.target.args)  # type: ignore[arg-type]
        layout, moved = self.together[key]
        spread = []
        for (own, numbers), places in zip(pieces.values(), moved, strict=True):
            for n, place in places.items():
                numbers = numbers.take(place, n)
            order = [own.axes.index(i) for i in layout.axes if i in own.axes]
            shape = [k if i in own.axes else 1 for i, k in zip(layout.axes, layout.shape, strict=True)]
            spread.append(numbers.transpose(*order, len(order)).reshape(*shape, len(self.kinds)))
        out, *others = sorted(spread, key=np.size)
        for numbers in others:
            out = out + numbers
        axes, at = layout.axes, layout.at
        for n in reversed(range(len(axes))):
            first = out.take([0], n)
            if np.equal(out.take([-1], n), first).all() and np.equal(out, first).all():
                out, axes, at = first.squeeze(n), axes[:n] + axes[n + 1 :], at[:n] + at[n + 1 :]
        return Field(Layout(axes, at), out)

    def lengths(self, axes: Iterable[Index]) -> tuple[int, ...]:
        return tuple(self.space.length(i) for i in axes)

    def times(self, n: Polynomial) -> Times:
        """A number in place of the sizes in it."""
        found: list[Coefficient] = [0, 0]
        for monomial, c in n.terms.items():
            blocks = 0
            for name, power in monomial:
                if name == BLOCKS:
                    blocks = power
                else:
                    c *= self.numbers[name] ** power
            if blocks > 1:
                raise SymbpError("parameters of two blocks at once have a cost")
            found[blocks] += c
        return Times(*map(whole, found))
