"""Index arithmetic: affine forms of indices and sizes, their ranges, and what conditions say of them.

Sizes are positive integers. A bound is proved for all of them, by writing each size as 1 + u with u >= 0 and looking at
the signs of the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache, reduce

from symbp.expr import (
    FALSE,
    ONE,
    TRUE,
    ZERO,
    Add,
    Condition,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Number,
    Pow,
    Select,
    Size,
    add,
    coefficient,
    compare,
    logic,
    mul,
    rebuild,
    select,
    terms,
    walk,
)

Facts = tuple[Expr, ...]  # expressions of indices and sizes that are known to be >= 0


def affine(e: Expr) -> tuple[dict[Index, Number], Expr] | None:
    """(coefficients, rest): e = sum of coefficient * index + rest, rest of numbers and sizes only; None if it isn't."""
    found: dict[Index, Number] = {}
    rest: list[Expr] = []
    for term in _opened(e):
        c, factor = coefficient(term)
        if isinstance(factor, Index):
            found[factor] = found.get(factor, 0) + c
        elif factor.free or factor.accesses:
            return None
        else:
            rest.append(term)
    return {i: c for i, c in found.items() if c != 0}, add(*rest)


def _opened(e: Expr) -> Iterable[Expr]:
    """The terms of a sum, with numeric multiples of sums opened."""
    for t in terms(e):
        c, rest = coefficient(t)
        if isinstance(rest, Add) and c != 1:
            for inner in rest.args:
                yield from _opened(mul(c, inner))
        else:
            yield t


def lowest(e: Expr) -> Expr | None:
    """The smallest value over all values of the indices, in the sizes; None if the form isn't affine."""
    parts = affine(e)
    if parts is None:
        return None
    found, rest = parts
    return add(rest, *(mul(c, add(i.size, -1)) for i, c in found.items() if c < 0))


def highest(e: Expr) -> Expr | None:
    """The largest value over all values of the indices, in the sizes."""
    low = lowest(mul(-1, e))
    return None if low is None else mul(-1, low)


def never_negative(e: Expr) -> bool:
    """Whether an expression of numbers and sizes is >= 0 for all sizes."""
    polynomial = _shifted(e)
    return polynomial is not None and all(c >= 0 for c in polynomial.values())


Monomial = tuple[tuple[str, int], ...]


def _shifted(e: Expr) -> dict[Monomial, Fraction] | None:
    """The polynomial in u = size - 1, as monomial -> coefficient; None if it is no polynomial."""
    match e:
        case Num():
            return {(): Fraction(e.value)}
        case Size():
            return {(): Fraction(1), ((e.label, 1),): Fraction(1)}
        case Add():
            parts = [_shifted(t) for t in e.args]
            if any(p is None for p in parts):
                return None
            out: dict[Monomial, Fraction] = {}
            for p in parts:
                for m, c in (p or {}).items():
                    out[m] = out.get(m, Fraction(0)) + c
            return {m: c for m, c in out.items() if c}
        case Mul():
            return reduce(_times, (_shifted(f) for f in e.args))
        case Pow() if isinstance(e.args[1], Num) and isinstance(e.args[1].value, int) and e.args[1].value > 0:
            return reduce(_times, [_shifted(e.args[0])] * e.args[1].value)
    return None


def _times(a: dict[Monomial, Fraction] | None, b: dict[Monomial, Fraction] | None) -> dict[Monomial, Fraction] | None:
    if a is None or b is None:
        return None
    out: dict[Monomial, Fraction] = {}
    for m, c in a.items():
        for n, d in b.items():
            powers = dict(m)
            for name, k in n:
                powers[name] = powers.get(name, 0) + k
            key = tuple(sorted(powers.items()))
            out[key] = out.get(key, Fraction(0)) + c * d
    return out


# ------------------------------------------------------------------------------------------- conditions


@cache
def holds(e: Expr, facts: Facts = ()) -> bool:
    """Whether e >= 0 for all values of indices and sizes that satisfy the facts."""
    for fact in (ZERO, *facts):
        low = lowest(e - fact)
        if low is not None and never_negative(low):
            return True
    return False


@cache
def learn(condition: Expr, facts: Facts = ()) -> Facts:
    """The facts, and those that follow from a condition that holds."""
    return (*facts, *_facts(condition, facts))


def _facts(condition: Expr, facts: Facts) -> list[Expr]:
    if not isinstance(condition, Condition) or not condition.args:
        return []
    if condition.label == "and":
        return [f for c in condition.args for f in _facts(c, facts)]
    if condition.label in ("or", "not"):
        return []
    a, b = condition.args
    if a.accesses or b.accesses:
        return []
    match condition.label:
        case ">=":
            return [a - b]
        case "<=":
            return [b - a]
        case ">":
            return [a - b - 1]
        case "<":
            return [b - a - 1]
        case "==":
            return [a - b, b - a]
        case "!=":  # at the end of a range, the next value
            return [d - 1 for d in (a - b, b - a) if holds(d, facts)]
    return []


def opposite(condition: Expr) -> Expr:
    """What holds where the condition doesn't."""
    if isinstance(condition, Condition) and condition.label in ("and", "or"):
        return logic("or" if condition.label == "and" else "and", *map(opposite, condition.args))
    return logic("not", condition)


def decide(condition: Expr, facts: Facts = ()) -> Expr:
    """The condition with every part that is always or never true replaced by TRUE or FALSE."""
    if not isinstance(condition, Condition) or not condition.args or any(a.accesses for a in condition.args):
        return condition
    if condition.label in ("and", "or", "not"):
        return logic(condition.label, *(decide(c, facts) for c in condition.args))
    a, b = condition.args
    difference = a - b
    if affine(difference) is None:
        return condition
    at_least, at_most = holds(difference, facts), holds(mul(-1, difference), facts)
    above, below = holds(difference - 1, facts), holds(mul(-1, difference) - 1, facts)
    truth = {
        ">=": (at_least, below),
        "<=": (at_most, above),
        ">": (above, at_most),
        "<": (below, at_least),
        "==": (at_least and at_most, above or below),
        "!=": (above or below, at_least and at_most),
    }[condition.label]
    return TRUE if truth[0] else FALSE if truth[1] else condition


def settle(e: Expr, facts: Facts = ()) -> Expr:
    """The expression with its conditions decided, each branch knowing what the conditions around it say."""
    if not any(True for _ in _selects(e)):
        return e
    return _settle(e, facts, {})


def _settle(e: Expr, facts: Facts, memo: dict[tuple[Expr, Facts], Expr]) -> Expr:
    if not e.args or isinstance(e, Index):
        return e
    key = e, facts
    found = memo.get(key)
    if found is None:
        if isinstance(e, Select):
            condition = decide(e.args[0], facts)
            then = _settle(e.args[1], learn(condition, facts), memo) if condition is not FALSE else ZERO
            other = _settle(e.args[2], learn(opposite(condition), facts), memo) if condition is not TRUE else ZERO
            found = rebuild(e, (condition, then, other))
        elif isinstance(e, Mul):
            found = _settle_product(e, facts, memo)
        else:
            args = tuple(_settle(a, facts, memo) for a in e.args)
            found = e if args == e.args else rebuild(e, args)
        memo[key] = found
    return found


def _settle_product(e: Mul, facts: Facts, memo: dict[tuple[Expr, Facts], Expr]) -> Expr:
    """A condition only matters where no other factor is zero. One after another, lest two prove each other.

    Conditions deep inside a factor stay: there, sigmoid(z) is to be known again as what computed it.
    """
    kept = list(e.args)
    for n, f in enumerate(kept):
        others = facts
        for m, g in enumerate(kept):
            if m != n and isinstance(f, Select):
                others = learn(where_nonzero(g), others)
        kept[n] = _settle(f, others, memo)
    masks = [f for f in kept if is_mask(f)]
    if len(masks) > 1:
        masks = [mask_of(logic("and", *(m.args[0] for m in masks)))]
    return mul(*masks, *(f for f in kept if not is_mask(f)))


def is_mask(e: Expr) -> bool:
    """Whether e is 1 where a condition holds and 0 elsewhere."""
    return isinstance(e, Select) and e.args[1] is ONE and e.args[2] is ZERO


def where_nonzero(factor: Expr) -> Expr:
    """The condition outside of which a factor is zero for sure."""
    if isinstance(factor, Delta):
        return compare("==", *factor.args)
    if isinstance(factor, Select):
        if factor.args[2] is ZERO:
            return factor.args[0]
        if factor.args[1] is ZERO:
            return opposite(factor.args[0])
    return TRUE


def mask_of(condition: Expr) -> Expr:
    """1 where the condition holds, 0 elsewhere."""
    return select(condition, ONE, ZERO)


def _selects(e: Expr) -> Iterable[Expr]:
    return (n for n in walk(e) if isinstance(n, Select))
