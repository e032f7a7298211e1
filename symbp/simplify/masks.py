"""Conditions: decided where they can be, and factors that don't depend on them moved out of them."""

from __future__ import annotations

from symbp.affine import settle
from symbp.expr import ONE, ZERO, Access, Expr, Mul, Select, factors, mul, select, transform, walk
from symbp.program import Program
from symbp.simplify.rewrite import rewrite_values
from symbp.verify import reads_in_range


def settle_conditions(program: Program) -> Program:
    """Conditions on indices decided; Select(c, a x, b x) = x Select(c, a, b), and Select(c, a x, 0) likewise.

    A factor stays inside if it may only be read where the condition holds.
    """

    def rule(e: Expr) -> Expr:
        if isinstance(e, Select):
            condition, then, otherwise = e.args
            if otherwise is ZERO and then is not ONE and _separate(condition, then) and reads_in_range(program, then):
                return mul(select(condition, ONE, ZERO), then)
            if otherwise is ZERO and isinstance(then, Mul):
                free = [f for f in then.args if reads_in_range(program, f)]
                if len(free) == len(then.args):
                    kept = [f for f in free if isinstance(f, Access)][:1]  # to choose, not multiply by a mask
                    free = [f for f in free if f not in kept]
                if free:
                    rest = mul(*(f for f in then.args if f not in free))
                    return mul(select(condition, rest, ZERO), *free)
            common = [f for f in factors(then) if f in factors(otherwise) and f is not ONE]
            if common and then is not otherwise:
                shared = mul(*common)
                return mul(select(condition, then / shared, otherwise / shared), shared)
        return e

    def settled(e: Expr) -> Expr:
        return transform(settle(e), rule) if any(isinstance(n, Select) for n in walk(e)) else e

    return rewrite_values(program, settled)


def _separate(condition: Expr, value: Expr) -> bool:
    """Whether a mask of its own is better than a choice: one that contracts a sum, or is about other indices."""
    return not condition.accesses and (condition.label == "==" or not condition.free & value.free)
