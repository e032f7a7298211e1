"""What occurs several times in a row, each time reading what lies as far back: equal layers, equal equations.

`form` is what is equal where two equations differ in names only, `repeated_runs` finds what repeats among such forms.
What reads the same but for layer numbers, anywhere in a derivation, is another question: see `show.fold`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from symbp.expr import Access, Expr, Index, access, index, transform, walk
from symbp.program import Program


@dataclass(frozen=True)
class Block:
    """start: place of the first item. period: items of one block. count: how many blocks there are."""

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count

    @property
    def saved(self) -> int:
        """How many items are copies of earlier ones."""
        return self.period * (self.count - 1)


def repeated_blocks(program: Program) -> list[Block]:
    """The blocks of equations, in their order; parameters and state look alike."""
    place = {e.name: n for n, e in enumerate(program.equations)}

    def called(n: int, name: str) -> str:
        """How far back a computed tensor lies."""
        role = program.tensors[name].role
        return f"{n - place[name]} back" if name in place else role if role in ("parameter", "state") else name

    return repeated_runs([form(e.target, e.value, partial(called, n)) for n, e in enumerate(program.equations)])


def form(target: Access, value: Expr, called: Callable[[str], str]) -> str:
    """An equation without the names of its indices, and with tensors called otherwise: equal for the same equation."""
    value = transform(value, lambda a: access(called(a.label), a.args) if isinstance(a, Access) else a)
    found = dict.fromkeys((*target.args, *(i for i in walk(value) if isinstance(i, Index))))
    renamed = {i: index(f"{k}", i.size) for k, i in enumerate(found) if isinstance(i, Index)}
    value = transform(value, lambda i: renamed[i] if isinstance(i, Index) else i)
    return f"{[repr(renamed[i]) for i in target.args if isinstance(i, Index)]} {value.digest!r}"


def repeated_runs(forms: Sequence[object]) -> list[Block]:
    """The blocks of equal items, in order; those that save most are found first."""
    return _runs(forms, 0)


def _runs(forms: Sequence[object], first: int) -> list[Block]:
    best: Block | None = None
    for period in range(1, len(forms) // 2 + 1):
        run = 0
        for k in range(len(forms) - period + 1):
            if k < len(forms) - period and forms[k] == forms[k + period]:
                run += 1
                continue
            found = Block(k - run, period, run // period + 1)
            if found.count > 1 and (best is None or found.saved > best.saved):
                best = found
            run = 0
    if best is None:
        return []
    left, right = _runs(forms[: best.start], first), _runs(forms[best.stop :], first + best.stop)
    return [*left, Block(first + best.start, best.period, best.count), *right]
