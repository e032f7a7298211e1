"""One account of a derivation's quantities: shape, cost, what reuse saves, and the lines of code.

The derivation shows adjoints that the simplified program, whose operations are counted and whose lines are emitted, has
written out inside of another equation. The tensors that both have bear the same names and hold the same values; for the
others the account says inside of which one they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from symbp.count import Ledger
from symbp.count.algebra.polynomial import ZERO, Polynomial, total
from symbp.count.equations.closed import closed_forms
from symbp.count.equations.tally import MAC
from symbp.count.equations.tensors import Tensors, tensor_listing
from symbp.errors import SymbpError
from symbp.gradient import gradient
from symbp.lower import Loop, Lowered, Statement, lower
from symbp.program import Equation, Program, Tensor, shape_text
from symbp.recurrence import leading_to
from symbp.show.derivation import Derivation
from symbp.unroll import concrete_sizes

EXPANDED_LIMIT = 1000  # parameters times equations, up to which each gradient's expansion is counted


@dataclass(frozen=True)
class Entry:
    """What is known of one tensor beside its formula.

    shape: as text. operations: of computing it and the helpers that nothing shown has computed before, in the sizes
    that have no value; None where it's computed inside of another tensor's equation. saves: operations of the backward
    quantities that it reuses, which would have to be done again. code: the lines that compute it, those of its helpers
    first. within: the tensor inside of whose equation it is computed, "" for its own. expanded: of a gradient, its
    operations written out down to inputs and parameters; exact: False where these are an upper bound.
    """

    name: str
    shape: str
    operations: Polynomial | None
    saves: Polynomial | None
    code: tuple[str, ...]
    within: str = ""
    expanded: Polynomial | None = None
    exact: bool = True


@dataclass(frozen=True)
class Account:
    """sizes: the values taken for symbolic ones, the others being 2 or more. entries: by tensor. operations: in all, as
    `symbp count` has for reverse + CSE; other: those of tensors that aren't shown.
    """

    sizes: Mapping[str, int]
    entries: Mapping[str, Entry]
    operations: Polynomial
    other: Polynomial


def account(program: Program, shown: Derivation, sizes: Mapping[str, int] | None = None) -> Account:
    """The account of every tensor of a derivation by reverse accumulation, the forward ones included.

    program: what it is a derivation of. sizes: values of symbolic sizes; at neuron level those of the batch are 1
    unless given, else what has no value stays a letter. Raises SymbpError for a derivation by another method.
    """
    if shown.method != "reverse":
        raise SymbpError(f"an account of costs and code is there for method reverse, not for {shown.method}")
    names = _shown(shown)
    assert shown.names is not None
    wrt = list(dict.fromkeys(shown.names.derivatives[names[f.name].name].wrt for f in shown.summary))
    backward = gradient(program, wrt)
    concrete = concrete_sizes(program, sizes) if shown.level == "neuron" else dict(sizes or {})
    try:
        listing, work = _work(backward, concrete)
    except SymbpError:  # amounts that follow no polynomial
        concrete = concrete_sizes(program, sizes)
        listing, work = _work(backward, concrete)
    loss = leading_to(listing.equations, (str(program.loss),))
    tensors = {t.name: t for t in names.values()}
    owners = _owners(((e.name, e.value.tensors) for e in backward.equations), set(tensors))
    costs: dict[str, Polynomial] = {}
    for name, n in work.items():
        owner = owners.get(name, "")
        costs[owner] = costs.get(owner, ZERO) + n
    code = _code(lower(backward), set(tensors))
    expanded = _expanded(program, wrt, concrete)
    gradients = {n: p.wrt for n, p in shown.names.derivatives.items() if p.of == program.loss}
    computed = {e.name for e in backward.equations}
    entries = {}
    for name, tensor in tensors.items():
        shape = shape_text(tensor)
        if name in computed:
            before = leading_to(listing.equations, (name,)) - loss - {name}
            saves = total(work[e] for e in before if owners.get(e) != name)
            known, exact = expanded.get(gradients.get(name, ""), (None, True))
            entries[name] = Entry(
                name, shape, costs.get(name, ZERO), saves, code.get(name, ()), "", known, exact
            )  # fmt: skip
        elif tensor.role == "computed":
            within = _within(shown, tensor, backward.equations)
            entries[name] = Entry(name, shape, None, None, code.get(within, ()), within)
        else:
            entries[name] = Entry(name, shape, ZERO, ZERO, ())
    return Account(concrete, entries, total(work.values()), costs.get("", ZERO))


def _work(backward: Program, sizes: Mapping[str, int]) -> tuple[Tensors, dict[str, Polynomial]]:
    """The equations as they are counted, and the operations of each."""
    listing = tensor_listing(backward, sizes)
    found = closed_forms(listing, share=True)
    return listing, {e: total(n for kind, n in amounts.items() if kind != MAC) for e, amounts in found.items()}


def _shown(d: Derivation) -> dict[str, Tensor]:
    """The tensor that each shown tensor or entry belongs to."""
    assert d.names is not None
    out: dict[str, Tensor] = {}
    for name, t in {**d.program.tensors, **{f.name: d.names.tensors[f.name] for f in d.definitions}}.items():
        out[name] = d.names.tensors[t.entry[0]] if t.entry else t
    return out


def _owners(order: Iterable[tuple[str, Iterable[str]]], shown: set[str]) -> dict[str, str]:
    """Tensor -> the shown one that it is computed for: itself, or the first that reads it; "" where there's none."""
    first: dict[str, str] = {}
    done = [(name, set(reads)) for name, reads in order]
    for name, reads in done:
        for r in reads:
            first.setdefault(r, name)
    out: dict[str, str] = {}
    for name, _ in reversed(done):
        seen: set[str] = set()
        at = name
        while at and at not in shown and at not in seen:
            seen.add(at)
            at = first.get(at, "")
        out[name] = at if at in shown else ""
    return out


def _code(work: Lowered, shown: set[str]) -> dict[str, tuple[str, ...]]:
    """The lines of each shown tensor, with those of helpers that it is the first to read; a loop's under its header."""
    flat: list[tuple[Statement, str]] = []
    for item in work.statements:
        if isinstance(item, Loop):
            flat += [(s, item.header) for s in item.body if isinstance(s, Statement)]
        elif isinstance(item, Statement):
            flat.append((item, ""))
    owners = _owners(((s.name, s.equation.value.tensors) for s, _ in flat), shown)
    out: dict[str, tuple[str, ...]] = {}
    headers: dict[str, str] = {}
    for s, header in flat:
        owner = owners[s.name]
        if owner:
            new = (header,) if header and headers.get(owner) != header else ()
            headers[owner] = header
            out[owner] = (*out.get(owner, ()), *new, *(f"    {line}" if header else line for line in s.lines))
    return out


def _within(shown: Derivation, tensor: Tensor, equations: Iterable[Equation]) -> str:
    """The tensor in whose equation an adjoint was written out; "" where the record doesn't tell."""
    assert shown.names is not None
    derivative = shown.names.derivatives.get(tensor.name)
    if derivative is None:
        return ""
    for e in equations:
        same = e.reason is not None and e.reason.of == derivative.of
        if same and e.reason and any(t.read.label == derivative.wrt for t in e.reason.via):
            return e.name
    return ""


def _expanded(program: Program, wrt: Iterable[str], sizes: Mapping[str, int]) -> dict[str, tuple[Polynomial, bool]]:
    """Parameter -> operations of all entries of its gradient written out, whether these are exact; for few only."""
    names = tuple(dict.fromkeys(wrt))
    if len(names) * len(program.equations) > EXPANDED_LIMIT:
        return {}
    out = {}
    for name in names:
        others = {
            n: replace(t, role="input") if t.role == "parameter" and n != name else t
            for n, t in program.tensors.items()
        }
        if others[name].role != "parameter":
            continue
        found = Ledger(replace(program, tensors=others), sizes)["expanded"]
        if found.total is not None:
            out[name] = (found.total, found.exact)
    return out
