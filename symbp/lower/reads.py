"""Reads of tensors: whole axes, single steps, and arrays of integers where an index is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbp.affine import decide, holds
from symbp.expr import TRUE, Access, Expr, Index
from symbp.lower.text import Axes, Text, arrange, own, spread

if TYPE_CHECKING:
    from symbp.lower.arrays import Writer


def read(writer: Writer, e: Access, order: Axes) -> Text:
    """The access as an array over its free indices, in the given order."""
    whole = _whole_axes(writer, e)
    computed = [n for n in range(len(e.args)) if n not in whole]
    if not computed:
        return arrange(Text(e.label, e.args), order)  # type: ignore[arg-type]
    axes = own(e, order)
    index_axes = tuple(i for i in axes if any(i in e.args[n].free for n in computed))
    kept = tuple(e.args[n] for n in whole)
    together = computed[-1] - computed[0] + 1 == len(computed)
    if (index_axes and not together) or set(index_axes) & set(kept):
        places = [spread(writer.write(i, axes), axes).code for i in e.args]
        return Text(f"{e.label}[{', '.join(places)}]", axes)
    slots = [
        ":" if n in whole else place(writer, i, writer.tensors[e.label].indices[n], index_axes)
        for n, i in enumerate(e.args)
    ]
    while slots[-1] == ":":
        slots.pop()
    before = tuple(i for n, i in enumerate(e.args) if n in whole and n < computed[0])
    after = tuple(i for n, i in enumerate(e.args) if n in whole and n >= computed[0])
    return arrange(Text(f"{e.label}[{', '.join(slots)}]", (*before, *index_axes, *after)), order)  # type: ignore[arg-type]


READ_OR_ZERO = '''
def read_or_zero(a, *index):
    """a[index], and 0 where an array of integers in the index leaves its axis."""
    inside = True
    places = []
    for place, length in zip(index, a.shape):
        if not isinstance(place, slice):
            inside = inside & (place >= 0) & (place < length)
            place = np.clip(place, 0, length - 1)
        places.append(place)
    return np.where(inside, a[tuple(places)], 0)
'''


def read_or_zero(writer: Writer, condition: Expr, e: Access, order: Axes) -> Text | None:
    """The access where its index is in range and 0 elsewhere, if that is what the condition says; else None."""
    whole = _whole_axes(writer, e)
    computed = [n for n in range(len(e.args)) if n not in whole]
    axes = own(e, order)
    index_axes = tuple(i for i in axes if any(i in e.args[n].free for n in computed))
    kept = tuple(e.args[n] for n in whole)
    trailing = computed == list(range(len(e.args) - len(computed), len(e.args)))
    if writer.time is not None or not trailing or set(index_axes) & set(kept):
        return None
    inside: tuple[Expr, ...] = ()
    for n in computed:
        inside = (*inside, e.args[n], writer.tensors[e.label].indices[n].size - e.args[n] - 1)
    if decide(condition, inside) is not TRUE:
        return None
    writer.helpers["read_or_zero"] = READ_OR_ZERO
    slots = [":" if n in whole else spread(writer.write(i, index_axes), index_axes).code for n, i in enumerate(e.args)]
    index = ", ".join("slice(None)" if slot == ":" else slot for slot in slots)
    return arrange(Text(f"read_or_zero({e.label}, {index})", (*kept, *index_axes)), order)  # type: ignore[arg-type]


def _whole_axes(writer: Writer, e: Access) -> list[int]:
    """The positions that are read at an index of their own."""
    axes = zip(e.args, writer.tensors[e.label].shape, strict=True)
    return [
        n
        for n, (i, size) in enumerate(axes)
        if isinstance(i, Index) and i is not writer.time and e.args.count(i) == 1 and i.size is size
    ]


def place(writer: Writer, i: Expr, axis: Index, over: Axes) -> str:
    """An index expression as text: a number, or an array of integers that broadcasts over the axes.

    Where it can leave the axis, a condition discards what is read there, and it is clipped.
    """
    text = spread(writer.write(i, over), over)
    surely = isinstance(i, Access) or (holds(i) and holds(axis.size - i - 1))
    if surely or not text.axes:
        return text.code
    return f"np.clip({text.code}, 0, {writer.size(axis.size - 1)})"
