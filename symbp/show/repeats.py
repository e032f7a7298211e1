"""Blocks of equations that occur several times in a row, each reading what lies as far back: equal layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symbp.expr import Access, Index, access, index, transform, walk
from symbp.program import Equation, Program


@dataclass(frozen=True)
class Block:
    """start: place of the first equation. period: equations of one block. count: how many blocks there are."""

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count


def repeated_blocks(program: Program) -> list[Block]:
    """The blocks, in the order of the equations; those that save most are found first."""
    place = {e.name: n for n, e in enumerate(program.equations)}
    return _blocks([_form(program, place, n, e) for n, e in enumerate(program.equations)], 0)


def _form(program: Program, place: dict[str, int], n: int, e: Equation) -> str:
    """The equation without names: how far back it reads, and which of its reads are parameters or state."""

    def unnamed(a: Access) -> str:
        if a.label in place:
            return f"{n - place[a.label]} back"
        role = program.tensors[a.label].role
        return role if role in ("parameter", "state") else a.label

    value = transform(e.value, lambda a: access(unnamed(a), a.args) if isinstance(a, Access) else a)
    found = dict.fromkeys((*e.target.args, *(i for i in walk(value) if isinstance(i, Index))))
    renamed = {i: index(f"{k}", i.size) for k, i in enumerate(found) if isinstance(i, Index)}
    value = transform(value, lambda i: renamed[i] if isinstance(i, Index) else i)
    return f"{[repr(renamed[i]) for i in e.target.args if isinstance(i, Index)]} {value.digest!r}"


def _blocks(forms: Sequence[str], first: int) -> list[Block]:
    best: Block | None = None
    for period in range(1, len(forms) // 2 + 1):
        run = 0
        for k in range(len(forms) - period + 1):
            if k < len(forms) - period and forms[k] == forms[k + period]:
                run += 1
                continue
            count = run // period + 1
            if count > 1 and (best is None or period * (count - 1) > best.period * (best.count - 1)):
                best = Block(k - run, period, count)
            run = 0
    if best is None:
        return []
    left = _blocks(forms[: best.start], first)
    right = _blocks(forms[best.stop :], first + best.stop)
    return [*left, Block(first + best.start, best.period, best.count), *right]
