"""Arrays that count the operations done on them, to run emitted modules on: by kind, as in `symbp.operations`.

An operation is counted by what it is asked to do on its shapes, whatever NumPy does inside: a matrix product of m x k
by k x n takes m n k multiplications and m n (k - 1) additions. Copies, reshaping, indexing and filling cost nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, ClassVar

import numpy as np

KIND_OF = {
    "add": "add", "subtract": "add", "multiply": "mul", "divide": "div", "true_divide": "div", "negative": "neg",
    "sqrt": "sqrt", "exp": "exp", "log": "log", "log1p": "log", "expm1": "exp", "tanh": "tanh", "sin": "sin",
    "cos": "cos", "maximum": "compare", "minimum": "compare", "absolute": "compare", "sign": "compare",
    "greater": "compare", "greater_equal": "compare", "less": "compare", "less_equal": "compare", "equal": "compare",
    "not_equal": "compare", "square": "mul", "reciprocal": "div",
}  # fmt: skip

FREE = (
    "empty_like", "zeros_like", "ones_like", "full_like", "shape", "ndim", "size", "transpose", "reshape",
    "pad", "broadcast_to", "concatenate", "stack", "sliding_window_view", "moveaxis", "expand_dims",
)  # fmt: skip


class Counted(np.ndarray):
    """Values are computed as ever; what is done goes to `Counted.operations`."""

    operations: ClassVar[Counter[str]] = Counter()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, Counted) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(o) if isinstance(o, Counted) else o for o in out)
        result = getattr(ufunc, method)(*plain, **options)
        self.note(ufunc.__name__, method, plain, result)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return wrapped(result)

    def note(self, name: str, method: str, inputs: list[Any], result: Any) -> None:
        count = Counted.operations
        if name == "matmul":
            k = np.shape(inputs[0])[-1]
            count["mul"] += np.size(result) * k
            count["add"] += np.size(result) * (k - 1)
        elif name == "power":
            n = np.asarray(inputs[1]).item()
            if n == 0.5:
                count["sqrt"] += np.size(result)
            else:
                assert n == int(n) > 0, f"power {n}"
                count["mul"] += np.size(result) * (int(n).bit_length() - 1 + int(n).bit_count() - 1)
        elif np.asarray(inputs[0]).dtype.kind in "biu" and np.asarray(result).dtype.kind in "biu":
            count["index"] += np.size(result)
        elif method == "reduce":
            count[KIND_OF[name]] += np.size(inputs[0]) - np.size(result)
        elif method == "at":
            count[KIND_OF[name]] += np.size(inputs[2])
        else:
            assert method == "__call__", method
            count[KIND_OF[name]] += np.size(result)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        count = Counted.operations
        if function in (np.sum, np.max, np.mean, np.amax):
            return super().__array_function__(function, types, args, options)
        result = function(*map(stripped, args), **{k: stripped(v) for k, v in options.items()})
        match function.__name__:
            case "where":
                count["select"] += np.size(result)
            case "vdot":
                count["mul"] += args[0].size
                count["add"] += args[0].size - 1
            case "tensordot" | "dot":
                k = math.isqrt(stripped(args[0]).size * stripped(args[1]).size // max(1, np.size(result)))
                count["mul"] += np.size(result) * k
                count["add"] += np.size(result) * (k - 1)
            case "einsum":
                raise AssertionError("einsum isn't counted: run a network without it")
            case name if name in FREE:
                pass
            case other:
                raise AssertionError(f"numpy.{other} isn't counted: add it here")
        return wrapped(result)

    def dot(self, other: Any, out: Any = None) -> Any:  # type: ignore[override]
        return np.dot(self, other, out)

    def mean(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        total = self.sum(*args, **options)
        return total / (self.size // max(1, np.size(total)))


def stripped(x: Any) -> Any:
    if isinstance(x, Counted):
        return np.asarray(x)
    return type(x)(map(stripped, x)) if isinstance(x, (tuple, list)) else x


def wrapped(result: Any) -> Any:
    """Scalars become arrays without axes, so that what follows is counted, too."""
    return np.asarray(result).view(Counted) if isinstance(result, (np.ndarray, np.generic)) else result


class CountingNumPy:
    """NumPy for an emitted module: arrays that it makes count, too."""

    MAKING = ("empty", "zeros", "ones", "full", "asarray", "array", "ascontiguousarray")

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in self.MAKING:
            return found
        return lambda *args, **options: wrapped(found(*map(stripped, args), **options))


def counted(function: Any, *args: Any) -> tuple[Any, Counter[str]]:
    """What a function returns for counting arrays, and the operations that it did."""
    Counted.operations = Counter()
    result = function(*args)
    return result, +Counted.operations
