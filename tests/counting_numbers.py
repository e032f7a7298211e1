"""Numbers that count the operations done on them, and two ways to run expressions on them.

`Written` evaluates an expression as a careful person computes what is written, without a look at `symbp.operations`;
`Run` follows the plan of `computed_nodes`, does every step on counting numbers and so shows that the plan can be run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction

from symbp import expr as ex
from symbp.expr import Expr
from symbp.functions import TABLE
from symbp.operations import MINUS, PLUS, computed_nodes, is_constant


class Number:
    """A float that notes in a Counter what is done with it."""

    def __init__(self, value: float, counted: Counter[str]) -> None:
        self.v, self.counted = float(value), counted

    def note(self, kind: str, value: float) -> Number:
        self.counted[kind] += 1
        return Number(value, self.counted)

    def __add__(self, other: Number | float) -> Number:
        return self.note("add", self.v + plain(other))

    __radd__ = __add__

    def __sub__(self, other: Number | float) -> Number:
        return self.note("add", self.v - plain(other))

    def __rsub__(self, other: float) -> Number:
        return self.note("add", other - self.v)

    def __mul__(self, other: Number | float) -> Number:
        return self.note("mul", self.v * plain(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Number | float) -> Number:
        return self.note("div", self.v / plain(other))

    def __rtruediv__(self, other: float) -> Number:
        return self.note("div", other / self.v)

    def __neg__(self) -> Number:
        return self.note("neg", -self.v)

    def raised(self, n: int) -> Number:
        """By repeated squaring."""
        out: Number | None = None
        square = self
        while True:
            if n & 1:
                out = square if out is None else out * square
            n >>= 1
            if not n:
                assert out is not None
                return out
            square = square * square

    def through(self, function: str) -> Number:
        """A function counted under its own name."""
        return self.note(function, getattr(math, function)(self.v))


def plain(x: Number | float) -> float:
    return x.v if isinstance(x, Number) else x


def apply(name: str, *args: Number) -> Number:
    """A primitive function of the table, by the operations that its definition takes."""
    x = args[0]
    match name:
        case "sigmoid":
            return 1.0 / (1.0 + (-x).through("exp"))
        case "softplus":
            return (1.0 + x.through("exp")).through("log")
        case "relu":
            return x.note("compare", max(x.v, 0.0))
        case "abs":
            return x.note("compare", abs(x.v))
        case "sign":
            return x.note("compare", float(x.v > 0) - float(x.v < 0))
        case "maximum":
            return x.note("compare", max(x.v, plain(args[1])))
        case "minimum":
            return x.note("compare", min(x.v, plain(args[1])))
    return x.through(name)


def constant(e: Expr) -> float:
    match e:
        case ex.Num():
            return float(Fraction(e.value))
        case ex.Const():
            return math.pi
        case ex.Pow():
            return constant(e.args[0]) ** constant(e.args[1])
        case ex.Mul():
            return math.prod(map(constant, e.args))
        case ex.Add():
            return sum(map(constant, e.args))
        case ex.Call():
            return plain(apply(e.label, *(Number(constant(a), Counter()) for a in e.args)))
        case ex.Select():
            return constant(e.args[1]) if constant(e.args[0]) else constant(e.args[2])
        case ex.Condition():
            return float(holds(e.label, *map(constant, e.args)))
    raise TypeError(f"{e!r} is no constant")


def holds(relation: str, *v: float) -> bool:
    match relation:
        case "<":
            return v[0] < v[1]
        case "<=":
            return v[0] <= v[1]
        case ">":
            return v[0] > v[1]
        case ">=":
            return v[0] >= v[1]
        case "==":
            return v[0] == v[1]
        case "!=":
            return v[0] != v[1]
        case "and":
            return all(v)
        case "or":
            return any(v)
        case "not":
            return not v[0]
    raise TypeError(relation)


def negative(term: Expr) -> bool:
    return ex.coefficient(term)[0] < 0


def inverse_power(f: Expr) -> bool:
    return isinstance(f, ex.Pow) and isinstance(f.args[1], ex.Num) and f.args[1].value < 0


def product(values: Iterable[Number]) -> Number:
    first, *others = values
    for v in others:
        first = first * v
    return first


class Written:
    """Evaluates as written: what is written twice is computed twice."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.counted: Counter[str] = Counter()
        self.given = values
        self.named: dict[str, Number | float] = {}

    def value(self, e: Expr) -> float:
        return plain(self.number(e))

    def number(self, e: Expr) -> Number:
        """The value; a constant becomes a number without an operation."""
        if is_constant(e):
            return Number(constant(e), self.counted)
        match e:
            case ex.Access():
                return Number(
                    plain(self.named[e.label] if e.label in self.named else self.given[e.label]), self.counted
                )
            case ex.Add():
                return self.sum(e, 1)
            case ex.Mul():
                return self.product(e)
            case ex.Pow():
                return self.power(*e.args)
            case ex.Call():
                row = TABLE[e.label]
                if row.definition is not None:
                    return self.number(row.definition(e.args))
                return apply(e.label, *map(self.number, e.args))
            case ex.Select():
                chosen = self.number(e.args[0]).v
                then, other = map(self.number, e.args[1:])
                return then.note("select", then.v if chosen else other.v)
            case ex.Delta():
                left, right = map(self.number, e.args)
                return left.note("compare", float(left.v == right.v))
            case ex.Condition():
                values = [self.number(x) for x in e.args]
                self.counted["compare"] += len(values) - 1
                return Number(holds(e.label, *(v.v for v in values)), self.counted)
        raise TypeError(repr(e))

    def sum(self, e: Expr, sign: int) -> Number:
        """sign * e: starts from a term that comes out positive, then adds and subtracts; constants are one term."""
        plus, minus = [], []
        offset = 0.0
        folded = 0
        for term in e.args:
            if is_constant(term):
                offset, folded = offset + sign * constant(term), 1
            elif negative(term) == (sign > 0):
                minus.append(self.number(ex.mul(-1, term) if negative(term) else term))
            else:
                plus.append(self.number(ex.mul(-1, term) if negative(term) else term))
        if plus:
            total = plus[0] + offset if folded else plus[0]
            plus = plus[1:]
        else:
            assert folded
            total, minus = offset - minus[0], minus[1:]
        for v in plus:
            total = total + v
        for v in minus:
            total = total - v
        return total

    def swapped(self, f: Expr) -> Number | None:
        """The negative of a factor where it is had for nothing: a difference the other way round."""
        if isinstance(f, ex.Add) and any(negative(t) for t in f.args):
            return self.sum(f, -1)
        return None

    def product(self, e: Expr) -> Number:
        constants = [f for f in e.args if is_constant(f)]
        above = [f for f in e.args if not is_constant(f) and not inverse_power(f)]
        below = [ex.power(f.args[0], ex.mul(-1, f.args[1])) for f in e.args if not is_constant(f) and inverse_power(f)]
        scale = math.prod(map(constant, constants))
        if not above:
            return scale / product(map(self.number, below))
        minus = only_sign(constants)
        values: dict[str, list[Number]] = {"above": [], "below": []}
        for side, fs in (("above", above), ("below", below)):
            for f in fs:
                other = self.swapped(f) if minus else None
                minus = minus and other is None
                values[side].append(self.number(f) if other is None else other)
        out = product(values["above"])
        if below:
            out = out / product(values["below"])
        if minus:
            return -out
        return scaled(out, constants) if constants and not only_sign(constants) else out

    def power(self, base: Expr, n: Expr) -> Number:
        if not isinstance(n, ex.Num):
            x, y = self.number(base), self.number(n)
            return x.note("pow", x.v**y.v)
        exponent = Fraction(n.value)
        if exponent < 0:
            return 1.0 / self.power(base, ex.num(-exponent))
        x = self.number(base)
        return raised(x, exponent, lambda: self.number(base))


def raised(x: Number, exponent: Fraction, again) -> Number:  # type: ignore[no-untyped-def]
    """x ** exponent > 0. again: gives the base once more, computed anew where things are written out."""
    if exponent.denominator == 1:
        return x.raised(exponent.numerator)
    if exponent.denominator != 2:
        return x.note("pow", x.v ** float(exponent))
    root = x.through("sqrt")
    whole = exponent.numerator // 2
    return root if not whole else again().raised(whole) * root


def scaled(x: Number, constants: list[Expr]) -> Number:
    """x times the constants, folded to one: a division where they are 1/n, 1/B, 1/sqrt(2), else a multiplication."""
    scale = math.prod(map(constant, constants))
    below = (inverse_power(c) or (isinstance(c, ex.Num) and abs(Fraction(c.value).numerator) == 1) for c in constants)
    return x / (1 / scale) if all(below) else x * scale


def only_sign(constants: list[Expr]) -> bool:
    return len(constants) == 1 and constants[0] is ex.num(-1)


class Run:
    """Runs the plan of `computed_nodes`: each node once, a node's negative from the node or the other way round."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.counted: Counter[str] = Counter()
        self.given = values
        self.store: dict[tuple[Expr, int], Number] = {}

    def values(self, roots: Iterable[Expr]) -> list[float]:
        roots = list(roots)
        for node, here, negation in reversed(list(computed_nodes(roots))):
            swapped = any(
                sign != wanted for (_, sign), (_, wanted) in zip(here.operands, _plain_step(node), strict=True)
            )
            sign = MINUS if swapped else PLUS
            self.store[node, sign] = self.compute(node, here.operands, sign)
            if negation:
                self.store[node, -sign] = -self.store[node, sign]
        return [self.take(r, PLUS).v for r in roots]

    def take(self, e: Expr, sign: int) -> Number:
        if is_constant(e):
            return Number(sign * constant(e), self.counted)
        return self.store[e, sign]

    def either(self, e: Expr) -> tuple[Number, int]:
        """A value at hand, and the sign that turns it into e."""
        return (self.store[e, PLUS], 1) if (e, PLUS) in self.store else (self.store[e, MINUS], -1)

    def compute(self, e: Expr, operands: tuple[tuple[Expr, int], ...], sign: int) -> Number:
        if isinstance(e, ex.Access):
            return Number(self.given[e.label], self.counted)
        if is_constant(e):
            return Number(constant(e), self.counted)
        if isinstance(e, ex.Add):
            return self.sum(e, sign)
        got = [self.take(o, s) for o, s in operands]
        if isinstance(e, ex.Mul):
            return self.product(e, got)
        if isinstance(e, ex.Pow):
            n = e.args[1]
            if not isinstance(n, ex.Num):
                return got[0].note("pow", got[0].v ** got[1].v)
            if n.value < 0:
                return 1.0 / got[0]
            if len(got) == 2:
                return got[0] * got[1]
            return raised(got[0], Fraction(n.value), None)
        if isinstance(e, ex.Call):
            return got[0] if TABLE[e.label].definition is not None else apply(e.label, *got)
        if isinstance(e, ex.Select):
            return got[1].note("select", got[1].v if got[0].v else got[2].v)
        if isinstance(e, ex.Delta):
            return got[0].note("compare", float(got[0].v == got[1].v))
        self.counted["compare"] += len(got) - 1
        return Number(holds(e.label, *(v.v for v in got)), self.counted)

    def sum(self, e: Expr, sign: int) -> Number:
        offset, folded = 0.0, 0
        parts: list[tuple[Number, int]] = []
        for term in e.args:
            if is_constant(term):
                offset, folded = offset + sign * constant(term), 1
                continue
            value, own = self.either(ex.mul(-1, term) if negative(term) else term)
            parts.append((value, own * sign * (-1 if negative(term) else 1)))
        parts.sort(key=lambda p: -p[1])
        (first, s), *others = parts
        total = first
        if folded:
            total = first + offset if s > 0 else offset - first
        else:
            assert s > 0, "a sum that starts with a minus"
        for v, s in others:
            total = total + v if s > 0 else total - v
        return total

    def product(self, e: Expr, got: list[Number]) -> Number:
        constants = [f for f in e.args if is_constant(f)]
        scale = math.prod(map(constant, constants))
        variable = [f for f in e.args if not is_constant(f)]
        if all(map(inverse_power, variable)):
            return scale / got[0]
        if constants:
            return got[0] if only_sign(constants) else scaled(got[0], constants)
        if any(map(inverse_power, variable)):
            return got[0] / got[1]
        return product(got)


def _plain_step(node: Expr) -> tuple[tuple[Expr, int], ...]:
    from symbp.operations import step

    return step(node).operands
