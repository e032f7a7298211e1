"""What a computation over a longer axis says about shorter ones: entries that only read earlier ones stay as they are.

Where a condition such as u <= t lets position t read no later one, the first N positions cost the same in a sequence
of N as in any longer one. So most of a causal network is counted once, for the longest of the sizes that a closed form
is found at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from symbp.count.algebra.regions import Region, Space, arranged
from symbp.count.entrywise.fields import Fields
from symbp.count.entrywise.places import Field, Layout
from symbp.count.entrywise.plans import Costs
from symbp.count.equations.depth import OTHER
from symbp.count.gradients.shapes import Shapes
from symbp.expr import Access, Expr, Index, Num, Size, walk
from symbp.program import Equation


@dataclass(frozen=True)
class Prefix:
    """A computation at a size `name`, from which those at smaller values take over what is the same.

    names: the tensors of which this holds. least: the smallest value asked for.
    """

    fields: Fields
    name: str
    least: int
    known: dict[object, Region] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        return self.fields.space

    def names(self) -> frozenset[str]:
        """Of the tensors that are computed the same whatever the size, their entries within it."""
        listing = self.fields.shapes.listing
        kept: set[str] = set()
        computed = {e.name for e in listing.equations}
        for e in listing.equations:
            if e.value.tensors & computed <= kept and self.is_same(e):
                kept.add(e.name)
        return frozenset(kept)

    def along(self, indices: Iterable[Index]) -> list[Index]:
        """Those of this size."""
        return [i for i in indices if has_size(i, self.name)]

    def is_same(self, e: Equation) -> bool:
        if any(isinstance(n, (Size, Num)) and n.label == self.name for n in outside_indices(e.value)):
            return False
        values, tangents = self.fields.plans[e.name]
        units = self.fields.shapes.units.get(e.name, ())
        if any(self.name in u.weight.sizes for u in units):
            return False
        if any(self.along(u.scope - e.target.free - set(u.where.axes)) for u in units):
            return False
        for plan in (values, tangents):
            for term in plan:
                summed = set() if term.read is None else term.read.free - e.target.free - set(term.where.axes)
                if self.along(term.free | summed) or not self.earlier(e, term.where):
                    return False
        return all(self.witnessed(e, read, where) for read, where, _ in self.fields.shapes.uses.get(e.name, ()))

    def earlier(self, e: Equation, where: Region) -> bool:
        """Whether no index of this size goes beyond those of the target."""
        own = [n for n, i in enumerate(where.axes) if i in self.along(e.target.free)]
        others = [n for n, i in enumerate(where.axes) if i in self.along(where.axes) and i not in e.target.free]
        if not others or where.empty:
            return True
        last = where.rows[:, own].max(1) if own else np.zeros(len(where.rows), np.int64)
        return bool(self.along(e.target.free)) and bool((where.rows[:, others].max(1) <= last).all())

    def witnessed(self, e: Equation, read: Access, where: Region) -> bool:
        """Whether each entry that is read is read by one no later than itself, so that it is needed at any size."""
        formals = self.fields.shapes.tensors[read.label].indices
        constrained = self.along(where.axes)
        if not constrained or where.empty:
            return True
        told = [(a, i) for a, i in zip(read.args, formals, strict=True) if a.free & set(where.axes)]
        where = self.space.spread(
            where, sorted({i for a, _ in told for i in a.free}, key=lambda i: (i.label, i.digest))
        )
        rows = {i: where.rows[:, n] for n, i in enumerate(where.axes)}
        args = [self.space.affine(a, rows, len(where.rows)).astype(np.int64) for a, _ in told]
        _, entry = np.unique(np.stack([*args, np.zeros(len(where.rows), np.int64)], 1), axis=0, return_inverse=True)
        latest = np.max([rows[i] for i in self.along(where.axes)], 0)
        own = [a for a, (_, i) in zip(args, told, strict=True) if self.along([i])]
        limit = np.maximum(np.max(own, 0) if own else 0, self.least - 1)
        entry = entry.reshape(-1)
        first = np.full(int(entry.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, entry, latest)
        return bool((first[entry] <= limit).all())

    # ------------------------------------------------------------------------------------ at a smaller size

    def cut(self, r: Region, size: int) -> Region:
        """The part of a region within a smaller size."""
        inside = [n for n, i in enumerate(r.axes) if has_size(i, self.name)]
        if not inside:
            return r
        key = r.key, size
        if key not in self.known:
            self.known[key] = arranged(r.axes, r.rows[(r.rows[:, inside] < size).all(1)])
        return self.known[key]

    def cut_field(self, f: Field, size: int) -> Field:
        """The numbers of the entries within a smaller size."""
        axes, numbers, at = f.layout.axes, f.numbers, list(f.layout.at)
        for n, i in enumerate(axes):
            if has_size(i, self.name):
                used, at[n] = np.unique(at[n][:size], return_inverse=True)
                numbers = numbers.take(used, n)
        return Field(Layout(axes, tuple(at)), numbers)

    def at(self, size: int, names: frozenset[str], costs: Mapping[int, Costs]) -> Fields | None:
        """The computation at a smaller size; None where more than those of `names` depends on it after all.

        costs: of their tangents.
        """
        whole = self.fields.shapes
        listing = whole.listing
        shapes = Shapes(listing, Space({**self.space.sizes, self.name: size}, self.space.common), whole.depth)
        left = [g for g in listing.groups if not g.names & names]
        equations = [e for e in listing.equations if e.name not in names]
        if any(self.fields.place(e.name) == OTHER for e in equations):
            return None
        read = {t.read.label for e in equations for plan in self.fields.plans[e.name] for t in plan if t.read} & names
        for name in read & whole.shapes.keys():
            shapes.shapes[name] = [replace(s, alive=self.cut(s.alive, size)) for s in whole.shapes[name]]
        shapes.start(left, {name: self.cut(whole.work.alive[name], size) for name in read}, whole)
        shapes.find_needed(equations)
        for name in {read.label for e in equations for read, _, _ in shapes.uses[e.name]} & names:
            if not self.asked(shapes, equations, name).same(self.cut(self.asked(whole, equations, name), size)):
                return None
        for e in equations:
            shapes.equation(e)
        fields = Fields(shapes, equations, self.fields.huge)
        for place, same in costs.items():
            fields.taken_over[place] = {(k, self.cut(where, size), over): n for (k, where, over), n in same.items()}
        fields.values = {name: self.cut_field(f, size) for name, f in self.fields.values.items() if name in read}
        fields.tangents = {name: self.cut_field(f, size) for name, f in self.fields.tangents.items() if name in read}
        return fields

    @staticmethod
    def asked(shapes: Shapes, by: Sequence[Equation], name: str) -> Region:
        """The entries whose tangents some equations need."""
        return shapes.space.either(
            shapes.space.entries(read, shapes.tensors[name].indices, where)
            for e in by for read, where, _ in shapes.uses[e.name] if read.label == name
        )  # fmt: skip


@cache
def has_size(i: Index, name: str) -> bool:
    """Whether an index's size depends on this one, which may be a number that is varied."""
    return any(isinstance(n, (Size, Num)) and n.label == name for n in walk(i.size))


def outside_indices(e: Expr) -> Iterator[Expr]:
    """Every node but the sizes of indices."""
    yield e
    if not isinstance(e, Index):
        for a in e.args:
            yield from outside_indices(a)
