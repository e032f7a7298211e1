"""Index arithmetic and conditions on indices, evaluated at rows: at many tuples of index values at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from symbp.errors import SymbpError
from symbp.expr import Add, Condition, Delta, Expr, Index, Mul, Num, Pow, Size

At = Mapping[Index, np.ndarray]  # the values of every index, row by row
Sizes = Callable[[Expr], int]
COMPARE = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
           "!=": np.not_equal}  # fmt: skip


def truth(c: Expr, at: At, n: int, size: Sizes) -> np.ndarray:
    """Whether a condition, or a Delta, holds at each of n rows."""
    if isinstance(c, Delta):
        return values(c.args[0], at, n, size) == values(c.args[1], at, n, size)
    assert isinstance(c, Condition)
    if c.label in ("and", "or"):
        parts = [truth(a, at, n, size) for a in c.args]
        return np.logical_and.reduce(parts) if c.label == "and" else np.logical_or.reduce(parts)
    if c.label == "not":
        return ~truth(c.args[0], at, n, size)
    if not c.args:
        return np.full(n, c.label == "true")
    a, b = (values(x, at, n, size) for x in c.args)
    return COMPARE[c.label](a, b).astype(bool)


def values(e: Expr, at: At, n: int, size: Sizes) -> np.ndarray:
    """The values of an index expression at n rows."""
    match e:
        case Index():
            return at[e]
        case Num():
            return np.full(n, e.value)  # a fraction makes it an array of objects, which is exact
        case Size():
            return np.full(n, size(e))
        case Add():
            return sum((values(t, at, n, size) for t in e.args), np.zeros(n, np.int64))
        case Mul():
            out = np.ones(n, np.int64)
            for f in e.args:
                out = out * values(f, at, n, size)
            return out
        case Pow() if isinstance(e.args[0], Num):  # (-1)^i
            exponents = values(e.args[1], at, n, size).astype(object)
            return np.array([Fraction(e.args[0].value) ** k for k in exponents], dtype=object)
    raise SymbpError(f"{e!r} is no index arithmetic")


def among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each of some numbers is one of those known, which are sorted."""
    return known[np.searchsorted(known[:-1], keys)] == keys
