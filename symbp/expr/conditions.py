"""Comparisons and what depends on them, and Kronecker's delta, in canonical form."""

from __future__ import annotations

from collections.abc import Callable

from symbp.expr.arithmetic import ONE, ZERO, Delta, Expr, Num, Number, Select, as_expr, coefficient, mul, terms
from symbp.expr.nodes import node, order


class Condition(Expr):
    """A comparison (label <, <=, >, >=, ==, !=) or a logical connective (label and, or, not)."""

    __slots__ = ()


COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
TRUE, FALSE = node(Condition, "true", ()), node(Condition, "false", ())


def compare(operator: str, a: Expr | Number, b: Expr | Number) -> Expr:
    """A comparison of two values, numbers on the right, the larger one elsewhere; of a lone index t == T - 1."""
    left, right = as_expr(a), as_expr(b)
    if operator in ("==", "!="):
        left, right = _solved(left, right)
    if left is right:
        return TRUE if operator in ("<=", ">=", "==") else FALSE
    if isinstance(left, Num):
        if isinstance(right, Num):
            return TRUE if COMPARISONS[operator](left.value, right.value) else FALSE
        left, right, operator = right, left, _MIRRORED[operator]
    elif operator in (">", ">=") and not isinstance(right, Num):  # of a >= b and b <= a, one
        left, right, operator = right, left, _MIRRORED[operator]
    return node(Condition, operator, (left, right))


def _solved(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    """Two index expressions that are compared, as an index and what it is compared with, where they hold just one."""
    if len(left.free | right.free) != 1 or left.accesses or right.accesses:
        return left, right
    (i,) = left.free | right.free
    difference = left - right
    for t in terms(difference):
        c, at = coefficient(t)
        if at is i and c in (1, -1) and not (rest := difference - t).free:
            return i, mul(-c, rest)
    return left, right


def logic(operator: str, *conditions: Expr) -> Expr:
    """and, or, not of conditions."""
    if operator == "not":
        (a,) = conditions
        if a in (TRUE, FALSE):
            return FALSE if a is TRUE else TRUE
        return compare(_OPPOSITE[a.label], *a.args) if a.label in _OPPOSITE else node(Condition, "not", (a,))
    neutral, absorbing = (TRUE, FALSE) if operator == "and" else (FALSE, TRUE)
    kept = [c for c in dict.fromkeys(conditions) if c is not neutral]
    if absorbing in kept:
        return absorbing
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else node(Condition, operator, tuple(kept))


def select(condition: Expr, then: Expr | Number, otherwise: Expr | Number) -> Expr:
    """The first value where the condition holds, elsewhere the second."""
    a, b = as_expr(then), as_expr(otherwise)
    if condition is TRUE or a is b:
        return a
    if condition is FALSE:
        return b
    if a is ZERO and not condition.accesses:  # one form for what is zero at the first step, or outside
        condition, a, b = logic("not", condition), b, a
    if a is ONE and b is ZERO and condition.label == "==" and not condition.accesses:
        return delta(*condition.args)  # so that a sum over the index contracts
    return node(Select, "if", (condition, a, b))


def delta(a: Expr | Number, b: Expr | Number) -> Expr:
    """Kronecker's delta."""
    left, right = sorted((as_expr(a), as_expr(b)), key=order)
    if left is right:
        return ONE
    if isinstance(left, Num) and isinstance(right, Num):
        return ZERO
    return node(Delta, "delta", (left, right))
