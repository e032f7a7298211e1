"""Arrays of a formula in matrices: expressions with axes, put together by NumPy's rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from symbp.expr import ONE, ZERO, Expr, Index, fresh_index, index, mul, substitute, sum_over
from symbp.program import size_text

Axes = tuple[Index | None, ...]


@dataclass(frozen=True)
class Array:
    """An expression and its axes; None is an axis of length one along which it is repeated."""

    value: Expr
    axes: Axes

    @property
    def shape(self) -> str:
        sizes = ["1" if i is None else size_text(i.size) for i in self.axes]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


class FreshNames:
    """Indices that nothing else in a text has."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def fresh(self, label: str, length: Expr) -> Index:
        return fresh_index(index(label, length), self.taken)

    def anew(self, array: Array) -> Array:
        """The same array under new indices."""
        axes = [None if i is None else self.fresh(i.label, i.size) for i in array.axes]
        return Array(renamed(array.value, array.axes, tuple(axes)), tuple(axes))


def length(array: Array, axis: int) -> Array:
    """The size of an axis."""
    i = array.axes[axis]
    return Array(ONE if i is None else i.size, ())


def renamed(e: Expr, old: Axes, new: Axes) -> Expr:
    """The expression under other indices, axis by axis."""
    return substitute(e, {i: j for i, j in zip(old, new, strict=True) if i is not None and j is not None})


def together(left: Array, right: Array) -> tuple[Expr, Expr, Axes]:
    """Both values under the same indices, axes matched from the last one. Raises ValueError where they don't fit."""
    a, b = left.value, right.value
    axes: list[Index | None] = []
    for k in range(max(len(left.axes), len(right.axes))):
        i = left.axes[-1 - k] if k < len(left.axes) else None
        j = right.axes[-1 - k] if k < len(right.axes) else None
        if i is not None and j is not None and i.size is not j.size:
            if i.size is ONE:
                a, i = substitute(a, {i: ZERO}), None
            elif j.size is ONE:
                b, j = substitute(b, {j: ZERO}), None
            else:
                raise ValueError(f"the shapes {left.shape} and {right.shape} don't fit together entry by entry")
        if i is not None and j is not None:
            b = substitute(b, {j: i})
        axes.append(i if i is not None else j)
    return a, b, tuple(reversed(axes))


def contracted(left: Array, right: Array) -> Array | None:
    """left @ right, of stacks of matrices too; None where the shapes don't fit."""
    if not left.axes or not right.axes:
        return None
    i, j = left.axes[-1], right.axes[-2:][0]
    stack_a, stack_b = left.axes[:-2], right.axes[:-2]
    if i is None or j is None or i.size is not j.size or len(stack_a) != len(stack_b):
        return None
    if any(p is None or q is None or p.size is not q.size for p, q in zip(stack_a, stack_b, strict=True)):
        return None
    other = substitute(renamed(right.value, stack_b, stack_a), {j: i})
    last = right.axes[-1:] if len(right.axes) > 1 else ()
    return Array(sum_over(left.value * other, [i]), (*left.axes[:-1], *last))


def summed(array: Array, over: Collection[int], keep: bool, mean: bool) -> Array:
    """The sum or mean over some axes. keep: these stay, with length one."""
    indices = [i for k, i in enumerate(array.axes) if k in over and i is not None]
    total = sum_over(array.value, indices)
    if mean:
        total = total / mul(*(i.size for i in indices))
    return Array(total, tuple(None if k in over else i for k, i in enumerate(array.axes) if keep or k not in over))
