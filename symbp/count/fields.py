"""Forward mode's equations counted, and written out, where conditions on indices tell the entries of a tensor apart.

An entry's value written out takes its own operations and those of the values that it reads; its tangents by all
parameters together take their own operations, the values that they read, and the tangents that they read: a linear
recurrence on the equations. What conditions on indices don't tell apart is one number, the rest one number an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symbp.count.depth import BEHIND, FIRST, LAST, MARKS, OTHER
from symbp.count.polynomial import ONE as one
from symbp.count.polynomial import ZERO as zero
from symbp.count.polynomial import Polynomial
from symbp.count.regions import Region
from symbp.count.shapes import Reading, Shapes, Unit
from symbp.count.work import MAC
from symbp.count.written import Amounts
from symbp.errors import SymbpError
from symbp.expr import Access, Index
from symbp.operations import KINDS
from symbp.program import Equation

Count = int | Polynomial
SMALL = 64  # values of an index, up to which each has a place of its own
LIMIT = 4_000_000


@dataclass(frozen=True)
class Field:
    """Numbers for every entry of a tensor. axes: of the tensor, those that they depend on.

    at: for each of them, where in `numbers` a value of the index stands: many values may share one place. numbers: by
    kind along the first axis, then by these places.
    """

    axes: tuple[Index, ...]
    at: tuple[np.ndarray, ...]
    numbers: np.ndarray

    def same(self, other: Field) -> bool:
        """Whether it has the same numbers, laid out alike."""
        return (
            self.axes == other.axes
            and all(map(np.array_equal, self.at, other.at))
            and np.array_equal(self.numbers, other.numbers)
        )


@dataclass(frozen=True)
class Term:
    """What an equation's entries take, at every place of a region: operations of a kind, or a read written out.

    free: indices that the region leaves free, over which it's summed. tangents: whether the read is one of tangents.
    """

    where: Region
    free: frozenset[Index]
    kind: str = ""
    read: Access | None = None
    tangents: bool = False


Plan = dict[Term, Polynomial]  # how often
Costs = dict[tuple[str, Region, frozenset[Index]], Polynomial]  # operations at every place of a region over indices


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
        self.computed = {e.name for e in self.shapes.listing.equations}
        self.depth = self.shapes.depth
        self.numbers = {**self.huge, **self.space.sizes, **dict.fromkeys(MARKS, 1)}
        self.equations = self.equations or self.shapes.listing.equations
        self.counted: dict[object, tuple[tuple[np.ndarray, ...], np.ndarray]] = {}
        self.plans: dict[str, tuple[Plan, Plan]] = {}
        for e in self.equations:
            self.plans[e.name] = self.value_plan(e), self.tangent_plan(e)

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
        self.numbers[MARKS[FIRST]] = 1 + more
        values, tangents = self.plans[e.name]
        self.values[e.name] = self.filled(e, values)
        self.tangents[e.name] = self.filled(e, tangents)

    def repeat(self, block: Sequence[Equation]) -> None:
        """Fills the second middle block again and again, each time from what it has just given.

        Raises SymbpError where from the block before the first middle one it doesn't give what that one has.
        """
        last = [e.name for e in block]
        before = [self.depth.earlier[name] for name in last]
        first = [self.depth.earlier[name] for name in before]
        read = self.computed & frozenset().union(*(e.value.tensors for e in block))
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
                found[new] = Field(tuple(indices[i] for i in f.axes), f.at, f.numbers)

    # ---------------------------------------------------------------------------------- what there is to do

    def value_plan(self, e: Equation) -> Plan:
        work = self.shapes.work
        where = self.space.both(work.needed.get(e.name, work.alive[e.name]), work.alive[e.name])
        return self.plan(e, Unit(e.value, where, e.target.free, one))

    def tangent_plan(self, e: Equation) -> Plan:
        out: Plan = {}
        costs = self.costs[e.name] = {}
        for unit in self.shapes.units.get(e.name, ()):
            plan = self.plan(e, unit)
            for term, n in plan.items():
                out[term] = out.get(term, zero) + n * unit.weight * unit.sign
                if term.kind:
                    key = term.kind, term.where, unit.scope.union(term.free, term.where.axes)
                    costs[key] = costs.get(key, zero) + n * unit.weight * unit.sign
        for read, where, scope in self.shapes.uses[e.name]:
            term = Term(where, self.free(e, where, scope, read), "", read, True)
            out[term] = out.get(term, zero) + 1
        return out

    def plan(self, e: Equation, unit: Unit) -> Plan:
        """What an expression takes, for every entry of the equation's target."""
        tally = Reading(self.shapes.work, e.name)
        tally.as_tree(unit.value, unit.where, unit.scope)
        out: Plan = {}
        for r in tally.records:
            if r.kind != MAC:
                term = Term(r.counted, self.free(e, r.counted, r.over, None), r.kind)
                out[term] = out.get(term, zero) + r.each
        for read, where, scope in tally.reads:
            if read.label in self.computed:
                term = Term(where, self.free(e, where, scope, read), "", read)
                out[term] = out.get(term, zero) + 1
        return out

    def free(self, e: Equation, where: Region, over: Iterable[Index], read: Access | None) -> frozenset[Index]:
        used = e.target.free if read is None else e.target.free | read.free
        return frozenset(i for i in over if i not in where.axes and i not in used)

    def forward_mode(self) -> Amounts:
        """The operations of all tangents, by kind."""
        found: dict[int, Amounts] = {}
        for place, costs in (*self.costs_by_place(self.costs).items(), *self.taken_over.items()):
            amounts = found.setdefault(place, {})
            for (kind, where, over), n in costs.items():
                amounts[kind] = amounts.get(kind, zero) + self.space.count(where, over) * n
        return self.depth.whole(found)

    def costs_by_place(self, names: Iterable[str]) -> dict[int, Costs]:
        out: dict[int, Costs] = {}
        for name in names:
            costs = out.setdefault(self.place(name), {})
            for key, n in self.costs[name].items():
                costs[key] = costs.get(key, zero) + n
        return out

    # ----------------------------------------------------------------------------------------- the numbers

    def filled(self, e: Equation, plan: Plan) -> Field:
        pieces: list[Field] = []
        for term, n in plan.items():
            times = self.plain(n * self.space.extents(term.free))
            if term.read is None:
                axes, at, numbers = self.places(e, term.where)
                apart = np.zeros((len(self.kinds), *numbers.shape), object)
                apart[self.kinds.index(term.kind)] = numbers * times
                pieces.append(Field(axes, at, apart))
            else:
                source = (self.tangents if term.tangents else self.values).get(term.read.label)
                if source is not None:
                    pieces.append(self.read(e, term.where, term.read, source, times))
        return self.added(e, pieces)

    def places(self, e: Equation, where: Region) -> tuple[tuple[Index, ...], tuple[np.ndarray, ...], np.ndarray]:
        """How many places of a region an entry of the target has: axes, at and numbers as in Field."""
        axes: tuple[Index, ...] = tuple(i for i in e.target.args if i in where.axes)
        key = where.key, axes
        if key not in self.counted:
            given, into, lengths = occurring([where.rows[:, where.axes.index(i)] for i in axes], self.lengths(axes))
            out = np.full(lengths, 0 if axes else len(where.rows))
            if axes:
                np.add.at(out, into, 1)
            at, out = shared(out, len(axes))
            self.counted[key] = tuple(a[g] for a, g in zip(at, given, strict=True)), out.astype(object)
        return axes, *self.counted[key]

    def read(self, e: Equation, where: Region, read: Access, source: Field, times: int) -> Field:
        """The numbers of what is read, added up over the places of a region that an entry of the target has."""
        at = dict(zip(self.shapes.tensors[read.label].indices, read.args, strict=True))
        args = [at[i] for i in source.axes]
        outer = [
            n for n, a in enumerate(args)
            if a in e.target.free and a not in where.axes and not any(a in b.free for m, b in enumerate(args) if m != n)
        ]  # fmt: skip
        joint = [n for n in range(len(args)) if n not in outer]
        needed = sorted({i for n in joint for i in args[n].free}, key=lambda i: (i.label, i.digest))
        summed = [i for i in read.free if i not in e.target.free and i not in where.axes and i not in needed]
        times = times * self.plain(self.space.extents(summed))
        numbers = source.numbers.transpose(*(n + 1 for n in joint), 0, *(n + 1 for n in outer))
        if not joint:
            axes, places, found = self.places(e, where)
            out = found.reshape(*found.shape, *(1 for _ in numbers.shape)) * numbers
        else:
            where = self.space.spread(where, needed)
            rows = {i: where.rows[:, n] for n, i in enumerate(where.axes)}
            steps = [source.at[n][self.space.affine(args[n], rows, len(where.rows)).astype(np.int64)] for n in joint]
            axes = tuple(i for i in e.target.args if i in where.axes)
            places, out = self.summed([rows[i] for i in axes], self.lengths(axes), steps, numbers)
        out = np.moveaxis(out, len(axes), 0)
        axes = (*axes, *(args[n] for n in outer))  # type: ignore[arg-type]
        return Field(axes, (*places, *(source.at[n] for n in outer)), out if times == 1 else out * times)

    def summed(self, into: Sequence[np.ndarray], lengths: tuple[int, ...], steps: Sequence[np.ndarray],
               numbers: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:  # fmt: skip
        """numbers[steps] of all rows, added up by the columns `into`."""
        shape = numbers.shape[: len(steps)]
        given, into, lengths = occurring(into, lengths)
        at, _, times = distinct([*into, *steps], [*lengths, *shape])
        dense = int(np.prod((*lengths, *shape), dtype=object))
        if max(lengths, default=0) > SMALL and dense <= LIMIT:
            counts = np.zeros((*lengths, *shape), np.int64)
            counts[at] = times
            found, counts = shared(counts, len(lengths))
            given = tuple(f[g] for f, g in zip(found, given, strict=True))
            rows = np.nonzero(counts)
            times, at, lengths = counts[rows], rows, counts.shape[: len(lengths)]
        each = numbers[at[len(lengths) :]]
        each = each * times.astype(object).reshape(-1, *(1 for _ in each.shape[1:]))
        if not lengths:
            return (), each.sum(0)
        out = np.zeros((*lengths, *each.shape[1:]), object)
        np.add.at(out, at[: len(lengths)], each)
        return given, out

    def added(self, e: Equation, pieces: Sequence[Field]) -> Field:
        """The sum, without an axis along which all is the same."""
        axes: tuple[Index, ...] = tuple(i for i in e.target.args if any(i in p.axes for p in pieces))  # type: ignore[misc]
        at: list[np.ndarray] = []
        of: list[dict[Index, np.ndarray]] = [{} for _ in pieces]  # piece -> axis -> its place for each of the sum's
        for i in axes:
            with_it = [n for n, p in enumerate(pieces) if i in p.axes]
            lookups = [pieces[n].at[pieces[n].axes.index(i)] for n in with_it]
            if all(a is lookups[0] or np.array_equal(a, lookups[0]) for a in lookups):
                at.append(lookups[0])
            else:
                found, inverse, _ = distinct(lookups, [int(a.max()) + 1 for a in lookups])
                at.append(inverse)
                for n, places in zip(with_it, found, strict=True):
                    of[n][i] = places
        out = np.zeros((len(self.kinds), *(int(a.max()) + 1 for a in at)), object)
        for p, moved in zip(pieces, of, strict=True):
            numbers = p.numbers
            for i, take in moved.items():
                numbers = numbers.take(take, p.axes.index(i) + 1)
            order = [0, *(p.axes.index(i) + 1 for i in axes if i in p.axes)]
            shape = [len(self.kinds), *(int(a.max()) + 1 if i in p.axes else 1 for i, a in zip(axes, at, strict=True))]
            out += numbers.transpose(order).reshape(shape)
        for n in reversed(range(len(axes))):
            first = out.take([0], n + 1)
            if np.equal(out, first).all():
                out, axes, at = first.squeeze(n + 1), axes[:n] + axes[n + 1 :], at[:n] + at[n + 1 :]
        return Field(axes, tuple(at), out)

    def lengths(self, axes: Iterable[Index]) -> tuple[int, ...]:
        return tuple(self.space.length(i) for i in axes)

    def plain(self, n: Count) -> int:
        """A number in place of the sizes in it."""
        return n if isinstance(n, int) else n.at(self.numbers).number


def distinct(
    columns: Sequence[np.ndarray], lengths: Sequence[int]
) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
    """The distinct rows of some columns, which of them each row is, and how many rows each is."""
    key = np.ravel_multi_index(tuple(columns), tuple(lengths))
    found, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
    return np.unravel_index(found, tuple(lengths)), inverse, times


def occurring(
    columns: Sequence[np.ndarray], lengths: Sequence[int]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], tuple[int, ...]]:
    """One place for all values of a long axis that don't occur: (value -> place, the columns as places, lengths)."""
    at, places, out = [], [], []
    for column, length in zip(columns, lengths, strict=True):
        if length > SMALL:
            values, column = np.unique(column, return_inverse=True)
            new = np.full(length, len(values))
            new[values] = np.arange(len(values))
            at.append(new)
            length = int(new.max()) + 1
        else:
            at.append(np.arange(length))
        places.append(column)
        out.append(length)
    return tuple(at), tuple(places), tuple(out)


def shared(numbers: np.ndarray, axes: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """One place for all values of a long axis that have the same numbers: (for each axis, value -> place; the rest)."""
    at = []
    for n in range(axes):
        if numbers.shape[n] > SMALL:
            rows = np.moveaxis(numbers, n, 0).reshape(numbers.shape[n], -1)
            _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
            at.append(inverse.reshape(-1))
            numbers = numbers.take(first, n)
        else:
            at.append(np.arange(numbers.shape[n]))
    return tuple(at), numbers
