"""What several tests share: values of expressions, and an interpreter that loops over scalars."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from symbp.evaluate import evaluate
from symbp.expr import Access, Expr, Index, access, index, walk
from symbp.functions import TABLE, definition
from symbp.program import Equation, Program, Tensor

COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def value(e: Expr, arrays: dict[str, Any], axes: tuple[Index, ...] = (), integers: tuple[str, ...] = ()) -> Any:
    """The array of an expression over these axes, by `symbp.evaluate`; tensors take the shapes of their arrays."""
    formal: dict[str, tuple[Index, ...]] = {}
    for node in walk(e):
        if isinstance(node, Access):
            shape = np.shape(arrays[node.label])
            formal.setdefault(node.label, tuple(index(f"axis{n}", length) for n, length in enumerate(shape)))
    tensors = {n: Tensor(n, formal[n], "input", "int" if n in integers else "real") for n in sorted(formal)}
    tensors["result"] = Tensor("result", axes)
    program = Program("expression", tensors, (Equation(access("result", axes), e),), ("result",))
    return evaluate(program, {name: arrays[name] for name in formal})["result"]


def brute(e: Expr, arrays: dict[str, Any], sizes: dict[str, int], at: dict[str, int] | None = None) -> Any:
    """The value of an expression at given indices, one scalar at a time: shares no code with `symbp.evaluate`."""
    at = at or {}
    args = e.args
    match type(e).__name__:
        case "Num":
            return float(Fraction(e.label))
        case "Const":
            return math.pi
        case "Size":
            return sizes[e.label]
        case "Index":
            return at[e.label]
        case "Access":
            return np.asarray(arrays[e.label])[tuple(int(brute(a, arrays, sizes, at)) for a in args)]
        case "Reduce":
            names = [i.label for i in args[1:]]
            ranges = [range(int(brute(i.args[0], arrays, sizes))) for i in args[1:]]
            each = [brute(args[0], arrays, sizes, at | dict(zip(names, p, strict=True))) for p in product(*ranges)]
            return sum(each) if e.label == "sum" else max(each)
        case "Select":
            return brute(args[1] if brute(args[0], arrays, sizes, at) else args[2], arrays, sizes, at)
        case "Condition" if e.label in ("true", "false"):
            return e.label == "true"
    got = [brute(a, arrays, sizes, at) for a in args]
    match type(e).__name__:
        case "Add":
            return sum(got)
        case "Mul":
            return math.prod(got)
        case "Pow":
            return got[0] ** got[1]
        case "Delta":
            return float(got[0] == got[1])
        case "Condition" if e.label in COMPARE:
            return COMPARE[e.label](*got)
        case "Condition":
            return {"and": all, "or": any, "not": lambda g: not g[0]}[e.label](got)
        case "Call":
            formula = definition(e)
            if formula is not None:
                return brute(formula, arrays, sizes, at)
            return float(TABLE[e.label].evaluate(*map(np.asarray, got)))
    raise TypeError(e)


def close(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Whether all of a and b are finite and agree, relative to the largest entry."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0), 1e-300)
    return bool(np.abs(a - b).max(initial=0.0) <= tolerance * scale)
