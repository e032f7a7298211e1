"""Elementwise expressions as NumPy text, with broadcasting written where the axes call for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from symbp.affine import is_mask, where_nonzero
from symbp.errors import SymbpError
from symbp.expr import (
    ONE,
    PI,
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
    _node,
    add,
    coefficient,
    compare,
    mul,
    num,
)
from symbp.functions import TABLE
from symbp.lower.reads import read, read_or_zero
from symbp.lower.text import (
    ATOM,
    COMPARE,
    OR,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Axes,
    Text,
    arrange,
    axis_argument,
    own,
    spread,
    without,
)
from symbp.operations import is_constant
from symbp.program import Program, Tensor


class Contract(Protocol):
    """Writes a sum over indices; see `symbp.lower.contraction`."""

    def __call__(self, writer: Writer, e: Reduce, order: Axes) -> Text: ...


@dataclass
class Writer:
    """Writes expressions; notes which helper functions they call and which sizes they name."""

    program: Program
    contract: Contract
    helpers: dict[str, str]
    sizes: dict[str, None]
    position: Mapping[str, int]  # of the equation that defines a tensor, counted from 1
    time: Index | None = None  # inside a loop: a number there, not an axis
    clock: str = ""  # its name there

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        return self.program.tensors

    def write(self, e: Expr, order: Axes) -> Text:
        """The expression as an array over its free indices, in the order in which they stand in `order`."""
        if is_constant(e):
            return self.constant(e)
        match e:
            case Access():
                return read(self, e, order)
            case Index() if e is self.time:
                return Text(self.clock)
            case Index():
                return Text(f"np.arange({self.size(e.size)})", (e,))
            case Add():
                return self.sum(e, order)
            case Mul():
                return self.product(e, order)
            case Pow():
                return self.power(e, order)
            case Call():
                return self.call(e, order)
            case Reduce() if e.label == "sum":
                return self.contract(self, e, order)
            case Reduce():
                axes = own(e.body, (*order, *(i for i in e.indices if i not in order)))
                body = self.write(e.body, axes)
                over = axis_argument(body.axes, e.indices)
                return Text(f"{body.at(ATOM)}.max({over})", without(body.axes, e.indices))
            case Select():
                return self.select(e, order)
            case Condition():
                return self.condition(e, order)
            case Delta():
                return self.delta(e, order)
        raise SymbpError(f"no array form of {e!r}")

    # ------------------------------------------------------------------------------------------ leaves

    def constant(self, e: Expr) -> Text:
        """Numbers and sizes as a Python scalar."""
        match e:
            case Num():
                return number(Fraction(e.value))
            case Const():
                return Text("math.pi" if e is PI else "math.inf")
            case Size():
                return Text(self.size(e))
            case Add():
                signed = sorted((coefficient(t) for t in e.args), key=lambda ct: (ct[0] < 0, ct[1] is ONE))
                parts = [(c < 0, self.constant(mul(-c if c < 0 else c, rest))) for c, rest in signed]
                code = "".join(f" {'-' if minus else '+'} {p.at(PRODUCT)}" for minus, p in parts)
                return Text(code.removeprefix(" + ").removeprefix(" "), (), SUM)
            case Pow() if isinstance(e.args[1], Num) and Fraction(e.args[1].value) == Fraction(1, 2):
                return Text(f"math.sqrt({self.constant(e.args[0]).code})")
            case Pow() if isinstance(e.args[1], Num) and e.args[1].value < 0:
                return Text(f"1 / {self.constant(e.args[0] ** -e.args[1]).at(SIGN)}", (), PRODUCT)
            case Pow():
                return Text(f"{self.constant(e.args[0]).at(ATOM)}**{self.constant(e.args[1]).at(ATOM)}", (), POWER)
            case Mul() if e.args[0] is num(-1) and len(e.args) == 2:
                return Text(f"-{self.constant(e.args[1]).at(SIGN)}", (), SIGN)
            case Mul():
                above, below = fraction(e)
                top = " * ".join(self.constant(f).at(PRODUCT) for f in above) or "1"
                if not below:
                    return Text(top, (), PRODUCT)
                bottom = [self.constant(f).at(SIGN) for f in below]
                under = bottom[0] if len(bottom) == 1 else f"({' * '.join(bottom)})"
                return Text(f"{top} / {under}", (), PRODUCT)
            case Call():
                return Text(f"math.{e.label}({', '.join(self.constant(a).code for a in e.args)})")
        raise SymbpError(f"no Python form of the constant {e!r}")

    def size(self, e: Expr) -> str:
        """A size as text: a number, or the name of a local variable."""
        if isinstance(e, Size):
            self.sizes[e.label] = None
            return e.label
        return self.constant(e).code

    # ------------------------------------------------------------------------------------- arithmetic

    def sum(self, e: Add, order: Axes) -> Text:
        axes = own(e, order)
        parts: list[str] = []
        for t in sorted(e.args, key=self.term_order):
            c, rest = coefficient(t)
            sign = "-" if c < 0 else "+"
            text = spread(self.write(mul(-c if c < 0 else c, rest), order), axes)
            if text.boolean:
                text = Text(f"{text.at(ATOM)}.astype(DTYPE)", text.axes)
            level = PRODUCT if sign == "-" else SUM
            if not parts:
                parts.append(f"-{text.at(SIGN)}" if sign == "-" else text.at(SUM))
            else:
                parts.append(f"{sign} {text.at(level)}")
        return Text(" ".join(parts), axes, SUM)

    def product(self, e: Mul, order: Axes) -> Text:
        """Numbers in front, then small arrays before large ones, then divisions."""
        axes = own(e, order)
        for f in e.args:  # in a loop, a product that is zero at some times is chosen, not multiplied
            condition = where_nonzero(f)
            if (is_mask(f) or isinstance(f, Delta)) and self.is_scalar(condition):
                rest = self.write(mul(*(g for g in e.args if g is not f)), order)
                return self.choice(condition, rest, Text("0"))
        flipped = flip(e)
        if not isinstance(flipped, Mul):
            return self.write(flipped, order)
        e = flipped
        above, below = fraction(e)
        constants = [f for f in above if is_constant(f)]
        arrays = [f for f in above if not is_constant(f)]
        sign = ""
        if constants and isinstance(constants[0], Num) and constants[0].value < 0:
            sign, constants[0] = "-", mul(-1, constants[0])
            constants = [c for c in constants if c is not ONE]
        divisors = [f for f in below if not is_constant(f)]
        scale = mul(*constants, *(f**-1 for f in below if is_constant(f)))
        texts = self.operands(arrays, order)
        front, back = self.scale(scale, bool(texts))
        parts = [*front, *(spread(t, axes).at(PRODUCT) for t in texts)]
        code = " * ".join(parts) or "1"
        under = [*back, *(spread(self.write(d, order), axes).at(SIGN) for d in sorted(divisors, key=self.factor_order))]
        if under:
            code += " / " + (under[0] if len(under) == 1 else f"({' * '.join(under)})")
        return Text(sign + code, axes, PRODUCT)

    def operands(self, arrays: list[Expr], order: Axes) -> list[Text]:
        texts = [(self.write(f, order), f) for f in sorted(arrays, key=self.factor_order)]
        texts.sort(key=lambda tf: len(tf[0].axes) if small_first([t for t, _ in texts]) else 0)
        out = [t for t, _ in texts]
        if out and all(t.boolean for t in out):
            out[0] = Text(f"{out[0].at(ATOM)}.astype(DTYPE)", out[0].axes)
        return out

    def scale(self, c: Expr, has_arrays: bool) -> tuple[list[str], list[str]]:
        """A constant factor as texts to multiply by and to divide by."""
        if c is ONE:
            return [], []
        if isinstance(c, Num) and number(Fraction(c.value)).binds != PRODUCT:
            return [number(Fraction(c.value)).code], []
        above, below = fraction(c)
        top = mul(*above)
        front = [] if top is ONE and has_arrays else [self.constant(top).at(PRODUCT)]
        return front, [self.constant(f).at(SIGN) for f in below]

    def power(self, e: Pow, order: Axes) -> Text:
        base, n = e.args
        axes = own(e, order)
        if not isinstance(n, Num):
            b, x = spread(self.write(base, order), axes), spread(self.write(n, order), axes)
            if is_constant(base):  # NumPy doesn't raise integers to negative integers
                b = number(Fraction(base.value)) if isinstance(base, Num) else b
                b = Text(f"{b.code}.0" if b.code.isdigit() else f"float({b.code})")
            return Text(f"{b.at(ATOM)}**{x.at(SIGN)}", axes, POWER)
        value = Fraction(n.value)
        if value < 0:
            return Text(f"1 / {self.write(base**-n, order).at(SIGN)}", axes, PRODUCT)
        text = self.write(base, order)
        if value == Fraction(1, 2):
            return Text(f"np.sqrt({text.code})", axes)
        if value == Fraction(3, 2) and isinstance(base, Access):
            return Text(f"{text.code} * np.sqrt({text.code})", axes, PRODUCT)
        if value == 3 and isinstance(base, Access):  # NumPy's ** is 300 times slower here
            return Text(f"{text.code} * {text.code} * {text.code}", axes, PRODUCT)
        shown = str(value.numerator) if value.denominator == 1 else f"({value.numerator} / {value.denominator})"
        return Text(f"{text.at(ATOM)}**{shown}", axes, POWER)

    def call(self, e: Call, order: Axes) -> Text:
        row = TABLE[e.label]
        axes = own(e, order)
        if not row.numpy:
            raise SymbpError(f"{e.label} is defined by a formula: expand it before lowering")
        if row.helper:
            self.helpers[e.label] = row.helper
        args = [spread(self.write(a, order), axes) for a in e.args]
        return Text(row.numpy.format(*(a.code for a in args)), axes)

    # -------------------------------------------------------------------------------------- conditions

    def select(self, e: Select, order: Axes) -> Text:
        condition, then, otherwise = e.args
        if self.is_scalar(condition):
            return self.choice(condition, self.write(then, order), self.write(otherwise, order))
        if otherwise is ZERO and isinstance(then, Access) and (text := read_or_zero(self, condition, then, order)):
            return text
        if then is ONE and otherwise is ZERO:
            return self.write(condition, order)
        if then is ZERO and otherwise is ONE:
            return Text(f"~{self.write(condition, order).at(ATOM)}", own(condition, order), SIGN, boolean=True)
        axes = own(e, order)
        parts = [spread(self.write(a, order), axes).code for a in e.args]
        return Text(f"np.where({', '.join(parts)})", axes)

    def is_scalar(self, condition: Expr) -> bool:
        """Whether a condition speaks of the loop's time only."""
        return self.time is not None and not condition.accesses and condition.free <= {self.time}

    def choice(self, condition: Expr, then: Text, otherwise: Text) -> Text:
        """One of two arrays, chosen by a condition on the loop's time."""
        axes = then.axes if len(then.axes) >= len(otherwise.axes) else otherwise.axes
        a, b = (self.filled(text, axes) for text in (then, otherwise))
        return Text(f"({a} if {self.write(condition, ()).code} else {b})", axes)

    def filled(self, text: Text, axes: Axes) -> str:
        """The array repeated along the axes that it lacks; a number as it is."""
        if text.axes == axes or not text.axes:
            return text.code
        shape = ", ".join(self.size(i.size) for i in axes)
        return f"np.broadcast_to({spread(text, axes).code}, ({shape}{',' if len(axes) == 1 else ''}))"

    def condition(self, e: Condition, order: Axes) -> Text:
        axes = own(e, order)
        if self.is_scalar(e) and e.label in ("and", "or", "not"):
            words = [self.condition(c, ()).at(COMPARE) for c in e.args]  # type: ignore[arg-type]
            return Text(f"not {words[0]}" if e.label == "not" else f" {e.label} ".join(words), (), OR)
        parts = [spread(self.write(a, order), axes) for a in e.args]
        if e.label in ("and", "or"):
            sign = " & " if e.label == "and" else " | "
            return Text(sign.join(p.at(SUM) for p in parts), axes, OR, boolean=True)
        if e.label == "not":
            return Text(f"~{parts[0].at(ATOM)}", axes, SIGN, boolean=True)
        return Text(f"{parts[0].at(SUM)} {e.label} {parts[1].at(SUM)}", axes, COMPARE, boolean=not self.is_scalar(e))

    def delta(self, e: Delta, order: Axes) -> Text:
        """Two indices: the identity matrix. An index and an integer array: one-hot rows."""
        axes = own(e, order)
        a, b = e.args
        if self.time in (a, b) or not (isinstance(a, Index) or isinstance(b, Index)):
            return self.condition(compare("==", a, b), order)  # type: ignore[arg-type]
        if isinstance(a, Index) and isinstance(b, Index):
            size = self.size(a.size)
            return Text(f"np.eye({size}, dtype=DTYPE)", axes)
        if isinstance(b, Index):
            a, b = b, a
        if isinstance(a, Index) and b.accesses and not b.free & {a}:
            labels = self.write(b, order)
            self.helpers["one_hot"] = ONE_HOT
            return arrange(Text(f"one_hot({labels.code}, {self.size(a.size)})", (*labels.axes, a)), order)
        left, right = (spread(self.write(x, order), axes) for x in (a, b))
        return Text(f"{left.at(SUM)} == {right.at(SUM)}", axes, COMPARE, boolean=True)


    # ------------------------------------------------------------------------------------------- order

    def latest(self, e: Expr) -> int:
        """The position of the last-defined tensor that is read: what flows backward comes from later ones."""
        return max((self.position.get(name, 0) for name in e.tensors), default=0)

    def term_order(self, t: Expr) -> tuple[bool, bool, int, int, str]:
        """Positive terms first, then sums of products (x @ W before + b), arrays with more axes, later tensors."""
        c, rest = coefficient(t)
        return c < 0, not _has_sum(rest), -len(rest.free), -self.latest(rest), "".join(sorted(rest.tensors))

    def factor_order(self, f: Expr) -> tuple[int, int, int, str]:
        """Sums of products first, then tensors, the latest first, then functions, brackets and masks."""
        rank = 1 if isinstance(f, Access) else 4 if isinstance(f, Select) else 3 if isinstance(f, Add) else 2
        return 0 if _has_sum(f) else rank, -len(f.free), -self.latest(f), "".join(sorted(f.tensors))


ONE_HOT = '''
def one_hot(labels, classes):
    """Integers (...,) -> (..., classes): 1 at the label, 0 elsewhere."""
    return (labels[..., None] == np.arange(classes)).astype(DTYPE)
'''


# ------------------------------------------------------------------------------------ order and numbers


def _has_sum(e: Expr) -> bool:
    return isinstance(e, Reduce) or (isinstance(e, Mul) and any(isinstance(f, Reduce) for f in e.args))


def small_first(texts: list[Text]) -> bool:
    """Whether two or more operands have fewer axes than the largest: then they're multiplied first."""
    most = max((len(t.axes) for t in texts), default=0)
    return sum(len(t.axes) < most for t in texts) > 1


def flip(e: Mul) -> Expr:
    """-(a - b) c as (b - a) c."""
    c, _ = coefficient(e)
    if c < 0:
        for f in e.args:
            if isinstance(f, Add):
                opposite = Flipped.of(f)
                rest = [g for g in e.args if g is not f and not isinstance(g, Num)]
                return Flipped.product(mul(-1, num_of(e)), opposite, rest)
    return e


def num_of(e: Mul) -> Expr:
    return e.args[0] if isinstance(e.args[0], Num) else ONE


class Flipped:
    """Sums with the other sign. The canonical form would turn them back, so these nodes are only ever printed."""

    @staticmethod
    def of(f: Add) -> Expr:
        return _node(Add, "+", tuple(mul(-1, t) for t in f.args))

    @staticmethod
    def product(c: Expr, opposite: Expr, rest: list[Expr]) -> Expr:
        args = ([c] if c is not ONE else []) + [opposite, *rest]
        return args[0] if len(args) == 1 else _node(Mul, "*", tuple(args))


def fraction(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of a product; a rational coefficient is split."""
    above: list[Expr] = []
    below: list[Expr] = []
    for f in e.args if isinstance(e, Mul) else (e,):
        if isinstance(f, Num) and isinstance(f.value, Fraction):
            if is_decimal(f.value):
                above.append(f)
            else:
                if f.value.numerator != 1:
                    above.append(as_num(f.value.numerator))
                below.append(as_num(f.value.denominator))
        elif isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0:
            below.append(f.args[0] ** mul(-1, f.args[1]))
        else:
            above.append(f)
    return above, below


def as_num(value: int) -> Expr:
    return add(value)


def is_decimal(value: Fraction) -> bool:
    """Whether the fraction is a short decimal (0.9, 1e-05), as opposed to 1/3 or 1/2, which read better as they are."""
    if value.denominator in (2, 4) or (abs(value.numerator) == 1 and value.denominator < 10):
        return False
    return Fraction(repr(float(value))) == value


def number(value: Fraction) -> Text:
    if value.denominator == 1:
        return Text(str(value.numerator), (), ATOM if value >= 0 else SIGN)
    if is_decimal(value) or value.denominator in (2, 4):
        return Text(repr(float(value)), (), ATOM if value >= 0 else SIGN)
    return Text(f"{value.numerator} / {value.denominator}", (), PRODUCT)


