"""Index arithmetic at one place: values of indices, and which of a condition's branches they choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod

from symbp.errors import SymbpError
from symbp.expr import TRUE, Add, Delta, Expr, Index, Mul, Num, Pow, Reduce, Select, compare, num

Place = Mapping[Expr, int]


def places(indices: Sequence[Index]) -> Iterator[tuple[int, ...]]:
    """Every tuple of values that they take."""
    return product(*(range(int(i.size.value)) for i in indices))  # type: ignore[attr-defined]


def over(e: Reduce) -> Iterator[Place]:
    """The values of a sum's or a maximum's indices, one after another."""
    return (dict(zip(e.indices, at, strict=True)) for at in places(e.indices))


def chosen(e: Select, at: Place) -> Expr:
    """The value of the two that a condition on indices chooses."""
    return e.args[1] if truth(e.args[0], at) else e.args[2]


def truth(c: Expr, at: Place) -> bool:
    """Whether a condition on indices, or a delta of them, holds."""
    if isinstance(c, Delta):
        return number(c.args[0], at) == number(c.args[1], at)
    if c.label in ("and", "or", "not"):
        inner = [truth(a, at) for a in c.args]
        return all(inner) if c.label == "and" else any(inner) if c.label == "or" else not inner[0]
    return (compare(c.label, *(num(number(a, at)) for a in c.args)) if c.args else c) is TRUE


def number(e: Expr, at: Place) -> int | Fraction:
    """The value of index arithmetic."""
    match e:
        case Num():
            return e.value
        case Index():
            return at[e]
        case Add():
            return sum(number(a, at) for a in e.args)
        case Mul():
            return prod(number(a, at) for a in e.args)
        case Pow():
            return Fraction(number(e.args[0], at)) ** int(number(e.args[1], at))
    raise SymbpError(f"{e!r} is no index arithmetic")
