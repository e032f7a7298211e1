"""Sums with a Kronecker delta that can't be contracted: values are added up where an index expression points.

Where the places are the digits of an axis, that is a reshape; where they are windows, the windows are added to where
they were taken from; where they come from an integer tensor, rows are added up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symbp.affine import highest, holds, lowest, never_negative
from symbp.expr import ZERO, Access, Delta, Expr, Index, Reduce, add, factors, mul, sum_over
from symbp.lower.array import Array, Axes, Fold, arrange, opaque, own, spread, view
from symbp.lower.reads import Slice, Slot, Window, indices_of, slice_text, slots_of

if TYPE_CHECKING:
    from symbp.lower.writer import Writer

OVERLAP_ADD = '''
def overlap_add(shape, values, axes, starts, steps, strides):
    """Zeros of this shape, and windows added where they were taken from: the inverse of reading windows.

    values: its last axes are the places within a window; axes: those of the result along which windows
    lie. Window k of an axis begins at start + step * k, its places are `stride` apart.
    """
    out = np.zeros(shape, values.dtype)
    counts = [values.shape[axis] for axis in axes]
    for taps in np.ndindex(values.shape[values.ndim - len(axes) :]):
        place = [slice(None)] * len(shape)
        for axis, count, start, step, stride, tap in zip(axes, counts, starts, steps, strides, taps):
            first = start + stride * tap
            place[axis] = slice(first, first + step * (count - 1) + 1, step)
        out[tuple(place)] += values[(..., *taps)]
    return out
'''
PLACED = '''
def placed(shape, index, values):
    """Zeros of this shape but for the values, at slices."""
    out = np.zeros(shape, values.dtype)
    out[index] = values
    return out
'''
SCATTER_ADD = '''
def scatter_add(shape, index, values):
    """Zeros of this shape with the values added at the index: a place that occurs twice gets both."""
    out = np.zeros(shape, DTYPE)
    np.add.at(out, index, values)
    return out
'''
ADD_ROWS = '''
def add_rows(rows, labels, count):
    """Rows (..., D) added up by their labels: (count, D). Few labels: as a product with one-hot rows."""
    rows, labels = rows.reshape(-1, rows.shape[-1]), labels.reshape(-1)
    if count > 1000:
        out = np.zeros((count, rows.shape[1]), rows.dtype)
        np.add.at(out, labels, rows)
        return out
    return (np.arange(count)[:, None] == labels).astype(rows.dtype) @ rows
'''
SCATTER_INSIDE = '''
def scatter_inside(shape, index, values):
    """Zeros of this shape with the values added at the index, as far as it lies inside the shape."""
    inside = True
    places = []
    for place, length in zip(index, shape):
        if not isinstance(place, slice):
            inside = inside & (place >= 0) & (place < length)
            place = np.clip(place, 0, length - 1)
        places.append(place)
    before = sum(isinstance(place, slice) for place in index)
    inside = inside.reshape(inside.shape + (1,) * (values.ndim - before - inside.ndim))
    out = np.zeros(shape, DTYPE)
    np.add.at(out, tuple(places), np.where(inside, values, 0))
    return out
'''


def scatter(writer: Writer, e: Reduce, order: Axes) -> Array | None:
    """The sum with its values moved to their places, or None if no delta points from a summed index to an axis."""
    result = own(e, order)
    points, inner = _split(e)
    if not points:
        return None
    pointing = frozenset().union(*(p.free for p in points.values()))
    return (
        _fold(writer, inner, points, result)
        or _rows(writer, inner, points, result)
        or _anywhere(writer, inner, points, result, tuple(i for i in e.indices if i in pointing))
    )


def scattered_axes(writer: Writer, e: Reduce, order: Axes) -> Axes:
    """The result's axes in the order in which the values' axes that point to them lie in memory; none if none do."""
    points, inner = _split(e)
    if not points:
        return ()
    target = {j: i for i, p in points.items() for j in p.free}
    return tuple(dict.fromkeys(target.get(i, i) for i in writer.natural(inner, order) if i in target or i in e.free))


def _split(e: Reduce) -> tuple[dict[Index, Expr], Expr]:
    """(axis of the result -> what points to it, the values)."""
    points: dict[Index, Expr] = {}
    rest: list[Expr] = []
    for f in factors(e.body):
        target = _target(f, e, points)
        if target is None:
            rest.append(f)
        else:
            points[target[0]] = target[1]
    pointing = frozenset().union(*(p.free for p in points.values()))
    return points, sum_over(mul(*rest), [i for i in e.indices if i not in pointing])


def _target(f: Expr, e: Reduce, points: dict[Index, Expr]) -> tuple[Index, Expr] | None:
    """(axis of the result, what points to it) if the factor is such a delta."""
    if isinstance(f, Delta):
        for i, other in (f.args, f.args[::-1]):
            if isinstance(i, Index) and i in e.free and i not in points and other.free & frozenset(e.indices):
                return i, other
    return None


def _fold(writer: Writer, inner: Expr, points: dict[Index, Expr], result: Axes) -> Array | None:
    """Places that are affine: digits of an axis, slices and windows."""
    before: dict[Index, Expr] = {}
    places: list[Expr] = []
    sizes: list[Expr] = []
    for i in result:
        place, length = points.get(i, i), i.size
        if i in points:
            if place.accesses or (low := lowest(place)) is None or (high := highest(place)) is None:
                return None
            early, late = mul(-1, low), add(high, 1, mul(-1, length))
            early, late = (ZERO if never_negative(mul(-1, x)) else x for x in (early, late))
            if not (never_negative(early) and never_negative(late)):
                return None
            before[i] = early
            place, length = add(place, early), add(length, early, late)
        places.append(place)
        sizes.append(length)
    slots = slots_of(writer, places, sizes)
    if slots is None or writer.time is not None:
        return None
    if any(isinstance(s, Slice) for s in slots):
        return _placed(writer, inner, slots, sizes, result) if sizes == [i.size for i in result] else None
    if any(isinstance(s, Window) and min(s.step, s.stride) < 0 for s in slots):
        return None
    main = tuple(i for s in slots for i in (s if isinstance(s, tuple) else indices_of(s)[:1]))
    axes = (*main, *(s.tap for s in slots if isinstance(s, Window)))
    values = arrange(_values(writer, inner, axes), axes)
    if any(isinstance(s, Window) for s in slots):
        values = _overlap(writer, values, slots, sizes, main)
    if any(isinstance(s, tuple) for s in slots):
        values = view(f"{{}}.reshape({', '.join(writer.size(n) for n in sizes)})", values, result)
    cut = [
        f"{writer.size(before[i])}:{writer.size(add(before[i], i.size))}" if i in before and i.size is not n else ":"
        for i, n in zip(result, sizes, strict=True)
    ]
    while cut and cut[-1] == ":":
        cut.pop()
    return view(f"{{}}[{', '.join(cut)}]", values, result) if cut else replace(values, axes=result)


def _placed(writer: Writer, inner: Expr, slots: list[Slot], sizes: list[Expr], result: Axes) -> Array | None:
    """Zeros, and the values in slices of them: no place is written twice."""
    if not all(isinstance(s, Index) or (isinstance(s, Slice) and s.step > 0) for s in slots):
        return None
    writer.helpers["placed"] = PLACED
    axes = tuple(i for s in slots for i in indices_of(s))
    index = ", ".join(slice_text(writer, s, n) for s, n in zip(slots, sizes, strict=True))
    values = _values(writer, inner, axes)
    return replace(opaque(f"placed({writer.shape(result)}, np.s_[{index}], {{}})", values, axes=result), rule="placed")


def _values(writer: Writer, inner: Expr, axes: Axes) -> Array:
    """What is moved, an entry for each of these axes' values."""
    values = writer.write(inner, axes)
    if not values.axes:
        return opaque(f"np.full({writer.shape(axes)}, {{}}, dtype=DTYPE)", values, axes=axes)
    return writer.filled(values, axes)


def _overlap(writer: Writer, values: Array, slots: list[Slot], sizes: list[Expr], main: Axes) -> Array:
    """The windows added up; the result has the axes `main`, those with windows as long as the padded axis."""
    writer.helpers["overlap_add"] = OVERLAP_ADD
    windows = [s for s in slots if isinstance(s, Window)]
    shape: list[str] = []
    for s, n in zip(slots, sizes, strict=True):
        shape += [writer.size(i.size) for i in s] if isinstance(s, tuple) else [writer.size(n)]
    positions = [main.index(w.main) for w in windows]

    def row(items: list[str]) -> str:
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

    arguments = [
        row(shape),
        "{}",
        row([str(n) for n in positions]),
        row([writer.size(w.start) for w in windows]),
        row([str(w.step) for w in windows]),
        row([str(w.stride) for w in windows]),
    ]
    lengths = [mul(*(i.size for i in s)) if isinstance(s, tuple) else n for s, n in zip(slots, sizes, strict=True)]
    folds = tuple(
        Fold(k, w.main.size, w.tap.size, w.start, w.step, w.stride) for k, w in zip(positions, windows, strict=True)
    )
    found = opaque(f"overlap_add({', '.join(arguments)})", values, axes=main)
    if any(isinstance(s, tuple) for s in slots):
        return found
    return replace(found, op="overlap_add", folds=folds, shape=tuple(lengths))


def _rows(writer: Writer, inner: Expr, points: dict[Index, Expr], result: Axes) -> Array | None:
    """Rows added up by an integer tensor's labels: the adjoint of a table's rows being read."""
    if len(points) != 1 or len(result) != 2 or next(iter(points)) is not result[0] or writer.time is not None:
        return None
    labels = points[result[0]]
    if not isinstance(labels, Access) or not all(isinstance(i, Index) for i in labels.args):
        return None
    if len(set(labels.args)) != len(labels.args) or result[1] in labels.args:
        return None
    over: Axes = labels.args  # type: ignore[assignment]
    values = _values(writer, inner, (*over, result[1]))
    writer.helpers["add_rows"] = ADD_ROWS
    where = writer.write(labels, over)
    code = f"add_rows({{}}, {{}}, {writer.size(result[0].size)})"
    return replace(opaque(code, values, where, axes=result), op="add_rows")


def _anywhere(writer: Writer, inner: Expr, points: dict[Index, Expr], result: Axes, bound: Axes) -> Array:
    """Values added at arrays of integers."""
    pointing = frozenset().union(*(p.free for p in points.values()))
    over = tuple(i for i in dict.fromkeys((*result, *bound)) if i in pointing and i is not writer.time)
    free = tuple(i for i in result if i not in points)
    positions = [n for n, i in enumerate(result) if i in points]
    together = positions[-1] - positions[0] + 1 == len(positions) and not set(over) & set(free)
    surely = all(isinstance(p, Access) or (holds(p) and holds(i.size - p - 1)) for i, p in points.items())
    if together:
        values_axes = (*result[: positions[0]], *over, *result[positions[-1] + 1 :])
        slots = [spread(writer.write(points[i], over), over).code if i in points else ":" for i in result]
    else:
        values_axes = (*free, *(i for i in over if i not in free))
        slots = [spread(writer.write(points.get(i, i), values_axes), values_axes).code for i in result]
    while slots[-1] == ":":
        slots.pop()
    values = _values(writer, inner, values_axes)
    helper, text = ("scatter_add", SCATTER_ADD) if surely else ("scatter_inside", SCATTER_INSIDE)
    writer.helpers[helper] = text
    index = ", ".join("slice(None)" if slot == ":" else slot for slot in slots)
    return opaque(f"{helper}({writer.shape(result)}, ({index},), {{}})", values, axes=result)
