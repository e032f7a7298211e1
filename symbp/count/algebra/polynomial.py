"""Polynomials in the sizes with rational coefficients: what a closed form of a count is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import lcm

from symbp.errors import SymbpError
from symbp.expr import Add, Expr, Mul, Num, Pow, Size

Monomial = tuple[tuple[str, int], ...]  # sizes in alphabetical order, each with its exponent
Coefficient = int | Fraction


class Polynomial:
    """An immutable polynomial. terms: monomial -> coefficient, none of them 0."""

    __slots__ = ("terms",)
    terms: dict[Monomial, Coefficient]

    def __init__(self, terms: Mapping[Monomial, Coefficient]) -> None:
        self.terms = {m: c if type(c) is int else _plain(c) for m, c in terms.items() if c}

    # ------------------------------------------------------------------------------------- arithmetic

    def __add__(self, other: Polynomial | int) -> Polynomial:
        more = as_polynomial(other).terms
        if not more:
            return self
        if not self.terms and isinstance(other, Polynomial):
            return other
        terms = dict(self.terms)
        for m, c in more.items():
            terms[m] = terms.get(m, 0) + c
        return Polynomial(terms)

    __radd__ = __add__

    def __neg__(self) -> Polynomial:
        return self * -1

    def __sub__(self, other: Polynomial | int) -> Polynomial:
        return self + as_polynomial(other) * -1

    def __mul__(self, other: Polynomial | Coefficient) -> Polynomial:
        if not isinstance(other, Polynomial):
            if other == 1:
                return self
            return Polynomial({m: c * other for m, c in self.terms.items()})
        if len(other.terms) == 1 and () in other.terms:
            return self * other.terms[()]
        if len(self.terms) == 1 and () in self.terms:
            return other * self.terms[()]
        terms: dict[Monomial, Coefficient] = {}
        for m, c in self.terms.items():
            for n, d in other.terms.items():
                mn = _times(m, n)
                terms[mn] = terms.get(mn, 0) + c * d
        return Polynomial(terms)

    __rmul__ = __mul__

    def __pow__(self, n: int) -> Polynomial:
        out = ONE
        for _ in range(n):
            out = out * self
        return out

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Polynomial, int)) and self.terms == as_polynomial(other).terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __bool__(self) -> bool:
        return bool(self.terms)

    def ratio(self, other: Polynomial) -> Fraction:
        """This by a polynomial that is a multiple of it."""
        m, c = next(iter(other.terms.items()))
        found = Fraction(self.terms.get(m, 0)) / c
        if other * found != self:
            raise SymbpError(f"{self} is no multiple of {other}")
        return found

    # -------------------------------------------------------------------------------------- looking at it

    @property
    def sizes(self) -> tuple[str, ...]:
        """The sizes that occur, alphabetically."""
        return tuple(sorted({name for m in self.terms for name, _ in m}))

    def degree(self, name: str) -> int:
        """The highest exponent of a size."""
        return max((n for m in self.terms for other, n in m if other == name), default=0)

    @property
    def number(self) -> int:
        """The value of a polynomial without sizes. Raises SymbpError if there is a size, or a fraction is left."""
        if self.sizes:
            raise SymbpError(f"give a value for {', '.join(self.sizes)} to have a number")
        return whole(self.terms.get((), 0))

    def at(self, values: Mapping[str, Polynomial | int]) -> Polynomial:
        """With some sizes replaced by numbers or polynomials."""
        if not any(name in values for m in self.terms for name, _ in m):
            return self
        numbers = {name: v for name, v in values.items() if isinstance(v, int)}
        if len(numbers) == len(values):
            terms: dict[Monomial, Coefficient] = {}
            for m, c in self.terms.items():
                kept = []
                for name, n in m:
                    if name in numbers:
                        c = c * numbers[name] ** n
                    else:
                        kept.append((name, n))
                terms[tuple(kept)] = terms.get(tuple(kept), 0) + c
            return Polynomial(terms)
        out = ZERO
        for m, c in self.terms.items():
            factor = as_polynomial(1) * c
            for name, n in m:
                factor = factor * as_polynomial(values.get(name, variable(name))) ** n
            out = out + factor
        return out

    @property
    def leading(self) -> Polynomial:
        """The terms of the highest total degree: what remains where all sizes grow alike."""
        highest = max((_degree(m) for m in self.terms), default=0)
        return Polynomial({m: c for m, c in self.terms.items() if _degree(m) == highest})

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Polynomial({self.text()})"

    def text(self, times: str = "*", power: str = "^{}", order: Sequence[str] = ()) -> str:
        """The polynomial, terms of the highest degree first: 2*B*H*I + 3*B. order: of the sizes in a term."""
        if not self.terms:
            return "0"
        pieces = []
        for m, c in sorted(self.terms.items(), key=lambda mc: (-_degree(mc[0]), _names(mc[0]))):
            sizes = sorted(m, key=lambda ne: (order.index(ne[0]) if ne[0] in order else len(order), ne[0]))
            letters = [name + (power.format(n) if n > 1 else "") for name, n in sizes]
            value = Fraction(c)
            top, bottom = abs(value.numerator), value.denominator
            parts = ([f"{top:,}"] if top != 1 or not letters else []) + letters
            pieces.append(("-" if value < 0 else "+", times.join(parts) + (f"/{bottom:,}" if bottom != 1 else "")))
        (sign, first), *rest = pieces
        return ("-" if sign == "-" else "") + first + "".join(f" {s} {p}" for s, p in rest)

    def latex(self) -> str:
        """The polynomial for a mathematical formula."""
        return self.text(r" \, ", "^{{{}}}").replace(",", "{,}").replace(r" \{,} ", r" \, ")


def whole(c: Coefficient) -> int:
    """Raises SymbpError for a fraction."""
    if c.denominator != 1:
        raise SymbpError(f"a count of {c} is no whole number")
    return c.numerator


def _plain(c: Coefficient) -> Coefficient:
    return c.numerator if c.denominator == 1 else c


def _degree(m: Monomial) -> int:
    return sum(n for _, n in m)


def _names(m: Monomial) -> tuple[tuple[str, int], ...]:
    return tuple((name, -n) for name, n in m)


@cache
def _times(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    found = dict(m)
    for name, k in n:
        found[name] = found.get(name, 0) + k
    return tuple(sorted(found.items()))


ZERO, ONE = Polynomial({}), Polynomial({(): 1})


def as_polynomial(value: Polynomial | Coefficient) -> Polynomial:
    """A number as a polynomial; a polynomial as it is."""
    return value if isinstance(value, Polynomial) else Polynomial({(): value})


def variable(name: str) -> Polynomial:
    """A size."""
    return Polynomial({((name, 1),): 1})


@cache
def of_size(e: Expr) -> Polynomial:
    """The polynomial of a size such as 3, B or T + 1."""
    match e:
        case Num():
            return as_polynomial(e.value)
        case Size():
            return variable(e.label)
        case Add():
            return total(map(of_size, e.args))
        case Mul():
            out = ONE
            for f in e.args:
                out = out * of_size(f)
            return out
        case Pow() if isinstance(e.args[1], Num) and isinstance(e.args[1].value, int) and e.args[1].value >= 0:
            return of_size(e.args[0]) ** e.args[1].value
    raise SymbpError(f"the size {e!r} is no polynomial")


def total(values: Iterable[Polynomial | int]) -> Polynomial:
    """The sum."""
    terms: dict[Monomial, Coefficient] = {}
    for value in values:
        for m, c in as_polynomial(value).terms.items():
            terms[m] = terms.get(m, 0) + c
    return Polynomial(terms)


def through_points(name: str, points: Mapping[int, Polynomial]) -> Polynomial:
    """The polynomial of least degree in one more size that has these values."""
    at = tuple(sorted(points))
    shares, divisor = _lagrange(at)
    terms: dict[Monomial, Coefficient] = {}
    for m in dict.fromkeys(m for x in at for m in points[x].terms):
        values = [points[x].terms.get(m, 0) for x in at]
        for power in range(len(at)):
            c = sum(value * share[power] for value, share in zip(values, shares, strict=True))
            if c:
                monomial = _times(m, ((name, power),) if power else ())
                terms[monomial] = Fraction(c) / divisor if c % divisor else c // divisor
    return Polynomial(terms)


@cache
def _lagrange(at: tuple[int, ...]) -> tuple[list[list[int]], int]:
    """For each point, the coefficients, from the lowest, of the polynomial that is 1 there and 0 at all others; times a
    common divisor."""
    bases, values = [], []
    for x in at:
        basis, value = [1], 1
        for other in at:
            if other != x:
                basis = [a - other * b for a, b in zip([0, *basis], [*basis, 0], strict=True)]
                value *= x - other
        bases.append(basis)
        values.append(value)
    divisor = lcm(*values)
    return [[c * (divisor // value) for c in basis] for basis, value in zip(bases, values, strict=True)], divisor
