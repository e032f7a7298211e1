"""Reads of tensors as views: whole axes, single steps, slices, axes taken apart and sliding windows.

Where an index is computed from an integer tensor, or in a way that no view has, an array of integers is the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symbp.affine import affine, decide, highest, holds, lowest, never_negative
from symbp.expr import TRUE, ZERO, Access, Expr, Index, Select, Size, add, fresh_index, mul, substitute
from symbp.lower.array import Array, Axes, arrange, copy, opaque, own, spread, view
from symbp.lower.constants import known

if TYPE_CHECKING:
    from symbp.lower.writer import Writer


@dataclass(frozen=True)
class Window:
    """An axis read at step * main + stride * tap + start: windows that slide along it."""

    main: Index
    tap: Index
    step: int
    stride: int
    start: Expr


@dataclass(frozen=True)
class Slice:
    """An axis read at step * index + start."""

    index: Index
    step: int
    start: Expr


@dataclass(frozen=True)
class Single:
    """One place of an axis: a number, or the number of a loop's step."""

    place: Expr


Slot = Index | Single | Slice | Window | tuple[Index, ...]  # a tuple: the digits of an axis, the major one first


def read(writer: Writer, e: Access, order: Axes) -> Array:
    """The access as an array over its free indices, in the given order."""
    places, sizes = writer.stored(e.label, e.args), writer.stored(e.label, writer.tensors[e.label].shape)
    slots = slots_of(writer, places, sizes)
    if slots is not None and all(_inside(a, n) for a, n in zip(places, sizes, strict=True)):
        turn = _batch_last(writer, slots)
        if turn is None:
            return arrange(_view(writer, Array(e.label), slots, sizes), order)
        base = replace(copy(_turned(e.label, turn, sizes)), rule="batch_last")
        return arrange(_view(writer, base, [slots[n] for n in turn], [sizes[n] for n in turn]), order)
    found = _diagonal(writer, Array(e.label), places, sizes)
    return arrange(found or _gather(writer, e.label, places, sizes, own(e, order)), order)


def stored_axes(writer: Writer, e: Access) -> Axes:
    """The free indices in the order of the tensor's memory; none where integers are the index.

    Windows are read to be copied: their places stand where the copy has the longest runs.
    """
    places, sizes = writer.stored(e.label, e.args), writer.stored(e.label, writer.tensors[e.label].shape)
    slots = slots_of(writer, places, sizes)
    if slots is None:
        return ()
    slots = [slots[n] for n in _batch_last(writer, slots) or range(len(slots))]
    main = tuple(i for s in slots for i in (s if isinstance(s, tuple) else indices_of(s)[:1]))
    windows = [s for s in slots if isinstance(s, Window)]
    if not windows:
        return main
    taps = tuple(w.tap for w in windows)
    slid = [main.index(w.main) for w in windows]
    at = slid[0] if is_symbolic(main[-1]) else slid[-1] + 1
    if all(w.stride < 0 for w in windows):  # the whole array, shifted to each place
        at = 0
    return (*main[:at], *taps, *main[at:])


def is_symbolic(i: Index) -> bool:
    """Whether an index runs over a batch: over as many values as the data have, not the network."""
    return isinstance(i.size, Size)


def _batch_last(writer: Writer, slots: Sequence[Slot]) -> list[int] | None:
    """The order of a tensor's axes that is best read in windows, where it isn't the one that they have in memory.

    Where windows slide along the last axis, a copy of them moves a window's few places at a time; with the batch last,
    it moves rows of windows of the whole batch.
    """
    if writer.time is not None or not slots or not isinstance(slots[-1], Window):
        return None
    batch = [n for n, s in enumerate(slots) if isinstance(s, Index) and is_symbolic(s)]
    return [*(n for n in range(len(slots)) if n not in batch), *batch] if batch else None


def _diagonal(writer: Writer, a: Array, places: Sequence[Expr], sizes: Sequence[Expr]) -> Array | None:
    """Windows that begin where another axis says, a[j, i + j]: the diagonals of all windows of the axis."""
    seen = {i.label for at in places for i in at.free}
    whole = [at for at in places if isinstance(at, Index)]
    again: dict[Index, Index] = {}
    apart: list[Expr] = []
    for at in places:
        twice = [i for i in whole if i is not at and i in at.free and i not in again]
        again |= {i: fresh_index(i, seen) for i in twice}
        apart.append(substitute(at, {i: again[i] for i in twice}))
    slots = slots_of(writer, apart, sizes) if again else None
    if slots is None or not all(_inside(at, n) for at, n in zip(apart, sizes, strict=True)):
        return None
    out = _view(writer, a, slots, sizes)
    for i, j in again.items():
        axes = (*(k for k in out.axes if k not in (i, j)), i)
        out = view(f"{{}}.diagonal(0, {out.axes.index(i)}, {out.axes.index(j)})", out, axes)
    return out


def _turned(name: str, order: Sequence[int], sizes: Sequence[Expr]) -> Array:
    shape = tuple(sizes[n] for n in order)
    return view(f"{{}}.transpose({', '.join(map(str, order))})", Array(name), (), shape)


def read_or_zero(writer: Writer, condition: Expr, e: Access, order: Axes) -> Array | None:
    """The access where its index is in range and 0 elsewhere, if that is what the condition says; else None.

    The array is padded with zeros, as far as the index leaves it.
    """
    places, sizes = writer.stored(e.label, e.args), writer.stored(e.label, writer.tensors[e.label].shape)
    slots = slots_of(writer, places, sizes)
    inside = tuple(bound for a, n in zip(places, sizes, strict=True) for bound in (a, n - a - 1))
    if writer.time is not None or slots is None or decide(condition, inside) is not TRUE:
        return None
    pads: list[tuple[Expr, Expr]] = []
    for a, n in zip(places, sizes, strict=True):
        before, after = _beyond(mul(-1, lowest(a) or ZERO)), _beyond(add(highest(a) or ZERO, 1, mul(-1, n)))
        if before is None or after is None:
            return None
        pads.append((before, after))
    base = Array(e.label)
    turn = _batch_last(writer, slots)
    if turn is not None:
        base = _turned(e.label, turn, sizes)
        places, sizes, pads = [places[n] for n in turn], [sizes[n] for n in turn], [pads[n] for n in turn]
    text = ", ".join(f"({writer.size(b)}, {writer.size(a)})" for b, a in pads)
    padded = tuple(add(n, b, a) for n, (b, a) in zip(sizes, pads, strict=True))
    moved = slots_of(writer, [add(a, b) for a, (b, _) in zip(places, pads, strict=True)], padded)
    if moved is None:
        return None
    base = Array(f"np.pad({{}}, ({text}))", (), args=(base,), levels=(0,), op="pad")
    return arrange(_view(writer, base, moved, padded), order)


def _beyond(excess: Expr) -> Expr | None:
    """max(excess, 0) where that is known for all sizes."""
    if never_negative(mul(-1, excess)):
        return ZERO
    return excess if never_negative(excess) else None


def _inside(place: Expr, length: Expr) -> bool:
    """Whether an index expression lies in its axis for sure."""
    return (isinstance(place, Index) and place.size is length) or (holds(place) and holds(length - place - 1))


def slots_of(writer: Writer, places: Sequence[Expr], sizes: Sequence[Expr]) -> list[Slot] | None:
    """What is read along each axis, or None where no view has that; no index may be read along two axes."""
    out: list[Slot] = []
    for place, length in zip(places, sizes, strict=True):
        slot = _slot(writer, place, length)
        if slot is None:
            return None
        out.append(slot)
    used = [i for s in out for i in indices_of(s)]
    return out if len(set(used)) == len(used) else None


def indices_of(slot: Slot) -> Axes:
    match slot:
        case Window():
            return slot.main, slot.tap
        case Slice():
            return (slot.index,)
        case tuple():
            return slot
        case Index():
            return (slot,)
    return ()


def _slot(writer: Writer, place: Expr, length: Expr) -> Slot | None:
    if isinstance(place, Index) and place is not writer.time and place.size is length:
        return place
    parts = None if place.accesses else affine(place)
    if parts is None:
        return None
    found, start = parts
    if writer.time in found:
        return Single(place) if len(found) == 1 else None
    if any(not isinstance(c, int) for c in found.values()):
        return None
    whole: list[tuple[Index, int]] = [(i, int(c)) for i, c in found.items()]
    steps = sorted(whole, key=lambda ic: (-abs(ic[1]), -known(ic[0].size), ic[0].label))
    match steps:
        case []:
            return Single(place)
        case [(i, c)]:
            return Slice(i, c, start)
        case [(i, c), (j, d)] if digits(steps, start, length) is None:
            if known(mul(abs(c), i.size)) < known(mul(abs(d), j.size)):  # what goes further is the windows
                (i, c), (j, d) = (j, d), (i, c)
            return Window(i, j, c, d, start)
    return digits(steps, start, length)


def digits(steps: Sequence[tuple[Index, int]], start: Expr, length: Expr) -> Axes | None:
    """The indices, major first, if the form counts through the whole axis as digits of a number do; else None."""
    place: Expr = add(1)
    for i, c in sorted(steps, key=lambda ic: ic[1]):
        if add(c) is not place:
            return None
        place = mul(place, i.size)
    if start is not ZERO or place is not length:
        return None
    return tuple(i for i, _ in sorted(steps, key=lambda ic: -ic[1]))


def _view(writer: Writer, a: Array, slots: Sequence[Slot], sizes: Sequence[Expr]) -> Array:
    """The array seen along the slots: indexed, its axes taken apart, then windows."""
    texts = [slice_text(writer, s, n) for s, n in zip(slots, sizes, strict=True)]
    while texts and texts[-1] == ":":
        texts.pop()
    axes = tuple(i for s in slots for i in indices_of(s)[:1])
    out = replace(a, axes=axes)
    left = [s for s in slots if not isinstance(s, Single)]
    lengths = tuple(_span(s) if isinstance(s, Window) else mul(*(i.size for i in indices_of(s))) for s in left)
    if texts:
        out = view(f"{{}}[{', '.join(texts)}]", a, axes, lengths)
    if any(isinstance(s, Slice) and s.step < 0 for s in left):
        texts = [f"::{s.step}" if isinstance(s, Slice) and s.step < 0 else ":" for s in left]
        out = view(f"{{}}[{', '.join(_trimmed(texts))}]", out, axes, lengths)
    if any(isinstance(s, tuple) for s in left):
        axes = tuple(i for s in left for i in (s if isinstance(s, tuple) else indices_of(s)[:1]))
        shape = [
            writer.size(_span(s)) if isinstance(s, Window) else writer.size(i.size)
            for s in left
            for i in (s if isinstance(s, tuple) else indices_of(s)[:1])
        ]
        out = view(f"{{}}.reshape({', '.join(shape)})", out, axes)
    windows = [s for s in left if isinstance(s, Window)]
    return _windows(writer, out, windows) if windows else out


def slice_text(writer: Writer, slot: Slot, length: Expr) -> str:
    """The text that stands for an axis in square brackets."""
    match slot:
        case Index() | tuple():
            return ":"
        case Slice():
            reach = mul(abs(slot.step), slot.index.size - 1)
            first = slot.start if slot.step > 0 else add(slot.start, mul(-1, reach))
            step = slot.step if slot.step > 0 else 1
        case Window():
            first, step, reach = _first(slot), 1, _span(slot) - 1
        case Single():
            return writer.write(slot.place, ()).code
    stop = add(first, reach, 1)
    if step > 1 and not never_negative(length - stop - step):
        stop = length  # the step doesn't fit once more
    begin = "" if first is ZERO else writer.size(first)
    end = "" if stop is length else writer.size(stop)
    return f"{begin}:{end}" + (f":{step}" if step > 1 else "")


def _first(w: Window) -> Expr:
    """The first place that a window reads."""
    lows = (mul(c, i.size - 1) for i, c in ((w.main, w.step), (w.tap, w.stride)) if c < 0)
    return add(w.start, *lows)


def _span(w: Window) -> Expr:
    """How many places the windows reach over in all."""
    return add(mul(abs(w.step), w.main.size - 1), mul(abs(w.stride), w.tap.size - 1), 1)


def _windows(writer: Writer, a: Array, windows: Sequence[Window]) -> Array:
    """(..., main, ..., taps...): sliding windows, every step-th of them, and of these every stride-th place."""
    writer.helpers["sliding_windows"] = SLIDING
    positions = [a.axes.index(w.main) for w in windows]
    spans = [writer.size(add(mul(abs(w.stride), w.tap.size - 1), 1)) for w in windows]
    axis = str(positions[0]) if len(windows) == 1 else f"({', '.join(map(str, positions))})"
    span = spans[0] if len(windows) == 1 else f"({', '.join(spans)})"
    axes = (*a.axes, *(w.tap for w in windows))
    form = f"sliding_windows({{}}, {span}, axis={axis})"
    out = Array(form, axes, args=(a,), levels=(0,), op="view")
    steps = {w.main: w.step for w in windows} | {w.tap: w.stride for w in windows}
    texts = [f"::{steps[i]}" if steps.get(i, 1) != 1 else ":" for i in axes]
    texts = _trimmed(texts)
    return view(f"{{}}[{', '.join(texts)}]", out, axes) if texts else out


def has_windows(writer: Writer, e: Expr) -> bool:
    """Whether an expression is nothing but a tensor read in windows, be it with zeros around it."""
    if isinstance(e, Select):
        return e.args[2] is ZERO and has_windows(writer, e.args[1])
    if not isinstance(e, Access):
        return False
    places, sizes = writer.stored(e.label, e.args), writer.stored(e.label, writer.tensors[e.label].shape)
    return any(isinstance(s, Window) for s in slots_of(writer, places, sizes) or ())


def is_windows(a: Array) -> bool:
    """Whether the array is nothing but windows, as a view: whoever needs them in order copies them."""
    return a.op == "view" and (a.form.startswith("sliding_windows(") or is_windows(a.args[0]))


def _trimmed(texts: list[str]) -> list[str]:
    while texts and texts[-1] == ":":
        texts.pop()
    return texts


SLIDING = '''
def sliding_windows(a, length, axis):
    """Windows of this length along an axis, or lengths along axes: a view, places within a window last."""
    return np.lib.stride_tricks.sliding_window_view(a, length, axis)
'''


# ------------------------------------------------------------------------------------------- by integers


def _gather(writer: Writer, name: str, args: Sequence[Expr], sizes: Sequence[Expr], axes: Axes) -> Array:
    """Integers as an index."""
    whole = [
        n
        for n, (i, size) in enumerate(zip(args, sizes, strict=True))
        if isinstance(i, Index) and i is not writer.time and list(args).count(i) == 1 and i.size is size
    ]
    computed = [n for n in range(len(args)) if n not in whole]
    index_axes = tuple(i for i in axes if any(i in args[n].free for n in computed))
    kept = tuple(args[n] for n in whole)
    together = computed[-1] - computed[0] + 1 == len(computed)
    if (index_axes and not together) or set(index_axes) & set(kept):
        places = [place(writer, i, n, axes) for i, n in zip(args, sizes, strict=True)]
        found = opaque(f"{name}[{', '.join('{}' for _ in places)}]", *places, axes=axes)
        labels = [n for n in (0, len(args) - 1) if isinstance(args[n], Access)]
        rest = tuple(i for n, i in enumerate(args) if n not in labels)
        by_label = len(labels) == 1 and rest == args[labels[0]].args == axes and len(whole) == len(axes)
        return replace(found, op="pick") if by_label else found
    first = args[0]
    if computed == [0] and isinstance(first, Access):
        rows = place(writer, first, sizes[0], index_axes)
        return replace(opaque(f"{name}[{{}}]", rows, axes=(*rows.axes, *kept)), op="rows")  # type: ignore[arg-type]
    slots = [":" if n in whole else place(writer, i, sizes[n], index_axes).code for n, i in enumerate(args)]
    before = tuple(i for n, i in enumerate(args) if n in whole and n < computed[0])
    after = tuple(i for n, i in enumerate(args) if n in whole and n >= computed[0])
    return Array(f"{name}[{', '.join(_trimmed(slots))}]", (*before, *index_axes, *after))  # type: ignore[arg-type]


def place(writer: Writer, i: Expr, length: Expr, over: Axes) -> Array:
    """An index expression as a number, or an array of integers that broadcasts over the axes.

    Where it can leave the axis, a condition discards what is read there, and it is clipped.
    """
    a = spread(writer.write(i, over), over)
    if isinstance(i, Access) or _inside(i, length) or not a.axes:
        return a
    return opaque(f"np.clip({{}}, 0, {writer.size(length - 1)})", a, axes=a.axes)
