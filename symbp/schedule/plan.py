"""Which values to keep for the backward pass so that a budget of bytes holds, the others being computed twice.

Greedy: of what is kept where the budget is exceeded, that is given up which takes most off the excess for each
operation that it costs to compute it again; in the end, what may be kept after all is. Cuts into equal segments (Chen
et al. 2016, Training deep nets with sublinear memory cost) are tried besides, and the cheapest plan that holds wins.
No value is computed more than twice, so that the peak of a chain of n layers falls to the order of sqrt(n), no further.
Nothing proves a plan best: to find the best is NP-complete (Naumann 2009, DAG reversal is NP-complete).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import prod

from symbp.operations import cost
from symbp.program import Program
from symbp.recurrence import local_to_step
from symbp.schedule.lifetimes import Timeline, number, timeline, turning_point
from symbp.schedule.recompute import recompute

SEGMENTS = 24  # cuts into up to so many segments are tried
LOOKS = 16  # of what was good last time, so much is looked at again
LOWER = 0.93  # of the lowest peak found: looked for next
WIDENED = 3  # so many of the cheapest plans found are worked on
TIGHTER = (1, 0.97, 0.93, 0.87)  # of the budget: a plan for less may be cheaper, the search being greedy


@dataclass(frozen=True)
class Plan:
    """kept: of the values computed up to the loss, those that are kept behind it. peak: bytes at once at most.

    again: what is computed twice, and extra: the operations which that takes.
    """

    kept: frozenset[str]
    peak: int
    again: tuple[str, ...]
    extra: int


@dataclass(frozen=True)
class _Trial:
    """excess: bytes above the budget, added up over the steps. extra: operations done twice."""

    kept: frozenset[int]
    peak: int
    excess: int
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
        best = min((*self._segmented(), self._narrowed(0)), key=lambda p: (p.peak, p.extra))
        while (lower := self._narrowed(int(LOWER * best.peak))).peak < best.peak:
            best = lower
        return self._exactly(best)

    def within(self, budget: int, tighter: Sequence[float] = TIGHTER) -> Plan | None:
        """The plan with the fewest further operations that is found for a peak of so many bytes; None if none is.

        tighter: parts of the budget to look for plans for. Plans found before are remembered.
        """
        if self.everything.peak <= budget:
            return self.everything
        self._found |= dict.fromkeys(self._narrowed(int(part * budget)) for part in tighter)
        cheapest = sorted((p for p in self._found if p.peak <= budget), key=lambda p: (p.extra, p.peak))[:WIDENED]
        found = [self._exactly(self._widened(p, budget)) for p in cheapest]
        return min((p for p in found if p.peak <= budget), key=lambda p: (p.extra, p.peak), default=None)

    @cached_property
    def _found(self) -> dict[Plan, None]:
        """All plans found so far, in the order in which they were."""
        return dict.fromkeys((*self._segmented(), self.least))

    def curve(self, budgets: Sequence[int]) -> list[Plan | None]:
        """A plan for each budget."""
        found = {b: self.within(b, (1,)) for b in sorted(budgets)}
        return [found[b] for b in budgets]

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
            self.item * prod(number(s, self.sizes) for s in self.program.tensors[name].shape) for name in self.names
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
        steps = list(zip(self.defined, self.read, strict=True))
        self._early, self._late = steps[: self.turn + 1], steps[self.turn + 1 :]
        self._backwards = sorted(self.early, reverse=True)
        self._not_staying = bytearray(n in self.early and n not in self.stays for n in range(self.count))
        late = {t for _, reads in self._late for t in reads}
        self._kept_first = frozenset((late & self.early) - self.local - self.stays)

    def _plan(self, kept: Collection[int]) -> Plan:
        profile, again, read = self._run(kept)
        names = frozenset(self.names[n] for n in kept if n in read)
        return Plan(names, max(profile), tuple(self.names[n] for n in again), sum(self.cost[n] for n in again))

    def _run(self, kept: Collection[int]) -> tuple[list[int], list[int], list[int]]:
        """(bytes held in every step, what is computed twice, what is read late) where only these are kept.

        A copy of value n has the number n + count.
        """
        count, turn = self.count, self.turn
        lost = bytearray(self._not_staying)
        for n in kept:
            lost[n] = 0
        first, last = [-1] * (2 * count), [-1] * (2 * count)
        again: list[int] = []
        k = turn + 1
        for defined, reads in self._late:
            for n in reads:
                if lost[n] and first[n + count] < 0:
                    for m in self._missing(n, lost, first):
                        first[m + count] = last[m + count] = k
                        again.append(m)
                        for operand in self.operands[m]:
                            last[operand + count if lost[operand] else operand] = k
                        k += 1
            for n in reads:
                last[n + count if lost[n] else n] = k
            for n in defined:
                first[n] = k
                last[n] = max(last[n], k)
            k += 1
        for n in self.stays:
            last[n] = k - 1
        read = [n for n in self.early if last[n] > turn]
        needed = bytearray(count)
        for n in self._backwards:
            if last[n] > turn or needed[n]:
                needed[n] = 1
                for operand in self.operands[n]:
                    needed[operand] = 1
        empty = set()
        for step, (defined, reads) in enumerate(self._early):
            if not any(needed[n] for n in defined):
                empty.add(step)
            else:
                for n in (*reads, *defined):
                    if last[n] < step:
                        last[n] = step
                for n in defined:
                    first[n] = step
        held = [0] * (k + 1)
        for n, begin in enumerate(first):
            if begin >= 0:
                held[begin] += self.bytes[n]
                held[last[n] + 1] -= self.bytes[n]
        profile = [b for step, b in enumerate(accumulate(held)) if step not in empty]
        return profile, [n for n in again if needed[n]], read

    def _missing(self, wanted: int, lost: bytearray, first: list[int]) -> Iterator[int]:
        """What must be computed again for this value, in running order."""
        work, seen = [(wanted, False)], set()
        while work:
            n, ready = work.pop()
            if ready:
                yield n
            elif n not in seen:
                seen.add(n)
                work.append((n, True))
                work += [(m, False) for m in reversed(self.operands[n]) if lost[m] and first[m + self.count] < 0]

    def _exactly(self, plan: Plan) -> Plan:
        """The plan with the peak of its program: what a recurrence takes again may be one step or several."""
        if all(group.time is None for group in self.timeline.steps):
            return plan
        peak, _ = timeline(recompute(self.program, plan.kept)).peak(self.item, self.sizes)
        return replace(plan, peak=peak)

    # ------------------------------------------------------------------------------------------- searching

    def _narrowed(self, budget: int) -> Plan:
        """Gives up one value after another until the budget holds or nothing helps; the lowest peak on the way."""
        now = self._trial(self._kept_first, budget)
        best = now
        stale: dict[tuple[int, bool], float] = {}
        while best.peak > budget:
            found = self._move(now, budget, stale)
            if found is None:
                break
            now = found
            best = min(best, now, key=lambda t: t.peak)
        return self._plan(best.kept)

    def _move(self, now: _Trial, budget: int, stale: dict[tuple[int, bool], float]) -> _Trial | None:
        """The best of: give up a value; keep its operands in its place. Those that were better last time come first."""
        moves = [(n, swap) for n in now.kept for swap in (False, True)]
        moves.sort(key=lambda m: (-stale.get(m, float("inf")), m))
        best: tuple[float, _Trial] | None = None
        looks = LOOKS
        for move in moves:
            if best is not None and (looks < 0 or stale.get(move, float("inf")) <= best[0]):
                break
            looks -= move in stale
            n, swap = move
            operands = {m for m in self.operands[n] if m not in self.local and m not in self.stays}
            if swap and operands <= now.kept:
                stale[move] = 0
                continue
            trial = self._trial((now.kept - {n}) | operands if swap else now.kept - {n}, budget)
            gain = stale[move] = (now.excess - trial.excess) / max(1, trial.extra - now.extra)
            if gain > 0 and (best is None or gain > best[0]):
                best = gain, trial
        return None if best is None else best[1]

    def _trial(self, kept: frozenset[int], budget: int) -> _Trial:
        profile, again, _ = self._run(kept)
        excess = sum(b - budget for b in profile if b > budget)
        return _Trial(kept, max(profile), excess, sum(self.cost[n] for n in again))

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
