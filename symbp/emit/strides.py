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
    """The strides of a new array: its axes lie in memory as in all of the arrays, or as they stand.

    By insertion, the innermost axis first, as NumPy's nditer orders axes (npyiter_find_best_axis_ordering).
    """
    inside: list[int] = []
    for axis in reversed(range(len(shape))):
        place = len(inside)
        for k in reversed(range(len(inside))):
            smaller = _smaller(like, axis, inside[k])
            if smaller:
                place = k
            elif smaller is not None:
                break
        inside.insert(place, axis)
    strides = [0] * len(shape)
    for axis in inside:
        strides[axis] = item
        item *= shape[axis]
    return tuple(strides)


def _smaller(like: Sequence[np.ndarray[Any, Any]], axis: int, other: int) -> bool | None:
    """Whether an axis moves in shorter steps than another in all arrays that have both; None where none has."""
    steps = [(abs(a.strides[axis]), abs(a.strides[other])) for a in like if a.shape[axis] > 1 and a.shape[other] > 1]
    steps = [(one, two) for one, two in steps if one and two]
    return all(one < two for one, two in steps) if steps else None


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
