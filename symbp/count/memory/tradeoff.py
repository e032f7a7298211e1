"""Recomputation against storage: what a smaller peak costs in operations done twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symbp.count.algebra.polynomial import total
from symbp.count.equations.tally import MAC
from symbp.count.memory.footprint import STRATEGIES, Memory
from symbp.count.tables.sweep import values_of, written
from symbp.count.tables.table import Cell, Table, figure
from symbp.errors import SymbpError
from symbp.program import Program
from symbp.schedule import Plan, Planner

POINTS = 8  # on the curve
SHORT = 10**10  # bytes from here on are shown as 1.28e34
METHOD = (
    "Each value is computed at most twice. The choice is greedy, besides cuts into equal segments: good, not proved "
    "best."
)


@dataclass
class TradeOff:
    """The plans of a network's reverse + CSE at given sizes."""

    memory: Memory

    @cached_property
    def planner(self) -> Planner:
        return Planner(self.memory.ledger.simplified, self.memory.sizes, self.memory.item)

    @cached_property
    def operations(self) -> dict[str, int]:
        """Of every equation, as the ledger counts them."""
        work = self.memory.ledger.work("reverse + CSE")
        return {
            name: total(n for kind, n in amounts.items() if kind != MAC).at(self.memory.sizes).number
            for name, amounts in work.items()
        }

    def extra(self, plan: Plan) -> int:
        """Operations done twice."""
        return sum(self.operations.get(name, 0) for name in plan.again)

    def within(self, budget: int) -> Plan:
        """Raises SymbpError if no plan that is found holds the budget."""
        plan = self.planner.within(budget)
        if plan is None:
            raise SymbpError(
                f"no schedule that was found for {self.memory.program.title} keeps to {budget:,} bytes: the least "
                f"takes {self.planner.least.peak:,}"
            )
        return plan

    def sentence(self, budget: int) -> str:
        """What keeps to the budget, in words."""
        plan = self.within(budget)
        if not plan.again:
            return f"{budget:,} bytes hold everything: at most {plan.peak:,} are needed."
        return (
            f"Within {budget:,} bytes: {plan.peak:,} at most, by computing {len(plan.again)} values a second time for "
            f"{figure(self.extra(plan))} further operations ({self.share(plan)}): {', '.join(plan.again)}."
        )

    def share(self, plan: Plan) -> str:
        return f"{100 * self.extra(plan) / max(1, sum(self.operations.values())):.1f}%"

    def curve(self, budget: int | None = None) -> list[tuple[int, Plan]]:
        """(budget, plan) from everything kept down to the least peak that is found, the given budget among them."""
        most, least = self.planner.everything.peak, self.planner.least.peak
        budgets = {least + (most - least) * k // (POINTS - 1) for k in range(POINTS)}
        if budget is not None and least <= budget <= most:
            budgets.add(budget)
        found = sorted(budgets, reverse=True)
        return [(b, plan) for b, plan in zip(found, self.planner.curve(found), strict=True) if plan is not None]

    def table(self, budget: int | None = None) -> Table:
        rows: list[list[Cell]] = [
            [f"{b:,}", p.peak, self.memory.kept_bytes(p.kept), len(p.again), self.extra(p), self.share(p)]
            for b, p in self.curve(budget)
        ]
        header = ["budget, bytes", "peak", "kept", "computed twice", "further operations", "of all"]
        words = [] if budget is None else [self.sentence(budget)]
        title = f"{self.memory.heading}, recomputation against storage"
        return Table(title, header, rows, [*words, METHOD])

    def json(self, budget: int | None = None) -> list[dict[str, Any]]:
        return [
            {"budget": b, "peak": plan.peak, "computed_twice": list(plan.again), "further_operations": self.extra(plan)}
            for b, plan in self.curve(budget)
        ]


def memory_sweep(
    net: str, text: str, load: Callable[[str], Program], sizes: Mapping[str, int] | None, dtype: str
) -> Table:
    """The strategies' peaks, and the least with recomputation, for every value of a range such as "depth=1..12".

    net: its text, as in `symbp.count.tables.sweep.sweep`.
    """
    name, values = values_of(text)
    in_text = written(net, name, 1) != net
    rows: list[list[Cell]] = []
    for value in values:
        program = load(written(net, name, value)) if in_text else load(net)
        memory = Memory(program, (sizes or {}) if in_text else {**(sizes or {}), name: value}, dtype)
        trade = TradeOff(memory)
        least = trade.planner.least
        peaks: list[Cell] = [memory[s].peak for s in STRATEGIES]
        rows.append([value, *peaks, least.peak, trade.share(least)])
    header = [name, *STRATEGIES, "recomputing", "operations twice"]
    notes = ["Peaks in bytes. recomputing: the least that is found for reverse + CSE. " + METHOD]
    return Table(f"{net}: peak memory in {dtype}", header, rows, notes, long=SHORT)
