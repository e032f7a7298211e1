"""Forward mode's equations counted, and written out, where conditions on indices tell the entries of a tensor apart.

An entry's value written out takes its own operations and those of the values that it reads; its tangents by all
parameters together take their own operations, the values that they read, and the tangents that they read: a linear
recurrence on the equations. What conditions on indices don't tell apart is one number, the rest one number an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from symbp.count.polynomial import ONE as one
from symbp.count.polynomial import ZERO as zero
from symbp.count.polynomial import Polynomial
from symbp.count.regions import Region
from symbp.count.shapes import Reading, Shapes, Unit
from symbp.count.work import MAC
from symbp.count.written import Amounts
from symbp.expr import Access, Index
from symbp.operations import KINDS
from symbp.program import Equation
from symbp.recurrence import Group

Count = int | Polynomial


@dataclass(frozen=True)
class Field:
    """Numbers for every entry of a tensor. axes: of the tensor, those that they depend on; the first one is kinds."""

    axes: tuple[Index, ...]
    numbers: np.ndarray


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


@dataclass
class Fields:
    """A forward program's values and tangents, written out. forward_mode: the tangents' operations, nothing written out.

    values, tangents: for every entry of every tensor.
    """

    shapes: Shapes
    forward_mode: Amounts = field(default_factory=dict)
    values: dict[str, Field] = field(default_factory=dict)
    tangents: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = self.shapes.space
        self.computed = {e.name for e in self.shapes.listing.equations}
        self.counted: dict[object, np.ndarray] = {}
        self.plans: dict[str, tuple[Plan, Plan]] = {}
        for e in self.shapes.listing.equations:
            self.plans[e.name] = self.value_plan(e), self.tangent_plan(e)

    def run(self) -> Fields:
        """Writes everything out."""
        used = {t.kind for plans in self.plans.values() for plan in plans for t in plan}
        self.kinds = [k for k in KINDS if k in used]
        for group in self.shapes.listing.groups:
            self.group(group)
        return self

    # ---------------------------------------------------------------------------------- what there is to do

    def value_plan(self, e: Equation) -> Plan:
        work = self.shapes.work
        where = self.space.both(work.needed.get(e.name, work.alive[e.name]), work.alive[e.name])
        return self.plan(e, Unit(e.value, where, e.target.free, one))

    def tangent_plan(self, e: Equation) -> Plan:
        out: Plan = {}
        for unit in self.shapes.units.get(e.name, ()):
            plan = self.plan(e, unit)
            for term, n in plan.items():
                out[term] = out.get(term, zero) + n * unit.weight * unit.sign
            self.count(plan, unit)
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

    def count(self, plan: Plan, unit: Unit) -> None:
        """Adds a unit's operations to those of forward mode."""
        for term, n in plan.items():
            if term.kind:
                places = self.space.count(term.where, unit.scope | term.free | set(term.where.axes))
                added = places * n * unit.weight * unit.sign
                self.forward_mode[term.kind] = self.forward_mode.get(term.kind, zero) + added

    # ----------------------------------------------------------------------------------------- the numbers

    def group(self, group: Group) -> None:
        if group.time is None:
            (e,) = group.equations
            values, tangents = self.plans[e.name]
            self.values[e.name] = self.filled(e, values)
            self.tangents[e.name] = self.filled(e, tangents)
            return
        raise NotImplementedError

    def filled(self, e: Equation, plan: Plan) -> Field:
        pieces: list[tuple[tuple[Index, ...], np.ndarray]] = []
        for term, n in plan.items():
            times = self.plain(n * self.space.extents(term.free))
            if term.read is None:
                axes, numbers = self.places(e, term.where)
                apart = np.zeros((len(self.kinds), *numbers.shape), object)
                apart[self.kinds.index(term.kind)] = numbers * times
                pieces.append((axes, apart))
            else:
                source = (self.tangents if term.tangents else self.values).get(term.read.label)
                if source is not None:
                    axes, numbers = self.read(e, term, term.read, source)
                    pieces.append((axes, numbers * times if times != 1 else numbers))
        return self.added(e, pieces)

    def places(self, e: Equation, where: Region) -> tuple[tuple[Index, ...], np.ndarray]:
        """How many places of a region an entry of the target has."""
        axes = tuple(i for i in e.target.args if i in where.axes)
        key = where.key, axes
        if key not in self.counted:
            out = np.full(self.lengths(axes), 0 if axes else len(where.rows))
            if axes:
                np.add.at(out, tuple(where.rows[:, where.axes.index(i)] for i in axes), 1)
            self.counted[key] = np.asarray(out, object)
        return axes, self.counted[key]  # type: ignore[return-value]

    def read(self, e: Equation, term: Term, read: Access, source: Field) -> tuple[tuple[Index, ...], np.ndarray]:
        """The numbers of what is read, added up over the places of a region that an entry of the target has."""
        at = dict(zip(self.shapes.tensors[read.label].indices, read.args, strict=True))
        where, numbers, times = term.where, source.numbers, one
        args = [at[i] for i in source.axes]
        outer = [
            n for n, a in enumerate(args)
            if a in e.target.free and a not in where.axes and not any(a in b.free for m, b in enumerate(args) if m != n)
        ]  # fmt: skip
        joint = [n for n in range(len(args)) if n not in outer]
        needed = sorted({i for n in joint for i in args[n].free}, key=lambda i: (i.label, i.digest))
        for i in read.free:  # summed, and what is read doesn't depend on it
            if i not in e.target.free and i not in where.axes and i not in needed:
                times = times * self.space.extent(i)
        if not joint:
            numbers = numbers.transpose(0, *(n + 1 for n in outer))
            axes, found = self.places(e, where)
            numbers = found.reshape(1, *found.shape, *(1 for _ in outer)) * numbers.reshape(
                len(self.kinds), *(1 for _ in axes), *numbers.shape[1:]
            )
        else:
            where = self.space.spread(where, needed)
            rows = {i: where.rows[:, n] for n, i in enumerate(where.axes)}
            places = tuple(self.space.affine(args[n], rows, len(where.rows)).astype(np.int64) for n in joint)
            axes = tuple(i for i in e.target.args if i in where.axes)  # type: ignore[assignment]
            each = numbers.transpose(*(n + 1 for n in joint), 0, *(n + 1 for n in outer))[places]
            if axes:
                numbers = np.zeros((*self.lengths(axes), *each.shape[1:]), object)
                np.add.at(numbers, tuple(where.rows[:, where.axes.index(i)] for i in axes), each)
            else:
                numbers = each.sum(0)
            numbers = np.moveaxis(numbers, len(axes), 0)
        factor = self.plain(times)
        return (*axes, *(args[n] for n in outer)), numbers if factor == 1 else numbers * factor  # type: ignore[return-value]

    def added(self, e: Equation, pieces: Sequence[tuple[tuple[Index, ...], np.ndarray]]) -> Field:
        """The sum, without an axis along which all is the same."""
        axes = tuple(i for i in e.target.args if any(i in found for found, _ in pieces))
        out = np.zeros((len(self.kinds), *self.lengths(axes)), object)
        for found, numbers in pieces:
            order = [0, *(found.index(i) + 1 for i in axes if i in found)]
            shape = [len(self.kinds), *(self.space.length(i) if i in found else 1 for i in axes)]  # type: ignore[arg-type]
            out += numbers.transpose(order).reshape(shape)
        for n in reversed(range(len(axes))):
            first = out.take([0], n + 1)
            if np.equal(out, first).all():
                out, axes = first.squeeze(n + 1), axes[:n] + axes[n + 1 :]
        return Field(axes, out)  # type: ignore[arg-type]

    def lengths(self, axes: Iterable[Index]) -> tuple[int, ...]:
        return tuple(self.space.length(i) for i in axes)

    def plain(self, n: Count) -> Count:
        """A number, where there are no sizes in it."""
        if isinstance(n, Polynomial):
            n = n.at(self.space.sizes)
            return n if n.sizes else n.number
        return n
