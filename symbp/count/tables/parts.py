"""A strategy taken apart: by kind, stage, layer or equation, with the share of each; and closed forms."""

from __future__ import annotations

from collections.abc import Mapping

from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.equations.written import Amounts
from symbp.count.ledger import COMPUTED, MOVED, NO_FLOP, STRATEGIES, Account, Ledger
from symbp.count.tables.comparison import known_sizes
from symbp.count.tables.counts import BYTES
from symbp.count.tables.table import Cell, Table
from symbp.errors import SymbpError
from symbp.operations import KINDS
from symbp.optimisers import OPTIMISERS
from symbp.program import Program

PARTS = ("kind", "stage", "layer", "equation", "optimizer")
SHARED = ("forward", "reverse", "reverse + CSE")  # strategies that have equations of their own
FORMULA = 60  # characters of a closed form in a table
LETTER = "E"  # what is called, in words, that only has a recurrence
LARGEST = 1_000_000  # size up to which a crossing is looked for


def apart(
    program: Program, part: str, strategy: str, sizes: Mapping[str, int] | None = None, optimizer: str = "adam"
) -> Table:
    """Operations of forward, reverse or reverse + CSE at given sizes, by one of PARTS.

    By stage, a step of an optimiser follows the gradient. By optimizer: a step of each one beside the strategy.
    Raises SymbpError for another part, strategy or optimiser.
    """
    if part not in PARTS:
        raise SymbpError(f"a count is taken apart by {', '.join(PARTS)}, not by {part}")
    if strategy not in SHARED:
        raise SymbpError(f"{strategy} has no equations of its own to take apart: choose {', '.join(SHARED)}")
    concrete = known_sizes(program, sizes)
    ledger = Ledger(program, concrete)
    title = f"{program.title}, {strategy}, by {part}{at(concrete)}"
    if part == "optimizer":
        return optimisers(ledger, strategy, f"{program.title}, a step of each optimiser{at(concrete)}")
    found = ledger.by(part, strategy)
    if part == "stage" and strategy != "forward":
        found |= {f"optimiser ({optimizer})": ledger.optimiser(optimizer)}
    whole = total(n for amounts in found.values() for n in amounts.values()).number
    if part == "kind":
        numbers = {kind: found[kind][kind].number for kind in KINDS if kind in found}
        kinds: list[list[Cell]] = [[kind, n, share(n, whole)] for kind, n in numbers.items()]
        return Table(title, ["kind", "operations", "share"], [*kinds, ["all", whole, "100.0%"]])
    used = [k for k in KINDS if any(k in amounts for amounts in found.values())]
    traffic = {name: n[MOVED].number for name, n in ledger.traffic(strategy).items()} if part == "equation" else {}
    rows: list[list[Cell]] = []
    for name, amounts in found.items():
        n = total(amounts.values()).number
        more = [f"{flops(amounts).number / (BYTES * traffic[name]):.2g}"] if part == "equation" else []
        rows.append([name, n, share(n, whole), *more, *(_number(amounts.get(k)) for k in used)])
    head = [part, "operations", "share", *(["FLOPs/byte"] if part == "equation" else []), *used]
    notes = []
    if part == "equation":
        notes.append(f"FLOPs/byte: every entry that an equation reads or writes moved once, {BYTES} bytes each.")
    if part == "layer" and "none" in found:
        notes.append("none: what belongs to no layer, as the loss.")
    return Table(title, head, rows, notes)


def optimisers(ledger: Ledger, strategy: str, title: str) -> Table:
    """A step of every optimiser: for one parameter, for all, beside what the strategy takes, and what it remembers."""
    account = ledger[strategy]
    if account.total is None:
        raise SymbpError(f"{strategy} isn't counted: {account.why}")
    rows: list[list[Cell]] = []
    used = [k for k in KINDS if any(k in o.operations for o in OPTIMISERS.values())]
    for name, o in OPTIMISERS.items():
        n = total(ledger.optimiser(name).values()).number
        memory = len(o.memory) * ledger.parameters.number
        rows.append([name, o.operations.total(), n, share(n, n + account.total.number), memory,
                     *(o.operations[k] for k in used)])  # fmt: skip
    header = ["optimiser", "a parameter", "operations", "share", "remembers", *used]
    return Table(title, header, rows, [
        f"a parameter: operations for one of the {ledger.parameters.number:,} parameters, by kind in the last columns; "
        f"share: of a step of training, beside {account.total.number:,} operations of {strategy}; remembers: numbers "
        "kept.",
        "As emitted modules do it, without clipping and, but for adamw, weight decay, which are off by default.",
    ])  # fmt: skip


def _number(n: Polynomial | None) -> int:
    return 0 if n is None else n.number


def flops(amounts: Amounts) -> Polynomial:
    """Floating-point operations."""
    return total(n for kind, n in amounts.items() if kind not in NO_FLOP)


def share(n: int, whole: int) -> str:
    return f"{100 * n / whole:.1f}%" if whole else "-"


def at(sizes: Mapping[str, int]) -> str:
    return "".join(f", {name} = {value}" for name, value in sizes.items())


def formulas(ledger: Ledger) -> Table:
    """The closed form of every strategy in the sizes that aren't given, its exponent a size, and crossings."""
    accounts = [ledger[s] for s in STRATEGIES]
    rows = [[a.strategy, _form(a), _degrees(a)] for a in accounts]
    notes = [f"{a.strategy}: not counted, {a.why}" for a in accounts if a.why]
    notes += [note for a in accounts if a.growth is not None for note in a.growth.words(LETTER)]
    if any(not a.exact for a in accounts):
        notes.append("<=: an upper bound, with every condition on indices (a causal mask, padding) taken to hold.")
    notes += crossings(accounts)
    notes.append("For sizes of 2 or more, of 5 or more where a condition on indices (t > 0, u <= t) speaks of them.")
    title = f"{ledger.program.title}: {ledger.parameters} parameters{at(ledger.sizes)}"
    return Table(title, ["strategy", "operations", "growth"], rows, notes)


def formulas_apart(ledger: Ledger, part: str, strategy: str, optimizer: str = "adam") -> Table:
    """The closed forms of one strategy by kind, stage, layer or equation; an optimiser's step behind the stages."""
    found = ledger.by(part, strategy)
    if part == "stage" and strategy != "forward":
        found |= {f"optimiser ({optimizer})": ledger.optimiser(optimizer)}
    sums = {name: Account(strategy, amounts) for name, amounts in found.items()}
    rows = [[name, _form(a), _degrees(a)] for name, a in sums.items()]
    title = f"{ledger.program.title}, {strategy}, by {part}{at(ledger.sizes)}"
    return Table(title, [part, "operations", "growth"], rows)


def formula_data(ledger: Ledger) -> dict[str, object]:
    """The closed forms in full, by strategy and kind, as text."""
    title, parameters = ledger.program.title, str(ledger.parameters)
    out: dict[str, object] = {"title": title, "parameters": parameters, "sizes": dict(ledger.sizes)}
    strategies = []
    for s in STRATEGIES:
        a = ledger[s]
        strategies.append(
            {
                "strategy": s,
                "computed": COMPUTED[s],
                "exact": a.exact,
                "operations": None if a.total is None else str(a.total),
                "leading": None if a.total is None else str(a.total.leading),
                "flops": None if a.flops is None else str(a.flops),
                "multiply_accumulates": None if a.macs is None else str(a.macs),
                "by_kind": None if a.operations is None else {k: str(n) for k, n in a.operations.items()},
                **({"why_not": a.why} if a.why else {}),
                **({"growth": a.growth.json()} if a.growth is not None else {}),
            }
        )
    out["strategies"] = strategies
    return out


def _form(a: Account) -> str | None:
    if a.growth is not None:
        return a.growth.closed_form(FORMULA) or f"{LETTER}({a.growth.size}), below"
    if a.total is None:
        return None
    text = a.total.text()
    if len(text) > FORMULA:
        terms = text.replace(" - ", " + -").split(" + ")
        kept = terms[0]
        for n, term in enumerate(terms[1:], 1):
            if len(kept) + len(term) > FORMULA - 18:
                kept += f" + ... ({len(terms) - n} more)"
                break
            kept += f" + {term}"
        text = kept.replace("+ -", "- ")
        if len(text) > FORMULA + 20:
            text = _short_numbers(a.total)
    return text if a.exact else f"<= {text}"


def _short_numbers(p: Polynomial) -> str:
    """The leading terms with their coefficients to three digits."""
    pieces = []
    for m, c in p.leading.terms.items():
        digits = str(round(c))
        sizes = "".join(f"*{name}" + (f"^{n}" if n > 1 else "") for name, n in m)
        pieces.append(f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}{sizes}")
    more = len(p.terms) - len(pieces)
    return " + ".join(pieces) + (f" + ... ({more} more)" if more else "")


def _degrees(a: Account) -> str | None:
    if a.growth is not None:
        return a.growth.order
    if a.total is None:
        return None
    found = [name + (f"^{n}" if n > 1 else "") for name in a.total.sizes if (n := a.total.degree(name))]
    return " ".join(found) or "1"


def crossings(accounts: list[Account]) -> list[str]:
    """Where one strategy gets cheaper than another as the only symbolic size grows."""
    out = []
    counted = [a for a in accounts if a.total is not None]
    sizes = sorted({name for a in counted for name in a.total.sizes})  # type: ignore[union-attr]
    if len(sizes) != 1:
        return []
    for n, a in enumerate(counted):
        for b in counted[n + 1 :]:
            assert a.total is not None and b.total is not None
            found = crossing(a.total, b.total, sizes[0])
            if found is not None:
                cheaper, other = (a, b) if (b.total - a.total).at({sizes[0]: found}).number > 0 else (b, a)
                out.append(f"{cheaper.strategy} costs less than {other.strategy} from {sizes[0]} = {found:,} on.")
    return out


def crossing(a: Polynomial, b: Polynomial, size: str) -> int | None:
    """The smallest value above 2 of a size from which on the other one of two closed forms is the smaller, or None."""
    difference = b - a

    def sign(n: int) -> int:
        value = difference.at({size: n}).number
        return (value > 0) - (value < 0)

    first = sign(2)
    low, high = 2, 4
    while sign(high) in (first, 0):
        low, high = high, high * 2
        if low > LARGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sign(middle) in (first, 0) else (low, middle)
    return high


