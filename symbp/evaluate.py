"""The reference interpreter: what a Program means, for floats, complex numbers and arrays of any number-like objects.

Every expression is an array with one axis for each of its free indices, and a reduction is a reduction: nothing
here knows of a matrix product, so it stays independent of the code that `lower` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import inf, pi
from typing import Any

import numpy as np

from symbp import expr as ex
from symbp.affine import settle
from symbp.errors import SymbpError
from symbp.expr import Expr, Index
from symbp.functions import TABLE, definition
from symbp.program import Program, Tensor, shape_text
from symbp.recurrence import Group, groups

_COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def evaluate(program: Program, values: Mapping[str, Any]) -> dict[str, Any]:
    """All tensors of the program by name, from the values of its inputs, parameters and state.

    Sizes are read off the shapes. Raises SymbpError if a value is missing or its shape doesn't fit.
    """
    arrays: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for tensor in program.tensors.values():
        if tensor.role != "computed":
            if tensor.name not in values:
                raise SymbpError(f"no value for the {tensor.role} {tensor.name}, shape {shape_text(tensor)}")
            arrays[tensor.name] = bind(tensor, values[tensor.name], sizes)
    for group in groups(program.equations):
        if group.time is None:
            (equation,) = group.equations
            axes = program.tensors[equation.name].indices
            arrays[equation.name] = _Interpreter(arrays, sizes).tensor(equation.value, axes)
        else:
            _run(program, group, group.time, arrays, sizes)
    return arrays


def _run(program: Program, group: Group, time: Index, arrays: dict[str, Any], sizes: dict[str, int]) -> None:
    """A recurrence, step by step: each equation with the time replaced by its number."""
    steps = range(_Interpreter(arrays, sizes).length(time))
    for e in group.equations:
        lengths = [_Interpreter(arrays, sizes).length(i) for i in program.tensors[e.name].indices]
        arrays[e.name] = np.zeros(lengths, np.result_type(float, *(np.asarray(a) for a in arrays.values())))
    lengths_known = tuple(sizes.items())
    for now in reversed(steps) if group.backwards else steps:
        for e in group.equations:
            axes = program.tensors[e.name].indices
            value = _at_step(e.value, time, now, lengths_known)
            at = tuple(now if i is time else slice(None) for i in axes)
            left = tuple(i for i in axes if i is not time)
            arrays[e.name][at] = _Interpreter(arrays, sizes).tensor(value, left)


@lru_cache(maxsize=1 << 14)  # the same steps are run again for every point and every direction
def _at_step(value: Expr, time: Index, now: int, sizes: tuple[tuple[str, int], ...]) -> Expr:
    """The right-hand side with the time and the sizes replaced by numbers."""
    known: dict[Expr, Expr] = {ex.size(name): ex.num(length) for name, length in sizes}
    return settle(ex.substitute(value, {time: ex.num(now), **known}))


def bind(tensor: Tensor, value: Any, sizes: dict[str, int]) -> Any:
    """The value as an array of the tensor's shape; symbolic sizes are noted in `sizes`."""
    array = np.asarray(value)
    if array.ndim != len(tensor.indices):
        raise SymbpError(f"{tensor.name} has shape {shape_text(tensor)}, the value has shape {array.shape}")
    for length, s in zip(array.shape, tensor.shape, strict=True):
        expected = s.value if isinstance(s, ex.Num) else sizes.setdefault(s.label, length)
        if expected != length:
            known = "" if isinstance(s, ex.Num) else f": {s.label} is {expected}, not {length}"
            message = f"{tensor.name} has shape {shape_text(tensor)}, the value has shape {array.shape}{known}"
            raise SymbpError(message)
    return array


Axes = tuple[Index, ...]


class _Interpreter:
    """Evaluates expressions to (array, its axes); values of shared nodes are kept."""

    def __init__(self, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.arrays, self.sizes = arrays, sizes
        self.memo: dict[Expr, tuple[Any, Axes]] = {}

    def length(self, i: Index) -> int:
        value, _ = self.value(i.size)
        return int(value)

    def tensor(self, e: Expr, indices: Axes) -> Any:
        """The array over exactly these axes."""
        array = self.spread(*self.value(e), indices)
        return np.broadcast_to(array, tuple(self.length(i) for i in indices)).copy() if indices else array[()]

    def spread(self, array: Any, axes: Axes, onto: Axes) -> Any:
        """The array transposed and padded with unit axes, so that it broadcasts over `onto`."""
        order = [axes.index(i) for i in onto if i in axes]
        return np.transpose(array, order).reshape(
            tuple(np.shape(array)[axes.index(i)] if i in axes else 1 for i in onto)
        )

    def together(self, *operands: Expr) -> tuple[list[Any], Axes]:
        values = [self.value(o) for o in operands]
        axes = tuple(dict.fromkeys(i for _, a in values for i in a))
        return [self.spread(v, a, axes) for v, a in values], axes

    def value(self, e: Expr) -> tuple[Any, Axes]:
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self.compute(e)
        return found

    def compute(self, e: Expr) -> tuple[Any, Axes]:
        match e:
            case ex.Num():
                return np.asarray(float(e.value) if isinstance(e.value, Fraction) else e.value), ()
            case ex.Const():
                return np.asarray(pi if e is ex.PI else inf), ()
            case ex.Size():
                if e.label not in self.sizes:
                    raise SymbpError(f"the size {e.label} can't be read off any value")
                return np.asarray(self.sizes[e.label]), ()
            case ex.Index():
                return np.arange(self.length(e)), (e,)
            case ex.Access():
                return self.read(e)
            case ex.Reduce():
                return self.reduce(e)
            case ex.Call() if (formula := definition(e)) is not None:
                return self.value(formula)
        values, axes = self.together(*e.args)
        match e:
            case ex.Add():
                out = values[0]
                for v in values[1:]:
                    out = out + v
            case ex.Mul():
                out = values[0]
                for v in values[1:]:
                    out = out * v
            case ex.Pow():
                out = self.raised(values[0], values[1], e.args[1])
            case ex.Call():
                out = TABLE[e.label].evaluate(*values)  # type: ignore[misc]
            case ex.Delta():
                out = np.equal(*values).astype(int)
            case ex.Select():
                out = np.where(*values)
            case ex.Condition() if e.label in _COMPARE:
                out = _COMPARE[e.label](np.real(values[0]), np.real(values[1]))
            case ex.Condition():
                out = self.logic(e.label, values)
            case _:
                raise TypeError(f"no value for {e!r}")
        return out, axes

    @staticmethod
    def raised(base: Any, n: Any, exponent: Expr) -> Any:
        if isinstance(exponent, ex.Num) and exponent.value == ex.HALF.value:
            return np.sqrt(base)
        if isinstance(exponent, ex.Num) and isinstance(exponent.value, int):
            if exponent.value < 0:
                return 1 / base ** (-exponent.value)
            return base**exponent.value
        return (base * 1.0) ** n  # not of integers, which NumPy doesn't raise to negative ones

    @staticmethod
    def logic(operator: str, values: list[Any]) -> Any:
        match operator:
            case "not":
                return np.logical_not(values[0])
            case "and":
                return np.logical_and.reduce(np.broadcast_arrays(*values))
            case "or":
                return np.logical_or.reduce(np.broadcast_arrays(*values))
        return np.asarray(operator == "true")

    def read(self, e: ex.Access) -> tuple[Any, Axes]:
        array = self.arrays[e.label]
        bare = all(isinstance(i, Index) for i in e.args) and len(set(e.args)) == len(e.args)
        if bare and np.shape(array) == tuple(self.length(i) for i in e.args):  # type: ignore[arg-type]
            return array, e.args  # type: ignore[return-value]
        places, axes = self.together(*e.args)
        for n, (i, place, length) in enumerate(zip(e.args, places, np.shape(array), strict=True)):
            if not isinstance(i, ex.Access):  # verified: where this is out of range, a condition discards the value
                places[n] = np.clip(place, 0, length - 1)
            elif place.size and not (0 <= place.min() and place.max() < length):
                raise SymbpError(f"{e.label} is read at {place.min()}..{place.max()}, outside 0..{length - 1}")
        return np.asarray(array)[tuple(np.asarray(place, np.intp) for place in places)], axes

    def reduce(self, e: ex.Reduce) -> tuple[Any, Axes]:
        array, axes = self.value(e.body)
        over = tuple(axes.index(i) for i in e.indices)
        left = tuple(i for i in axes if i not in e.indices)
        if e.label == "sum":
            return np.sum(array, axis=over), left
        if not np.iscomplexobj(array):
            return np.max(array, axis=over), left
        # The complex number whose real part is largest: complex-step differentiation follows the real maximum.
        flat = np.moveaxis(array, over, range(-len(over), 0)).reshape(
            [len_ for n, len_ in enumerate(array.shape) if n not in over] + [-1]
        )
        return np.take_along_axis(flat, np.argmax(flat.real, -1)[..., None], -1)[..., 0], left
