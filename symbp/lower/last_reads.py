"""Which arrays nothing reads any more after a statement: readable code gives them back there if memory is short."""

from __future__ import annotations

from collections.abc import Collection

from symbp.lower.recorder import WORD
from symbp.lower.statements import Loop, Lowered


def last_reads(lowered: Lowered, names: Collection[str]) -> dict[int, list[str]]:
    """Position of a statement or loop -> those of the names that it is the last one to make or to read."""
    last: dict[str, int] = {}
    for k, item in enumerate(lowered.statements):
        inside = item.body if isinstance(item, Loop) else (item,)
        lines = [*(item.head if isinstance(item, Loop) else ()), *(line for s in inside for line in s.lines)]
        last |= {word: k for line in lines for word in WORD.findall(line) if word in names}
    out: dict[int, list[str]] = {}
    for name, k in last.items():
        out.setdefault(k, []).append(name)
    return out
