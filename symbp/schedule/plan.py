"""Which values to keep for the backward pass so that a budget of bytes holds, the others being computed twice.

Greedy: of what is kept where the budget is exceeded, that is given up which takes most off the excess for each
operation that it costs to compute it again; in the end, what may be kept after all is. Cuts into equal segments (Chen et
al. 2016, Training deep nets with sublinear memory cost) are tried besides, and the cheapest schedule that holds wins.
No value is computed more than twice, so the peak of a chain of n equal layers falls to about 2 sqrt(n) of them, no
further. That is no optimum: to find one is NP-hard (Naumann 2008).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

from symbp.operations import cost
from symbp.program import Program
from symbp.recurrence import local_to_step
from symbp.schedule.lifetimes import Timeline, number, timeline, turning_point

SEGMENTS = 24  # cuts into up to so many segments are tried


@dataclass(frozen=True)
class Plan:
    """kept: of the values computed up to the loss, those that are kept behind it. peak: bytes at once at most.

    again: what is computed twice, and extra: the operations which that takes.
    """

    kept: frozenset[str]
    peak: int
    again: tuple[str, ...]
    extra: int


@dataclass
class Planner:
    """Plans for one program at given sizes; sizes that aren't given are 1. item: bytes of a number."""

    program: Program
    sizes: Mapping[str, int]
    item: int = 8

    @cached_property
    def timeline(self) -> Timeline:
        return timeline(self.program)

    @cached_property
    def everything(self) -> Plan:
        """Everything kept, nothing computed twice."""
        return self._plan(self._kept_first)

    @cached_property
    def least(self) -> Plan:
        """The plan of the lowest peak that is found."""
        return min((*self._segmented(), self._narrowed(0)), key=lambda p: (p.peak, p.extra))

    def within(self, budget: int) -> Plan | None:
        """The plan with the fewest further operations that is found for a peak of so many bytes; None if none is."""
        if self.everything.peak <= budget:
            return self.everything
        found = [p for p in (self._narrowed(budget), *self._segmented()) if p.peak <= budget]
        if not found and self.least.peak <= budget:
            found = [self.least]
        return min((self._widened(p, budget) for p in found), key=lambda p: (p.extra, p.peak), default=None)

    # ------------------------------------------------------------------------------------ the program as numbers

    def __post_init__(self) -> None:
        found = self.timeline
        self.turn = turning_point(found)
        self.names = [life.name for life in found.lives]
        self.place = {name: n for n, name in enumerate(self.names)}
        self.count = len(self.names)
        local = {n for g in found.steps if g.time is not None for n in local_to_step(g, self.program)}
        self.bytes = [self.item * number(life.count, self.sizes) for life in found.lives]
        self.bytes += [  # of the copies: one of a value that is local to a step is an array over time
            self.item * prod(number(s, self.sizes) for s in self.program.tensors[name].shape)
            for name in self.names
        ]
        self.defined = [[self.place[e.name] for e in g.equations] for g in found.steps]
        self.operands = [
            tuple(self.place[t] for t in sorted(self.program.equation(name).value.tensors) if t in self.place)
            for name in self.names
        ]
        self.read = [sorted({t for n in group for t in self.operands[n]}) for group in self.defined]
        self.cost = [
            cost(self.program.equation(name).value, lambda i: number(i.size, self.sizes)) for name in self.names
        ]
        self.stays = {self.place[n] for n in (*self.program.outputs, *self.program.updates.values())}
        self.early = {n for group in self.defined[: self.turn + 1] for n in group}
        self.local = {self.place[name] for name in local}
        late = {t for reads in self.read[self.turn + 1 :] for t in reads}
        self._kept_first = frozenset((late & self.early) - self.local - self.stays)

    def _plan(self, kept: Collection[int]) -> Plan:
        profile, again, read = self._run(kept)
        names = frozenset(self.names[n] for n in kept if n in read)
        return Plan(names, max(profile), tuple(self.names[n] for n in again), sum(self.cost[n] for n in again))

    def _run(self, kept: Collection[int]) -> tuple[list[int], list[int], set[int]]:
        """(bytes held in every step, what is computed twice, what is read late) where only these are kept.

        A copy of value n has the number n + count.
        """
        lost = self.early - self.stays - set(kept)
        late: list[tuple[Sequence[int], Sequence[int]]] = []
        done: dict[int, None] = {}
        for defined, reads in zip(self.defined[self.turn + 1 :], self.read[self.turn + 1 :], strict=True):
            for n in self._missing(reads, lost, done):
                late.append(((n + self.count,), self._mapped(self.operands[n], lost)))
            late.append((defined, self._mapped(reads, lost)))
        read = {n for _, reads in late for n in reads if n < self.count}
        needed = read | self.stays
        for n in sorted(self.early, reverse=True):
            if n in needed:
                needed.update(self.operands[n])
        steps: list[tuple[Sequence[int], Sequence[int]]] = []
        for defined, reads in zip(self.defined[: self.turn + 1], self.read[: self.turn + 1], strict=True):
            if any(n in needed for n in defined):
                steps.append((defined, reads))
        steps += late
        held = [0] * (len(steps) + 1)
        last: dict[int, int] = dict.fromkeys(self.stays, len(steps) - 1)
        for k in range(len(steps) - 1, -1, -1):
            defined, reads = steps[k]
            for n in (*reads, *defined):
                last.setdefault(n, k)
            for n in defined:
                held[k] += self.bytes[n]
                held[last[n] + 1] -= self.bytes[n]
        return list(accumulate(held)), [n for n in done if n in needed], read

    def _missing(self, reads: Sequence[int], lost: set[int], done: dict[int, None]) -> Iterator[int]:
        """What must be computed again for these reads, in running order."""
        work = [(n, False) for n in reversed(reads)]
        while work:
            n, ready = work.pop()
            if ready:
                yield n
            elif n in lost and n not in done:
                done[n] = None
                work.append((n, True))
                work += [(m, False) for m in reversed(self.operands[n])]

    def _mapped(self, reads: Sequence[int], lost: set[int]) -> list[int]:
        return [n + self.count if n in lost else n for n in reads]

    # ------------------------------------------------------------------------------------------- searching

    def _narrowed(self, budget: int) -> Plan:
        """Gives up one value after another until the budget holds or nothing helps; the lowest peak on the way."""
        kept = self._kept_first
        excess, extra = self._score(kept, budget)
        best = self._plan(kept)
        stale: dict[tuple[int, bool], float] = {}
        while best.peak > budget:
            found = self._move(kept, excess, extra, budget, stale)
            if found is None:
                break
            kept, excess, extra = found
            plan = self._plan(kept)
            if plan.peak < best.peak:
                best = plan
        return best

    def _move(
        self, kept: frozenset[int], excess: int, extra: int, budget: int, stale: dict[tuple[int, bool], float]
    ) -> tuple[frozenset[int], int, int] | None:
        """The best of: give up a value; keep its operands in its place. Those that were better last time come first."""
        moves = [(n, swap) for n in kept for swap in (False, True)]
        moves.sort(key=lambda m: (-stale.get(m, float("inf")), m))
        best: tuple[float, frozenset[int], int, int] | None = None
        for move in moves:
            if best is not None and stale.get(move, float("inf")) <= best[0]:
                break
            n, swap = move
            operands = {m for m in self.operands[n] if m not in self.local and m not in self.stays}
            if swap and operands <= kept:
                stale[move] = 0
                continue
            candidate = (kept - {n}) | operands if swap else kept - {n}
            less, more = self._score(candidate, budget)
            gain = stale[move] = (excess - less) / max(1, more - extra)
            if gain > 0 and (best is None or gain > best[0]):
                best = gain, candidate, less, more
        return None if best is None else best[1:]

    def _score(self, kept: Collection[int], budget: int) -> tuple[int, int]:
        """(bytes above the budget, added up over the steps; operations computed twice)."""
        profile, again, _ = self._run(kept)
        return sum(b - budget for b in profile if b > budget), sum(self.cost[n] for n in again)

    def _segmented(self) -> Iterator[Plan]:
        """What crosses the cuts into so many segments is kept, nothing else."""
        lasts = {n: k for k, reads in enumerate(self.read[: self.turn + 1]) for n in reads}
        where = {n: k for k, group in enumerate(self.defined) for n in group}
        candidates = sorted(self._kept_first, key=where.__getitem__)
        for segments in range(1, min(SEGMENTS, len(candidates)) + 1):
            cuts = [where[candidates[len(candidates) * s // segments]] for s in range(1, segments)]
            crossing = {n for n, last in lasts.items() for c in cuts if where[n] <= c < last}
            yield self._plan(frozenset(crossing - self.local - self.stays))

    def _widened(self, plan: Plan, budget: int) -> Plan:
        """The plan with all kept that the budget has room for, what is dearest to compute again first."""
        dearest = sorted((self.place[name] for name in plan.again), key=lambda n: -self.cost[n])
        for n in dearest:
            if n not in self.local and self.cost[n]:
                wider = self._plan({self.place[name] for name in plan.kept} | {n})
                if wider.peak <= budget and wider.extra <= plan.extra:
                    plan = wider
        return plan
