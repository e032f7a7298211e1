"""Blocks of equations that occur several times in a row, each reading what lies as far back: equal layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from symbp.expr import Access, Expr, Index, access, index, transform, walk
from symbp.program import Program


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

    def called(n: int, name: str) -> str:
        """How far back a computed tensor lies; parameters and state look alike."""
        role = program.tensors[name].role
        return f"{n - place[name]} back" if name in place else role if role in ("parameter", "state") else name

    forms = [form(e.target, e.value, partial(called, n)) for n, e in enumerate(program.equations)]
    return _blocks(forms, 0)


def form(target: Access, value: Expr, called: Callable[[str], str]) -> str:
    """An equation without the names of its indices, and with tensors called otherwise: equal for the same equation."""
    value = transform(value, lambda a: access(called(a.label), a.args) if isinstance(a, Access) else a)
    found = dict.fromkeys((*target.args, *(i for i in walk(value) if isinstance(i, Index))))
    renamed = {i: index(f"{k}", i.size) for k, i in enumerate(found) if isinstance(i, Index)}
    value = transform(value, lambda i: renamed[i] if isinstance(i, Index) else i)
    return f"{[repr(renamed[i]) for i in target.args if isinstance(i, Index)]} {value.digest!r}"


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
