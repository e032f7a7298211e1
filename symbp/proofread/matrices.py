"""Formulas in matrices, d_W1 = x.T @ d_z1, made into sums over indices.

The text is split into names and operators by Python's parser, which runs nothing; only what is listed here has a
meaning. Shapes follow NumPy's rules.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import NoReturn

from symbp import expr as ex
from symbp.errors import SymbpError, nearest
from symbp.expr import Expr, Index
from symbp.functions import TABLE
from symbp.notation.formulas import Formula
from symbp.notation.source import Source
from symbp.program import Tensor
from symbp.proofread.arrays import Array, Axes, FreshNames, contracted, length, summed, together

_FUNCTIONS = {"abs": "abs", "maximum": "maximum", "minimum": "minimum", "max": "maximum", "min": "minimum"}
_OTHERS = ("len", "sum", "mean", "dot", "matmul", "transpose", "one_hot", "where", "square", "sqrt")
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
LARGEST = 1000  # bits of a power
_MEANT = "names, numbers, + - * / ** @, .T, sum, mean, comparisons, one_hot, where, and functions such as exp(z)"


def read_matrices(
    text: str, name: str, tensors: Mapping[str, Tensor], aliases: Mapping[str, str], sizes: tuple[str, ...]
) -> list[Formula]:
    """The formulas of a text in matrix notation. Arguments as those of `symbp.notation.formulas.read_formulas`.

    Raises SymbpError with line and column.
    """
    source = Source(text, name)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        at = _offset(text, error.lineno or 1, max((error.offset or 1) - 1, 0))
        raise source.error(at, f"this is no formula: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError):
        raise SymbpError(
            f"{name}: this can't be read: the brackets nest too deeply, or a character is not text"
        ) from None
    try:
        return _Matrices(source, tensors, aliases, sizes).formulas(tree)
    except RecursionError:
        raise SymbpError(
            f"{name}: the brackets nest too deeply: give parts of the formula names of their own"
        ) from None


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(row) + 1 for row in lines[: line - 1]) + column


class _Matrices:
    def __init__(
        self, source: Source, tensors: Mapping[str, Tensor], aliases: Mapping[str, str], sizes: tuple[str, ...]
    ) -> None:
        self.source, self.tensors, self.aliases, self.sizes = source, tensors, aliases, sizes
        self.own: dict[str, Array] = {}
        self.names = FreshNames()

    def fail(self, node: ast.AST, message: str) -> NoReturn:
        line = self.source.text.split("\n")[getattr(node, "lineno", 1) - 1]
        column = len(line.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
        raise self.source.error(_offset(self.source.text, getattr(node, "lineno", 1), column), message)

    def formulas(self, tree: ast.Module) -> list[Formula]:
        found: list[Formula] = []
        for st in tree.body:
            if not (isinstance(st, ast.Assign) and len(st.targets) == 1 and isinstance(st.targets[0], ast.Name)):
                self.fail(st, "only formulas stand here, one a line: d_W = ...")
            name = st.targets[0].id
            target = self.aliases.get(name, name)
            if any(f.target.label == target for f in found):
                self.fail(st, f"{name} is given twice: keep one")
            array = self.array(st.value)
            axes = tuple(self.names.fresh("one", ex.ONE) if i is None else i for i in array.axes)
            if name not in self.aliases:
                self.own[name] = Array(ex.access(name, axes), axes)
            at = _offset(self.source.text, st.lineno, st.col_offset)
            found.append(Formula(ex.access(target, axes), array.value, self.source, at))
        return found

    # ------------------------------------------------------------------------------------- expressions

    def array(self, node: ast.expr) -> Array:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and isfinite(number):
                value = Fraction(repr(number))
                return Array(ex.num(value.numerator if value.denominator == 1 else value), ())
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.array(operand)
                return Array(-inner.value, inner.axes)
            case ast.BinOp(op=ast.MatMult(), left=left, right=right):
                return self.product(node, self.array(left), self.array(right))
            case ast.BinOp(left=left, op=op, right=right):
                return self.elementwise(node, op, self.array(left), self.array(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                a, b, axes = self.together(node, self.array(left), self.array(right))
                return Array(ex.select(ex.compare(_COMPARISONS[type(op)], a, b), ex.ONE, ex.ZERO), axes)
            case ast.Attribute(value=inner, attr="T"):
                array = self.array(inner)
                return Array(array.value, array.axes[::-1])
            case ast.Subscript(value=ast.Attribute(value=inner, attr="shape"), slice=ast.Constant(value=int() as k)):
                array = self.array(inner)
                if not -len(array.axes) <= k < len(array.axes):
                    self.fail(node, f"there is no axis {k}: the shape is {array.shape}")
                return length(array, k)
            case ast.Subscript(value=inner, slice=places):
                return self.unit_axes(node, self.array(inner), places)
            case ast.Call():
                return self.call(node)
        self.fail(node, f"this has no meaning in a formula: it is made of {_MEANT}")

    def name(self, node: ast.expr, name: str) -> Array:
        if name in self.own:
            return self.names.anew(self.own[name])
        if name in self.aliases:
            tensor = self.tensors[self.aliases[name]]
            return self.names.anew(Array(tensor.access, tensor.indices))
        if name in self.sizes:
            return Array(ex.size(name), ())
        if name == "pi":
            return Array(ex.PI, ())
        self.fail(node, f"there is no {name}: {nearest(name, [*self.own, *self.aliases, *self.sizes])}")

    def elementwise(self, node: ast.expr, op: ast.operator, left: Array, right: Array) -> Array:
        a, b, axes = self.together(node, left, right)
        try:
            match op:
                case ast.Add():
                    return Array(a + b, axes)
                case ast.Sub():
                    return Array(a - b, axes)
                case ast.Mult():
                    return Array(a * b, axes)
                case ast.Div():
                    return Array(a / b, axes)
                case ast.Pow():
                    return Array(self.power(node, a, b), axes)
        except ZeroDivisionError:
            self.fail(node, "this divides by zero")
        if isinstance(op, ast.BitXor):
            self.fail(node, "a power is written ** in matrix notation: a**2")
        self.fail(node, f"this operator has no meaning in a formula: it is made of {_MEANT}")

    def power(self, node: ast.expr, a: Expr, n: Expr) -> Expr:
        if isinstance(n, ex.Num):
            bits = max(
                (abs(Fraction(f.value).numerator).bit_length() for f in ex.walk(a) if isinstance(f, ex.Num)), default=1
            )
            if abs(Fraction(n.value)) * bits > LARGEST:
                self.fail(node, "this power is too large")
        return ex.power(a, n)

    def together(self, node: ast.AST, left: Array, right: Array) -> tuple[Expr, Expr, Axes]:
        try:
            return together(left, right)
        except ValueError as error:
            self.fail(node, str(error))

    def product(self, node: ast.expr, left: Array, right: Array) -> Array:
        """left @ right."""
        found = contracted(left, right)
        if found is not None:
            return found
        flipped = {".T @ ": (left.axes[::-1], right.axes), " @ .T": (left.axes, right.axes[::-1])}
        fits = [k for k, (a, b) in flipped.items() if contracted(Array(left.value, a), Array(right.value, b))]
        assert isinstance(node, ast.BinOp)
        sides = (node.left, node.right)
        a, b = (f"({ast.unparse(n)})" if isinstance(n, (ast.BinOp, ast.UnaryOp)) else ast.unparse(n) for n in sides)
        texts = {".T @ ": f"{a}.T @ {b}", " @ .T": f"{a} @ {b}.T"}
        hint = f"; {' and '.join(texts[k] for k in fits)} would fit" if fits else ""
        self.fail(node, f"{a} of shape {left.shape} @ {b} of shape {right.shape} doesn't fit{hint}")

    def unit_axes(self, node: ast.expr, array: Array, places: ast.expr) -> Array:
        """x[:, None]: axes of length one put in."""
        items = places.elts if isinstance(places, ast.Tuple) else [places]
        axes: list[Index | None] = []
        left = list(array.axes)
        for item in items:
            if isinstance(item, ast.Constant) and item.value is None:
                axes.append(None)
            elif isinstance(item, ast.Slice) and item.lower is item.upper is item.step is None and left:
                axes.append(left.pop(0))
            else:
                self.fail(node, "in a formula brackets only add axes, p[:, None]; for parts use index notation, x[b,i]")
        return Array(array.value, (*axes, *left))

    # ------------------------------------------------------------------------------------------- calls

    def call(self, node: ast.Call) -> Array:
        match node.func:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
                given = list(node.args)
            case ast.Attribute(value=inner, attr=name):
                given = [inner, *node.args]
            case _:
                self.fail(node, "this is no function")
        options = {k.arg: k.value for k in node.keywords if k.arg is not None}
        if name in ("sum", "mean") and given:
            return self.reduced(node, name, self.array(given[0]), given[1:], options)
        if name == "len" and len(given) == 1 and (inner_ := self.array(given[0])).axes:
            return length(inner_, 0)
        if options:
            self.fail(node, f"{name} takes no options in a formula")
        self.check_function(node, name)
        if name in ("dot", "matmul") and len(given) == 2:
            pair = ast.copy_location(ast.BinOp(given[0], ast.MatMult(), given[1]), node)
            return self.product(pair, self.array(given[0]), self.array(given[1]))
        if name == "transpose" and given:
            return self.transposed(node, self.array(given[0]), given[1:])
        if name == "one_hot" and len(given) == 2:
            labels, classes = self.array(given[0]), self.array(given[1])
            if classes.axes or classes.value.accesses:
                self.fail(node, "one_hot takes labels and a number of classes: one_hot(t, 10)")
            k = self.names.fresh("k", classes.value)
            return Array(ex.delta(labels.value, k), (*labels.axes, k))
        if name == "where" and len(given) == 3:
            return self.where(node, *given)
        if name == "square" and len(given) == 1:
            inner_ = self.array(given[0])
            return Array(inner_.value**2, inner_.axes)
        if name == "sqrt" and len(given) == 1:
            inner_ = self.array(given[0])
            return Array(ex.sqrt(inner_.value), inner_.axes)
        return self.function(node, name, [self.array(a) for a in given])

    def check_function(self, node: ast.Call, name: str) -> None:
        if name not in _FUNCTIONS and name not in TABLE and name not in _OTHERS:
            hint = "; write the sums out in index notation" if name in ("einsum", "tensordot", "outer") else ""
            self.fail(node, f"there is no function {name} in formulas: {nearest(name, [*TABLE, *_OTHERS])}{hint}")

    def function(self, node: ast.Call, name: str, given: list[Array]) -> Array:
        if name in _OTHERS:
            self.fail(node, f"{name} has {len(given)} arguments here, which is not what it takes")
        row = TABLE[_FUNCTIONS.get(name, name)]
        if not row.arity - len(row.defaults) <= len(given) <= row.arity:
            self.fail(node, f"{name} takes {row.arity} argument{'s' * (row.arity != 1)}")
        rest = row.defaults[len(given) - row.arity :] if len(given) < row.arity else ()
        if len(given) == 2:
            a, b, axes = self.together(node, *given)
            return Array(ex.call(row.name, a, b), axes)
        defaults = [ex.num(d.numerator if d.denominator == 1 else d) for d in rest]
        return Array(ex.call(row.name, given[0].value, *defaults), given[0].axes)

    def where(self, node: ast.Call, condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> Array:
        if not (
            isinstance(condition, ast.Compare) and len(condition.ops) == 1 and type(condition.ops[0]) in _COMPARISONS
        ):
            self.fail(condition, "the first argument of where is a comparison, z1 > 0")
        a, b, axes = self.together(node, self.array(condition.left), self.array(condition.comparators[0]))
        mask = Array(ex.select(ex.compare(_COMPARISONS[type(condition.ops[0])], a, b), ex.ONE, ex.ZERO), axes)
        c, d, values = self.together(node, self.array(then), self.array(otherwise))
        m, kept, axes = self.together(node, mask, Array(c - d, values))
        both = self.together(node, Array(m * kept, axes), Array(d, values))
        return Array(both[0] + both[1], both[2])

    def transposed(self, node: ast.Call, array: Array, order: list[ast.expr]) -> Array:
        if len(order) == 1 and isinstance(order[0], ast.Tuple):
            order = list(order[0].elts)
        places = [a.value for a in order if isinstance(a, ast.Constant) and isinstance(a.value, int)]
        if not order:
            return Array(array.value, array.axes[::-1])
        if sorted(places) != list(range(len(array.axes))):
            self.fail(node, f"transpose takes every axis once: the shape is {array.shape}")
        return Array(array.value, tuple(array.axes[k] for k in places))

    def reduced(
        self, node: ast.Call, name: str, array: Array, given: list[ast.expr], options: dict[str, ast.expr]
    ) -> Array:
        """sum and mean, with axis and keepdims."""
        axis = given[0] if given else options.get("axis")
        keep = options.get("keepdims")
        kept = isinstance(keep, ast.Constant) and bool(keep.value)
        try:
            chosen = ast.literal_eval(axis) if axis is not None else None  # a number or a tuple of them, nothing else
            places = range(len(array.axes)) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
            over = {range(len(array.axes))[k] for k in places}
        except (ValueError, TypeError, IndexError):
            self.fail(node, f"axis is the number of an axis, or several in brackets: the shape is {array.shape}")
        return summed(array, over, keep=kept, mean=name == "mean")
