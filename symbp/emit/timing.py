"""Time follows the count: the strategies emitted over single numbers, run, and timed beside their operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from symbp.count.neurons.materialised import Materialised
from symbp.count.tables.comparison import compare
from symbp.count.tables.counts import Counts
from symbp.count.tables.parts import at
from symbp.count.tables.table import Cell, Table
from symbp.emit.run import load_module
from symbp.emit.scalars import function_name, given, scalar_module
from symbp.errors import SymbpError
from symbp.program import Program

TIMED = ("forward", "expanded", "forward mode", "reverse", "reverse + CSE")
ROUNDS = 7  # the fastest counts
LARGEST = 200_000  # operations of a strategy that is written out
OPERATIONS = 200_000  # done in a round, some 5 ms


def timed(program: Program, sizes: Mapping[str, int] | None = None) -> Table:
    """A row a strategy: operations and microseconds, each also in forward passes.

    Raises SymbpError for a network that is too large to be written out in single numbers.
    """
    counts = compare(program, sizes)
    taken = microseconds(program, counts)
    rows: list[list[Cell]] = []
    for strategy in TIMED:
        row, ratio, took = counts[strategy], counts.ratio(strategy), taken[strategy]
        rows.append([strategy, row.total, None if ratio is None else float(ratio), took, took / taken["forward"]])
    return Table(
        f"{program.title}: {counts.parameters:,} parameters{at(counts.sizes)}",
        ["strategy", "operations", "x forward", "microseconds", "x forward in time"],
        rows,
        ["Each strategy as a Python function over single numbers, which does the operations that are counted. "
         f"Processor time on this machine, the fastest of {ROUNDS} rounds."],
    )  # fmt: skip


def microseconds(program: Program, counts: Counts) -> dict[str, float]:
    """Processor time of one call of each strategy's function, at random numbers."""
    for s in TIMED:
        if counts[s].total is None or not counts[s].exact or (counts[s].total or 0) > LARGEST:
            most = f"{LARGEST:,} operations are the most"
            raise SymbpError(f"{program.title}: {s} can't be written out in single numbers and timed: {most}")
    built = Materialised(program, counts.sizes)
    module = load_module(scalar_module(built, TIMED), "strategies")
    values = np.random.default_rng(0).uniform(0.1, 0.9, len(given(built.listing("forward")))).tolist()
    calls: dict[str, tuple[Callable[..., object], int]] = {}
    for s in TIMED:
        calls[s] = getattr(module, function_name(s)), max(1, OPERATIONS // max(1, counts[s].total or 0))
    best = dict.fromkeys(TIMED, float("inf"))
    for _ in range(ROUNDS):  # in turn, so that what else the machine does meets all of them
        for s, (function, times) in calls.items():
            start = time.process_time_ns()
            for _ in range(times):
                function(*values)
            best[s] = min(best[s], (time.process_time_ns() - start) / times / 1000)
    return best
