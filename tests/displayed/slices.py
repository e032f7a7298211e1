"""The value of a formula of matrices that are picked by their leading indices, h_n of h: one matrix a sample.

Indices that are bound have axes in front of those of the matrix, so that all matrices are computed at once.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from displayed import tree as t
from displayed.matrices import Lazy, Matrices, matmul
from displayed.meaning import Value


class Slices(Matrices):
    """Every value is an array of two axes behind those of the bound indices; a scalar's have the length 1."""

    def bind(self, label: str, length: int) -> None:
        depth = len(self.indices) + 2
        self.indices[label] = (np.arange(length) + self.legend.origin).reshape((length,) + (1,) * depth)

    def scalar(self, name: str) -> Value:
        return self.picked(name, np.asarray(self.tensor(name)), ())

    def gradient(self, of: str, wrt: str) -> Value:
        return self.picked(wrt, np.asarray(self.derivative(of, wrt)), ())

    def value(self, tree: Any) -> Value:
        match tree:
            case t.Name(name, indices):
                return self.picked(name, np.asarray(self.tensor(name)), indices)
            case t.Derivative(t.Name(of, ()), t.Name(wrt, indices)):
                return self.picked(wrt, np.asarray(self.derivative(of, wrt)), indices)
            case t.Derivative():
                raise t.Unreadable("the derivative of an array by an array is no matrix")
            case t.Transpose(of):
                return np.swapaxes(self.value(of), -1, -2)
            case t.SquaredNorm(of):
                return np.sum(np.asarray(self.value(of)) ** 2, (-1, -2), keepdims=True)
        return super().value(tree)

    def picked(self, name: str, array: Value, indices: tuple[Any, ...]) -> Value:
        """What is left when the leading indices are held: a matrix, a row or a column, or a number."""
        shape = self.legend.shape(name)[len(indices) :]
        if len(shape) > 2:
            raise t.Unreadable(f"{name} with {len(indices)} indices has {len(shape)} axes left and is no matrix")
        if indices:
            places = np.broadcast_arrays(*(np.asarray(self.value(i)) - self.legend.origin for i in indices))
            array = array[tuple(p.reshape(p.shape[:-2]) for p in places)]
        if not shape:
            return array[..., None, None]
        if len(shape) == 1:
            return array[..., :, None] if name in self.legend.standing else array[..., None, :]
        return array

    def product(self, factors: tuple[Any, ...]) -> Value:
        values = [self.value(f) for f in factors]
        whole = [v for v in values if isinstance(v, Lazy) or np.shape(v)[-2:] not in ((), (1, 1))]
        out: Value = reduce(matmul, whole) if whole else 1
        for v in values:
            out = out if isinstance(v, Lazy) or np.shape(v)[-2:] not in ((), (1, 1)) else v * out
        return out

    def reduce(self, kind: str, indices: tuple[str, ...], body: Any) -> Value:
        outer = dict(self.indices)
        lengths = self.lengths(indices, body)
        for label, length in zip(indices, lengths, strict=True):
            self.bind(label, length)
        value = np.asarray(self.value(body))
        deep = len(self.indices) + 2
        value = value.reshape((1,) * (deep - value.ndim) + value.shape)
        value = np.broadcast_to(value, (*reversed(lengths), *value.shape[len(lengths) :]))
        self.indices = outer
        over = tuple(range(len(lengths)))
        return value.sum(over) if kind == "sum" else value.max(over)
