"""The order in which people write terms and factors. Expressions keep a canonical order of their own.

Factors: adjoints, differences such as y - t, small parameters, values, weights, functions, sums. Terms: those with a
plus first, then in the order in which their tensors were declared, single parameters (the bias) last.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Num,
    Pow,
    Reduce,
    Select,
    base_exponent,
    coefficient,
    factors,
    mul,
    power,
    select,
    terms,
    walk,
)
from symbp.operations import is_constant
from symbp.show.names.symbols import Names

Key = tuple[float, ...]


@dataclass(frozen=True)
class Product:
    """sign * number * top / bottom: the factors above and below the line in the order of writing.

    constants, below: sizes and irrational constants above and below. flipped: the sum among the factors that is to be
    written with opposite signs, which is how -(a - b) becomes (b - a), and -(a + b), where it stands alone, -a - b.
    """

    negative: bool
    number: Fraction
    constants: tuple[Expr, ...]
    top: tuple[Expr, ...]
    below: tuple[Expr, ...]
    bottom: tuple[Expr, ...]
    flipped: Expr | None = None


def is_adjoint(names: Names, name: str) -> bool:
    """Whether the tensor is an adjoint or a tangent."""
    return name in names.derivatives


def factor_key(names: Names, f: Expr) -> Key:
    """Where a factor stands in a product."""
    match f:
        case Access():
            return (_access_class(names, f), *_place(names, f), 0)
        case Add():
            first = min(
                (a for a in f.accesses if not _is_index(names, a)), key=lambda a: _place(names, a), default=None
            )
            rest = [t for t in f.args if not (isinstance(t, Num) or isinstance(coefficient(t)[1], Delta))]
            function = base_exponent(coefficient(rest[0])[1])[0] if len(rest) == 1 < len(f.args) else None
            if isinstance(function, Call):  # sigma(u) (1 - sigma(u))
                return (*factor_key(names, function), 1)
            if len(rest) < len(f.args) and first is not None:  # h (1 - h)
                return (_access_class(names, first), *_place(names, first), 1)
            return (1, *(_place(names, first) if first else (0,)), 0)
        case Pow():
            return factor_key(names, f.args[0])
        case Select():
            return (5, *_first(names, f), 0)
        case Call():
            return (6, *_first(names, f), 0)
        case Delta():
            return (7, *_first(names, f), 0)
        case Reduce():
            return (8, *_first(names, f), 0)
    return (-1, 0, 0)


def _is_index(names: Names, a: Access) -> bool:
    return names.tensors[a.label].dtype == "int" if a.label in names.tensors else False


def _place(names: Names, a: Access) -> tuple[int, ...]:
    return (names.position.get(a.label, 0),)


def _first(names: Names, f: Expr) -> tuple[int, ...]:
    return tuple(sorted(names.position.get(a.label, 0) for a in f.accesses))


def _access_class(names: Names, a: Access) -> float:
    if is_adjoint(names, a.label):
        return 0
    t = names.tensors.get(a.label)
    if t is not None and t.role == "parameter":
        return 2 if len(t.indices) < 2 else 4
    return 3


def product(names: Names, e: Expr) -> Product:
    """A product taken apart for writing; -(a - b) is turned into (b - a)."""
    number, rest = coefficient(e)
    value = Fraction(number)
    found = [g for f in factors(rest) for g in unmasked(f) if not (isinstance(g, Num) and g.value == 1)]
    flipped = None
    if value < 0:
        alone = value == -1 and len(found) == 1  # -a - b
        sums = (f for f in found if isinstance(f, Add))
        flipped = next((f for f in sums if alone or any(coefficient(t)[0] < 0 for t in f.args)), None)
        value = value if flipped is None else -value
    top: list[Expr] = []
    bottom: list[Expr] = []
    constants: list[Expr] = []
    below: list[Expr] = []
    for f in found:
        if isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0:
            upside = power(f.args[0], mul(-1, f.args[1]))
            (below if is_constant(f) else bottom).append(upside)
        else:
            (constants if is_constant(f) and f is not flipped else top).append(f)
    top.sort(key=lambda f: factor_key(names, f))
    bottom.sort(key=lambda f: factor_key(names, f))
    return Product(value < 0, abs(value), tuple(constants), tuple(top), tuple(below), tuple(bottom), flipped)


def unmasked(f: Expr) -> list[Expr]:
    """x if A, else 0, as the factors [A] and x, where x has a value whether A holds or not."""
    if not isinstance(f, Select) or f.args[1] is ONE or f.args[2] is not ZERO or coefficient(f.args[1])[0] != 1:
        return [f]
    everywhere = all(isinstance(i, Index) for a in f.args[1].accesses for i in a.args)
    return [select(f.args[0], ONE, ZERO), *factors(f.args[1])] if everywhere else [f]


def ordered_terms(names: Names, e: Expr, flipped: bool = False) -> list[Expr]:
    """The terms of a sum in the order of writing: never first one with a minus if there is another.

    flipped: the order for the sum with opposite signs.
    """
    sign = -1 if flipped else 1
    if not e.accesses and any(isinstance(n, Index) for n in walk(e)):
        return sorted(terms(e), key=lambda t: (coefficient(t)[0] * sign < 0, *_offset_key(names, t)))
    return sorted(terms(e), key=lambda t: (coefficient(t)[0] * sign < 0, _number_class(t), *_term_key(names, t)))


def _number_class(t: Expr) -> int:
    """Whole numbers first (1 + x), small ones last (v + 1/1000)."""
    return 1 if not isinstance(t, Num) else 0 if Fraction(t.value).denominator == 1 else 2


def _offset_key(names: Names, t: Expr) -> Key:
    """Where a term of an index stands, as in 9k + 3h + w + 1: strides, then positions before offsets, numbers last."""
    number, rest = coefficient(t)
    indices = [n for n in walk(rest) if isinstance(n, Index)]
    stem = indices[0].label.rstrip("0123456789") if indices else ""
    place = names.labels.index(stem) if stem in names.labels else len(names.labels)
    return (isinstance(t, Num), not indices, -len(factors(rest)), -abs(float(Fraction(number))), place)


def _term_key(names: Names, t: Expr) -> Key:
    rest = coefficient(t)[1]
    alone = isinstance(rest, Access) and names.tensors.get(rest.label) is not None
    bias = alone and names.tensors[rest.label].role == "parameter"
    keys = sorted(factor_key(names, f) for f in factors(rest))
    degree = sum(float(n.value) for f in factors(rest) if isinstance(n := base_exponent(f)[1], Num))
    return (bool(bias), *keys[0], degree) if keys else (bool(bias),)
