"""Sums of products that a maximum over windows reads, computed window by window.

z[s h + o] = Sum(x[s h + o + t] W[t], t) is, for all places o of a window at once, Sum(x[s h + u] V[o, u], u), where
V[o, u] = W[u - o] or 0: a place of x is read for a whole window once, and the maximum is that of whole arrays. That
takes more multiplications, in wider matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from symbp.affine import affine
from symbp.expr import (
    ZERO,
    Access,
    Expr,
    Index,
    Mul,
    Num,
    Reduce,
    Select,
    access,
    add,
    compare,
    factors,
    fresh_index,
    index,
    logic,
    maximum_over,
    mul,
    num,
    select,
    substitute,
    sum_over,
    walk,
)
from symbp.program import Equation, Program, Reason, Tensor
from symbp.simplify.maxima import window_maximum
from symbp.simplify.share import unused
from symbp.verify import reads_in_range

LOW = 64  # rows of a matrix: with so few, OpenBLAS takes less than in proportion for more of them
MORE, FEWER = 1.5, 2.5  # times as many multiplications, times fewer numbers copied


@dataclass(frozen=True)
class Split:
    """An axis that is read at step * window + place."""

    window: Index
    place: Index


def compute_by_windows(program: Program) -> Program:
    """The program with sums computed for windows at once, where that is expected to take less time."""
    for equation in program.equations:
        program = _by_windows(program, equation) or program
    return program


def _by_windows(program: Program, outer: Equation) -> Program | None:
    """The program with the sum that this maximum is over computed for all places of a window at once."""
    found = window_maximum(program, outer)
    if found is None:
        return None
    inner, read = found
    assert isinstance(outer.value, Reduce)
    splits = list(_splits(read, outer.value.indices))
    axes = tuple(i for s in splits for i in ((s.window, s.place) if isinstance(s, Split) else (s,)))
    value = substitute(inner.value, dict(zip(inner.target.args, read.args, strict=True)))
    if len(splits) != len(read.args) or len(set(axes)) != len(axes) or not isinstance(value, Reduce):
        return None
    merged = _merged(program, value, [s for s in splits if isinstance(s, Split)])
    if merged is None:
        return None
    weights, total = merged
    target = access(inner.name, axes)
    maximum = replace(outer, value=maximum_over(target, outer.value.indices))
    new = Equation(target, total, Reason("by windows"))
    equations: list[Equation] = []
    for e in program.equations:
        equations += (weights, new) if e is inner else (maximum,) if e is outer else (e,)
    old = program.tensors[inner.name]
    of_weights = Tensor(weights.name, weights.target.args, layer=old.layer)  # type: ignore[arg-type]
    return program.with_(equations, [of_weights, replace(old, indices=axes)])


def _splits(read: Access, places: tuple[Index, ...]) -> Iterator[Split | Index]:
    """How each axis is read: in windows side by side, or as it is; fewer than the axes where one is read otherwise."""
    for at in read.args:
        if isinstance(at, Index) and at not in places:
            yield at
            continue
        found, start = affine(at) or ({}, ZERO)
        for place in (p for p in places if found.get(p) == 1 and len(found) == 2 and start is ZERO):
            (window,) = (w for w in found if w is not place)
            if num(found[window]) is place.size:
                yield Split(window, place)


def _merged(program: Program, total: Reduce, splits: list[Split]) -> tuple[Equation, Expr] | None:
    """(the weights for all places of a window, the sum with them); None where there are none, or it doesn't pay."""
    if total.label != "sum":
        return None
    kept = {i for s in splits for i in (s.window, s.place)}
    parts = list(_parts(program, total.body))
    weights = [f for f in parts if isinstance(f, Access) and not f.free & kept and f.free & frozenset(total.indices)]
    if not splits or len(weights) != 1 or not all(isinstance(i, Index) for i in weights[0].args):
        return None
    (weight,) = weights
    data = mul(*(f for f in parts if f is not weight))
    taken = {n.label for f in parts for n in walk(f) if isinstance(n, Index)} | {i.label for i in kept}
    shifted: dict[Expr, Expr] = {}
    reach: dict[Expr, Expr] = {}
    inside: list[Expr] = []
    for s in splits:
        found = _taps(data, s.place, total.indices)
        if found is None or found[0] not in weight.args or found[0] in shifted:
            return None
        t, step = found
        name = fresh_index(t, taken).label
        u = index(name, add(mul(step, s.place.size - 1), t.size))
        tap = add(u, mul(-step, s.place))
        data = substitute(data, {t: tap})
        if s.place in data.free:
            return None
        inside += [compare(">=", tap, 0), compare("<", tap, t.size)]
        shifted[t], reach[t] = tap, u
    over = [reach.get(i, i) for i in total.indices]
    if not _pays(weight, total.indices, splits, reach):
        return None
    axes = (*(s.place for s in splits), *(reach.get(i, i) for i in weight.args))
    target = access(unused(f"{weight.label}_shifted", program), axes)
    value = select(logic("and", *inside), substitute(weight, shifted), ZERO)
    return Equation(target, value), sum_over(mul(data, target), over)  # type: ignore[arg-type]


def _parts(program: Program, body: Expr) -> Iterator[Expr]:
    """The factors of a product, and of one that is zero outside of a condition."""
    for f in factors(body):
        if isinstance(f, Select) and f.args[2] is ZERO and isinstance(f.args[1], Mul):
            safe = [g for g in f.args[1].args if reads_in_range(program, g)]
            yield from safe
            yield select(f.args[0], mul(*(g for g in f.args[1].args if g not in safe)), ZERO)
        else:
            yield f


def _taps(data: Expr, place: Index, bound: tuple[Index, ...]) -> tuple[Index, int] | None:
    """(t, step) where data are read at step * place + t + ..., t being summed over."""
    for a in sorted(data.accesses, key=lambda a: a.digest):
        for at in a.args:
            parts = affine(at)
            if parts is None or place not in parts[0] or int(parts[0][place]) != parts[0][place]:
                continue
            for t, c in parts[0].items():
                if t in bound and c == 1 and parts[0][place] > 0:
                    return t, int(parts[0][place])
    return None


def _pays(weight: Access, bound: tuple[Index, ...], splits: list[Split], reach: dict[Expr, Expr]) -> bool:
    """Whether much less is copied for not many more multiplications by few rows of weights."""
    counts = [
        mul(*(i.size for i in group))  # type: ignore[attr-defined]
        for group in ((i for i in weight.args if i not in bound), (s.place for s in splits), reach, reach.values())
    ]
    if not all(isinstance(n, Num) for n in counts):
        return False
    rows, places, taps, once = (n.value for n in counts)  # type: ignore[attr-defined]
    return bool(rows <= LOW and once <= MORE * taps and FEWER * once <= places * taps)
