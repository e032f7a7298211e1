"""Sums with a Kronecker delta that can't be contracted: values are added up where an index expression points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbp.affine import holds
from symbp.expr import Access, Delta, Expr, Index, Reduce, factors, mul, sum_over
from symbp.lower.text import Axes, Text, own, spread

if TYPE_CHECKING:
    from symbp.lower.arrays import Writer

SCATTER_ADD = '''
def scatter_add(shape, index, values):
    """Zeros of this shape with the values added at the index: a place that occurs twice gets both."""
    out = np.zeros(shape, DTYPE)
    np.add.at(out, index, values)
    return out
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


def scatter(writer: Writer, e: Reduce, order: Axes) -> Text | None:
    """The sum as `scatter_add`, or None if no delta points from a summed index to an axis of the result."""
    result = own(e, order)
    points: dict[Index, Expr] = {}
    rest: list[Expr] = []
    for f in factors(e.body):
        target = _target(f, e, result, points)
        if target is None:
            rest.append(f)
        else:
            points[target[0]] = target[1]
    if not points:
        return None
    pointing = frozenset().union(*(p.free for p in points.values()))
    inner = sum_over(mul(*rest), [i for i in e.indices if i not in pointing])
    over = tuple(i for i in (*result, *e.indices) if i in pointing and i is not writer.time)
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
    shape = ", ".join(writer.size(i.size) for i in result) + ("," if len(result) == 1 else "")
    values = writer.filled(writer.write(inner, values_axes), values_axes)
    helper, text = ("scatter_add", SCATTER_ADD) if surely else ("scatter_inside", SCATTER_INSIDE)
    writer.helpers[helper] = text
    index = ", ".join("slice(None)" if slot == ":" else slot for slot in slots)
    return Text(f"{helper}(({shape}), ({index},), {values})", result)


def _target(f: Expr, e: Reduce, result: Axes, points: dict[Index, Expr]) -> tuple[Index, Expr] | None:
    """(axis of the result, what points to it) if the factor is such a delta."""
    if isinstance(f, Delta):
        for i, other in (f.args, f.args[::-1]):
            if isinstance(i, Index) and i in result and i not in points and other.free & frozenset(e.indices):
                return i, other
    return None
