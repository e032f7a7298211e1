"""Guarded reads recognised as a start: where(t == 0, h0[j], h[t-1,j]) is h[t-1,j] with h[-1,j] = h0[j]."""

from __future__ import annotations

from dataclasses import dataclass

from symbp import expr as ex
from symbp.expr import Access, Expr, Index, walk
from symbp.program import Program, Tensor


@dataclass(frozen=True)
class Found:
    """A start of one tensor. at: the place before the first or behind the last step. reads: guarded read -> plain."""

    name: str
    axes: tuple[Index, ...]
    place: int
    at: Expr
    value: Expr
    reads: dict[Expr, Access]


def find_starts(program: Program) -> list[Found]:
    """The starts of those tensors whose every shifted read is guarded in the same way."""
    nodes = dict.fromkeys(n for e in program.equations for n in walk(e.value))
    guards: dict[Expr, list[Expr]] = {}
    for n in nodes:
        if isinstance(n, ex.Select):
            for read in (a for a in n.args[1:] if isinstance(a, Access)):
                guards.setdefault(read, []).append(n)
    parents: dict[Expr, set[Expr]] = {}
    shifted: dict[tuple[str, int], list[Access]] = {}
    for n in nodes:
        for a in n.args:
            if isinstance(a, Access):
                parents.setdefault(a, set()).add(n)
        if isinstance(n, Access):
            for place, at in enumerate(n.args):
                if _shift(at) is not None:
                    shifted.setdefault((n.label, place), []).append(n)
    computed = {e.name for e in program.equations}
    found = []
    tops = {e.value for e in program.equations}
    for (name, place), reads in shifted.items():
        if name in computed and not any(r in tops for r in reads):
            start = _start(program.tensors[name], place, reads, guards, parents)
            if start is not None:
                found.append(start)
    places = [f.name for f in found]
    return [f for f in found if places.count(f.name) == 1]


def _shift(at: Expr) -> int | None:
    """c where the index is t + c, c a number that isn't 0."""
    if not (isinstance(at, ex.Add) and len(at.args) == 2 and isinstance(at.args[1], Index)):
        return None
    c = getattr(at.args[0], "value", None)
    return c if isinstance(c, int) else None


def _start(
    tensor: Tensor, place: int, reads: list[Access], guards: dict[Expr, list[Expr]], parents: dict[Expr, set[Expr]]
) -> Found | None:
    shifts = {_shift(r.args[place]) for r in reads}
    if shifts not in ({-1}, {1}):
        return None
    (shift,) = shifts
    axes = list(tensor.indices)
    formal = [None if n == place else i for n, i in enumerate(axes)]
    value: Expr | None = None
    written: dict[Expr, Access] = {}
    for r in reads:
        guarded = guards.get(r, [])
        if len(guarded) != 1 or parents.get(r) != {guarded[0]}:
            return None
        time = r.args[place].args[1]
        assert isinstance(time, Index)
        first = ex.ZERO if shift == -1 else ex.add(time.size, -1)
        _, one, other = guarded[0].args
        then = other if one is r else one
        if ex.select(ex.compare("==", time, first), then, r) is not guarded[0]:
            return None
        if time in then.free or time.size is not axes[place].size:
            return None
        others = [a for n, a in enumerate(r.args) if n != place]
        if not all(isinstance(a, Index) for a in others) or len(set(others)) != len(others):
            return None
        there = dict(zip(others, (f for f in formal if f is not None), strict=True))
        if not then.free <= set(others):
            return None
        general = ex.substitute(then, there)
        if value is not None and value is not general:
            return None
        if ex.substitute(general, {v: k for k, v in there.items()}) is not then:
            return None
        value, written[guarded[0]] = general, r
    if value is None:
        return None
    at = ex.num(-1) if shift == -1 else axes[place].size
    return Found(tensor.name, tuple(axes), place, at, value, written)


__all__ = ["Found", "find_starts"]
