"""Numbers, sizes, indices, reads of tensors; sums, products, powers and functions of them, in canonical form."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from symbp.expr.nodes import Node, node, order

Number = int | Fraction
_MADE = 1 << 17  # sums and products of this many lists of operands are kept: most are asked for again and again


class Expr(Node):
    """An expression. Never constructed directly: use the functions and operators, which keep the canonical form."""

    __slots__ = ()

    def __add__(self, other: Expr | Number) -> Expr:
        return add(self, other)

    def __sub__(self, other: Expr | Number) -> Expr:
        return add(self, mul(-1, other))

    def __mul__(self, other: Expr | Number) -> Expr:
        return mul(self, other)

    def __truediv__(self, other: Expr | Number) -> Expr:
        return mul(self, power(other, -1))

    def __pow__(self, exponent: Expr | Number) -> Expr:
        return power(self, exponent)

    def __neg__(self) -> Expr:
        return mul(-1, self)

    def __radd__(self, other: Number) -> Expr:
        return add(other, self)

    def __rsub__(self, other: Number) -> Expr:
        return add(other, mul(-1, self))

    def __rmul__(self, other: Number) -> Expr:
        return mul(other, self)

    def __rtruediv__(self, other: Number) -> Expr:
        return mul(other, power(self, -1))


class Num(Expr):
    """A rational number."""

    __slots__ = ("value",)
    value: Number

    def settle(self) -> None:
        fraction = Fraction(self.label)
        self.value = fraction.numerator if fraction.denominator == 1 else fraction


class Const(Expr):
    """An irrational constant, by name: pi."""

    __slots__ = ()


class Size(Expr):
    """A symbolic size such as B: a positive integer."""

    __slots__ = ()


class Index(Expr):
    """A bound variable that runs over 0 .. size-1."""

    __slots__ = ()
    named = False

    @property
    def size(self) -> Expr:
        return self.args[0]

    @property
    def free(self) -> frozenset[Index]:
        found = self._free
        if found is None:
            found = self._free = frozenset((self,))
        return found


class Access(Expr):
    """A tensor read at one index expression an axis: `x[b, i]`. A scalar is an access without indices."""

    __slots__ = ()

    @property
    def accesses(self) -> frozenset[Access]:
        found = self._accesses
        if found is None:
            found = frozenset((self,)).union(*(a.accesses for a in self.args))
            self._accesses = found
        return found


class Add(Expr):
    """A sum of two or more terms."""

    __slots__ = ()


class Mul(Expr):
    """A product of two or more factors; a numeric coefficient stands first."""

    __slots__ = ()


class Pow(Expr):
    """args = base, exponent."""

    __slots__ = ()


class Call(Expr):
    """An elementary function of the table in `symbp.functions`, by name."""

    __slots__ = ()


class Delta(Expr):
    """Kronecker's delta of two index expressions: 1 where they're equal, else 0."""

    __slots__ = ()


class Select(Expr):
    """args = condition, value where it holds, value elsewhere."""

    __slots__ = ()


# ------------------------------------------------------------------------------------------------- leaves


@lru_cache(1 << 10, typed=True)
def num(value: Number) -> Num:
    """A rational number."""
    return node(Num, str(value), ())


ZERO, ONE, HALF = num(0), num(1), num(Fraction(1, 2))
PI, INFINITY = node(Const, "pi", ()), node(Const, "oo", ())  # minus infinity: outside of a maximum's window


def size(name: str) -> Size:
    """A symbolic size."""
    return node(Size, name, ())


def index(name: str, length: Expr | int) -> Index:
    """An index that runs over 0 .. length-1."""
    return node(Index, name, (as_expr(length),))


def access(tensor: str, indices: Iterable[Expr] = ()) -> Access:
    """The tensor read at the index expressions."""
    return node(Access, tensor, tuple(indices))


def as_expr(value: Expr | Number) -> Expr:
    """A Python number as an expression; an expression as it is."""
    return value if isinstance(value, Expr) else num(value)


# ------------------------------------------------------------------------------------------- arithmetic


def coefficient(e: Expr) -> tuple[Number, Expr]:
    """(c, rest) with e = c * rest and rest without a numeric coefficient."""
    if isinstance(e, Num):
        return e.value, ONE
    if isinstance(e, Mul) and isinstance(e.args[0], Num):
        rest = e.args[1:]
        return e.args[0].value, rest[0] if len(rest) == 1 else node(Mul, "*", rest)
    return 1, e


def factors(e: Expr) -> tuple[Expr, ...]:
    """The factors of a product, the numeric coefficient included; (e,) for anything else."""
    return e.args if isinstance(e, Mul) else (e,)


def terms(e: Expr) -> tuple[Expr, ...]:
    """The terms of a sum; (e,) for anything else."""
    return e.args if isinstance(e, Add) else (e,)


def base_exponent(e: Expr) -> tuple[Expr, Expr]:
    """(b, n) with e = b ** n."""
    return (e.args[0], e.args[1]) if isinstance(e, Pow) else (e, ONE)


def add(*operands: Expr | Number) -> Expr:
    """The sum, flat, equal terms collected. A sum whose leading sign is minus is kept as -(its opposite)."""
    return _add(operands)


@lru_cache(_MADE)
def _add(operands: tuple[Expr | Number, ...]) -> Expr:
    collected: dict[Expr, Number] = {}
    stack = [as_expr(o) for o in reversed(operands)]
    while stack:
        e = stack.pop()
        if isinstance(e, Add):
            stack.extend(reversed(e.args))
            continue
        c, rest = coefficient(e)
        if isinstance(rest, Add) and (c in (1, -1) or not rest.accesses):  # opened, so that differences cancel
            stack.extend(mul(c, t) for t in reversed(rest.args))
            continue
        collected[rest] = collected.get(rest, 0) + c
    kept = [(rest, c) for rest, c in collected.items() if c != 0]
    if not kept:
        return ZERO
    if len(kept) == 1:
        return mul(kept[0][1], kept[0][0])
    kept.sort(key=lambda rc: (rc[0] is not ONE, *order(rc[0])))
    # a - b and b - a share one node: the sign is that of most terms, then of a number, then of the last name (y - t).
    # Index arithmetic has no sign outside: t - 1 and 1 - t are two things.
    majority = sum(1 if c > 0 else -1 for _, c in kept)
    reads = any(rest.accesses for rest, _ in kept)
    if reads and (majority < 0 or (majority == 0 and max(kept, key=_leading)[1] < 0)):
        return mul(-1, node(Add, "+", tuple([_scaled(-c, rest) for rest, c in kept])))
    return node(Add, "+", tuple([_scaled(c, rest) for rest, c in kept]))


def uncollected(*operands: Expr) -> Expr:
    """The sum of these very terms: where two are equal they stay two, as they cost two to compute."""
    return operands[0] if len(operands) == 1 else node(Add, "+", operands)


def _scaled(c: Number, rest: Expr) -> Expr:
    """c * rest for a rest that has no coefficient: mul, without taking the product apart."""
    if c == 1:
        return rest
    if rest is ONE:
        return num(c)
    if type(rest) is Mul:
        return node(Mul, "*", (num(c), *rest.args))
    return mul(c, rest)


def _leading(term: tuple[Expr, Number]) -> tuple[bool, str, bytes]:
    rest = term[0]
    return rest is ONE, max(rest.tensors, default=""), rest.digest


def mul(*operands: Expr | Number) -> Expr:
    """The product, flat, equal bases collected, exponentials merged."""
    return _mul(operands)


@lru_cache(_MADE)
def _mul(operands: tuple[Expr | Number, ...]) -> Expr:
    c: Number = 1
    exponents: dict[Expr, Expr] = {}
    in_exp: list[Expr] = []
    stack = [o if isinstance(o, Expr) else num(o) for o in reversed(operands)]
    while stack:
        e = stack.pop()
        kind = type(e)
        if kind is Mul:
            stack.extend(reversed(e.args))
        elif kind is Num:
            c = c * e.value  # type: ignore[attr-defined]
        elif kind is Call and e.label == "exp":
            in_exp.append(e.args[0])
        else:
            base, n = e.args if kind is Pow else (e, ONE)
            exponents[base] = add(exponents[base], n) if base in exponents else n
    if c == 0:
        return ZERO
    parts: list[Expr] = []
    if in_exp:
        merged = call("exp", add(*in_exp))
        if merged is not ONE:
            parts.append(merged)
    reopen = False
    for base, n in exponents.items():
        factor = base if n is ONE else power(base, n)
        if isinstance(factor, (Num, Mul)):
            reopen = True
        parts.append(factor)
    if reopen:
        return mul(c, *parts)
    if isinstance(c, Fraction) and c.denominator == 1:
        c = c.numerator
    if not parts:
        return num(c)
    if c != 1 and len(parts) == 1 and isinstance(parts[0], Add) and not parts[0].accesses:
        return add(*(mul(c, t) for t in parts[0].args))
    parts.sort(key=order)
    if c != 1:
        parts.insert(0, num(c))
    return parts[0] if len(parts) == 1 else node(Mul, "*", tuple(parts))


def power(base: Expr | Number, exponent: Expr | Number) -> Expr:
    """base ** exponent; integer powers are distributed over products and powers, rational numbers are evaluated."""
    b, n = as_expr(base), as_expr(exponent)
    if n is ZERO:
        return ONE
    if n is ONE:
        return b
    if not isinstance(n, Num):
        return ONE if b is ONE else node(Pow, "**", (b, n))
    if isinstance(b, Num):
        if b is ONE:
            return ONE
        if isinstance(n.value, int):
            if b is ZERO and n.value < 0:
                raise ZeroDivisionError("0 ** negative number in an expression")
            return num(Fraction(b.value) ** n.value)
        root = _exact_power(Fraction(b.value), Fraction(n.value))
        return node(Pow, "**", (b, n)) if root is None else num(root)
    if isinstance(n.value, int):
        if n.value > 0 and (isinstance(b, Delta) or (isinstance(b, Select) and b.args[1:] == (ONE, ZERO))):
            return b
        if isinstance(b, Mul):
            return mul(*(power(f, n) for f in b.args))
        if isinstance(b, Pow):
            return power(b.args[0], mul(b.args[1], n))
        if isinstance(b, Call) and b.label == "exp":
            return call("exp", mul(n, b.args[0]))
    return node(Pow, "**", (b, n))


def _exact_power(b: Fraction, n: Fraction) -> Fraction | None:
    """b ** n where that is rational (as for sqrt(4)), else None."""
    if b < 0:
        return None

    def root(k: int) -> int | None:
        r = round(k ** (1 / n.denominator)) if k < 2**52 else -1
        return r if r >= 0 and r**n.denominator == k else None

    top, bottom = root(b.numerator), root(b.denominator)
    if top is None or bottom is None or (top == 0 and n < 0):
        return None
    return Fraction(top, bottom) ** n.numerator


def sqrt(e: Expr | Number) -> Expr:
    """The square root."""
    return power(e, HALF)


def call(function: str, *arguments: Expr | Number) -> Expr:
    """An elementary function of the table, with the values at 0 that hold exactly and log(exp(x)) = x."""
    args = tuple(as_expr(a) for a in arguments)
    if function == "exp" and args[0] is ZERO:
        return ONE
    if function in ("maximum", "minimum") and all(isinstance(a, Num) for a in args):
        return (max if function == "maximum" else min)(args, key=lambda a: a.value)  # type: ignore[attr-defined]
    if function == "log":
        if args[0] is ONE:
            return ZERO
        if isinstance(args[0], Call) and args[0].label == "exp":
            return args[0].args[0]
    if function == "exp" and isinstance(args[0], Call) and args[0].label == "log":
        return args[0].args[0]
    if function in ("abs", "sign") and coefficient(args[0])[0] < 0:  # even and odd: of f(u) and f(-u), one
        positive = node(Call, function, (mul(-1, args[0]),))
        return positive if function == "abs" else mul(-1, positive)
    return node(Call, function, args)
