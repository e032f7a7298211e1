"""Numbers and sizes as Python scalars; products as fractions."""

from __future__ import annotations

from fractions import Fraction

from symbp.errors import SymbpError
from symbp.expr import ONE, PI, Add, Call, Const, Expr, Mul, Num, Pow, Size, add, coefficient, factors, mul, node, num
from symbp.lower.array import ATOM, POWER, PRODUCT, SIGN, SUM, Array
from symbp.operations import is_constant


def constant(e: Expr) -> Array:
    """An expression of numbers and sizes only; sizes are local variables of the emitted code."""
    match e:
        case Num():
            return number(Fraction(e.value))
        case Const():
            return Array("math.pi" if e is PI else "math.inf")
        case Size():
            return Array(e.label)
        case Add():
            signed = sorted((coefficient(t) for t in e.args), key=lambda ct: (ct[0] < 0, ct[1] is ONE))
            parts = [(c < 0, constant(mul(-c if c < 0 else c, rest))) for c, rest in signed]
            code = "".join(f" {'-' if minus else '+'} {p.at(PRODUCT)}" for minus, p in parts)
            return Array(code.removeprefix(" + ").removeprefix(" "), (), SUM)
        case Pow() if isinstance(e.args[1], Num) and Fraction(e.args[1].value) == Fraction(1, 2):
            return Array(f"math.sqrt({constant(e.args[0]).code})")
        case Pow() if isinstance(e.args[1], Num) and e.args[1].value < 0:
            return Array(f"1 / {constant(e.args[0] ** -e.args[1]).at(SIGN)}", (), PRODUCT)
        case Pow():
            return Array(f"{constant(e.args[0]).at(ATOM)}**{constant(e.args[1]).at(ATOM)}", (), POWER)
        case Mul() if e.args[0] is num(-1) and len(e.args) == 2:
            return Array(f"-{constant(e.args[1]).at(SIGN)}", (), SIGN)
        case Mul():
            above, below = fraction(e)
            top = " * ".join(constant(f).at(PRODUCT) for f in above) or "1"
            if not below:
                return Array(top, (), PRODUCT)
            bottom = [constant(f).at(SIGN) for f in below]
            under = bottom[0] if len(bottom) == 1 else f"({' * '.join(bottom)})"
            return Array(f"{top} / {under}", (), PRODUCT)
        case Call():
            return Array(f"math.{e.label}({', '.join(constant(a).code for a in e.args)})")
    raise SymbpError(f"no Python form of the constant {e!r}")


def into_coefficients(e: Expr) -> Expr:
    """c * (a*x + b) * y as (ca*x + cb) * y: an operation less for every entry, where a and b are constants, or have
    fewer axes than the sum.
    """
    if not isinstance(e, Mul):
        return e
    constants = [f for f in e.args if is_constant(f)]
    sums = [f for f in e.args if isinstance(f, Add) and all(_takes_constants(t, f) for t in f.args)]
    if not constants or not sums or mul(*constants) is num(-1):
        return e
    rest = [f for f in e.args if f not in constants and f is not sums[0]]
    return mul(*rest, add(*(mul(*constants, t) for t in sums[0].args)))


def _takes_constants(term: Expr, of: Expr) -> bool:
    """Whether a factor costs little there: it has a constant one other than 1 and -1, or one that varies less."""
    own = [f for f in factors(term) if is_constant(f)]
    return is_constant(term) or mul(*own) not in (ONE, num(-1)) or any(f.free < of.free for f in factors(term))


UNKNOWN = 10**9  # more than any number of taps, classes or units


def known(size: Expr) -> int:
    """A size as a number; UNKNOWN for a symbolic one."""
    return int(size.value) if isinstance(size, Num) else UNKNOWN


def fraction(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of a product; a rational coefficient is split."""
    above: list[Expr] = []
    below: list[Expr] = []
    for f in factors(e):
        if isinstance(f, Num) and isinstance(f.value, Fraction):
            if is_decimal(f.value):
                above.append(f)
            elif f.value > 1 and is_decimal(1 / f.value):  # x / 0.9, not 10 * x / 9
                below.append(num(1 / f.value))
            else:
                if f.value.numerator != 1:
                    above.append(num(f.value.numerator))
                below.append(num(f.value.denominator))
        elif isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0:
            below.append(f.args[0] ** mul(-1, f.args[1]))
        else:
            above.append(f)
    return _one_root(above, below)


def _one_root(above: list[Expr], below: list[Expr]) -> tuple[list[Expr], list[Expr]]:
    """sqrt(2)/8, the canonical form of 1/sqrt(32), turned back."""
    for r in above:
        if isinstance(r, Pow) and isinstance(r.args[0], Num) and r.args[1] is num(Fraction(1, 2)):
            for d in below:
                if isinstance(d, Num) and d.value * d.value % r.args[0].value == 0:
                    root = node(Pow, "**", (num(d.value * d.value // r.args[0].value), num(Fraction(1, 2))))  # printed
                    return [f for f in above if f is not r], [root if f is d else f for f in below]
    return above, below


def is_decimal(value: Fraction) -> bool:
    """Whether the fraction is a short decimal (0.9, 1e-05), as opposed to 1/3, 1/2 or 1/64, which read better so."""
    if value.denominator in (2, 4) or (abs(value.numerator) == 1 and value.denominator < 10):
        return False
    if abs(value.numerator) == 1 and value.denominator & (value.denominator - 1) == 0:
        return False
    return Fraction(repr(float(value))) == value


def number(value: Fraction) -> Array:
    if value.denominator == 1:
        return Array(str(value.numerator), (), ATOM if value >= 0 else SIGN)
    if is_decimal(value) or value.denominator in (2, 4):
        return Array(repr(float(value)), (), ATOM if value >= 0 else SIGN)
    return Array(f"{value.numerator} / {value.denominator}", (), PRODUCT)
