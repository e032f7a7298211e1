"""Sizes to compare costs at: a symbolic size stands for 64."""

from __future__ import annotations

from functools import cache

from symbp.expr import Expr, Index, Num
from symbp.operations import cost

NOMINAL = 64


def nominal(i: Index) -> int:
    """How many values the index is taken to have."""
    return max(2, int(i.size.value)) if isinstance(i.size, Num) else NOMINAL


@cache
def operations(e: Expr) -> int:
    """What an expression costs at these sizes."""
    return cost(e, nominal)
