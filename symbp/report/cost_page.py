"""The cost of a network as one HTML file that opens offline: every strategy, its parts, closed forms, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log10

from markupsafe import Markup

from symbp.count.ledger import Ledger
from symbp.count.memory.footprint import Memory
from symbp.count.tables.comparison import compare
from symbp.count.tables.counts import Counts
from symbp.count.tables.parts import apart, formulas
from symbp.count.tables.table import Table, figure
from symbp.emit.templates import templates
from symbp.errors import SymbpError
from symbp.program import Program

LONG = 20  # rows from which on a table is folded
WHOLE = 10**6  # parameters up to which memory is accounted for without being asked


def cost_page(program: Program, sizes: Mapping[str, int] | None = None) -> str:
    """The page. sizes: of the symbolic ones, 1 by default. Raises SymbpError for a size that the program hasn't."""
    environment = templates(html=True)
    counts = compare(program, sizes)
    at = ", ".join(f"{name} = {value}" for name, value in counts.sizes.items())
    parts = [(heading, Markup(table.html()), len(table.rows) > LONG) for heading, table in _parts(program, counts)]
    return environment.get_template("costs.html.j2").render(
        title=program.title, parameters=f"{counts.parameters:,}", at=at,
        css=Markup(environment.get_template("derivation.css").render()),
        counts=Markup(counts._repr_html_()), summary=counts.summary(), bars=_bars(counts), parts=parts,
    )  # fmt: skip


def _parts(program: Program, counts: Counts) -> Iterator[tuple[str, Table]]:
    """Heading and table of each further view; what can't be counted for this network is left out."""
    yield "Closed forms", formulas(Ledger(program))
    for part in ("stage", "layer", "kind", "equation"):
        try:
            yield f"By {part}", apart(program, part, "reverse + CSE", counts.sizes)
        except SymbpError:
            continue
    if counts.parameters <= WHOLE:
        memory = Memory(program, counts.sizes)
        yield "Memory", memory.strategies()
        yield "Kept for the backward pass", memory.values()


def _bars(counts: Counts) -> list[tuple[str, str, float]]:
    """(strategy, operations, share of the widest bar) of every strategy that is counted, on a logarithmic scale."""
    totals = {row.strategy: row.total for row in counts if row.total}
    most = max((_log(n) for n in totals.values()), default=1.0) or 1.0
    return [(name, figure(n), 100 * _log(n) / most) for name, n in totals.items()]


def _log(n: int) -> float:
    return log10(n) if n < 10**300 else (n.bit_length() - 1) * log10(2)
