"""Where arrays lie: one takes the room of another that nothing reads any more, so that few stay in the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from symbp.affine import never_negative
from symbp.expr import Expr, substitute
from symbp.lower.recorder import Call, Value, typical


@dataclass(eq=False)
class Room:
    """count: how many numbers fit. tenants: the arrays that lie here, one after the other. until: the position of the
    call that needs it for something else.
    """

    dtype: str
    count: Expr
    tenants: list[Value] = field(default_factory=list)
    until: float = math.inf


def arrange_rooms(
    calls: Sequence[Call], may_be_zero: Expr | None = None, lent: Mapping[Value, int] | None = None
) -> dict[Value, Room]:
    """A room for every value that needs one: as long as it is in use, nothing else lies there.

    Arrays over time share a room step by step too: what a step has read for the last time, it may write over.
    may_be_zero: a size that isn't always one or more. lent: arrays in whose place others of their shape may lie
    until that call.
    """
    lives = lives_of(calls)
    rooms: dict[Value, Room] = {}
    free: list[Room] = [Room(v.dtype, v.count, [v], until) for v, until in (lent or {}).items()]
    by_step: list[Room] = []  # in a loop: arrays over time lay there that this step has read for the last time
    untouched: list[Room] = []  # in a loop: nothing has been written there since its head
    inside = False
    for k, call in enumerate(calls):
        if call.opens and call.form.startswith("for "):
            inside, by_step, untouched = True, [], list(free)
        for v in dict.fromkeys(v.root for v in call.values):
            if v not in lives or lives[v].first != k:
                continue
            over_time = inside and lives[v].over_time
            choice = [*(r for r in by_step if _same(r, v)), *untouched] if over_time else free
            choice = [r for r in choice if r.until == math.inf or (r.until > lives[v].last and _same(r, v))]
            room = own_room(call, v, k, lives, rooms)
            if room is None or room.until <= lives[v].last:
                room = _smallest(v, choice, may_be_zero) or Room(v.dtype, v.count)
            for rest in (free, by_step, untouched):
                if room in rest:
                    rest.remove(room)
            room.tenants.append(v)
            rooms[v] = room
        for v in dict.fromkeys((*(v.root for v in call.values), *(v for v in rooms if call.closes))):
            if v in lives and lives[v].last == k and rooms[v].tenants[-1] is v:
                (by_step if inside and lives[v].by_step else free).append(rooms[v])
        if call.closes and call.form == "for":
            free += by_step
            inside, by_step = False, []
    return rooms


@dataclass
class Life:
    """first, last: positions of calls. over_time: written step by step in the loop where it begins, first of all by the
    call `first` (what reads it before that, reads what earlier steps have written). by_step: it ends in a loop that
    reads at every step that step's part of it and no other.
    """

    first: int
    last: int
    over_time: bool = False
    by_step: bool = False


def lives_of(calls: Sequence[Call]) -> dict[Value, Life]:
    lives: dict[Value, Life] = {}
    for k, call in enumerate(calls):
        for v in call.values:
            if v.root.needs_room:
                lives.setdefault(v.root, Life(k, k)).last = k
    for start, end in _loops(calls):
        used: dict[Value, list[str]] = {}
        for call in calls[start:end]:
            for v in call.values:
                used.setdefault(v.root, []).append(v.place)
        clock = calls[start].form.split()[1]
        for v, places in used.items():
            life = lives.get(v)
            if life is None:
                continue
            own = all(place == clock for place in places)
            if start < life.first and all(places):
                life.over_time = True
                life.first = next(k for k in range(start, end) if _writes(calls[k], v))
            if start <= life.last < end:
                if life.first < start or life.over_time:  # read at later steps too
                    life.by_step = own
                    life.last = life.last if own else end
    return lives


def _writes(call: Call, v: Value) -> bool:
    return call.out is not None and call.out.root is v


def _same(room: Room, v: Value) -> bool:
    return room.tenants[-1].dims == v.dims


def own_room(call: Call, new: Value, k: int, lives: dict[Value, Life], rooms: dict[Value, Room]) -> Room | None:
    """The room of an argument that is read here for the last time, entry by entry."""
    if call.out is None or call.out.root is not new or not call.in_place:
        return None
    if call.out.base is not None and not call.out.place:
        return None
    for v in call.args:
        others = [w for w in call.args if w.root is v.root and w is not v]
        dies = v.root in lives and lives[v.root].last == k and not others
        whole = v.base is None and call.out.base is None
        step = bool(call.out.place) and v.place == call.out.place and lives[call.out.root].over_time
        if dies and (whole or (step and lives[v.root].by_step)) and v.root.dims == call.out.root.dims:
            if v.dtype == call.out.dtype and v.dims == call.out.dims and v.contiguous == call.out.contiguous:
                return rooms[v.root]
    return None


def _smallest(v: Value, free: Sequence[Room], may_be_zero: Expr | None) -> Room | None:
    """The smallest free room that is large enough for all sizes."""
    count = v.count
    fitting = [r for r in free if r.dtype == v.dtype and (r.count is count or _fits(count, r.count, may_be_zero))]
    return min(reversed(fitting), key=lambda r: typical(r.count), default=None)


@cache
def _fits(count: Expr, room: Expr, may_be_zero: Expr | None) -> bool:
    rest = room - count
    return never_negative(rest if may_be_zero is None else substitute(rest, {may_be_zero: may_be_zero - 1}))


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
