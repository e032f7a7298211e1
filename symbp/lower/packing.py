"""Where arrays lie so that all of them together take little memory: the largest are placed first.

Pisarchyk & Lee 2020, Efficient memory management for deep neural net inference (greedy by size, shared objects).
"""

from __future__ import annotations

from collections.abc import Sequence

from symbp.affine import never_negative
from symbp.lower.recorder import Call, Value, typical
from symbp.lower.rooms import Room, arrange_rooms, lives_of, own_room


def packed_rooms(calls: Sequence[Call]) -> dict[Value, Room]:
    """A room for every value that needs one; a room's first tenant is as large as it.

    Where there are loops, rooms are shared as `arrange_rooms` says, which knows the steps of arrays over time.
    """
    if any(call.opens for call in calls):
        return arrange_rooms(calls)
    lives = lives_of(calls)
    blocks: dict[Value, Room] = {}  # values that are written one over the other, in place
    for k, call in enumerate(calls):
        for v in dict.fromkeys(v.root for v in call.values):
            if v in lives and lives[v].first == k:
                blocks[v] = own_room(call, v, k, lives, blocks) or Room(v.dtype, v.count)
                blocks[v].tenants.append(v)
    taken: dict[Room, list[tuple[int, int]]] = {}
    home: dict[Room, Room] = {}
    for block in sorted(dict.fromkeys(blocks.values()), key=lambda b: -typical(b.count)):
        span = lives[block.tenants[0]].first, lives[block.tenants[-1]].last
        room = next((r for r in reversed(taken) if _fits(block, r) and _is_free(span, taken[r])), None)
        if room is None:
            room = Room(block.dtype, block.count)
            taken[room] = []
        taken[room].append(span)
        room.tenants += block.tenants
        home[block] = room
    return {v: home[block] for v, block in blocks.items()}


def _fits(block: Room, room: Room) -> bool:
    """For all sizes."""
    return block.dtype == room.dtype and (block.count is room.count or never_negative(room.count - block.count))


def _is_free(span: tuple[int, int], taken: Sequence[tuple[int, int]]) -> bool:
    first, last = span
    return all(last < start or end < first for start, end in taken)
