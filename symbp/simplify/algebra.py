"""Rewriting one expression: common factors, opened products, deltas and sums over sums. The cheapest form wins."""

from __future__ import annotations

from fractions import Fraction

from symbp.affine import affine, holds
from symbp.expr import (
    ZERO,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Reduce,
    add,
    base_exponent,
    call,
    coefficient,
    delta,
    factors,
    mul,
    num,
    power,
    substitute,
    sum_over,
    transform,
    walk,
)
from symbp.program import Program
from symbp.simplify.nominal import operations
from symbp.simplify.rewrite import rewrite_values


def tidy_equations(program: Program) -> Program:
    """Every equation in its cheapest form among those that `forms` proposes."""
    return rewrite_values(program, lambda e: tidy(transform(e, factor_arguments)))


def tidy(e: Expr) -> Expr:
    """The cheapest of the forms of an expression; the given one where none is cheaper."""
    found = _tidied.get(e)
    if found is None:
        found = _tidied[e] = min(forms(e), key=price)
    return found


def price(e: Expr) -> tuple[int, int, int]:
    """What forms are compared by: operations, then reductions, then the length of the text."""
    if e not in _prices:
        written: dict[Expr, int] = {}
        for n in walk(e):
            written[n] = 1 + sum(written[a] for a in n.args)
        _prices[e] = operations(e), sum(1 for n in written if isinstance(n, Reduce)), written[e]
    return _prices[e]


_tidied: dict[Expr, Expr] = {}
_forms: dict[Expr, list[Expr]] = {}
_prices: dict[Expr, tuple[int, int, int]] = {}
FORMS = 16  # more were never needed; a bound keeps the search linear in the number of equations


def forms(e: Expr) -> list[Expr]:
    """The expression and equal ones: what a few of the rules below make of it, one after another."""
    if e in _forms:
        return _forms[e]
    found = [e]
    for form in found:  # grows while it is read
        for rule, done in zip(RULES, _rewritten, strict=True):
            if len(found) < FORMS:
                new = transform(form, rule, done)
                if new not in found:
                    found.append(new)
    _forms[e] = found
    return found


def use_delta(e: Expr) -> Expr:
    """delta(i, j) f(i) = delta(i, j) f(j): the index is replaced in the other factors, so that they can cancel."""
    if isinstance(e, Mul):
        for d in e.args:
            if isinstance(d, Delta):
                for i, other in (d.args, d.args[::-1]):
                    if isinstance(i, Index) and i not in other.free and not isinstance(other, Index):
                        rest = mul(*(f for f in e.args if f is not d))
                        if i in rest.free:
                            return mul(delta(i, other), substitute(rest, {i: other}))
    return e


def solve_delta(e: Expr) -> Expr:
    """Sum over k of delta(i, k - j) f(k) = f(i + j), where i + j is in the range of k for sure."""
    if isinstance(e, Reduce) and e.label == "sum":
        for d in factors(e.body):
            found, rest = (isinstance(d, Delta) and affine(add(d.args[0], mul(-1, d.args[1])))) or ({}, ZERO)
            for k in e.indices:
                others = {i: -c * found.get(k, 0) for i, c in found.items() if i is not k}
                if found.get(k) in (1, -1) and all(c > 0 for c in others.values()):
                    value = add(mul(-found[k], rest), *(mul(c, i) for i, c in others.items()))
                    if holds(value) and holds(k.size - value - 1):
                        body = mul(*(f for f in factors(e.body) if f is not d))
                        return sum_over(substitute(body, {k: value}), [i for i in e.indices if i is not k])
    return e


def open_products(e: Expr) -> Expr:
    """(a + b) c = a c + b c, and (a + b)^2 left alone."""
    if isinstance(e, Mul):
        for f in e.args:
            if isinstance(f, Add):
                rest = mul(*(g for g in e.args if g is not f))
                return add(*(open_products(mul(t, rest)) for t in f.args))
    return e


def open_cancelling(e: Expr) -> Expr:
    """(a / c + b) c = a + b c: opened only where a term's denominator is a factor outside."""
    if isinstance(e, Mul):
        for f in e.args:
            if isinstance(f, Add):
                rest = [g for g in e.args if g is not f]
                above = {base_exponent(g)[0] for g in rest if not isinstance(base_exponent(g)[0], Num)}
                below = {b for t in f.args for g in factors(t) for b, n in (base_exponent(g),) if _negative(n)}
                if above & below:
                    return add(*(open_cancelling(mul(t, *rest)) for t in f.args))
    return e


def _negative(n: Expr) -> bool:
    return isinstance(n, Num) and n.value < 0


def open_sums(e: Expr) -> Expr:
    """Sum(a + b) = Sum(a) + Sum(b)."""
    if isinstance(e, Reduce) and e.label == "sum" and isinstance(e.body, Add):
        return add(*(sum_over(t, e.indices) for t in e.body.args))
    return e


def factor_common(e: Expr) -> Expr:
    """a c + b c = (a + b) c for the factors that all terms share, a common numeric coefficient included."""
    if not isinstance(e, Add):
        return e
    powers = [_powers(t) for t in e.args]
    numbers = {abs(Fraction(coefficient(t)[0])) for t in e.args}
    number = numbers.pop() if len(numbers) == 1 else Fraction(1)
    shared = dict(powers[0])
    for other in powers[1:]:
        shared = {
            b: min(n, other[b]) if n > 0 else max(n, other[b])
            for b, n in shared.items()
            if b in other and (other[b] > 0) == (n > 0)
        }
    if not shared and number == 1:
        return e
    common = mul(num(number), *(power(b, num(n)) for b, n in shared.items()))
    return mul(common, add(*(t / common for t in e.args)))


def factor_arguments(e: Expr) -> Expr:
    """f(a z + b z^3) = f(z (a + b z^2)): one form of an argument, so that a function's value is found again."""
    return call(e.label, *(transform(a, factor_common) for a in e.args)) if isinstance(e, Call) else e


def factor_some(e: Expr) -> Expr:
    """a c + b c + d = (a + b) c + d for the factor that most terms share."""
    if not isinstance(e, Add) or len(e.args) < 3:
        return e
    holders: dict[Expr, list[Expr]] = {}
    for t in e.args:
        for f in factors(coefficient(t)[1]):
            if not isinstance(f, Num):
                holders.setdefault(f, []).append(t)
    shared = [(len(ts), f.digest, f) for f, ts in holders.items() if 1 < len(ts) < len(e.args)]
    if not shared:
        return e
    f = max(shared)[2]
    rest = [t for t in e.args if t not in holders[f]]
    return add(factor_common(add(*holders[f])), *rest)


def _powers(term: Expr) -> dict[Expr, Fraction]:
    """base -> exponent of the term's factors with numeric exponents, without its coefficient."""
    split = map(base_exponent, factors(coefficient(term)[1]))
    return {b: Fraction(n.value) for b, n in split if isinstance(n, Num) and not isinstance(b, Num)}


RULES = (use_delta, solve_delta, factor_common, factor_some, open_cancelling, open_products, open_sums)
_rewritten: tuple[dict[Expr, Expr], ...] = tuple({} for _ in RULES)  # what each made of every node that it has seen
