"""Recurrences: equations that read their own targets one step before, found as cycles in the graph of equations.

A group is a strongly connected component. All of its equations share one index, the time; a read of a member at another
time closes the cycle, and its direction is that in which the steps run: t - 1 forwards, t + 1 backwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symbp.affine import affine
from symbp.errors import SymbpError
from symbp.expr import Access, Index, Num
from symbp.program import Equation, Program


@dataclass(frozen=True)
class Group:
    """Equations that are run together. time: None for a single equation without recurrence; backwards: t falls."""

    equations: tuple[Equation, ...]
    time: Index | None = None
    backwards: bool = False

    @property
    def names(self) -> frozenset[str]:
        return frozenset(e.name for e in self.equations)


def groups(equations: Sequence[Equation]) -> list[Group]:
    """The equations grouped, in an order in which they can be run, as close to the given one as that allows.

    Raises SymbpError for a cycle that no index of time breaks.
    """
    return [_group(members) for members in _components(equations)]


def leading_to(equations: Sequence[Equation], names: Iterable[str]) -> set[str]:
    """The named tensors and all that they are computed from."""
    needed = set(names)
    for group in reversed(groups(equations)):
        if group.names & needed:
            needed |= group.names
            for e in group.equations:
                needed |= e.value.tensors
    return needed


def _components(equations: Sequence[Equation]) -> list[list[Equation]]:
    """Strongly connected components by Tarjan's algorithm (1972), without recursion; what is read comes first."""
    by_name = {e.name: e for e in equations}
    place = {e.name: n for n, e in enumerate(equations)}
    reads = {
        e.name: sorted((name for name in e.value.tensors if name in by_name), key=place.__getitem__) for e in equations
    }
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    waiting: list[str] = []
    found: list[list[Equation]] = []
    for root in by_name:
        if root in number:
            continue
        work = [(root, iter(reads[root]))]
        number[root] = low[root] = len(number)
        waiting.append(root)
        while work:
            name, rest = work[-1]
            for other in rest:
                if other not in number:
                    number[other] = low[other] = len(number)
                    waiting.append(other)
                    work.append((other, iter(reads[other])))
                    break
                if other in waiting:
                    low[name] = min(low[name], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    at = waiting.index(name)
                    members, waiting[at:] = waiting[at:], []
                    found.append(sorted((by_name[m] for m in members), key=lambda e: place[e.name]))
    return found


def _group(members: list[Equation]) -> Group:
    names = {e.name for e in members}
    if len(members) == 1 and members[0].name not in members[0].value.tensors:
        return Group((members[0],))
    cycle = ", ".join(e.name for e in members)
    steps: dict[Index, set[bool]] = {}
    for e in members:
        for read in e.value.accesses:
            if read.label in names:
                for i in e.target.args:
                    assert isinstance(i, Index)
                    shift = step(read, i)
                    if shift:
                        steps.setdefault(i, set()).add(shift > 0)
    if not steps:
        raise SymbpError(
            f"the equations form a cycle: {' -> '.join([*(e.name for e in members), members[0].name])}; break it by a "
            f"tensor that doesn't read the others, or read the step before: {members[0].name}[t - 1, ...]"
        )
    if len(steps) > 1:
        times = " and ".join(sorted(i.label for i in steps))
        raise SymbpError(f"the recurrence of {cycle} steps along {times}: it must step along one index")
    (time, directions), *_ = steps.items()
    if len(directions) > 1:
        t = time.label
        raise SymbpError(f"the recurrence of {cycle} reads both {t} - 1 and {t} + 1: split it, one for each direction")
    for e in members:
        if time not in e.target.args:
            raise SymbpError(f"equation for {e.name}: it is in the recurrence of {cycle} and lacks its {time.label}")
    return Group(tuple(_within_a_step(members, time)), time, directions.pop())


def step(read: Access, time: Index) -> int:
    """c where the tensor is read at time + c, 0 where it isn't shifted."""
    for at in read.args:
        if at is not time and time in at.free:
            parts = affine(at)
            if parts is None or parts[0] != {time: 1} or not isinstance(parts[1], Num):
                raise SymbpError(f"{read.label} is read at a time that is not {time.label} plus a number")
            return int(parts[1].value)
    return 0


def _within_a_step(members: list[Equation], time: Index) -> list[Equation]:
    """The members in an order in which one step can be run."""
    by_name = {e.name: e for e in members}
    done: dict[str, Equation] = {}

    def visit(e: Equation, path: tuple[str, ...]) -> None:
        if e.name in done:
            return
        if e.name in path:
            cycle = " -> ".join((*path[path.index(e.name) :], e.name))
            raise SymbpError(f"the equations form a cycle within one step of {time.label}: {cycle}")
        for read in sorted(e.value.accesses, key=lambda a: (a.label, a.digest)):
            if read.label in by_name and step(read, time) == 0:
                visit(by_name[read.label], (*path, e.name))
        done[e.name] = e

    for e in members:
        visit(e, ())
    return list(done.values())


def local_to_step(group: Group, program: Program) -> set[str]:
    """The members that nothing reads but the same step: they need no array over time."""
    assert group.time is not None
    kept = {*program.outputs, *program.updates.values(), *(n for n in (program.prediction,) if n)}
    for e in program.equations:
        for read in e.value.accesses:
            if read.label in group.names and (e.name not in group.names or step(read, group.time) != 0):
                kept.add(read.label)
    return set(group.names) - kept


def carried(group: Group, program: Program) -> set[str]:
    """The members that only the same step reads and, up to where it computes them anew, the next one: a single value is
    enough, carried from step to step.
    """
    assert group.time is not None
    place = {e.name: n for n, e in enumerate(group.equations)}
    out = set(place) - {*program.outputs, *program.updates.values(), program.prediction}
    for e in program.equations:
        for read in e.value.accesses:
            if read.label in out:
                shift = step(read, group.time) if e.name in place else None
                early = e.name in place and place[e.name] <= place[read.label]
                if shift is None or abs(shift) > 1 or bool(shift) != early:
                    out.discard(read.label)
    return out - local_to_step(group, program)
