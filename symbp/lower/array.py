"""Array expressions: NumPy code as a tree, each node with the axes of the array that it stands for.

One tree serves both styles: readable code prints it as it is, fast code takes it apart into calls with `out=`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from symbp.expr import ONE, Expr, Index

Axes = tuple[Index, ...]
# How tightly a text binds, as in Python's grammar.
OR, COMPARE, SUM, MATMUL, PRODUCT, SIGN, POWER, ATOM = range(8)  # a @ b stands in brackets inside a product
OTHERS = ("", "view", "sum", "mean", "max", "matmul", "tensordot", "pad", "copy", "one_hot", "add_rows", "pick",
          "rows", "choice", "overlap_add")  # all other operations are elementwise  # fmt: skip


@dataclass(frozen=True)
class Fold:
    """Along an axis, `count` windows of `taps` places: the first begins at `start`, then every `step`-th; within a
    window every `stride`-th place.
    """

    axis: int
    count: Expr
    taps: Expr
    start: Expr
    step: int
    stride: int


@dataclass(frozen=True)
class Array:
    """form: the code, with {} for each argument. axes: of the array that comes out, in its order in memory or a view's.

    op: what the node does: the name of a NumPy function that takes `out=` ("add", "exp", "matmul"), "view" (of its one
    argument, nothing is moved), "copy" (of its one argument, its axes in memory as they stand), "sum" or "max" (over
    `over`, the positions of axes), or "" for anything else.
    levels: how tightly each argument must bind where it stands. binds: how tightly the whole does. boolean: it holds
    truth values. rule: the name of the lowering rule that made the node, for `--explain`. shape: where it isn't that of
    the axes: axes that are merged, or of length one to broadcast. folds: of "overlap_add", where the windows lie.
    """

    form: str
    axes: Axes = ()
    binds: int = ATOM
    boolean: bool = False
    args: tuple[Array, ...] = ()
    levels: tuple[int, ...] = ()
    op: str = ""
    over: tuple[int, ...] = ()
    rule: str = ""
    shape: tuple[Expr, ...] | None = None
    folds: tuple[Fold, ...] = ()

    @cached_property
    def dims(self) -> tuple[Expr, ...]:
        """The length along each axis of the array."""
        if self.shape is not None:
            return self.shape
        if self.args and self.op not in OTHERS:
            return broadcast(a.dims for a in self.args)
        return tuple(i.size for i in self.axes)

    @cached_property
    def code(self) -> str:
        if not self.args:
            return self.form
        return self.form.format(*(a.at(level) for a, level in zip(self.args, self.levels, strict=True)))

    def at(self, level: int) -> str:
        """The code, in brackets where something that binds at this level needs them."""
        return self.code if self.binds >= level else f"({self.code})"

    @property
    def is_scalar(self) -> bool:
        """Whether it is a Python number: a leaf without axes that is no variable's name."""
        return not self.axes and not self.args


def broadcast(shapes: Iterable[tuple[Expr, ...]]) -> tuple[Expr, ...]:
    """The shape of what arrays of these shapes broadcast to, the last axes aligned."""
    out: list[Expr] = []
    for shape in shapes:
        out = [ONE] * (len(shape) - len(out)) + out
        start = len(out) - len(shape)
        out[start:] = [n if old is ONE else old for old, n in zip(out[start:], shape, strict=True)]
    return tuple(out)


# ------------------------------------------------------------------------------------------- elementwise

_INFIX = {
    "add": ("{} + {}", SUM, (SUM, SUM)),
    "subtract": ("{} - {}", SUM, (SUM, PRODUCT)),
    "multiply": ("{} * {}", PRODUCT, (PRODUCT, SIGN)),
    "divide": ("{} / {}", PRODUCT, (PRODUCT, SIGN)),
    "power": ("{}**{}", POWER, (ATOM, ATOM)),
    "negative": ("-{}", SIGN, (SIGN,)),
    "bitwise_and": ("{} & {}", OR, (SUM, SUM)),
    "bitwise_or": ("{} | {}", OR, (SUM, SUM)),
    "invert": ("~{}", SIGN, (ATOM,)),
    "less": ("{} < {}", COMPARE, (SUM, SUM)),
    "less_equal": ("{} <= {}", COMPARE, (SUM, SUM)),
    "greater": ("{} > {}", COMPARE, (SUM, SUM)),
    "greater_equal": ("{} >= {}", COMPARE, (SUM, SUM)),
    "equal": ("{} == {}", COMPARE, (SUM, SUM)),
    "not_equal": ("{} != {}", COMPARE, (SUM, SUM)),
}
COMPARISONS = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}


def elementwise(op: str, *args: Array, axes: Axes, boolean: bool = False) -> Array:
    """op of arrays that broadcast to these axes, see `spread`."""
    if op in _INFIX:
        form, binds, levels = _INFIX[op]
        return Array(form, axes, binds, boolean, args, levels, op)
    form = f"np.{op}({', '.join('{}' for _ in args)})"
    return Array(form, axes, ATOM, boolean, args, (OR,) * len(args), op)


def opaque(form: str, *args: Array, axes: Axes, binds: int = ATOM, level: int = OR, boolean: bool = False) -> Array:
    """Any other code: `form` with {} for the arguments, each bound as `level` asks."""
    return Array(form, axes, binds, boolean, args, (level,) * len(args))


def as_float(a: Array) -> Array:
    """Truth values as numbers."""
    return replace(opaque("{}.astype(DTYPE)", a, axes=a.axes, level=ATOM), op="astype") if a.boolean else a


# ------------------------------------------------------------------------------------------------ views


def own(e: Expr, order: Sequence[Index]) -> Axes:
    """The expression's free indices in the given order."""
    return tuple(i for i in order if i in e.free)


def without(axes: Axes, gone: Sequence[Index]) -> Axes:
    return tuple(i for i in axes if i not in gone)


def view(form: str, a: Array, axes: Axes, shape: tuple[Expr, ...] | None = None) -> Array:
    """The same numbers seen differently: `form` with {} for the array, which must be an atom there."""
    return Array(form, axes, ATOM, a.boolean, (a,), (ATOM,), "view", shape=shape)


def copy(a: Array) -> Array:
    """The same numbers in an array of their own, its axes in memory as they stand."""
    return Array("np.ascontiguousarray({})", a.axes, ATOM, False, (a,), (OR,), "copy", (), "copied_once", a.shape)


def arrange(a: Array, order: Axes) -> Array:
    """The array with its axes in the given order."""
    wanted = tuple(i for i in order if i in a.axes)
    if wanted == a.axes:
        return a
    if len(wanted) == 2:
        return view("{}.T", a, wanted)
    moved = [n for n, (i, j) in enumerate(zip(wanted, a.axes, strict=True)) if i is not j]
    if len(moved) == 2 and moved == [len(wanted) - 2, len(wanted) - 1]:
        return view("{}.swapaxes(-1, -2)", a, wanted)
    positions = ", ".join(str(a.axes.index(i)) for i in wanted)
    return view(f"{{}}.transpose({positions})", a, wanted)


def unmoved(a: Array) -> Array:
    """The array before its axes were moved by `arrange`."""
    moved = a.op == "view" and (a.form in ("{}.T", "{}.swapaxes(-1, -2)") or a.form.startswith("{}.transpose("))
    return a.args[0] if moved else a


def moved_inside(a: Array) -> Array:
    """(x @ W).transpose(1, 0, 2) as x.transpose(1, 0, 2) @ W, which lies in memory as its axes stand."""
    product = unmoved(a)
    if product is a or product.op != "matmul" or a.axes[-1] is not product.axes[-1] or len(product.args[1].axes) != 2:
        return a
    x, w = product.args
    if len(x.axes) != len(a.axes) or x.axes[:-1] != product.axes[:-1]:
        return a
    return replace(product, axes=a.axes, args=(arrange(x, (*a.axes[:-1], x.axes[-1])), w))


def spread(a: Array, onto: Axes) -> Array:
    """The array so that it broadcasts over the axes `onto`, which it has in that order."""
    if not a.axes:
        return a
    first = onto.index(a.axes[0])
    if onto[first:] == a.axes:
        return a
    slots = ", ".join(":" if i in a.axes else "None" for i in onto[first:])
    shape = tuple(i.size if i in a.axes else ONE for i in onto[first:])
    return view(f"{{}}[{slots}]", a, a.axes, shape)


# ------------------------------------------------------------------------------------------- reductions


def reduction(op: str, a: Array, over: Sequence[Index]) -> Array:
    """The array's sum, mean or max over these indices."""
    positions = tuple(n for n, i in enumerate(a.axes) if i in over)
    if len(positions) == len(a.axes):
        argument = ""
    else:
        argument = f"axis={positions[0]}" if len(positions) == 1 else f"axis=({', '.join(map(str, positions))})"
    left = without(a.axes, over)
    return Array(f"{{}}.{op}({argument})", left, ATOM, False, (a,), (ATOM,), op, positions)


def as_mean(a: Array) -> Array:
    """A sum as the mean over the same axes."""
    return Array(a.form.replace(".sum(", ".mean("), a.axes, ATOM, False, a.args, a.levels, "mean", a.over)
