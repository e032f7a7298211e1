"""What one node of an expression costs. The only definition of an operation: passes compare by it, counts print it.

Kinds: add (also subtract), mul, div, neg, sqrt, pow, compare, select and the transcendentals by name. Rules:
a sum of n terms costs n - 1 additions and its signs nothing; a product of n factors n - 1 multiplications; numbers
and sizes multiply to one constant beforehand; x/(y z) is one multiplication and one division; x^n for an integer n
costs the multiplications of repeated squaring; a function costs what its row in `symbp.functions` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction

from symbp.expr import (
    ONE,
    Access,
    Add,
    Call,
    Condition,
    Const,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    Size,
    coefficient,
    mul,
    walk,
)
from symbp.functions import TABLE, definition

KINDS = ("add", "mul", "div", "neg", "sqrt", "pow", "compare", "select", "exp", "log", "tanh", "sin", "cos", "erf")


def is_constant(e: Expr) -> bool:
    """Whether an expression is made of numbers and sizes only."""
    return not e.accesses and not e.free


def node_operations(e: Expr, signed: bool = False) -> Mapping[str, int]:
    """Operations of this node, its arguments' values being given. Reductions: see `reduction_operations`.

    signed: the node is a term of a sum, which takes its minus sign for nothing.
    """
    if is_constant(e) or isinstance(e, (Num, Size, Index, Const, Access)):
        return {}
    match e:
        case Add():
            constants = sum(1 for t in e.args if is_constant(t))
            return {"add": len(e.args) - 1 - max(0, constants - 1)}
        case Mul():
            return _product(e, signed)
        case Pow():
            return _power(e)
        case Call():
            row = TABLE[e.label]
            if row.definition is None:
                return row.cost
            formula = definition(e)
            return tree_operations(formula) - tree_operations(e.args[0]) if formula is not None else {}
        case Select():
            return {"select": 1}
        case Delta():
            return {"compare": 1}
        case Condition():
            return {"compare": 1} if len(e.args) == 2 else {"compare": max(0, len(e.args) - 1)}
    return {}


def _product(e: Mul, signed: bool) -> Mapping[str, int]:
    constants = [f for f in e.args if is_constant(f)]
    rest = [f for f in e.args if not is_constant(f)]
    below = [f for f in rest if isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0]
    above = len(rest) - len(below)
    constant = mul(*constants)
    number, symbols = coefficient(constant)
    out: Counter[str] = Counter()
    out["mul"] += max(0, above - 1) + max(0, len(below) - 1)
    if below:
        out["div"] += 1
    if constant is not ONE:
        if symbols is ONE and abs(number) == 1:
            flips = signed or any(isinstance(f, Add) for f in rest)
            out["neg"] += 0 if flips or not above else 1
        elif above:
            out["div" if abs(Fraction(number).numerator) == 1 and constant is not number else "mul"] += 1
    for f in below:  # Pow counts its own division, which is the product's here
        out["div"] -= 1
    return +out if all(v >= 0 for v in out.values()) else Counter({k: v for k, v in out.items() if v})


def _power(e: Pow) -> Mapping[str, int]:
    base, n = e.args
    if not isinstance(n, Num):
        return {"pow": 1}
    out: Counter[str] = Counter()
    exponent = Fraction(n.value)
    if exponent < 0:
        out["div"] += 1
        exponent = -exponent
    if exponent.denominator == 2:
        out["sqrt"] += 1
        exponent = Fraction(exponent.numerator)
    if exponent.denominator != 1:
        out["pow"] += 1
    else:
        k = exponent.numerator
        out["mul"] += k.bit_length() - 1 + bin(k).count("1") - 1
    return +out


def reduction_operations(e: Reduce) -> tuple[str, Expr]:
    """(kind, how many) for one result of a sum or maximum: a reduction over N values takes N - 1 operations."""
    kind = "add" if e.label == "sum" else "compare"
    return kind, mul(*(i.size for i in e.indices)) - 1


def tree_operations(e: Expr) -> Counter[str]:
    """Operations of a scalar expression written out as it stands: a subexpression costs as often as it appears."""
    memo: dict[Expr, Counter[str]] = {}
    for node in walk(e):
        total: Counter[str] = Counter(node_operations(node))
        for a in node.args:
            total.update(memo[a])
            if isinstance(node, Add) and isinstance(a, Mul):
                total.subtract(node_operations(a))
                total.update(node_operations(a, signed=True))
        memo[node] = total
    return Counter({k: v for k, v in memo[e].items() if v})


def cost(e: Expr, length: Callable[[Index], int]) -> int:
    """Operations of an expression over arrays: each distinct subexpression once, for all values of its free indices."""
    total = 0
    signed = {t for node in walk(e) if isinstance(node, Add) for t in node.args}
    for node in walk(e):
        if isinstance(node, Index):
            continue
        space = 1
        for i in node.free:
            space *= length(i)
        if isinstance(node, Reduce):
            terms = 1
            for i in node.indices:
                terms *= length(i)
            total += space * (terms - 1)
        else:
            total += space * sum(node_operations(node, node in signed).values())
    return total
