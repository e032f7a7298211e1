"""Logarithms of products, exponentials and sigmoids, read through the equations that define them."""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import ONE, Access, Add, Call, Expr, Mul, Pow, add, call, mul, substitute, transform
from symbp.program import Program


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
            return add(*(_log_of_factor(f) for f in inside.args))
        return e

    return program.with_(replace(e, value=transform(e.value, rule)) for e in program.equations)


def _has_exponential(e: Expr) -> bool:
    return isinstance(e, Mul) and any(isinstance(f, Call) and f.label == "exp" for f in e.args)


def _log_of_factor(f: Expr) -> Expr:
    if isinstance(f, Pow):
        return mul(f.args[1], call("log", f.args[0]))
    return call("log", f)
