"""The value of a formula in matrix notation: rows are samples, a vector is a row or, one number a sample, a column."""

from __future__ import annotations

from collections.abc import Container
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from displayed import tree as t
from displayed.meaning import Meaning, Value


class Lazy:
    """The ones, or the identity (transposed: None), before the size is known."""

    def __init__(self, transposed: bool | None) -> None:
        self.transposed = transposed


class Matrices(Meaning):
    """Tensors have two axes here, scalars none. columns: vectors that a definition shows to be columns."""

    columns: Container[str] = ()

    def scalar(self, name: str) -> Value:
        array = np.asarray(self.tensor(name))
        if array.ndim > 2:
            raise t.Unreadable(f"{name} has {array.ndim} axes and is no matrix")
        if array.ndim == 1:
            return array[:, None] if self.is_column(name) else array[None, :]
        return array

    def is_column(self, name: str) -> bool:
        """Whether a vector has one number a sample: its size counts the rows of values, and no columns."""
        (size,) = self.legend.shape(name)
        return size in self.legend.sample_sizes or name in self.columns

    def value(self, tree: Any) -> Value:
        match tree:
            case t.Derivative(t.Name(of, ()), t.Name(wrt, ())):
                return self.gradient(of, wrt)
            case t.Ring(factors):
                out: Value = 1
                for f in factors:
                    out = _entrywise(out, self.value(f))
                return out
            case t.Power(base, exponent, True):
                return np.asarray(self.value(base), float) ** self.value(exponent)
            case t.Transpose(of):
                return np.transpose(self.value(of))
            case t.Ones(transposed):
                return Lazy(transposed)
            case t.Identity():
                return Lazy(None)
        return super().value(tree)

    def gradient(self, of: str, wrt: str) -> Value:
        array = np.asarray(self.derivative(of, wrt))
        if array.ndim > 2:
            raise t.Unreadable(f"the derivative of {of} by {wrt} is no matrix")
        if array.ndim == 1:
            return array[:, None] if self.is_column(of if np.ndim(self.tensor(of)) else wrt) else array[None, :]
        return array

    def product(self, factors: tuple[Any, ...]) -> Value:
        values = [self.value(f) for f in factors]
        number = prod(v for v in values if not isinstance(v, Lazy) and np.ndim(v) == 0)
        whole = [v for v in values if isinstance(v, Lazy) or np.ndim(v)]
        return number * reduce(matmul, whole) if whole else number


def _entrywise(a: Value, b: Value) -> Value:
    if isinstance(a, Lazy) or isinstance(b, Lazy):
        raise t.Unreadable("ones or the identity entry by entry")
    return a * b


def matmul(a: Value, b: Value) -> Value:
    """The matrix product; ones before a matrix add up its rows, behind it its columns."""
    if isinstance(a, Lazy) and isinstance(b, Lazy):
        raise t.Unreadable("ones times ones")
    if isinstance(a, Lazy):
        if a.transposed is False:
            raise t.Unreadable("a column of ones before a matrix")
        return b if a.transposed is None else b.sum(-2, keepdims=True)
    if isinstance(b, Lazy):
        if b.transposed:
            raise t.Unreadable("a row of ones behind a matrix")
        return a if b.transposed is None else a.sum(-1, keepdims=True)
    if a.shape[-1] != b.shape[-2]:
        raise t.Unreadable(f"a matrix product of {a.shape} and {b.shape}")
    return a @ b
