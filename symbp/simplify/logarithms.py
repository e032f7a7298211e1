"""Logarithms of products, exponentials and sigmoids, read through the equations that define them."""

from __future__ import annotations

from fractions import Fraction

from symbp.expr import (
    ONE,
    Access,
    Add,
    Call,
    Expr,
    Mul,
    Num,
    Pow,
    add,
    call,
    coefficient,
    factors,
    mul,
    substitute,
    transform,
    walk,
)
from symbp.program import Program
from symbp.simplify.rewrite import rewrite_values


def combine_logs(program: Program) -> Program:
    """log(exp(s)/Z) = s - log Z, log(sigmoid(x)) = x - softplus(x), log(1 - sigmoid(x)) = -softplus(x)."""
    defined = {e.name: e for e in program.equations}

    def meaning(e: Expr) -> Expr:
        """The definition of an access where it is a product with an exponential, or a sigmoid; else itself."""
        if isinstance(e, Access) and e.label in defined:
            equation = defined[e.label]
            value = equation.value
            if _has_exponential(value) or (isinstance(value, Call) and value.label == "sigmoid"):
                return substitute(value, dict(zip(equation.target.args, e.args, strict=True)))
        return e

    def rule(e: Expr) -> Expr:
        if not (isinstance(e, Call) and e.label == "log"):
            return e
        inside = meaning(e.args[0])
        if isinstance(inside, Call) and inside.label == "exp":
            return inside.args[0]
        if isinstance(inside, Call) and inside.label == "sigmoid":
            return inside.args[0] - call("softplus", inside.args[0])
        if isinstance(inside, Add) and len(inside.args) == 2 and ONE in inside.args:
            other = meaning(mul(-1, add(inside, -1)))
            if isinstance(other, Call) and other.label == "sigmoid":
                return mul(-1, call("softplus", other.args[0]))
        if _has_exponential(inside):
            return _log_of_product(inside)
        return e

    def combined(e: Expr) -> Expr:
        return transform(e, rule) if any(isinstance(n, Call) and n.label == "log" for n in walk(e)) else e

    return rewrite_values(program, combined)


def _has_exponential(e: Expr) -> bool:
    return isinstance(e, Mul) and any(isinstance(f, Call) and f.label == "exp" for f in e.args)


def _log_of_product(e: Expr) -> Expr:
    """log(exp(s) c / Z) = s + log c - log Z; more is not split off: two negative factors have no logarithm each."""
    number, rest = coefficient(e)
    outside = [f.args[0] for f in factors(rest) if isinstance(f, Call) and f.label == "exp"]
    inside = mul(*(f for f in factors(rest) if not (isinstance(f, Call) and f.label == "exp")))
    if number > 0:
        outside.append(call("log", number))
    else:
        inside = mul(number, inside)
    if isinstance(inside, Pow) and isinstance(inside.args[1], Num) and Fraction(inside.args[1].value).numerator % 2:
        return add(*outside, mul(inside.args[1], call("log", inside.args[0])))
    return add(*outside, call("log", inside))
