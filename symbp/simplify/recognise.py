"""Elementary functions recognised where they were written out by hand: 1/(1 + exp(-x)) is sigmoid(x)."""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import ONE, Add, Call, Expr, Mul, Num, Pow, add, base_exponent, call, coefficient, mul, transform
from symbp.program import Program


def recognise_functions(program: Program) -> Program:
    """sigmoid, softplus and tanh for their textbook formulas, and for what the derivatives of these formulas hold."""
    return program.with_(replace(e, value=transform(e.value, recognise)) for e in program.equations)


def recognise(e: Expr) -> Expr:
    """For `expr.transform`: one node, its arguments being done."""
    match e:
        case Call() if e.label == "log" and (u := _one_plus_exp(e.args[0])) is not None:
            return call("softplus", u)
        case Pow() if isinstance(e.args[1], Num) and e.args[1].value == -1:
            u = _one_plus_exp(e.args[0])
            return e if u is None else _sigmoid(mul(-1, u))
        case Mul():
            return _product(e)
    return e


def _product(e: Mul) -> Expr:
    """exp(u) / (1 + exp(u))^n, and (exp(u) - exp(-u)) / (exp(u) + exp(-u))."""
    for below in e.args:
        base, n = base_exponent(below)
        if not (isinstance(n, Num) and isinstance(n.value, int) and n.value < 0):
            continue
        u = _one_plus_exp(base)
        if u is not None and call("exp", u) in e.args:
            rest = mul(*(f for f in e.args if f is not below and f is not call("exp", u)))
            return mul(rest, _sigmoid(u), _sigmoid(mul(-1, u)) ** (-n.value - 1))
        half = _two_cosh(base)
        if half is not None:
            above = add(call("exp", half), mul(-1, call("exp", mul(-1, half))))
            for f in e.args:
                top, m = base_exponent(f)
                for x, sinh in ((half, above), (mul(-1, half), mul(-1, above))):
                    if top is sinh and isinstance(m, Num) and m.value == -n.value:
                        return mul(call("tanh", x) ** m, *(g for g in e.args if g is not f and g is not below))
    return e


def _sigmoid(u: Expr) -> Expr:
    """sigmoid(u), as 1 - sigmoid(-u) where u has a minus sign, so that both share one value."""
    if coefficient(u)[0] < 0:
        return 1 - call("sigmoid", mul(-1, u))
    return call("sigmoid", u)


def _one_plus_exp(e: Expr) -> Expr | None:
    """u where e is 1 + exp(u)."""
    if isinstance(e, Add) and len(e.args) == 2 and ONE in e.args:
        other = e.args[0] if e.args[1] is ONE else e.args[1]
        if isinstance(other, Call) and other.label == "exp":
            return other.args[0]
    return None


def _two_cosh(e: Expr) -> Expr | None:
    """u where e is exp(u) + exp(-u)."""
    if isinstance(e, Add) and len(e.args) == 2:
        exponents = [t.args[0] for t in e.args if isinstance(t, Call) and t.label == "exp"]
        if len(exponents) == 2 and exponents[0] is mul(-1, exponents[1]):
            return max(exponents, key=lambda u: coefficient(u)[0])
    return None
