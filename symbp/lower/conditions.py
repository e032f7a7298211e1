"""Conditions, choices, masks and Kronecker deltas as arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbp.expr import INFINITY, ONE, ZERO, Access, Condition, Delta, Expr, Index, Select, compare
from symbp.lower.array import (
    ATOM,
    COMPARE,
    COMPARISONS,
    OR,
    Array,
    Axes,
    arrange,
    elementwise,
    opaque,
    own,
    spread,
)
from symbp.lower.reads import read_or_zero

if TYPE_CHECKING:
    from symbp.lower.writer import Writer

ONE_HOT = '''
def one_hot(labels, classes):
    """Integers (...,) -> (..., classes): 1 at the label, 0 elsewhere."""
    return (labels[..., None] == np.arange(classes)).astype(DTYPE)
'''


def select(writer: Writer, e: Select, order: Axes) -> Array:
    test, then, otherwise = e.args
    if writer.is_scalar(test):
        return choice(writer, test, writer.write(then, order), writer.write(otherwise, order))
    if otherwise is ZERO and isinstance(then, Access) and (text := read_or_zero(writer, test, then, order)):
        return text
    if then is ONE and otherwise is ZERO:
        return writer.write(test, order)
    if then is ZERO and otherwise is ONE:
        return elementwise("invert", writer.write(test, order), axes=own(test, order), boolean=True)
    axes = own(e, order)
    if otherwise is -INFINITY and test.free < e.free and then.free == e.free:  # few places of a mask, added to many
        mask = opaque("np.where({}, 0, -math.inf).astype(DTYPE)", writer.write(test, order), axes=own(test, order))
        return replace(elementwise("add", writer.write(then, order), spread(mask, axes), axes=axes), rule="mask added")
    parts = [spread(writer.write(a, order), axes) for a in e.args]
    return replace(opaque("np.where({}, {}, {})", *parts, axes=axes), op="where")


def choice(writer: Writer, test: Expr, then: Array, otherwise: Array) -> Array:
    """One of two arrays, chosen by a condition on the loop's time."""
    axes = then.axes if len(then.axes) >= len(otherwise.axes) else otherwise.axes
    a, b = (writer.filled(text, axes) for text in (then, otherwise))
    return replace(opaque(f"({{}} if {writer.write(test, ()).code} else {{}})", a, b, axes=axes), op="choice")


def condition(writer: Writer, e: Condition, order: Axes) -> Array:
    axes = own(e, order)
    if writer.is_scalar(e) and e.label in ("and", "or", "not"):
        words = [condition(writer, c, ()).at(COMPARE) for c in e.args]  # type: ignore[arg-type]
        return Array(f"not {words[0]}" if e.label == "not" else f" {e.label} ".join(words), (), OR)
    parts = [spread(writer.write(a, order), axes) for a in e.args]
    if e.label == "not":
        return elementwise("invert", parts[0], axes=axes, boolean=True)
    if e.label in ("and", "or"):
        out = parts[0]
        for p in parts[1:]:
            out = elementwise(f"bitwise_{e.label}", out, p, axes=axes, boolean=True)
        return out
    return elementwise(COMPARISONS[e.label], *parts, axes=axes, boolean=not writer.is_scalar(e))


def delta(writer: Writer, e: Delta, order: Axes) -> Array:
    """Two indices: the identity matrix. An index and an integer array: one-hot rows."""
    axes = own(e, order)
    a, b = e.args
    if writer.time in (a, b) or not (isinstance(a, Index) or isinstance(b, Index)):
        return condition(writer, compare("==", a, b), order)  # type: ignore[arg-type]
    if isinstance(a, Index) and isinstance(b, Index):
        return Array(f"np.eye({writer.size(a.size)}, dtype=DTYPE)", axes)
    if isinstance(b, Index):
        a, b = b, a
    if isinstance(a, Index) and b.accesses and not b.free & {a}:
        labels = writer.write(b, order)
        writer.helpers["one_hot"] = ONE_HOT
        rows = opaque(f"one_hot({{}}, {writer.size(a.size)})", labels, axes=(*labels.axes, a), level=ATOM)
        return arrange(replace(rows, op="one_hot"), order)
    left, right = (spread(writer.write(x, order), axes) for x in (a, b))
    return elementwise("equal", left, right, axes=axes, boolean=True)
