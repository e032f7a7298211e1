"""What `symbp count --memory` prints: the account of the mathematics, and that of the emitted modules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from symbp.count.memory.footprint import Memory
from symbp.count.memory.tradeoff import TradeOff, memory_sweep
from symbp.count.tables.table import Cell, Table
from symbp.emit.footprint import module_footprints
from symbp.errors import SymbpError
from symbp.program import Program


@dataclass(frozen=True)
class Request:
    """net: its text. by: "strategy", or "equation" for every value of one strategy. swept: a range as in depth=1..12.
    budget: bytes. emitted: count the modules too. form: "json", "csv", "latex" or None for text.
    """

    net: str
    sizes: Mapping[str, int]
    dtype: str = "float64"
    by: str = "strategy"
    strategy: str = "reverse + CSE"
    formula: bool = False
    swept: str | None = None
    budget: int | None = None
    emitted: bool = False
    form: str | None = None


def memory_report(request: Request, load: Callable[[str], Program]) -> str:
    """Raises SymbpError for what can't be counted, or a budget that no schedule found keeps to."""
    if request.by not in ("strategy", "equation"):
        raise SymbpError(f"memory is shown by strategy or by equation, not by {request.by}")
    if request.swept is not None:
        table = memory_sweep(request.net, request.swept, load, request.sizes, request.dtype)
        return _written([table], _rows(table), request.form)
    found = Memory(load(request.net), request.sizes, request.dtype)
    data = found.json()
    if request.budget is not None:
        trade = TradeOff(found)
        tables = [trade.table(request.budget)]
        data["recomputation"] = trade.json(request.budget)
    elif request.by == "equation":
        tables = [found.values(request.strategy, every=True)]
    else:
        tables = [found.strategies(request.formula), found.values(request.strategy)]
    if request.emitted:
        tables.append(_modules(found))
        data["modules"] = _rows(tables[-1])["rows"]
    return _written(tables, data, request.form)


def _modules(found: Memory) -> Table:
    rows: list[list[Cell]] = [
        [style, f.peak, f.gradients, f.line.split("  #")[0].strip()]
        for style, f in module_footprints(found.program, found.sizes, found.dtype).items()
    ]
    notes = ["Arrays that a step makes, NumPy's temporaries among them, to the byte; parameters and inputs apart."]
    return Table("emitted modules", ["style", "peak, bytes", "gradients", "most in"], rows, notes)


def _rows(table: Table) -> dict[str, Any]:
    return {"title": table.title, "rows": [dict(zip(table.header, row, strict=True)) for row in table.rows]}


def _written(tables: list[Table], data: dict[str, Any], form: str | None) -> str:
    """CSV and LaTeX hold the first table."""
    if form == "json":
        return json.dumps(data, indent=2)
    if form is not None:
        return tables[0].csv() if form == "csv" else tables[0].latex()
    return "\n\n".join(table.text() for table in tables)
