"""Expressions in index notation, in any style. Which brackets, which order, what goes under a fraction line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from symbp.expr import (
    ONE,
    ZERO,
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
)
from symbp.show.formulas.order import ordered_terms, unmasked
from symbp.show.formulas.products import Piece, Products, spoken_arguments
from symbp.show.names.symbols import Names, Partial, Symbol
from symbp.show.styles import breaks
from symbp.show.styles.style import ATOM, POWER, PRODUCT, SUM, Style


class Printer(Products):
    """Writes expressions of one program in one style. columns: the two indices of a matrix change places."""

    def __init__(self, names: Names, style: Style, columns: bool = False) -> None:
        self.names, self.style, self.columns = names, style, columns
        self.memo: dict[Expr, Piece] = {}

    # ------------------------------------------------------------------------------------- entry points

    def write(self, e: Expr) -> str:
        """The expression, with marks where it may be broken."""
        return self.piece(e)[0]

    def name(
        self, tensor: str, indices: Sequence[Expr] = (), *, spelled: bool = False, transposed: bool = False
    ) -> str:
        """A tensor with the indices. spelled: an adjoint as a derivative even if it has a letter of its own."""
        return self.named(tensor, indices, spelled, transposed)[0]

    def derivative(self, of: str, above: Sequence[Expr], wrt: str, below: Sequence[Expr]) -> str:
        """The derivative of one access by another."""
        return self.style.partial(self.enclosed(of, above), self.enclosed(wrt, below))

    def enclosed(self, tensor: str, indices: Sequence[Expr]) -> str:
        """A tensor as part of a derivative: brackets around one that is a derivative itself."""
        text = self.name(tensor, indices)
        return self.style.brackets(text) if isinstance(self.names.meaning[tensor], Partial) else text

    def index(self, i: Index) -> str:
        """An index: l2 beside l is l with a prime."""
        stem, number = re.fullmatch(r"(.*?)(\d*)", i.label).groups()  # type: ignore[union-attr]
        if number in ("2", "3", "4") and stem in self.names.labels:
            return self.style.index(stem, int(number) - 1, "")
        return self.style.index(stem or i.label, 0, number if stem else "")

    def sum_of(self, indices: Sequence[Index], factors: Sequence[Expr]) -> str:
        """A sum over a product that is written as it stands, deltas not contracted."""
        inside = (breaks.mark(breaks.FACTOR) + self.style.space).join(
            self.at_least(f, PRODUCT if k == len(factors) - 1 else POWER) for k, f in enumerate(factors)
        )
        if not indices:
            return inside
        return self.style.reduction("sum", [self.index(i) for i in indices]) + inside

    def joined_terms(self, terms: Sequence[str]) -> str:
        """Terms that are text already, with plus signs between."""
        return (breaks.mark(breaks.SIGN) + " + ").join(breaks.deeper(t) for t in terms)

    # ------------------------------------------------------------------------------------------- nodes

    def at_least(self, e: Expr, binding: int) -> str:
        """The expression, in brackets if it binds less tightly than asked for."""
        return self.held(self.piece(e), binding)

    def held(self, piece: Piece, binding: int) -> str:
        return piece[0] if piece[1] >= binding else self.style.brackets(breaks.deeper(piece[0]))

    def piece(self, e: Expr) -> Piece:
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self.convert(e)
        return found

    def convert(self, e: Expr) -> Piece:
        style = self.style
        match e:
            case Num():
                value = Fraction(e.value)
                text = style.number(abs(value))
                loose = value.denominator != 1 and not style.stacked
                return (f"-{text}", SUM) if value < 0 else (text, PRODUCT if loose else ATOM)
            case Const():
                return style.constant(e.label), ATOM
            case Size():
                return style.size(e.label), ATOM
            case Index():
                return self.index(e), ATOM
            case Access():
                return self.named(e.label, e.args, False, False)
            case Add():
                return self.sum(e, False), SUM
            case Mul():
                return self.product(e)
            case Pow():
                return self.power(e)
            case Call():
                pieces = [self.piece(a) for a in spoken_arguments(e)]
                return style.call(e.label, [p[0] for p in pieces], [p[1] for p in pieces]), ATOM
            case Reduce():
                return self.reduce(e), PRODUCT
            case Delta():
                return style.delta(*(self.write(a) for a in self.delta_order(e))), ATOM
            case Select():
                return (self.select(e), ATOM) if len(unmasked(e)) == 1 else self.product(e)
            case Condition():
                return self.condition(e), SUM
        raise TypeError(f"no way to write {e!r}")

    def named(self, tensor: str, indices: Sequence[Expr], spelled: bool, transposed: bool) -> Piece:
        meaning = self.names.meaning[tensor]
        if spelled and tensor in self.names.derivatives:
            meaning = self.names.derivatives[tensor]
        if isinstance(meaning, Symbol):
            written = [breaks.unbroken(self.write(i if not self.counts_from_one(tensor) else i + 1)) for i in indices]
            if self.columns and len(written) == 2:
                written.reverse()
            return self.style.symbol(meaning, written, transposed), ATOM
        text = self.partial(meaning, indices)
        loose = ATOM if self.style.stacked else POWER
        return (self.style.transpose(text), ATOM) if transposed else (text, loose)

    def counts_from_one(self, tensor: str) -> bool:
        """Whether this is a tensor of integers among single entries, whose subscripts count from 1."""
        return self.names.entries and bool(self.names.tensors[tensor].indices)

    def partial(self, p: Partial, indices: Sequence[Expr]) -> str:
        return self.style.partial(self.enclosed(p.of, indices[: p.split]), self.enclosed(p.wrt, indices[p.split :]))

    def sum(self, e: Expr, flipped: bool) -> str:
        out = ""
        for t in ordered_terms(self.names, e, flipped):
            if flipped:
                t = mul(-1, t)
            if isinstance(t, Add):  # -(a - b) inside of a sum of one term only
                text, negative = self.style.brackets(self.write(t)), False
            else:
                text, negative = self.signed(t)
            sign = ("-" if not out else " - ") if negative else ("" if not out else " + ")
            text = breaks.deeper(text)
            breakable = out and not out.isdigit()  # "1" alone makes no good line
            out += (breaks.mark(breaks.SIGN) if breakable else "") + sign + text
        return out

    def signed(self, t: Expr) -> tuple[str, bool]:
        """A term without its sign, and whether that is a minus."""
        if coefficient(t)[0] >= 0 or isinstance(t, Num):
            text = self.at_least(t, PRODUCT) if not isinstance(t, Num) else self.style.number(abs(Fraction(t.value)))
            return text, isinstance(t, Num) and t.value < 0
        text, _ = self.product(t)
        return (text[1:], True) if text.startswith("-") else (text, False)

    def is_symbol(self, f: Expr) -> bool:
        """Whether the factor is a tensor written as one symbol."""
        return isinstance(f, Access) and isinstance(self.names.meaning[f.label], Symbol)

    def power(self, e: Pow) -> Piece:
        base, n = e.args
        if isinstance(n, Num) and n.value < 0:
            return self.product(e)
        if isinstance(n, Num) and n.value == Fraction(1, 2):
            return self.style.root(breaks.unbroken(self.write(base))), ATOM
        inside, binding = self.piece(base)
        if binding < ATOM or (isinstance(base, Access) and not self.bare(base)) or isinstance(base, (Call, Delta)):
            inside = self.style.brackets(breaks.deeper(inside))
        exponent = self.style.number(Fraction(n.value)) if isinstance(n, Num) else breaks.unbroken(self.write(n))
        return self.style.power(inside, exponent), POWER

    def bare(self, a: Access) -> bool:
        """Whether a power can be written onto the symbol itself."""
        meaning = self.names.meaning[a.label]
        return isinstance(meaning, Symbol) and not meaning.superscripts and not meaning.primes

    def reduce(self, e: Reduce) -> str:
        order = self.names.labels
        indices = sorted(e.indices, key=lambda i: (order.index(i.label) if i.label in order else len(order), i.label))
        body = self.piece(e.body)
        if isinstance(e.body, Mul) and body[1] == SUM:
            body = (self.style.brackets(body[0]), ATOM)
        return self.style.reduction(e.label, [self.index(i) for i in indices]) + breaks.deeper(self.held(body, PRODUCT))

    def delta_order(self, e: Delta) -> tuple[Expr, ...]:
        """Bare indices first, in alphabetical order."""
        return tuple(sorted(e.args, key=lambda a: (not isinstance(a, Index), len(a.label), a.label)))

    def select(self, e: Select) -> str:
        condition, then, otherwise = e.args
        if then is ONE and otherwise is ZERO:
            return self.style.iverson(breaks.unbroken(self.write(condition)))
        return self.style.cases(*(breaks.unbroken(self.write(a)) for a in e.args))

    def condition(self, e: Condition) -> str:
        if not e.args:
            return e.label
        if e.label == "not":
            return self.style.relation("not") + self.style.brackets(self.write(e.args[0]))
        sign = self.style.relation(e.label)
        if e.label == "and":
            return f" {sign} ".join(self.ranges(e))
        return f" {sign} ".join(self.style.brackets(self.write(a)) if mixed(a, e) else self.write(a) for a in e.args)

    def ranges(self, e: Condition) -> list[str]:
        """Conditions that all hold; two bounds of one value stand on both of its sides: 1 <= p + h < 33."""
        below = {c.args[0]: c for c in e.args if c.label in (">", ">=") and not c.args[1].accesses}
        above = {c.args[0]: c for c in e.args if c.label in ("<", "<=") and not c.args[1].accesses}
        out = []
        for c in e.args:
            lower, upper = (found.get(c.args[0]) if c.args else None for found in (below, above))
            if lower is None or upper is None or c not in (lower, upper):
                out.append(self.style.brackets(self.write(c)) if mixed(c, e) else self.write(c))
            elif c is lower:
                first, second = (self.style.relation(sign) for sign in (lower.label.replace(">", "<"), upper.label))
                out.append(
                    f"{self.write(lower.args[1])} {first} {self.write(c.args[0])} {second} {self.write(upper.args[1])}"
                )
        return out


def mixed(part: Expr, whole: Condition) -> bool:
    """Whether this is an "or" within an "and" or the other way round, which nobody should have to disentangle."""
    return part.label in ("and", "or") and part.label != whole.label
