"""Naive expansion: what a textbook warns against, done exactly so that its cost can be shown.

At neuron level the loss is substituted down to inputs and parameters, and SymPy differentiates that one expression
from scratch by each parameter. Nothing is shared: not between parameters, not with the forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sympy as sp

from symbp.derive.reverse import adjoint_prefix
from symbp.errors import SymbpError
from symbp.expr import Expr, access, transform
from symbp.functions import expand
from symbp.language import from_sympy, to_sympy
from symbp.program import Equation, Program, Reason, Tensor
from symbp.unroll import unroll


def naive(program: Program, wrt: Sequence[str], loss: str, sizes: Mapping[str, int] | None = None) -> Program:
    """A neuron-level Program: the loss and each d_<entry> as one fully expanded equation."""
    prefix = adjoint_prefix(program)
    unrolled = unroll(program, sizes)
    expanded = expand_loss(unrolled, loss)
    scalars = frozenset(unrolled.tensors)
    formula = to_sympy(expanded)
    equations = [Equation(access(loss), expanded)]
    new = [Tensor(loss)]
    for t in unrolled.tensors.values():
        if t.entry and t.entry[0] in wrt and t.role != "computed":
            derivative = _differentiated(formula, t.name)
            name = f"{prefix}_{t.name}"
            new.append(Tensor(name, entry=(f"{prefix}_{t.entry[0]}", t.entry[1]), layer=t.layer))
            equations.append(Equation(access(name), from_sympy(derivative, scalars), Reason("expanded", loss, t.name)))
    outputs = tuple(e.name for e in equations)
    return unrolled.with_(equations, new, outputs)


def _differentiated(formula: sp.Expr, name: str) -> sp.Expr:
    try:
        return formula.diff(sp.Symbol(name, real=True))
    except RecursionError as error:  # maxima of many terms
        raise SymbpError(f"SymPy can't differentiate the loss written out by {name}: use method reverse") from error


def expand_loss(unrolled: Program, loss: str) -> Expr:
    """The loss of a neuron-level program in terms of inputs and parameters only."""
    return expand_values(unrolled.equations)[loss]


def expand_values(equations: Iterable[Equation]) -> dict[str, Expr]:
    """What neuron-level equations compute, by name, each in terms of what none of them computes."""
    known: dict[Expr, Expr] = {}
    memo: dict[Expr, Expr] = {}
    for e in equations:
        known[e.target] = transform(expand_formulas(e.value), lambda a: known.get(a, a), memo)
    return {target.label: value for target, value in known.items()}


def expand_formulas(e: Expr) -> Expr:
    """Defined functions replaced by their formulas, so that SymPy and we differentiate the same thing."""
    return transform(e, expand)
