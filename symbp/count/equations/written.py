"""One entry of an expression written out: its operations, and how often it reads each tensor.

Conditions on indices are taken to hold, so that all entries of a tensor cost the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from symbp.count.algebra.polynomial import ONE as one
from symbp.count.algebra.polynomial import Polynomial, as_polynomial, of_size, total
from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Delta,
    Expr,
    Index,
    Num,
    Reduce,
    Select,
    factors,
    mul,
    rebuild,
    substitute,
    sum_over,
    uncollected,
)
from symbp.operations import MINUS, PLUS, step, swappable

Amounts = dict[str, Polynomial]  # by kind


@dataclass
class Written:
    """operations: by kind. reads: tensor -> how often it is read."""

    operations: Amounts = field(default_factory=dict)
    reads: dict[str, Polynomial] = field(default_factory=dict)

    def add(self, kind: str, n: Polynomial | int) -> None:
        self.operations[kind] = self.operations.get(kind, as_polynomial(0)) + n


@cache
def written(e: Expr) -> Written:
    """An expression as it stands, for one value of its free indices."""
    out = Written()
    _write(e, PLUS, one, out)
    return out


def _write(e: Expr, sign: int, times: Polynomial, out: Written) -> None:
    if isinstance(e, Access):
        out.reads[e.label] = out.reads.get(e.label, as_polynomial(0)) + times
    elif not e.accesses:
        return
    elif isinstance(e, Reduce):
        n = times
        for i in e.indices:
            n = n * of_size(i.size)
        out.add("add" if e.label == "sum" else "compare", n - times)
        _write(e.body, PLUS, n, out)
    else:
        swapped = sign == MINUS and swappable(e)
        here = step(e, swapped)
        for kind, n_operations in here.operations:
            out.add(kind, times * n_operations)
        for operand, wanted in here.operands:
            _write(operand, wanted, times, out)
        if swapped:
            return
    if sign == MINUS:
        out.add("neg", times)


def unconditional(e: Expr) -> Expr:
    """The expression with every condition on indices taken to hold."""
    if not e.args or isinstance(e, (Index, Access)):
        return e
    if isinstance(e, Delta) and not e.accesses:
        return ONE
    if isinstance(e, Reduce) and (picked := _picked(e)) is not None:
        return unconditional(picked)
    if isinstance(e, Select) and not e.args[0].accesses:
        kept = [unconditional(a) for a in e.args[1:] if a is not ZERO]
        return uncollected(*kept)  # of two, both: an upper bound all the same
    return rebuild(e, [a if isinstance(a, Index) else unconditional(a) for a in e.args])


def _picked(e: Reduce) -> Expr | None:
    """The term that a sum picks, where its delta fixes indices by another one of as many values: a flattened tensor.

    In place of the fixed indices it reads the other one, which is good for counting alone.
    """
    for f in factors(e.body):
        if isinstance(f, Delta):
            for i, other in (f.args, f.args[::-1]):
                fixed = [k for k in e.indices if k in other.free]
                if isinstance(i, Index) and i not in e.indices and sizes_of(fixed) == of_size(i.size):
                    rest = mul(*(g for g in factors(e.body) if g is not f))
                    left = [k for k in e.indices if k not in fixed]
                    return sum_over(substitute(rest, dict.fromkeys(fixed, i)), left)
    return None


def has_condition(e: Expr, labels: bool = True) -> bool:
    """Whether a condition on indices decides what is computed. labels: also that an index is that of a label."""
    if not e.args or isinstance(e, (Index, Access)):
        return False
    if isinstance(e, Delta):
        return labels or not any(isinstance(a, Num) for a in e.args)
    if isinstance(e, Select) and not e.args[0].accesses:
        return True
    return any(has_condition(a, labels) for a in e.args)


def sizes_of(indices: Iterable[Index]) -> Polynomial:
    """How many tuples of values the indices have."""
    out = one
    for i in indices:
        out = out * of_size(i.size)
    return out


def in_order(indices: Iterable[Index]) -> tuple[Index, ...]:
    """By name."""
    return tuple(sorted(indices, key=lambda i: i.label))


def plus(a: Mapping[str, Polynomial], b: Mapping[str, Polynomial], times: Polynomial | int = 1) -> Amounts:
    """a + times b, by kind."""
    if not b or not times:
        return dict(a)
    out = dict(a)
    for kind, n in b.items():
        out[kind] = out[kind] + n * times if kind in out else n * times
    return {k: n for k, n in out.items() if n}


def added(parts: Iterable[Amounts]) -> Amounts:
    """The sum, by kind."""
    by_kind: dict[str, list[Polynomial]] = {}
    for amounts in parts:
        for kind, n in amounts.items():
            by_kind.setdefault(kind, []).append(n)
    return {kind: n for kind, found in by_kind.items() if (n := total(found))}
