"""Matrix products as calls, in the forms in which BLAS is fast."""

from __future__ import annotations

import re
from fractions import Fraction

from symbp.expr import ONE, Expr, coefficient, mul, num
from symbp.lower.array import SIGN
from symbp.lower.constants import UNKNOWN, constant, known
from symbp.lower.recorder import DOT, Dims, Recorder, Value

THIN = 1024  # numbers in the smallest of three matrices that are multiplied
NARROW = 32  # terms of a sum
LOW = 64  # rows
LONG, WORTH_A_COPY = 64, 16  # times the batch


class Products(Recorder):
    """Records products of values."""

    def flat(self, v: Value) -> Value:
        """The numbers in a row."""
        return v if len(v.dims) == 1 else self.reshaped(v, (v.count,))

    def ones(self, dims: Dims) -> Value:
        """A vector: a product with it is a sum."""
        (n,) = dims
        return self.once(f"np.ones({constant(n).code}, DTYPE)", dims, name=f"ones_{_name_of(n)}")

    def means(self, n: Expr) -> Value:
        """A vector of n numbers 1/n: a product with it is a mean."""
        code = constant(n)
        return self.once(f"np.full({code.code}, 1 / {code.at(SIGN)}, DTYPE)", (n,), name=f"mean_{_name_of(n)}")

    def transposed(self, v: Value) -> Value:
        return self.view(v, "{}.T", v.dims[::-1])

    def scaled(self, v: Value, n: Expr) -> Value:
        """A sum of n terms, made the mean in place."""
        return self.call("multiply", v, self.number(f"1 / {constant(n).at(SIGN)}"), out=v, in_place=True)

    def product(self, x: Value, y: Value, out: Value) -> None:
        """x @ y. `dot` starts faster, but takes only arrays of two axes and a place in order."""
        if out.form == "{}.T" and out.base is not None and len(x.dims) == len(y.dims) == len(out.dims) == 2:
            x, y, out = self.transposed(y), self.transposed(x), out.base
        if len(x.dims) == len(y.dims) == len(out.dims) == 2 and self._long_product(x, y, out):
            return
        flat = len(x.dims) <= 2 and len(y.dims) <= 2 and out.contiguous
        if flat:
            self.statement(DOT, (x, y), out)
        else:
            self.call("matmul", x, y, out=out)

    def _long_product(self, x: Value, y: Value, out: Value) -> bool:
        """Products of few rows and columns, but long sums or rows, in pieces or with the wider matrix first.

        OpenBLAS is two or three times slower on them as they stand.
        """
        (m, k), n = x.dims, y.dims[1]
        pieces = _pieces(k)
        if pieces and known(m) * known(n) <= THIN:
            a, b = self._cut(x, 1, pieces), self._cut(y, 0, pieces)
            if a is None or b is None:
                return False
            parts = self.room((num(pieces), m, n))
            self.call("matmul", a, b, out=parts, rule="a long sum in pieces")
            total = self.room((mul(m, n),)) if not out.contiguous else self.flat(out)
            self.statement(DOT, (self.ones((num(pieces),)), self.reshaped(parts, (num(pieces), mul(m, n)))), total)
            if not out.contiguous:
                self.copy(self.reshaped(total, (m, n)), out)
            return True
        wider = known(m) <= LOW and 3 * known(m) <= known(n) < UNKNOWN
        if wider and y.form == "{}.T" and _batches(k) >= WORTH_A_COPY:
            turned = self.room((n, m))
            self.statement(DOT, (self.transposed(y), self.transposed(x)), turned, "the wider matrix first")
            self.copy(self.transposed(turned), out)
            return True
        pieces = _pieces(n)
        if known(m) * known(k) > THIN:
            halves = pieces and coefficient(n)[0] % 2 == 0
            pieces = 2 if halves and known(k) <= NARROW and 2 * known(k) <= known(m) < UNKNOWN else 0
        if pieces:
            b, c = self._cut(y, 1, pieces), self._cut(out, 1, pieces)
            if b is not None and c is not None:
                self.call("matmul", x, b, out=c, rule="long rows in pieces")
                return True
        return False

    def _cut(self, v: Value, axis: int, pieces: int) -> Value | None:
        """A matrix as a stack of pieces along an axis, as a view; None where there is none."""
        if not v.contiguous:
            if v.form != "{}.T" or v.base is None or not v.base.contiguous:
                return None
            found = self._cut(v.base, 1 - axis, pieces)
            return (
                None
                if found is None
                else self.view(found, "{}.swapaxes(-1, -2)", (found.dims[0], found.dims[2], found.dims[1]))
            )
        rows, columns = v.dims
        count = num(pieces)
        if axis == 0:
            return self.reshaped(v, (count, mul(rows, num(Fraction(1, pieces))), columns))
        part = mul(columns, num(Fraction(1, pieces)))
        return self.view(self.reshaped(v, (rows, count, part)), "{}.swapaxes(0, 1)", (count, rows, part))


def _batches(n: Expr) -> int:
    """How many times the batch an axis is long; 0 for no whole number of times."""
    c, rest = coefficient(n)
    return 0 if rest is ONE or c.denominator != 1 else int(c)


def _pieces(n: Expr) -> int:
    """Into how many equal pieces to cut an axis that is longer than the batch; 0 for no cut."""
    c = _batches(n)
    if c < LONG:
        return 0
    return max((d for d in range(8, 65) if c % d == 0), key=lambda d: -abs(d - 28), default=0)


def _name_of(n: Expr) -> str:
    """A size as part of a name: B, 64, 64_B."""
    return re.sub(r"\W+", "_", constant(n).code).strip("_")
