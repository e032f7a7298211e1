"""Several networks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbp.count.ledger import Ledger
from symbp.count.table import Cell, Table, shown
from symbp.program import Program
from symbp.unroll import concrete_sizes

SHORT = 10**7  # numbers from here on are shown as 1.28e34


def side_by_side(programs: Sequence[Program], sizes: Mapping[str, int] | None = None) -> Table:
    """A row a network. sizes: taken where a network has a size of that name."""
    rows: list[list[Cell]] = []
    for program in programs:
        own = {name: n for name, n in (sizes or {}).items() if name in program.size_names}
        ledger = Ledger(program, concrete_sizes(program, own))
        found = {s: ledger[s] for s in ("forward", "reverse + CSE", "one-sided differences", "expanded")}
        forward, best, differences, expanded = (None if a.total is None else a.total.number for a in found.values())
        flops, macs = found["reverse + CSE"].flops, found["reverse + CSE"].macs
        rows.append([
            program.title, ledger.parameters.number, forward, best,
            None if not forward or best is None else round(best / forward, 2),
            differences, ("" if found["expanded"].exact else "<= ") + shown(expanded, SHORT), None if flops is None else flops.number, None if macs is None else macs.number,
        ])  # fmt: skip
    header = ["network", "parameters", "forward", "with CSE", "ratio", "one-sided", "expanded", "FLOPs", "MACs"]
    notes = [
        "Operations of one forward pass, of the gradient by reverse + CSE, the ratio of these two, one-sided differences, "
        "and the gradients expanded (<=: at most). FLOPs and multiply-accumulates: of reverse + CSE."
    ]
    return Table("operations", header, rows, notes, long=SHORT)
