"""When partial results are completed: as few messages as the order of the equations allows, the outputs' in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symbp.expr import ONE, Expr, add, mul
from symbp.lower.parallel import Sharded
from symbp.lower.wrapping import break_call
from symbp.recurrence import Group, groups


@dataclass(frozen=True)
class Message:
    """One Allreduce: these arrays' sums or largest values over all ranks.

    names: of variables, or what an array has for one step of a recurrence. op: "sum" or "max". length: how many numbers
    it carries, in the sizes. times: how often it is sent: once, or at every step of a recurrence.
    """

    names: tuple[str, ...]
    op: str
    length: Expr
    times: Expr = ONE

    @property
    def lines(self) -> list[str]:
        """`a, b = all_sum(a, b)`, over several lines where it is long."""
        names = ", ".join(self.names)
        return break_call(f"({names},)" if len(self.names) == 1 else names, f"all_{self.op}", names)


def schedule(sharded: Sharded) -> tuple[Group | Message, ...]:
    """Groups of equations and messages in running order.

    A message goes out just before its first reader, with whatever can be computed by then; what only the outputs read
    goes out last, with the outputs themselves, and the equations that only the outputs need follow.
    """
    return _Schedule(sharded).run()


class _Schedule:
    def __init__(self, sharded: Sharded) -> None:
        self.sharded, program = sharded, sharded.program
        self.units = groups(program.equations)
        self.reads = [frozenset().union(*(e.value.tensors for e in u.equations)) for u in self.units]
        self.maker = {name: n for n, u in enumerate(self.units) for name in u.names}
        inside = {name for u in self.units if u.time is not None for name in u.names}
        self.sent = sharded.completed - inside  # what needs a message; the others have theirs inside their loop
        outputs = dict.fromkeys((*program.outputs, *program.updates.values()))
        self.final = [name for name in outputs if name in sharded.partial and name not in sharded.completed]
        self.late = self._late()
        self.order: list[Group | Message] = []
        self.placed: set[int] = set()
        self.open: dict[str, None] = {}  # computed, not yet completed, and read before the end
        self.last: dict[str, None] = {}  # computed, and completed in the end

    def run(self) -> tuple[Group | Message, ...]:
        early = [n for n in range(len(self.units)) if n not in self.late]
        for n in early:
            if n not in self.placed:
                if self.reads[n] & self.open.keys():
                    self._bring_forward(early)
                    self._send(self.open)
                    self.open = {}
                self._place(n)
        self._send(dict.fromkeys((*self.final, *self.open, *self.last)))
        for n in sorted(self.late):
            self._place(n)
        return tuple(self.order)

    def _late(self) -> set[int]:
        """The units that nothing but the outputs needs and that read what can be completed in the end."""
        readers: dict[str, set[int]] = {name: set() for name in self.maker}
        for n, names in enumerate(self.reads):
            for name in names & self.maker.keys():
                readers[name].add(n)
        may: set[int] = set()
        for n in reversed(range(len(self.units))):
            if self._is_replicated(self.units[n]) and all(readers[name] <= may for name in self.units[n].names):
                may.add(n)
        waiting = {name for name in self.sent if readers[name] <= may}
        late: set[int] = set()
        for n in sorted(may):
            if self.reads[n] & waiting:
                late.add(n)
                waiting |= self.units[n].names
        return late

    def _is_replicated(self, unit: Group) -> bool:
        (first, *_) = unit.equations
        whole = not self.sharded.is_shard(first.name) and first.name not in self.sharded.partial
        return unit.time is None and whole

    def _bring_forward(self, early: Sequence[int]) -> None:
        """Places what other partial results need that don't depend on those that are on their way."""
        for n in early:
            if n not in self.placed and self.units[n].time is None and self._starts(n):
                needed = self._needed(n)
                missing = self.sent - self._completed()
                if not any(self.reads[m] & missing for m in needed):
                    for m in sorted(needed):
                        self._place(m)

    def _starts(self, n: int) -> bool:
        """Whether the unit makes a partial result that is read before the end."""
        return bool(self.units[n].names & self.sent) and not self._waits(self.units[n].names)

    def _waits(self, names: Iterable[str]) -> bool:
        """Whether only late units read these."""
        return not any(self.reads[n] & set(names) for n in range(len(self.units)) if n not in self.late)

    def _completed(self) -> set[str]:
        return {name for item in self.order if isinstance(item, Message) for name in item.names}

    def _needed(self, n: int) -> set[int]:
        """The unit and all that is not placed yet and that it is computed from."""
        found, work = {n}, [n]
        while work:
            for name in self.reads[work.pop()]:
                m = self.maker.get(name)
                if m is not None and m not in self.placed and m not in found:
                    found.add(m)
                    work.append(m)
        return found

    def _place(self, n: int) -> None:
        self.placed.add(n)
        self.order.append(self.units[n])
        for name in self.units[n].names & self.sent:
            (self.last if self._waits((name,)) else self.open)[name] = None

    def _send(self, names: Iterable[str]) -> None:
        for op in ("sum", "max"):
            some = tuple(name for name in names if self.sharded.partial[name] == op)
            if some:
                length = add(*(mul(*self.sharded.program.tensors[name].shape) for name in some))
                self.order.append(Message(some, op, length))
