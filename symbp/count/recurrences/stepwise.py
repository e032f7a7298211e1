"""Forward mode and expansion of recurrences: counted step by step at a few lengths, and from these at any length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from symbp.count.entrywise.exact import Exact
from symbp.count.equations.closed import FIRST
from symbp.count.equations.steps import in_steps
from symbp.count.equations.tensors import tensor_listing
from symbp.count.equations.written import Amounts
from symbp.count.gradients.needs import entries_needed
from symbp.count.gradients.tangents import Tangents
from symbp.count.recurrences.sequences import Growth, grown
from symbp.errors import SymbpError
from symbp.expr import Access, Condition, Delta, Expr, Index, Size, rebuild, size, walk
from symbp.program import Program
from symbp.recurrence import groups
from symbp.unroll import fix_sizes

DIRECTLY = 300  # equations of one length that are quicker than a recurrence over the length
LENGTHS = 40  # tried, at most
LONGER = 16  # bits by which one equation can lengthen a number more than its bound says: 2^16 terms
LIMIT = 6_000  # equations written out step by step, at most

Found = tuple[Amounts, Amounts, Amounts]  # forward mode's tangents, the gradients written out, the loss written out


Grown = tuple[Amounts | Growth, Amounts | Growth, Amounts | Growth]  # the same over the number of steps


def is_recurrent(program: Program) -> bool:
    """Whether it runs step by step: then each step's tangents are other ones, those of the first being known."""
    return any(group.time is not None for group in groups(program.equations))


def lengths(program: Program) -> frozenset[str]:
    """The symbolic sizes that recurrences run along."""
    times = (group.time for group in groups(program.equations) if group.time is not None)
    return frozenset(n.label for t in times for n in walk(t.size) if isinstance(n, Size))


def stepwise(program: Program, sizes: Mapping[str, int]) -> Grown:
    """Of a network with recurrences, where some sizes are given. Raises SymbpError where it isn't counted."""
    over = sorted(lengths(program) - sizes.keys())
    known = {name: sizes[name] for name in sorted(lengths(program) & sizes.keys())}
    others = {name: n for name, n in sizes.items() if name not in known}
    steps = max(known.values(), default=0)
    if not over and (len(known) != 1 or steps * len(program.equations) <= DIRECTLY or steps < FIRST):
        return at_steps(program, sizes)
    if len(over) + (not over) > 1:
        raise SymbpError(f"recurrences along both {' and '.join(over)}: give one of them a value")
    (name,) = over or known
    tensors = ((t.name, t.role, t.dtype) for t in program.tensors.values())
    network = (*((e.target, e.value) for e in program.equations), *tensors)
    found = counted(Along(program, name, tuple(sorted(others.items())), network, bool(over)))
    if over:
        return found
    forward_mode, gradients, loss = (at_length(f, name, steps) for f in found)
    return forward_mode, gradients, loss


def at_length(found: Amounts | Growth, name: str, steps: int) -> Amounts:
    return found.at(steps) if isinstance(found, Growth) else {k: n.at({name: steps}) for k, n in found.items()}


@dataclass(frozen=True)
class Along:
    """A network over the size `name` with the others given; equal, so counted once, where what is counted is.

    is_open: whether the size is asked for as a symbol: 2/(3 T) is a constant that no one folds, 2/(3 100) is 1/150.
    """

    program: Program = field(compare=False, repr=False)
    name: str
    others: tuple[tuple[str, int], ...]
    network: tuple[object, ...]
    is_open: bool


@lru_cache(maxsize=32)
def counted(of: Along) -> Grown:
    name, others = of.name, dict(of.others)
    program = with_open_constants(of.program, name) if of.is_open else of.program
    points: list[dict[int, Amounts]] = [{}, {}, {}]
    found: list[Amounts | Growth | None] = [None, None, None]
    what = ("forward mode", "the expanded gradients", "the expanded loss")
    for n in range(FIRST, FIRST + LENGTHS):
        for k, amounts in enumerate(at_steps(program, {**others, name: n})):
            points[k][n] = amounts
            found[k] = found[k] or grown(name, points[k], what[k])
        forward_mode, gradients, loss = found
        if forward_mode is not None and gradients is not None and loss is not None:
            return forward_mode, gradients, loss
    raise SymbpError(f"its growth over {name} follows no recurrence of an order below {LENGTHS // 2}")


def with_open_constants(program: Program, name: str) -> Program:
    """The program with another size in place of this one wherever it is a factor, not the length of an axis."""

    def renamed(e: Expr) -> Expr:
        if isinstance(e, Size):
            return size(f"{name} steps") if e.label == name else e
        if not e.args or isinstance(e, (Index, Access, Condition, Delta)):
            return e
        return rebuild(e, [renamed(a) for a in e.args])

    return program.with_(replace(e, value=renamed(e.value), reason=None) for e in program.equations)


def at_steps(program: Program, sizes: Mapping[str, int]) -> Found:
    """At a number of steps. Raises SymbpError where these are too many."""
    written, sums = in_steps(fix_sizes(program, sizes), LIMIT)
    listing = replace(tensor_listing(written), sums=sums)
    bound = Tangents(listing, entries_needed(listing)).run()
    loss = str(program.loss)
    if bound.exact:
        return bound.forward_mode, bound.tangent.get(loss, {}), bound.value[loss]
    return Exact(listing, loss, bound, longer=LONGER * len(listing.equations)).forms()
