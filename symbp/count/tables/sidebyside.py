"""Several networks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbp.count.ledger import Ledger
from symbp.count.tables.comparison import known_sizes
from symbp.count.tables.table import Cell, Table, shown
from symbp.errors import SymbpError
from symbp.program import Program

SHORT = 10**7  # numbers from here on are shown as 1.28e34


def side_by_side(programs: Sequence[Program], sizes: Mapping[str, int] | None = None) -> Table:
    """A row a network. sizes: taken where a network has a size of that name. Raises SymbpError if none has it."""
    rows: list[list[Cell]] = []
    bounds = False
    for name in sizes or {}:
        if not any(name in program.size_names for program in programs):
            known = ", ".join(dict.fromkeys(n for program in programs for n in program.size_names)) or "all fixed"
            raise SymbpError(f"none of these networks has a size {name}: their sizes are {known}")
    for program in programs:
        own = {name: n for name, n in (sizes or {}).items() if name in program.size_names}
        ledger = Ledger(program, known_sizes(program, own))
        found = [ledger[s] for s in ("forward", "reverse + CSE", "one-sided differences", "expanded")]
        forward, best, differences, expanded = (None if a.total is None else a.total.number for a in found)
        ratio = None if not forward or best is None else round(best / forward, 2)
        bounds = bounds or not found[3].exact
        written_out = ("" if found[3].exact else "<= ") + shown(expanded, SHORT)
        more = [None if n is None else n.number for n in (found[1].flops, found[1].macs)]
        rows.append(
            [program.title, ledger.parameters.number, forward, best, ratio, differences, written_out, *more]
        )
    header = ["network", "parameters", "forward", "with CSE", "ratio", "one-sided", "expanded", "FLOPs", "MACs"]
    notes = [
        "Operations of one forward pass, of the gradient by reverse + CSE, the ratio of these two, one-sided "
        f"differences, and the gradients expanded{' (<=: at most)' if bounds else ''}. FLOPs and multiply-accumulates: "
        "of reverse + CSE."
    ]
    return Table("operations", header, rows, notes, long=SHORT)
