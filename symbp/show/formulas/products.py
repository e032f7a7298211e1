"""Products as fractions and rows of factors: what goes above a line, below it, and beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Add,
    Call,
    Expr,
    Num,
    Pow,
    Reduce,
    Select,
    coefficient,
    num,
    walk,
)
from symbp.functions import TABLE
from symbp.show.formulas.order import Product, product
from symbp.show.names.symbols import Names, Partial
from symbp.show.styles import breaks
from symbp.show.styles.decimals import as_decimal
from symbp.show.styles.style import ATOM, POWER, PRODUCT, SUM, Style

Piece = tuple[str, int]  # text, and how tightly it binds


class Products:
    """The part of `printer.Printer` that writes products; its attributes are described there."""

    names: Names
    style: Style

    def write(self, e: Expr) -> str:
        raise NotImplementedError

    def piece(self, e: Expr) -> Piece:
        raise NotImplementedError

    def at_least(self, e: Expr, binding: int) -> str:
        raise NotImplementedError

    def sum(self, e: Expr, flipped: bool) -> str:
        raise NotImplementedError

    def is_symbol(self, f: Expr) -> bool:
        raise NotImplementedError

    def product(self, e: Expr) -> Piece:
        p = product(self.names, e)
        if p.top == (p.flipped,) and p.number == 1 and not (p.constants or p.below or p.bottom):
            return self.sum(p.top[0], True), SUM
        text, binding = self.fraction(p)
        return (f"-{text}", SUM) if p.negative else (text, binding)

    def fraction(self, p: Product) -> Piece:
        """number * constants * top / (below * bottom) as a fraction, a factor in front, or plainly."""
        style = self.style
        over, under = Fraction(p.number.numerator), p.number.denominator
        if as_decimal(p.number) is not None and p.number.numerator != 1:
            over, under = p.number, 1
        above = [style.number(over)] if over != 1 else []
        above += [self.enclosing(c) if isinstance(c, Call) else self.at_least(c, POWER) for c in p.constants]
        below = ([style.number(Fraction(under))] if under != 1 else []) + [self.at_least(c, POWER) for c in p.below]
        if p.bottom:
            return self.over_values(p, above, below)
        if not below:
            return self.factors(above, p), PRODUCT if len(above) + len(p.top) > 1 else ATOM
        if len(p.top) == 1 and not above and p.below and self.fits_above(p.top[0]):
            inside = self.sum(p.top[0], True) if p.top[0] is p.flipped else self.write(p.top[0])
            binding = SUM if isinstance(p.top[0], Add) else PRODUCT
            return self.stack(inside, binding, below), PRODUCT
        front = self.stack("".join(above) or style.number(Fraction(1)), ATOM, below)
        if not p.top:
            return front, PRODUCT
        rest = self.factors([], p)
        return f"{front}{style.space}{rest}", PRODUCT

    def fits_above(self, f: Expr) -> bool:
        """Whether a factor stands better above a line than beside the fraction: a short sum of plain symbols."""
        return isinstance(f, Add) and self.flat(f) and len(f.args) <= 3

    def flat(self, f: Expr) -> bool:
        """Whether the factor is no taller than a line of text."""
        for node in walk(f):
            if isinstance(node, Reduce) or (isinstance(node, Select) and node.args[1:] != (ONE, ZERO)):
                return False
            if isinstance(node, Pow) and coefficient(node.args[1])[0] < 0:
                return False
            if isinstance(node, Access) and isinstance(self.names.meaning.get(node.label), Partial):
                return False
            if isinstance(node, Num) and Fraction(node.value).denominator != 1:
                return False
        return True

    def over_values(self, p: Product, above: list[str], below: list[str]) -> Piece:
        """A fraction with values below the line; what is tall stands beside it, derivatives in front."""
        parts = len(below) + len(p.bottom)
        values = [self.at_least(f, POWER if parts > 1 else SUM) for f in p.bottom]
        bottom = self.style.space.join(["".join(below), *values] if below else values)
        flat = tuple(f for f in p.top if self.flat(f))
        inner = replace(p, top=flat)
        count = len(above) + len(flat)
        if len(flat) == 1 and not above and isinstance(flat[0], Add):
            top, binding = self.sum(flat[0], flat[0] is p.flipped), SUM
        elif count:
            top, binding = self.factors(above, inner), PRODUCT if count > 1 else ATOM
        else:
            top, binding = self.style.number(Fraction(1)), ATOM
        loosest = min((self.piece(f)[1] for f in p.bottom), default=ATOM) if parts == 1 else PRODUCT
        fraction = self.stack(top, binding, [bottom], loosest)
        front = tuple(f for f in p.top if f not in flat and isinstance(f, Access))
        behind = tuple(f for f in p.top if f not in flat and f not in front)
        beside = [self.factors([], replace(p, top=part)) for part in (front, behind) if part]
        if not beside:
            return fraction, PRODUCT
        beside.insert(1 if front else 0, fraction)
        return (breaks.mark(breaks.FACTOR) + self.style.space).join(beside), PRODUCT

    def stack(self, top: str, binding: int, below: Sequence[str], loosest: int = 0) -> str:
        """A fraction; on one line its parts get brackets where they need them."""
        bottom = "".join(below)
        if not self.style.stacked:
            top = self.style.brackets(top) if binding < PRODUCT else top
            tight = len(below) == 1 and (loosest == 0 or loosest >= POWER)
            bottom = bottom if tight else self.style.brackets(bottom)
            return self.style.fraction(breaks.deeper(top), breaks.deeper(bottom))
        return self.style.fraction(breaks.unbroken(top), breaks.unbroken(bottom))

    def factors(self, above: Sequence[str], p: Product) -> str:
        """The factors above the line, side by side; the sum that stands last needs no brackets."""
        written = list(above)
        for k, f in enumerate(p.top):
            if f is p.flipped:
                written.append(self.style.brackets(breaks.deeper(self.sum(f, True))))
            elif isinstance(f, Reduce) and k == len(p.top) - 1:
                written.append(self.write(f))
            elif isinstance(f, Call) and not isinstance(p.top[min(k + 1, len(p.top) - 1)], Call):
                written.append(self.enclosing(f))
            else:
                written.append(self.at_least(f, POWER))
        marks = [breaks.mark(breaks.FACTOR)] * len(written)
        if not above and len(written) > 1 and self.is_symbol(p.top[0]):
            marks[1] = ""  # a symbol alone makes no good line
        inside = [breaks.deeper(w) for w in written]
        return inside[0] + "".join(m + self.style.space + w for m, w in zip(marks[1:], inside[1:], strict=True))

    def enclosing(self, f: Call) -> str:
        """A function with brackets around its argument, where more of the product follows."""
        return self.style.call(f.label, [self.write(a) for a in spoken_arguments(f)], [0] * len(f.args))


def spoken_arguments(e: Call) -> tuple[Expr, ...]:
    """The arguments without those at the end that have their usual values."""
    usual = tuple(num(d) for d in TABLE[e.label].defaults)
    return e.args[: len(e.args) - len(usual)] if usual and e.args[-len(usual) :] == usual else e.args
