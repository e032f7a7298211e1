"""Expressions as arrays: which rule writes which kind of node, and the order in which terms and factors stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol, TypeVar

from symbp.errors import SymbpError
from symbp.expr import (
    Access,
    Add,
    Call,
    Condition,
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
    walk,
)
from symbp.functions import TABLE
from symbp.lower.array import (
    ATOM,
    Array,
    Axes,
    arrange,
    as_float,
    elementwise,
    moved_inside,
    opaque,
    own,
    reduction,
    spread,
    unmoved,
    view,
)
from symbp.lower.conditions import condition, delta, select
from symbp.lower.constants import constant, number
from symbp.lower.layouts import Layouts
from symbp.lower.product import product, turns_positive
from symbp.lower.reads import read, stored_axes
from symbp.lower.scatter import scattered_axes
from symbp.operations import is_constant
from symbp.program import Program, Tensor

T = TypeVar("T")


class Contract(Protocol):
    """Writes a sum over indices; see `symbp.lower.contraction`."""

    def __call__(self, writer: Writer, e: Reduce, order: Axes) -> Array: ...


@dataclass
class Writer:
    """Writes expressions; notes which helper functions they call and which sizes they name.

    position: of the equation that defines a tensor, counted from 1. time, clock: inside a loop, the index of time, no
    axis there, and the name of its number. layout: for tensors whose axes lie in memory in another order than they are
    declared in, their positions in that order. layouts: where results are written to given places, whose axes lie as
    these say.
    """

    program: Program
    contract: Contract
    helpers: dict[str, str]
    sizes: dict[str, None]
    position: Mapping[str, int]
    layout: dict[str, tuple[int, ...]]
    layouts: Layouts | None = None
    time: Index | None = None
    clock: str = ""
    orders: dict[tuple[Expr, Axes], Axes] = field(default_factory=dict)
    written: dict[tuple[Expr, Axes], Array] = field(default_factory=dict)

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        return self.program.tensors

    def stored(self, name: str, items: Sequence[T]) -> list[T]:
        """What belongs to a tensor's axes, in the order in which they lie in memory."""
        return [items[n] for n in self.layout.get(name, range(len(items)))]

    def natural(self, e: Expr, order: Axes) -> Axes:
        """The free indices in the order in which the expression comes with the fewest axes moved.

        That of its widest part: an access as it is stored, a sum of products as the product leaves it.
        """
        return tuple(i for i in dict.fromkeys((*self._solid(e, order), *order)) if i in e.free)

    def _solid(self, e: Expr, order: Axes) -> Axes:
        """Axes whose order in memory is given, in that order; none where any order is as good."""
        if len(e.free) < 2:
            return ()
        found = self.orders.get((e, order))
        if found is None:
            match e:
                case Access():
                    found = stored_axes(self, e)
                case Reduce() if e.label == "sum":
                    over = (*order, *(i for i in e.indices if i not in order))
                    found = scattered_axes(self, e, over) or self._of_sum(e, order)
                case Select() if not is_constant(e.args[1]) or not is_constant(e.args[2]):
                    found = self._widest(e.args[1:], order)
                case Index() | Delta():
                    found = ()
                case _:
                    found = self._widest([e.body] if isinstance(e, Reduce) else e.args, order)
            self.orders[e, order] = found
        return found

    def _of_sum(self, e: Reduce, order: Axes) -> Axes:
        a = unmoved(self.contract(self, e, own(e, order)))
        return () if self.layouts and a.op == "matmul" and len(a.axes) > 2 and a.shape is None else a.axes

    def _widest(self, parts: Sequence[Expr], order: Axes) -> Axes:
        for p in sorted(parts, key=lambda p: (-len(p.free), not has_sum(p), self.latest(p))):
            found = self._solid(p, order)
            if found:
                return found
        return ()

    def write(self, e: Expr, order: Axes) -> Array:
        """The expression as an array over its free indices, in the order in which they stand in `order`."""
        order = own(e, order)
        found = self.written.get((e, order))
        if found is None:
            found = self.written[e, order] = self._write(e, order)
        return found

    def _write(self, e: Expr, order: Axes) -> Array:
        if is_constant(e):
            return self.constant(e)
        match e:
            case Access():
                return read(self, e, order)
            case Index() if e is self.time:
                return Array(self.clock)
            case Index():
                return Array(f"np.arange({self.size(e.size)})", (e,))
            case Add():
                return self.sum(e, order)
            case Mul():
                return product(self, e, order)
            case Pow():
                return self.power(e, order)
            case Call():
                return self.call(e, order)
            case Reduce() if e.label == "sum":
                found = self.contract(self, e, order)
                return moved_inside(found) if self.layouts is None else found
            case Reduce():
                body = self.write(e.body, self.natural(e.body, (*order, *e.indices)))
                return arrange(reduction("max", body, e.indices), order)
            case Select():
                return select(self, e, order)
            case Condition():
                return condition(self, e, order)
            case Delta():
                return delta(self, e, order)
        raise SymbpError(f"no array form of {e!r}")

    def constant(self, e: Expr) -> Array:
        """Numbers and sizes as a Python scalar."""
        self.sizes.update((n.label, None) for n in walk(e) if isinstance(n, Size))
        return constant(e)

    def size(self, e: Expr) -> str:
        """A size as text: a number, the name of a local variable, or a product or sum of these."""
        return self.constant(e).code

    def shape(self, axes: Axes) -> str:
        """A shape as the text of a tuple."""
        return f"({', '.join(self.size(i.size) for i in axes)}{',' if len(axes) == 1 else ''})"

    def is_scalar(self, condition: Expr) -> bool:
        """Whether a condition speaks of the loop's time only."""
        return self.time is not None and not condition.accesses and condition.free <= {self.time}

    def filled(self, a: Array, axes: Axes) -> Array:
        """The array repeated along the axes that it lacks; a number as it is."""
        if a.axes == axes or not a.axes:
            return a
        return view(f"np.broadcast_to({{}}, {self.shape(axes)})", spread(a, axes), axes)

    # ------------------------------------------------------------------------------------- arithmetic

    def sum(self, e: Add, order: Axes) -> Array:
        axes = own(e, order)
        out: Array | None = None
        for t in sorted(e.args, key=self.term_order):
            c, rest = coefficient(t)
            minus = c < 0 and (out is None or not turns_positive(t))  # rather x + c (b - a) than x - c (a - b)
            a = as_float(spread(self.write(mul(-c, rest) if minus else t, order), axes))
            here = tuple(i for i in axes if i in a.axes or (out is not None and i in out.axes))
            if out is None:
                out = elementwise("negative", a, axes=here) if minus else a
            else:
                out = elementwise("subtract" if minus else "add", out, a, axes=here)
        assert out is not None
        return out

    def power(self, e: Pow, order: Axes) -> Array:
        base, n = e.args
        axes = own(e, order)
        if not isinstance(n, Num):
            b, x = spread(self.write(base, order), axes), spread(self.write(n, order), axes)
            if is_constant(base):  # NumPy doesn't raise integers to negative integers
                b = number(Fraction(base.value)) if isinstance(base, Num) else b
                b = Array(f"{b.code}.0" if b.code.isdigit() else f"float({b.code})")
            return elementwise("power", b, x, axes=axes)
        value = Fraction(n.value)
        if value < 0:
            return elementwise("divide", Array("1"), self.write(base**-n, order), axes=axes)
        a = self.write(base, order)
        if value == Fraction(1, 2):
            return elementwise("sqrt", a, axes=axes)
        if isinstance(base, Access) and value in (3, Fraction(3, 2)):  # NumPy's ** is 300 times slower here
            last = a if value == 3 else elementwise("sqrt", a, axes=axes)
            first = elementwise("multiply", a, a, axes=axes) if value == 3 else a
            return elementwise("multiply", first, last, axes=axes)
        if value == 2:
            return Array("{}**2", axes, elementwise("power", a, a, axes=axes).binds, False, (a,), (ATOM,), "square")
        shown = str(value.numerator) if value.denominator == 1 else f"({value.numerator} / {value.denominator})"
        return opaque(f"{{}}**{shown}", a, axes=axes, binds=elementwise("power", a, a, axes=axes).binds, level=ATOM)

    def call(self, e: Call, order: Axes) -> Array:
        row = TABLE[e.label]
        axes = own(e, order)
        if not row.numpy:
            raise SymbpError(f"{e.label} is defined by a formula: expand it before lowering")
        if row.helper:
            self.helpers[e.label] = row.helper
        args = [as_float(spread(self.write(a, order), axes)) for a in e.args]
        if e.label == "relu":
            args.append(Array("0"))
        name, _, _ = row.numpy.partition("(")
        if name.startswith("np."):
            return elementwise(name.removeprefix("np."), *args, axes=axes)
        return Array(row.numpy.format("{}"), axes, ATOM, False, tuple(args), (0,) * len(args), e.label)

    # ------------------------------------------------------------------------------------------- order

    def latest(self, e: Expr) -> int:
        """The position of the last-defined tensor that is read: what flows backward comes from later ones."""
        return max((self.position.get(name, 0) for name in e.tensors), default=0)

    def term_order(self, t: Expr) -> tuple[bool, bool, int, int, str]:
        """Positive terms first, then sums of products (x @ W before + b), arrays with more axes, later tensors."""
        c, rest = coefficient(t)
        return c < 0, not has_sum(rest), -len(rest.free), -self.latest(rest), "".join(sorted(rest.tensors))

    def factor_order(self, f: Expr) -> tuple[int, int, int, str]:
        """Sums of products first, then tensors, the latest first, then functions, brackets and masks."""
        rank = 1 if isinstance(f, Access) else 4 if isinstance(f, Select) else 3 if isinstance(f, Add) else 2
        return 0 if has_sum(f) else rank, -len(f.free), -self.latest(f), "".join(sorted(f.tensors))


def has_sum(e: Expr) -> bool:
    return isinstance(e, Reduce) or (isinstance(e, Mul) and any(isinstance(f, Reduce) for f in e.args))
