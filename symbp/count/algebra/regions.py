"""Sets of index values, for the conditions on indices: where an entry is known to be zero, and where it is needed.

A region constrains some indices, by the list of the tuples of values that they may take together; all others are free.
Unconstrained indices cost nothing and keep their symbolic size: the region of u <= t for sequences of length 5 holds 15
pairs, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from symbp.count.algebra.polynomial import ONE, Polynomial, of_size, variable
from symbp.count.algebra.rows import At, among, truth, values
from symbp.errors import SymbpError
from symbp.expr import Access, Add, Delta, Expr, Index, Mul, Num, Size, walk

LIMIT = 4_000_000  # tuples
Known = dict[tuple[object, ...], "Region"]


class TooLarge(SymbpError):
    """A condition holds for more tuples of indices than are written out."""


class NeedsSize(SymbpError):
    """A condition depends on a symbolic size. label: its name."""

    def __init__(self, label: str) -> None:
        super().__init__(f"a condition on indices depends on the size {label}: give it a value")
        self.label = label


@dataclass(frozen=True, eq=False)
class Region:
    """axes: the constrained indices, by name. rows: one row a tuple of their values, sorted, each once."""

    axes: tuple[Index, ...]
    rows: np.ndarray

    @cached_property
    def is_all(self) -> bool:
        return not self.axes and len(self.rows) == 1

    @cached_property
    def empty(self) -> bool:
        return not len(self.rows)

    @cached_property
    def key(self) -> tuple[object, int, bytes]:
        """What tells it from others."""
        return self.axes, len(self.rows), self.rows.tobytes()

    def same(self, other: Region) -> bool:
        return self is other or self.key == other.key


ALL = Region((), np.zeros((1, 0), np.int64))
NONE = Region((), np.zeros((0, 0), np.int64))


class Space:
    """Regions over indices whose sizes are known numbers where conditions speak of them.

    sizes: numbers for symbolic sizes, and smaller ones for numeric sizes that are counted by a closed form: a key is
    the size as text ("T", "1024"). What it has a key for counts as a variable of this name.
    """

    def __init__(self, sizes: Mapping[str, int], common: Known | None = None) -> None:
        self.sizes = dict(sizes)
        self.known: Known = {}  # results of the operations below, by what they're of
        self.common: Known = {} if common is None else common  # those that don't depend on the sizes
        self.varying: dict[Index, bool] = {}
        self.products: dict[tuple[Index, ...], Polynomial] = {}
        self.regions: dict[tuple[object, int, bytes], Region] = {}  # each region once

    def remembered(self, key: tuple[object, ...], make: Callable[[], Region], of: Sequence[Region] = ()) -> Region:
        """The result of an operation, on regions alone if they are given. Layers of one kind ask for the same again
        and again."""
        fixed = of and not any(self.varies(i) for r in of for i in r.axes)
        known = self.common if fixed else self.known
        found = known.get(key)
        if found is None:
            new = make()
            found = known[key] = self.regions.setdefault(new.key, new)
        return found

    def varies(self, i: Index) -> bool:
        """Whether the length of an index depends on the sizes."""
        found = self.varying.get(i)
        if found is None:
            found = self.varying[i] = any(n.label in self.sizes for n in walk(i.size))
        return found

    def length(self, i: Index) -> int:
        return self.value(i.size)

    def value(self, e: Expr) -> int:
        match e:
            case Num():
                return self.sizes.get(e.label, int(e.value))
            case Size():
                if e.label not in self.sizes:
                    raise NeedsSize(e.label)
                return self.sizes[e.label]
            case Add():
                return sum(map(self.value, e.args))
            case Mul():
                out = 1
                for f in e.args:
                    out *= self.value(f)
                return out
        raise SymbpError(f"{e!r} is no size")

    def extent(self, i: Index) -> Polynomial:
        """How many values an index takes that no condition speaks of."""
        return variable(i.size.label) if i.size.label in self.sizes else of_size(i.size)

    # -------------------------------------------------------------------------------------- making them

    def grid(self, indices: Sequence[Index]) -> np.ndarray:
        """All tuples of values of some indices."""
        lengths = [self.length(i) for i in indices]
        n = int(np.prod(lengths, dtype=object)) if lengths else 1
        if n > LIMIT:
            raise TooLarge(f"{n:,} tuples of indices are more than {LIMIT:,}")
        return np.indices(lengths, np.int64).reshape(len(lengths), -1).T if lengths else np.zeros((1, 0), np.int64)

    def where(self, condition: Expr, holds: bool = True) -> Region:
        """Where a condition on indices (or a Delta of them) holds, or doesn't."""
        return self.remembered(("where", condition, holds), lambda: self._where(condition, holds))

    def _where(self, condition: Expr, holds: bool = True) -> Region:
        if holds and (isinstance(condition, Delta) or condition.label == "=="):
            for i, other in (condition.args, condition.args[::-1]):
                if isinstance(i, Index) and i not in other.free:
                    return self._equal(i, other)
        axes = _sorted(condition.free)
        rows = self.grid(axes)
        found = truth(condition, {i: rows[:, n] for n, i in enumerate(axes)}, len(rows), self.value)
        return arranged(axes, rows[found if holds else ~found])

    def _equal(self, i: Index, other: Expr) -> Region:
        """Where an index equals an expression of others: one row for each of their values."""
        axes = _sorted(other.free)
        rows = self.grid(axes)
        value = self.affine(other, {j: rows[:, n] for n, j in enumerate(axes)}, len(rows))
        inside = (value >= 0) & (value < self.length(i))
        return arranged((*axes, i), np.column_stack([rows, value])[inside].astype(np.int64))

    def affine(self, e: Expr, at: At, n: int) -> np.ndarray:
        """The values of an index expression at n rows."""
        return values(e, at, n, self.value)

    # --------------------------------------------------------------------------------------- using them

    def both(self, a: Region, b: Region) -> Region:
        """The intersection."""
        if a.is_all or b.empty or a is b:
            return b
        if b.is_all or a.empty:
            return a
        return self.remembered(("both", a.key, b.key), lambda: self._both(a, b), (a, b))

    def _both(self, a: Region, b: Region) -> Region:
        if set(b.axes) - set(a.axes) and not set(a.axes) - set(b.axes):
            a, b = b, a
        shared = tuple(i for i in a.axes if i in b.axes)
        new = tuple(i for i in b.axes if i not in a.axes)
        key_a = self._key(a.rows[:, [a.axes.index(i) for i in shared]], shared)
        key_b = self._key(b.rows[:, [b.axes.index(i) for i in shared]], shared)
        if not new:
            return Region(a.axes, a.rows[among(key_a, key_b)])
        order = np.argsort(key_b, kind="stable")
        low, high = (np.searchsorted(key_b[order], key_a, side) for side in ("left", "right"))
        times = high - low
        if int(times.sum()) > LIMIT:
            raise TooLarge(f"{int(times.sum()):,} tuples of indices are more than {LIMIT:,}")
        first = np.repeat(np.arange(len(key_a)), times)
        within = np.arange(len(first)) - np.repeat(np.cumsum(times) - times, times)
        second = order[np.repeat(low, times) + within]
        columns = [a.rows[first], b.rows[second][:, [b.axes.index(i) for i in new]]]
        return arranged((*a.axes, *new), np.hstack(columns))

    def either(self, regions: Iterable[Region]) -> Region:
        """The union."""
        kept = [r for r in regions if not r.empty]
        if not kept:
            return NONE
        if any(r.is_all for r in kept):
            return ALL
        if all(r is kept[0] for r in kept):
            return kept[0]
        return self.remembered(("either", *(r.key for r in kept)), lambda: self._either(kept), kept)

    def _either(self, kept: list[Region]) -> Region:
        wide: list[Region] = []
        for r in sorted(kept, key=lambda r: len(r.axes)):  # what lies within another one needn't be written out
            if not any(set(w.axes) <= set(r.axes) and len(self.both(r, w).rows) == len(r.rows) for w in wide):
                wide.append(r)
        if len(wide) == 1:
            return wide[0]
        kept = wide
        axes = _sorted({i for r in kept for i in r.axes})
        rows = [self.spread(r, axes).rows for r in kept]
        return self._settled(arranged(axes, np.vstack(rows)))

    def _settled(self, r: Region) -> Region:
        """The region without an index that isn't constrained after all."""
        for k, i in enumerate(r.axes):
            if len(r.rows) % self.length(i) == 0:
                others = [n for n in range(len(r.axes)) if n != k]
                left = arranged(tuple(r.axes[n] for n in others), r.rows[:, others])
                if len(left.rows) * self.length(i) == len(r.rows):
                    return self._settled(left)
        return r

    def spread(self, r: Region, axes: Sequence[Index]) -> Region:
        """The region with these indices written out, too."""
        missing = tuple(i for i in axes if i not in r.axes)
        if not missing:
            return r
        free = self.grid(missing)
        if len(free) * len(r.rows) > LIMIT:
            raise TooLarge(f"{len(free) * len(r.rows):,} tuples of indices are more than {LIMIT:,}")
        rows = np.hstack([np.repeat(r.rows, len(free), 0), np.tile(free, (len(r.rows), 1))])
        return arranged((*r.axes, *missing), rows)

    def without(self, r: Region, bound: Iterable[Index]) -> Region:
        """The projection: where some value of the bound indices is inside."""
        gone = set(bound)
        if not gone.intersection(r.axes):
            return r
        return self.remembered(("without", r.key, frozenset(gone)), lambda: self._without(r, gone), (r,))

    def _without(self, r: Region, gone: set[Index]) -> Region:
        kept = [n for n, i in enumerate(r.axes) if i not in gone]
        if not kept:
            return NONE if r.empty else ALL
        return self._settled(arranged(tuple(r.axes[n] for n in kept), r.rows[:, kept]))

    def count(self, r: Region, indices: Iterable[Index]) -> Polynomial:
        """How many tuples of values of these indices are inside: they hold all that the region constrains."""
        free = frozenset(indices).difference(r.axes)
        return self.extents(free) * len(r.rows)

    def extents(self, indices: Collection[Index]) -> Polynomial:
        """How many tuples of values these indices have that no condition speaks of."""
        key = tuple(indices)
        found = self.products.get(key)
        if found is None:
            found = ONE
            for i in key:
                found = found * self.extent(i)
            self.products[key] = found
        return found

    def _key(self, rows: np.ndarray, axes: Sequence[Index]) -> np.ndarray:
        """Rows as single numbers."""
        out = np.zeros(len(rows), np.int64)
        for n, i in enumerate(axes):
            out = out * self.length(i) + rows[:, n]
        return out

    # ------------------------------------------------------------------------------- through a read of a tensor

    def read(self, read: Access, formals: Sequence[Index], inside: Region) -> Region:
        """Where a read meets this region of its tensor."""
        key = "read", read.args, tuple(formals), inside.key
        return self.remembered(key, lambda: self._read(read, formals, inside))

    def _read(self, read: Access, formals: Sequence[Index], inside: Region) -> Region:
        if inside.is_all or inside.empty:
            return inside
        table = {f: at for f, at in zip(formals, read.args, strict=True) if f in inside.axes}
        if all(isinstance(at, Index) for at in table.values()) and len(set(table.values())) == len(table):
            axes = tuple(table[f] for f in inside.axes)
            return arranged(axes, inside.rows)  # type: ignore[arg-type]
        axes = _sorted(frozenset().union(*(at.free for at in table.values())))
        rows = self.grid(axes)
        at = {i: rows[:, n] for n, i in enumerate(axes)}
        lengths = [self.length(f) for f in inside.axes]
        wanted = np.stack([self.affine(table[f], at, len(rows)) for f in inside.axes], 1)
        valid = np.all((wanted >= 0) & (wanted < lengths), 1)
        known = self._key(inside.rows, inside.axes)
        return self._settled(arranged(axes, rows[valid & among(self._key(wanted, inside.axes), known)]))

    def entries(self, read: Access, formals: Sequence[Index], where: Region) -> Region:
        """Which entries of its tensor a read takes where it's made there."""
        key = "entries", read.args, tuple(formals), where.key
        return self.remembered(key, lambda: self._entries(read, formals, where))

    def _entries(self, read: Access, formals: Sequence[Index], where: Region) -> Region:
        if where.empty:
            return NONE
        bare = [at for at in read.args if isinstance(at, Index)]
        computed = frozenset().union(*(at.free for at in read.args if not isinstance(at, Index)))
        constrained = [
            (f, at)
            for f, at in zip(formals, read.args, strict=True)
            if at not in bare or at in where.axes or at in computed or at.size is not f.size or bare.count(at) > 1
        ]
        if not constrained:
            return ALL
        needed = _sorted(frozenset().union(*(at.free for _, at in constrained)))
        spread = self.spread(self.without(where, [i for i in where.axes if i not in needed]), needed)
        at_rows = {i: spread.rows[:, n] for n, i in enumerate(spread.axes)}
        columns = [self.affine(at, at_rows, len(spread.rows)) for _, at in constrained]
        rows = np.stack(columns, 1)
        lengths = [self.length(f) for f, _ in constrained]
        rows = rows[np.all((rows >= 0) & (rows < lengths), 1)]
        return self._settled(arranged(tuple(f for f, _ in constrained), rows))


def _sorted(indices: Iterable[Index]) -> tuple[Index, ...]:
    return tuple(sorted(indices, key=lambda i: (i.label, i.digest)))


@cache
def _in_order(axes: tuple[Index, ...]) -> tuple[tuple[Index, ...], list[int]]:
    """Axes in their order, and where each comes from."""
    order = _sorted(axes)
    return order, [axes.index(i) for i in order]


def arranged(axes: tuple[Index, ...], rows: np.ndarray) -> Region:
    """Axes brought to their order, rows sorted and each once."""
    if not len(rows):
        return NONE
    if not axes:
        return ALL
    axes, order = _in_order(axes)
    rows = rows[:, order]
    key = rows[:, 0]
    for n in range(1, len(axes)):
        key = key * (int(rows[:, n].max()) + 1) + rows[:, n]
    if not (key[1:] > key[:-1]).all():
        _, first = np.unique(key, return_index=True)
        rows = rows[first]
    return Region(axes, rows)
