"""The value of a formula in matrix notation: rows are samples, so a vector is a row, or a column of one number a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from displayed import tree as t
from displayed.meaning import Meaning, Value


class Lazy:
    """The ones, or the identity, before the size is known."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Matrices(Meaning):
    """Tensors have two axes here, scalars none."""

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
        return size in self.legend.sample_sizes

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
            case t.Ones():
                return Lazy("ones")
            case t.Identity():
                return Lazy("identity")
        return super().value(tree)

    def gradient(self, of: str, wrt: str) -> Value:
        array = np.asarray(self.derivative(of, wrt))
        if np.ndim(self.tensor(of)) or array.ndim > 2:
            raise t.Unreadable(f"the derivative of {of} by {wrt} is no matrix")
        if array.ndim == 1:
            return array[:, None] if self.is_column(wrt) else array[None, :]
        return array

    def product(self, factors: tuple[Any, ...]) -> Value:
        out: Value = np.asarray(1.0)
        for f in factors:
            out = _times(out, self.value(f))
        return out


def _entrywise(a: Value, b: Value) -> Value:
    if isinstance(a, Lazy) or isinstance(b, Lazy):
        raise t.Unreadable("ones or the identity entry by entry")
    return a * b


def _times(a: Value, b: Value) -> Value:
    """The matrix product; with a number, the multiple."""
    if isinstance(a, Lazy) and isinstance(b, Lazy):
        raise t.Unreadable("ones times ones")
    if isinstance(a, Lazy):
        return b.sum(0, keepdims=True) if a.kind == "ones" else b
    if isinstance(b, Lazy):
        if np.ndim(a) == 0:
            raise t.Unreadable("a multiple of ones")
        return a.sum(1, keepdims=True) if b.kind == "ones" else a
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if a.shape[1] != b.shape[0]:
        raise t.Unreadable(f"a matrix product of {a.shape} and {b.shape}")
    return a @ b
