"""Sums as matrix products, row and column sums, norms, and sums over the matrices of all samples."""

from __future__ import annotations

from symbp.expr import Access, Expr, Index, Num, Pow, Reduce, coefficient, factors, mul, sum_over
from symbp.show.formulas.orientation import Axis
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.products import Piece
from symbp.show.styles import breaks
from symbp.show.styles.style import POWER, PRODUCT, Style

MATMUL = 3  # how tightly a matrix product binds


class NoForm(Exception):
    """The expression has no matrix form."""


class Contractions:
    """The part of `matrix.MatrixPrinter` that writes sums; its attributes are described there."""

    printer: Printer
    style: Style
    notes: set[str]
    kept: tuple[Index, ...]
    sliced: bool

    def write(self, e: Expr, row: Axis, col: Axis) -> Piece:
        """The expression as a matrix whose rows and columns the two indices count."""
        raise NotImplementedError

    def held(self, piece: Piece, binding: int) -> str:
        return self.printer.held(piece, binding)

    def contraction(self, e: Reduce, row: Axis, col: Axis) -> Piece:
        if e.label != "sum":
            raise NoForm
        if row is None and col is None and (len(e.indices) == 2 or _is_square(e.body)) and not self.kept:
            return self.norm(e)
        if self.sliced and (len(e.indices) > 1 or any({row, col} <= f.free for f in factors(e.body))):
            return self.sum_of_slices(e, row, col)
        if len(e.indices) != 1:
            raise NoForm
        (s,) = e.indices
        parts = factors(coefficient(e.body)[1])
        if coefficient(e.body)[0] != 1 or any(
            {row, col} <= f.free for f in parts if row is not None and col is not None
        ):
            raise NoForm
        left = [f for f in parts if row is not None and row in f.free]
        right = [f for f in parts if col is not None and col in f.free]
        middle = [f for f in parts if f not in left and f not in right]
        if left and middle and not right:  # the sum of A[n, s] v[s] over s is A times v
            factors_of = [self.factor_of_product(left, row, s), self.factor_of_product(middle, s, None)]
            return self.style.matmul.join(factors_of), MATMUL
        if left and middle:
            left, middle = [*left, *middle], []
        pieces = []
        if left or middle:
            pieces.append(self.factor_of_product(left or middle, row if left else None, s))
        if right:
            if not pieces:
                self.notes.add("ones")
                pieces.append(self.style.ones(transposed=True))
            pieces.append(self.factor_of_product(right, s, col))
        elif row is not None or pieces:
            self.notes.add("ones")
            pieces.append(self.style.ones())
        return self.style.matmul.join(pieces), MATMUL

    def sum_of_slices(self, e: Reduce, row: Axis, col: Axis) -> Piece:
        """A sum over leading indices of matrix products, or of matrices: the gradient by W is the sum of h_n' d_n."""
        large_first = sorted(e.body.accesses, key=lambda a: (-len(a.args), a.digest))  # what leads there has to lead
        order = [i for a in large_first for i in a.args if i in e.indices]
        if not set(e.indices) <= set(order):  # one that is only computed with picks no matrix
            raise NoForm
        indices = sorted(e.indices, key=order.index)
        before = self.kept
        whole = any({row, col} <= f.free for f in factors(e.body))
        for count in [len(indices)] if whole else [len(indices) - 1, len(indices)]:  # a product over the last one
            outer, inner = indices[:count], indices[count:]
            if not outer:
                continue
            self.kept = (*before, *outer)
            try:
                body = self.write(sum_over(e.body, inner), row, col)
            except NoForm:
                continue
            finally:
                self.kept = before
            names = [self.printer.index(i) for i in outer]
            return self.style.reduction("sum", names) + breaks.deeper(self.held(body, PRODUCT)), PRODUCT
        raise NoForm

    def factor_of_product(self, parts: list[Expr], row: Axis, col: Axis) -> str:
        """One factor of a matrix product, as it is or as the transpose of the other way round."""
        e = mul(*parts)
        plain = self.held(self.write(e, row, col), POWER)
        if isinstance(e, Access) or self.style.top not in plain:
            return plain
        turned = self.style.transpose(breaks.deeper(self.write(e, col, row)[0]))
        return turned if turned.count(self.style.top) < plain.count(self.style.top) else plain

    def norm(self, e: Reduce) -> Piece:
        """The sum of all squares of a matrix."""
        if not _is_square(e.body):
            raise NoForm
        base = e.body.args[0]
        if base.free != set(e.indices) or len(e.indices) > 2:
            raise NoForm
        self.notes.add("norm")
        first, second = (e.indices[0], e.indices[-1])
        axes: list[tuple[Axis, Axis]] = (
            [(None, first), (first, None)] if first is second else [(first, second), (second, first)]
        )
        written = [self.write(base, row, col)[0] for row, col in axes]
        return self.style.squared_norm(min(written, key=lambda text: text.count(self.style.top))), POWER


def _is_square(e: Expr) -> bool:
    return isinstance(e, Pow) and isinstance(e.args[1], Num) and e.args[1].value == 2
