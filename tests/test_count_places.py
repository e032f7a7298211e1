"""Numbers of entries that share places: sums of them are the sums entry by entry."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from symbp.architectures import load
from symbp.count import Ledger
from symbp.count.algebra.polynomial import Polynomial, through_points, variable
from symbp.count.algebra.rows import among
from symbp.count.entrywise import fields
from symbp.count.entrywise.places import Layout, adding_up, joined
from symbp.expr import index

A, B, C = index("a", 5), index("b", 4), index("c", 3)
LENGTHS = {A: 5, B: 4, C: 3}
HUGE = 10**40  # further than any machine number goes


def spread(layout: Layout, numbers: np.ndarray) -> np.ndarray:
    """The numbers entry by entry."""
    return numbers[np.ix_(*layout.at)] if layout.axes else numbers


@pytest.mark.parametrize("seed", range(20))
def test_what_is_read_is_added_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 60))
    t, u = random.integers(0, 5, rows), random.integers(0, 3 if seed % 2 else 4, rows)  # some values don't occur
    source = [random.integers(0, 3, rows) % (1 + seed % 3), random.integers(0, 2, rows)]
    numbers = random.integers(0, 9, (3, 2, 2)).astype(object) * HUGE
    found = adding_up((A, B), [t, u], [5, 4], source, [3, 2], rows)
    expected = np.zeros((5, 4, 2), object)
    counts = np.zeros((5, 4), int)
    for n in range(rows):
        expected[t[n], u[n]] += numbers[source[0][n], source[1][n]]
        counts[t[n], u[n]] += 1
    assert (spread(found.layout, found.of(numbers)) == expected).all()
    assert (spread(found.layout, found.counts) == counts).all()


def test_entries_that_read_alike_share_a_place() -> None:
    """A convolution of width 3 tells its borders from the inside, and the next one the entries beside these."""
    h, p = (x.reshape(-1) for x in np.indices((9, 3)))
    inside = (h + p - 1 >= 0) & (h + p - 1 < 9)
    h, p = h[inside], p[inside]
    first = adding_up((A,), [h], [9], [], [], len(h)).layout
    assert first.at[0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    second = adding_up((A,), [h], [9], [first.at[0][h + p - 1]], first.shape, len(h)).layout
    assert second.at[0].tolist() == [0, 1, 2, 2, 2, 2, 2, 1, 0]


def test_what_reads_nothing_has_nothing() -> None:
    found = adding_up((), [], [], [np.array([1, 1])], [2], 2)
    assert found.of(np.array([[3], [HUGE]], object)).tolist() == [2 * HUGE]


@pytest.mark.parametrize("seed", range(10))
def test_layouts_together(seed: int) -> None:
    random = np.random.default_rng(seed)
    layouts = []
    for axes in ((A, B), (B,), (A, B, C), (A,), (C, A)):
        at = (np.unique(random.integers(0, 3, LENGTHS[i]), return_inverse=True)[1] for i in axes)
        layouts.append(Layout(axes, tuple(at)))
    layout, moved = joined(layouts, (A, B, C))
    assert layout.axes == (A, B, C)
    for own, places in zip(layouts, moved, strict=True):
        numbers = np.arange(np.prod(own.shape)).reshape(own.shape)
        taken = numbers
        for axis, place in places.items():
            taken = taken.take(place, axis)
        for entry in product(*(range(LENGTHS[i]) for i in layout.axes)):
            value = dict(zip(layout.axes, entry, strict=True))
            here = tuple(own.at[n][value[i]] for n, i in enumerate(own.axes))
            there = tuple(layout.at[layout.axes.index(i)][value[i]] for i in own.axes)
            assert numbers[here] == taken[there]


def test_through_many_points() -> None:
    n, b = variable("n"), variable("b")
    form = b * n**26 * HUGE + n**2 * b * b * 3 - n**25 * (HUGE + 1) + 7
    points = {k: form.at({"n": k}) for k in (*range(5, 30), 33, 40)}
    assert through_points("n", points) == form
    assert through_points("n", {k: (n * n - n).at({"n": k}).ratio(Polynomial({(): 2})) * b for k in range(5)}) * 2 == (
        (n * n - n) * b
    )


def test_membership() -> None:
    known = np.array([1, 4, 9])
    assert among(np.array([0, 1, 2, 9, 10, 4, -3]), known).tolist() == [False, True, False, True, False, True, False]


def test_a_further_block_finds_its_sums_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*given: object) -> object:
        nonlocal made
        made += 1
        return adding_up(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(fields, "adding_up", counted)
    seen = []
    for layers in (6, 11):
        made = 0
        ledger = Ledger(load(f"gpt:layers={layers},heads=2,width=4,context=4,vocabulary=5"))
        assert ledger.blocks is not None and ledger["expanded"].exact
        seen.append(made)
    assert seen[0] == seen[1] > 0
