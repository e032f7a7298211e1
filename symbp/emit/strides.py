"""How NumPy lays arrays out in memory: strides of results, of reshaped arrays, shapes of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


def hollow(shape: Sequence[int], dtype: Any, strides: Sequence[int]) -> np.ndarray[Any, Any]:
    """An array of this layout that has no numbers to look at."""
    return as_strided(np.empty(1, dtype), shape, strides)


def strides_like(shape: Sequence[int], item: int, like: Sequence[np.ndarray[Any, Any]]) -> tuple[int, ...]:
    """The strides of a new array: its axes lie in memory as in all of the arrays, or as they stand."""
    order = list(range(len(shape)))
    for k in range(1, len(shape)):
        for place in range(k, 0, -1):
            if not _inside(like, order[place - 1], order[place]):
                break
            order[place - 1 : place + 1] = order[place], order[place - 1]
    strides = [0] * len(shape)
    for axis in reversed(order):
        strides[axis] = item
        item *= shape[axis]
    return tuple(strides)


def _inside(like: Sequence[np.ndarray[Any, Any]], outer: int, inner: int) -> bool:
    """Whether the outer axis moves in shorter steps than the inner one in all arrays that have both."""
    steps = [(a.strides[outer], a.strides[inner]) for a in like if a.shape[outer] > 1 and a.shape[inner] > 1]
    return bool(steps) and all(0 < abs(o) < abs(i) for o, i in steps)


def strides_in_place(a: np.ndarray[Any, Any], shape: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of the array in another shape, None where its numbers have to be copied for that."""
    old = [(n, s) for n, s in zip(a.shape, a.strides, strict=True) if n != 1]
    out: list[int] = []
    start = 0
    k = 0
    while k < len(shape):
        if shape[k] == 1:
            out.append(a.itemsize)
            k += 1
            continue
        end, last = start + 1, k + 1
        if start >= len(old):
            return None
        here, there = old[start][0], shape[k]
        while here != there:
            if there < here:
                there *= shape[last]
                last += 1
            else:
                here *= old[end][0]
                end += 1
        if any(old[n][1] != old[n + 1][0] * old[n + 1][1] for n in range(start, end - 1)):
            return None
        step = old[end - 1][1]
        part: list[int] = []
        for n in reversed(shape[k:last]):
            part.insert(0, step)
            step *= n
        out += part
        start, k = end, last
    return tuple(out)


def product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a matrix product."""
    if len(b) == 1:
        return a[:-1]
    if len(a) == 1:
        return (*b[:-2], b[-1])
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
