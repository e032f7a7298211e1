"""Where arrays lie: one takes the room of another that nothing reads any more, so that few stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symbp.affine import never_negative
from symbp.expr import Expr
from symbp.lower.calls import Call, Value, typical


@dataclass(eq=False)
class Room:
    """count: how many numbers fit. tenants: the arrays that lie here, one after the other."""

    dtype: str
    count: Expr
    tenants: list[Value] = field(default_factory=list)


def arrange_rooms(calls: Sequence[Call]) -> dict[Value, Room]:
    """A room for every value that needs one: as long as it is in use, nothing else lies there."""
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for k, call in enumerate(calls):
        for v in call.values:
            if v.root.needs_room:
                first.setdefault(v.root, k)
                last[v.root] = k
    for start, end in _loops(calls):  # what is there before a loop is read in every step of it
        for v, k in last.items():
            if first[v] < start <= k < end:
                last[v] = end
    rooms: dict[Value, Room] = {}
    free: list[Room] = []
    for k, call in enumerate(calls):
        out = None if call.out is None else call.out.root
        if out is not None and first.get(out) == k:
            room = _own(call, k, last, rooms) or _smallest(out, free)
            if room is None:
                room = Room(out.dtype, out.count)
            elif room in free:
                free.remove(room)
            room.tenants.append(out)
            rooms[out] = room
        for v in dict.fromkeys((*(v.root for v in call.values), *(v for v in rooms if call.closes))):
            if last.get(v) == k and rooms[v].tenants[-1] is v and rooms[v] not in free:
                free.append(rooms[v])
    return rooms


def _loops(calls: Sequence[Call]) -> Iterator[tuple[int, int]]:
    """(position of its head, of its end) for every loop."""
    heads: list[int] = []
    for k, call in enumerate(calls):
        if call.opens:
            heads.append(k)
        elif call.closes:
            start = heads.pop()
            if calls[start].form.startswith("for "):
                yield start, k


def _own(call: Call, k: int, last: dict[Value, int], rooms: dict[Value, Room]) -> Room | None:
    """The room of an argument that is read here for the last time, entry by entry."""
    assert call.out is not None
    if not call.in_place or call.out.base is not None:
        return None
    for v in call.args:
        others = [w for w in call.args if w.root is v.root and w is not v]
        dies = v.base is None and last.get(v) == k and not others
        if dies and v.dims == call.out.dims and v.dtype == call.out.dtype:
            return rooms[v]
    return None


def _smallest(v: Value, free: Sequence[Room]) -> Room | None:
    """The smallest free room that is large enough for all sizes."""
    fitting = [r for r in free if r.dtype == v.dtype and (r.count is v.count or never_negative(r.count - v.count))]
    return min(reversed(fitting), key=lambda r: typical(r.count), default=None)
