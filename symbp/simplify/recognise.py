"""Elementary functions recognised where they were written out by hand: 1/(1 + exp(-x)) is sigmoid(x)."""

from __future__ import annotations

from fractions import Fraction

from symbp.expr import ONE, Add, Call, Expr, Mul, Num, Pow, add, base_exponent, call, coefficient, mul, power, transform
from symbp.program import Program
from symbp.simplify.rewrite import rewrite_values

_recognised: dict[Expr, Expr] = {}


def recognise_functions(program: Program) -> Program:
    """sigmoid, softplus and tanh for their textbook formulas, and for what the derivatives of these formulas hold."""
    return rewrite_values(program, lambda e: transform(e, recognise, _recognised))


def recognise(e: Expr) -> Expr:
    """For `expr.transform`: one node, its arguments being done."""
    match e:
        case Call() if e.label == "log" and (u := _one_plus_exp(e.args[0])) is not None:
            return call("softplus", u)
        case Pow() if _integer(e.args[1]) < 0 and (u := _one_plus_exp(e.args[0])) is not None:
            return power(_sigmoid(mul(-1, u)), -_integer(e.args[1]))
        case Mul():
            return _absorb_exp(_hyperbolic_tangent(e))
    return e


def _absorb_exp(e: Expr) -> Expr:
    """exp(k u) sigmoid(-u)^n = exp((k - 1) u) sigmoid(u) sigmoid(-u)^(n - 1)."""
    exponent = next((f.args[0] for f in e.args if isinstance(f, Call) and f.label == "exp"), None)
    if exponent is None:
        return e
    for f in e.args:
        base, n = base_exponent(f)
        minus_u = _argument_of_sigmoid(base)
        if minus_u is not None and _integer(n) > 0:
            k = exponent / mul(-1, minus_u)
            if isinstance(k, Num) and k.value >= 1:
                rest = mul(e, power(f, -1), call("exp", minus_u))
                return _absorb_exp(mul(rest, _sigmoid(mul(-1, minus_u)), power(base, n - 1)))
    return e


def _hyperbolic_tangent(e: Expr) -> Expr:
    """(exp(u) - exp(-u)) / (exp(u) + exp(-u)), or a power of it."""
    for below in e.args:
        base, n = base_exponent(below)
        u = _two_cosh(base)
        if u is not None and _integer(n) < 0:
            sinh = add(call("exp", u), mul(-1, call("exp", mul(-1, u))))
            sign, bare = coefficient(sinh)
            for above in e.args:
                top, m = base_exponent(above)
                if top is bare and _integer(m) == -_integer(n):
                    return mul(e, power(above, -1), power(below, -1), power(mul(sign, call("tanh", u)), m))
    return e


def _integer(n: Expr) -> int:
    """The value of an integer, 0 for anything else."""
    return int(n.value) if isinstance(n, Num) and Fraction(n.value).denominator == 1 else 0


def _sigmoid(u: Expr) -> Expr:
    """sigmoid(u), as 1 - sigmoid(-u) where u has a minus sign, so that both share one value."""
    if coefficient(u)[0] < 0:
        return 1 - call("sigmoid", mul(-1, u))
    return call("sigmoid", u)


def _argument_of_sigmoid(e: Expr) -> Expr | None:
    """u where e is sigmoid(u) as `_sigmoid` writes it."""
    if isinstance(e, Call) and e.label == "sigmoid":
        return e.args[0]
    rest = 1 - e if isinstance(e, Add) else e
    return mul(-1, rest.args[0]) if isinstance(rest, Call) and rest.label == "sigmoid" else None


def _one_plus_exp(e: Expr) -> Expr | None:
    """u where e is 1 + exp(u)."""
    rest = e - 1 if isinstance(e, Add) and ONE in e.args else e
    return rest.args[0] if rest is not e and isinstance(rest, Call) and rest.label == "exp" else None


def _two_cosh(e: Expr) -> Expr | None:
    """u where e is exp(u) + exp(-u)."""
    exponents = [t.args[0] for t in e.args if isinstance(t, Call) and t.label == "exp"] if isinstance(e, Add) else []
    if len(exponents) == len(e.args) == 2 and exponents[0] is mul(-1, exponents[1]):
        return max(exponents, key=lambda u: coefficient(u)[0])
    return None
