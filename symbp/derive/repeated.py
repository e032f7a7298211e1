"""Repeated work: which values of a network its naive gradients compute, again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from symbp.derive.naive import expand_values
from symbp.expr import Expr
from symbp.language import from_sympy, to_sympy
from symbp.program import Equation


def written_values(equations: Iterable[Equation], scalars: Collection[str]) -> dict[str, Expr]:
    """What neuron-level equations compute, by name, as it stands in naive gradients: through SymPy and back.

    2 (a + b) is 2 a + 2 b there. scalars: the names of all tensors.
    """
    known = frozenset(scalars)
    return {name: from_sympy(to_sympy(value), known) for name, value in expand_values(equations).items()}


def outermost(found: Mapping[str, tuple[Expr, int]], parts: Callable[[Expr], Collection[Expr]]) -> list[str]:
    """The names of the values but for those that occur only inside another of them.

    found: (value, how often it occurs) by name. parts: everything that a value contains.
    """
    hidden = set()
    for value, times in found.values():
        inside = parts(value)
        hidden |= {n for n, (other, t) in found.items() if t == times and other is not value and other in inside}
    return [name for name in found if name not in hidden]
