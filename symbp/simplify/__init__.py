"""Simplification: small named passes, each a Program in and an equal Program out.

`PASSES` is the whole pipeline; every pass is verified, and `report` tells what each one saved. The passes look at the
structure of expressions and at operation counts, never at what layer an equation came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symbp.program import Program
from symbp.simplify.algebra import tidy_equations
from symbp.simplify.dead import drop_dead
from symbp.simplify.inline import inline_single_uses, inline_where_cheaper
from symbp.simplify.logarithms import combine_logs
from symbp.simplify.masks import settle_conditions
from symbp.simplify.maxima import move_maxima
from symbp.simplify.nominal import operations
from symbp.simplify.products import hoist_factors, share_products
from symbp.simplify.recognise import recognise_functions
from symbp.simplify.reuse import expand_functions, reuse_later_values, reuse_values
from symbp.simplify.share import share_definitions, share_terms
from symbp.simplify.windows import compute_by_windows
from symbp.verify import verify

Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (
    recognise_functions,  # 1/(1 + exp(-z)) -> sigmoid(z), for what is written out by hand
    expand_functions,  # silu(z) -> z sigmoid(z): what is inside can be shared
    settle_conditions,  # conditions decided, factors moved out of them
    combine_logs,  # log(softmax) -> score - log-sum-exp, log(sigmoid) -> softplus
    tidy_equations,  # common factors out, products opened where that's cheaper, deltas used up
    recognise_functions,
    reuse_values,  # exp(s)/Sum(exp(s)) is the softmax p computed before
    share_definitions,  # x - mean of the forward pass, for what is derived from it to read
    reuse_values,
    inline_where_cheaper,  # an adjoint written out where things then cancel
    inline_single_uses,  # d_a into d_z = d_a * a * (1 - a)
    reuse_values,
    reuse_later_values,  # d_b = Sum(d_z), d_z being computed after it so far
    share_products,  # a b c and a b d share a b
    share_terms,  # what is computed twice gets a name
    hoist_factors,  # c m[n] x[n, j] = (c m[n]) x[n, j]
    drop_dead,  # what nobody reads goes
)


@dataclass(frozen=True)
class Saving:
    """Operations after a pass, at the nominal sizes of `symbp.simplify.nominal`."""

    name: str
    operations: int


def simplify(program: Program, *, keep_adjoints: bool = False, report: list[Saving] | None = None) -> Program:
    """An equal program that costs less and reads better.

    keep_adjoints: leave adjoints in equations of their own, as a step-by-step derivation shows them. report: a list
    that receives the operations after each pass.
    """
    verified = None  # the program that the last change led to
    for step in PASSES:
        if keep_adjoints and step is inline_single_uses:
            continue
        program = step(program)
        if program is not verified:
            verified = verify(program, step.__name__, before=verified)
        if report is not None:
            report.append(Saving(step.__name__, sum(operations(e.value) for e in program.equations)))
    return program


def recast(program: Program) -> Program:
    """An equal program, to be differentiated, that takes less time where arrays are combined as wholes.

    It computes other intermediate values than those declared, and more of them; not for derivations to read.
    """
    for step in (move_maxima, compute_by_windows):
        program = verify(step(program), step.__name__, before=program)
    return program
