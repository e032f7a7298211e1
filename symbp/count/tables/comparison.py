"""All strategies of a network at given sizes, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from symbp.count.ledger import COMPUTED, STRATEGIES, Ledger
from symbp.count.neurons.materialised import ENTRIES_LIMIT, EXPANDED_LIMIT, Materialised
from symbp.count.neurons.repeats import Repeats, repeats
from symbp.count.recurrences.stepwise import lengths
from symbp.count.tables.counts import Counts, Row
from symbp.errors import SymbpError
from symbp.expr import Size, walk
from symbp.program import Program
from symbp.unroll import concrete_sizes

BOUND_NOTE = "<=: an upper bound, with every condition on indices (a causal mask, padding) taken to hold."


def compare(program: Program, sizes: Mapping[str, int] | None = None) -> Counts:
    """Operations of every strategy for the gradient of the program's loss by all its parameters.

    sizes: values of the symbolic sizes; those that are no axis of a parameter (the batch) are 1 unless given. A
    strategy that can't be counted says so. Raises SymbpError for a program without a loss or parameters, or a size
    without a value.
    """
    Ledger(program)  # refuses what has no gradient
    concrete = known_sizes(program, sizes)
    ledger, neurons = Ledger(program, concrete), Materialised(program, concrete)
    rows = tuple(row(ledger, neurons, s) for s in STRATEGIES)
    found = rows[STRATEGIES.index("expanded")]
    notes = []
    labels = [t.name for t in program.tensors.values() if t.dtype == "int"]
    if labels:
        notes.append(f"Counted for {', '.join(labels)} = 0: a label picks entries, which costs nothing.")
    if ledger.unused:
        notes.append(f"The loss doesn't depend on {', '.join(ledger.unused)}: the gradient is 0 without an operation.")
    for name in sorted(lengths(program)):
        if concrete[name] == 1 and name not in (sizes or {}):
            notes.append(f"{name} = 1 is a single step: --set {name}=20 counts a sequence, --formula any length.")
    if not all(r.exact for r in rows):
        notes.append(BOUND_NOTE)
    loss = ledger.expanded_loss
    return Counts(
        program.title, ledger.parameters.number, concrete, rows, None if loss is None else loss.number,
        repeated(ledger, neurons, found), tuple(notes),
    )  # fmt: skip


def known_sizes(program: Program, sizes: Mapping[str, int] | None) -> dict[str, int]:
    """A value for every symbolic size: 1 unless given for those that are no axis of a parameter."""
    open_ones = {n.label for t in program.parameters for s in t.shape for n in walk(s) if isinstance(n, Size)}
    missing = [name for name in program.size_names if name in open_ones and name not in (sizes or {})]
    if missing:
        given = ",".join(f"{name}=64" for name in missing)
        raise SymbpError(
            f"how many parameters {program.title} has depends on {', '.join(missing)}: --set {given} counts them at a "
            "size, `symbp count --formula` in closed form"
        )
    return concrete_sizes(program, sizes)


def row(ledger: Ledger, neurons: Materialised, strategy: str) -> Row:
    """A strategy's row; small networks are unrolled where the tensor level has no more than a bound."""
    account = ledger[strategy]
    operations = None if account.operations is None else {k: n.number for k, n in account.operations.items()}
    exact, why = account.exact, account.why
    if (operations is None or not exact) and ledger.entries.number <= ENTRIES_LIMIT:
        try:
            operations, exact = dict(+neurons.operations(strategy)), True
        except SymbpError:
            pass
    macs, moved = (None if n is None else n.number for n in (account.macs, account.moved))
    return Row(
        strategy, COMPUTED[strategy], ledger.numbers(strategy).number, operations, why if operations is None else "",
        exact, macs, moved,
    )  # fmt: skip


def repeated(ledger: Ledger, neurons: Materialised, found: Row) -> Repeats | None:
    """The repeated work of the expanded gradients, where SymPy writes them out soon enough."""
    loss = ledger.expanded_loss
    if found.operations is None or loss is None or loss.number * neurons.parameters > EXPANDED_LIMIT:
        return None
    try:
        expanded = neurons.listing("expanded").equations
    except SymbpError:  # SymPy can't
        return None
    return repeats([e.value for e in expanded], neurons.listing("reverse"))


