"""Where the numbers of a tensor's entries stand, of which many are alike, and which of them an entry adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from symbp.expr import Index

Columns = Sequence[np.ndarray]
Places = tuple[np.ndarray, ...]
Pieces = dict[tuple[object, ...], tuple["Layout", np.ndarray]]  # numbers by the key of their layout


@dataclass(frozen=True)
class Layout:
    """axes: of a tensor, those that its numbers depend on. at: for each of them, where in the numbers a value of the
    index stands; many values may share one place."""

    axes: tuple[Index, ...]
    at: Places

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.axes, *(a.tobytes() for a in self.at)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(a.max()) + 1 for a in self.at)


@dataclass(frozen=True)
class Field:
    """Numbers for every entry of a tensor: by the places of a layout, then by kind along the last axis."""

    layout: Layout
    numbers: np.ndarray

    def same(self, other: Field) -> bool:
        """Whether it has the same numbers, laid out alike."""
        return self.layout.key == other.layout.key and np.array_equal(self.numbers, other.numbers)


@dataclass(frozen=True)
class Sum:
    """What entries add up of numbers that stand elsewhere. layout: of the entries, along the axes that matter.

    A row is a place that is read so many times; those of one entry follow each other. source: the place, along each
    axis; nothing where it's the same for all rows. first, into: the first row of each entry, and its place.
    """

    layout: Layout
    source: Places
    times: np.ndarray
    first: np.ndarray
    into: np.ndarray

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """numbers: by the places read and further axes. The sums, by the places of the entries and further axes."""
        each = numbers[self.source] if self.source else np.repeat(numbers[np.newaxis], len(self.times), 0)
        if self.factors is not None:
            each = each * self.factors.reshape(-1, *(1 for _ in each.shape[1:]))
        if len(self.first) < len(each):
            each = np.add.reduceat(each, self.first, axis=0)
        if len(self.into) < prod(self.layout.shape):
            found = np.zeros((prod(self.layout.shape), *each.shape[1:]), object)
            found[self.into] = each
            each = found
        return each.reshape(*self.layout.shape, *each.shape[1:])

    @cached_property
    def factors(self) -> np.ndarray | None:
        """The times, as Python's integers; None where all are 1."""
        return None if (self.times == 1).all() else self.times.astype(object)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many places an entry reads."""
        out = np.zeros(prod(self.layout.shape), np.int64)
        out[self.into] = np.add.reduceat(self.times, self.first)
        return out.reshape(self.layout.shape)


@dataclass(frozen=True, eq=False)
class Reading:
    """How numbers are added up for every entry that reads them. layout: of the result. order: of their axes, for
    `places`. each: how often every one counts. spreads: whether the result has more of them.
    """

    places: Sum
    layout: Layout
    order: tuple[int, ...]
    each: int
    spreads: bool

    def of(self, numbers: np.ndarray) -> np.ndarray:
        return self.places.of(numbers.transpose(self.order))


def adding_up(axes: tuple[Index, ...], into: Columns, lengths: Sequence[int], source: Columns,
              shape: Sequence[int], rows: int) -> Sum:  # fmt: skip
    """What entries `into` (along axes of these lengths) add up where each of the rows reads one place.

    Values of an axis that read the same as often, along all others, share a place.
    """
    key = flat([*into, *source], [*lengths, *shape], rows)
    _, chosen, times = np.unique(key, return_index=True, return_counts=True)
    columns, sizes, at = [c[chosen] for c in (*into, *source)], [*lengths, *shape], []
    for n, length in enumerate(lengths):
        others = flat(columns[:n] + columns[n + 1 :], sizes[:n] + sizes[n + 1 :], len(times))
        places, chosen = alike(columns[n], length, others, times)
        at.append(places)
        columns, times = [c[chosen] for c in columns], times[chosen]
        columns[n], sizes[n] = places[columns[n]], int(places.max()) + 1
    target = flat(columns[: len(axes)], sizes[: len(axes)], len(times))
    order = np.argsort(target, kind="stable")
    place, first = np.unique(target[order], return_index=True)
    return Sum(Layout(axes, tuple(at)), tuple(c[order] for c in columns[len(axes) :]), times[order], first, place)


def alike(column: np.ndarray, length: int, others: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One place for all values whose rows have the same others, as often: (value -> place, the rows of one value of
    each)."""
    order = np.lexsort((others, column))
    values, first = np.unique(column[order], return_index=True)
    at = np.full(length, -1)
    found: dict[tuple[bytes, bytes], int] = {}
    kept: list[np.ndarray] = []
    for value, start, end in zip(values.tolist(), first.tolist(), [*first[1:].tolist(), len(order)], strict=True):
        rows = order[start:end]
        place = at[value] = found.setdefault((others[rows].tobytes(), times[rows].tobytes()), len(found))
        if place == len(kept):
            kept.append(rows)
    at[at < 0] = len(found)
    return at, np.concatenate(kept)


def flat(columns: Columns, lengths: Sequence[int], rows: int) -> np.ndarray:
    """Rows as single numbers."""
    return np.ravel_multi_index(tuple(columns), tuple(lengths)) if columns else np.zeros(rows, np.int64)


def joined(layouts: Sequence[Layout], axes: Sequence[Index]) -> tuple[Layout, list[dict[int, np.ndarray]]]:
    """A layout for the sum of numbers of these; and for each, by axis, which of its places the new ones are, where
    they aren't the same. axes: in their order."""
    used = tuple(i for i in axes if any(i in x.axes for x in layouts))
    at = []
    moved: list[dict[int, np.ndarray]] = [{} for _ in layouts]
    for i in used:
        lookups = {n: x.at[x.axes.index(i)] for n, x in enumerate(layouts) if i in x.axes}
        place = next(iter(lookups.values()))
        for lookup in lookups.values():
            if not np.array_equal(place, lookup):
                place = np.unique(place * (int(lookup.max()) + 1) + lookup, return_inverse=True)[1]
        _, first = np.unique(place, return_index=True)
        at.append(place)
        for n, lookup in lookups.items():
            if not np.array_equal(place, lookup):
                moved[n][layouts[n].axes.index(i)] = lookup[first]
    return Layout(used, tuple(at)), moved


def put(pieces: Pieces, layout: Layout, numbers: np.ndarray) -> None:
    """Adds numbers to those that are laid out alike."""
    known = pieces.get(layout.key)
    pieces[layout.key] = layout, numbers if known is None else known[1] + numbers


def multiplied(numbers: np.ndarray, n: int) -> np.ndarray:
    return numbers if n == 1 else numbers * n
