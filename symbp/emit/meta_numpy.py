"""NumPy for emitted code that runs on arrays without numbers: what makes arrays and what is no ufunc."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from symbp.emit.meta import Account, Buffer, MetaArray, made


class MetaNumPy:
    """NumPy's functions by their names; ufuncs are NumPy's own, which come back to MetaArray."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.lib = SimpleNamespace(stride_tricks=SimpleNamespace(sliding_window_view=self._windows))

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def new(self, shape: Any, dtype: Any = np.float64) -> MetaArray:
        return made(self.account, (int(shape),) if np.ndim(shape) == 0 else tuple(shape), dtype)

    empty = zeros = ones = new

    def full(self, shape: Any, value: Any, dtype: Any = None) -> MetaArray:
        return self.new(shape, np.asarray(value).dtype if dtype is None else dtype)

    def empty_like(self, a: Any) -> MetaArray:
        return self.new(a.shape, a.dtype)

    zeros_like = ones_like = empty_like

    def arange(self, *bounds: int) -> MetaArray:
        return self.new(len(range(*bounds)), np.intp)

    def eye(self, n: int, dtype: Any = np.float64) -> MetaArray:
        return self.new((n, n), dtype)

    def array(self, a: Any, dtype: Any = None, order: str = "K") -> MetaArray:
        """A copy."""
        return self.new(np.shape(a), dtype or getattr(a, "dtype", np.float64))

    def asarray(self, a: Any, dtype: Any = None) -> MetaArray:
        if isinstance(a, MetaArray) and (dtype is None or a.dtype == dtype):
            return a
        return self.array(a, dtype)

    def ascontiguousarray(self, a: MetaArray) -> MetaArray:
        return a if a.flags.c_contiguous else a.copy()

    def broadcast_to(self, a: Any, shape: Sequence[int]) -> MetaArray:
        a = self.asarray(a)
        return a.view(np.broadcast_to(a.form, shape))

    def _windows(self, a: MetaArray, lengths: Any, axis: Any) -> MetaArray:
        return a.view(np.lib.stride_tricks.sliding_window_view(a.form, lengths, axis))

    def pad(self, a: MetaArray, widths: Sequence[tuple[int, int]]) -> MetaArray:
        return self.new([n + sum(w) for n, w in zip(a.shape, widths, strict=True)], a.dtype)

    def where(self, condition: Any, then: Any, otherwise: Any) -> MetaArray:
        parts = [x for x in (condition, then, otherwise) if isinstance(x, MetaArray)]
        shape = np.broadcast_shapes(*(x.shape for x in parts))
        types = [x.dtype if isinstance(x, MetaArray) else x for x in (then, otherwise)]
        like = [x.form for x in parts if x.shape == shape]
        return made(self.account, shape, np.result_type(*types), like)

    def clip(self, a: MetaArray, low: Any, high: Any) -> MetaArray:
        return a.new(a.shape, a.dtype, [a.form])

    def vdot(self, a: MetaArray, b: MetaArray) -> MetaArray:
        flat = [x.ravel() for x in (a, b)]  # a copy where the numbers don't lie in order
        return flat[0].new((), a.dtype)

    def tensordot(self, a: MetaArray, b: MetaArray, axes: Any) -> MetaArray:
        """As NumPy does it: the axes moved, two matrices, their product."""
        left, right = ([n] if isinstance(n, int) else list(n) for n in axes)
        rows, columns = ([k for k in range(x.ndim) if k not in n] for x, n in ((a, left), (b, right)))
        inner = int(np.prod([a.shape[n] for n in left]))
        x = a.transpose([*rows, *left]).reshape(-1, inner)
        y = b.transpose([*right, *columns]).reshape(inner, -1)
        return x.dot(y).reshape([*(a.shape[k] for k in rows), *(b.shape[k] for k in columns)] or ())

    def einsum(self, subscripts: str, *arrays: MetaArray, **options: Any) -> MetaArray:
        inside, result = subscripts.replace(" ", "").split("->")
        length = {
            i: n for part, a in zip(inside.split(","), arrays, strict=True) for i, n in zip(part, a.shape, strict=True)
        }
        return self.new([length[i] for i in result], np.result_type(*(a.dtype for a in arrays)))

    def concatenate(self, arrays: Sequence[MetaArray]) -> MetaArray:
        first = arrays[0]
        return self.new((sum(len(a) for a in arrays), *first.shape[1:]), first.dtype)


def given(account: Account, shape: tuple[int, ...], dtype: Any) -> MetaArray:
    """An array that is there before: what is made of it goes on the account, it itself doesn't."""
    return MetaArray(made(None, shape, dtype).form, Buffer(account, 0))
