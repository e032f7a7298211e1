"""Modules whose training step keeps to a budget of bytes: arrays given back early, values computed twice.

`symbp.schedule` plans on the mathematics alone. What the emitted text takes at its peak, NumPy's temporaries included,
`footprint` says; the plan is made tighter until that is within the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from symbp.emit.arguments import arguments_of
from symbp.emit.context import Step
from symbp.emit.footprint import footprint
from symbp.errors import SymbpError
from symbp.expr import Size, mul, walk
from symbp.lower import prepare
from symbp.program import Program
from symbp.schedule import Plan, Planner, recompute
from symbp.schedule.lifetimes import ITEM, number

TRIES = 5  # plans that are tried to find the least work
NEAR = 50  # a module that leaves less than this part of the budget is as good as any
SMALL = 1000  # an array that is smaller than this part of the budget isn't given back


def within_budget(
    program: Program,
    backward: Program,
    budget: int,
    sizes: Mapping[str, int],
    dtype: str,
    write: Callable[[Step], str],
) -> str:
    """The text of a module whose step holds no more bytes of arrays than the budget, its docstring saying so.

    backward: the gradient that the step computes. sizes: those of the data. write: the module's text for a step.
    Raises SymbpError for a size without a value, or if no schedule that is found holds the budget.
    """
    search = _Search(program, backward, budget, _known(program, sizes), dtype, write)
    found = search.run()
    if found is None:
        raise SymbpError(
            f"no schedule that was found for {program.title} at {_at(search.sizes)} keeps to {budget:,} bytes: the "
            f"least takes {search.lowest:,}; allow that, take a smaller batch or float32, or try the other style"
        )
    return found


def _known(program: Program, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes of the data. Raises SymbpError where one has no value."""
    data = dict.fromkeys(
        n.label for t in arguments_of(program).all for s in t.shape for n in walk(s) if isinstance(n, Size)
    )
    for name in data:
        if name not in sizes:
            raise SymbpError(f"a memory budget depends on the size {name} of the data: add --set {name}=64, say")
    for name in sizes:
        if name not in program.size_names:
            raise SymbpError(f"{program.title} has no size {name}: its sizes are {', '.join(program.size_names)}")
    return dict(sizes)


def _at(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {n}" for name, n in sizes.items())


@dataclass
class _Search:
    program: Program
    backward: Program
    budget: int
    sizes: dict[str, int]
    dtype: str
    write: Callable[[Step], str]
    lowest: int = 0

    def run(self) -> str | None:
        """The text that computes the least twice among those tried."""
        text, _ = self._tried(Step(self.backward))
        if text is not None:
            return text
        prepared = prepare(self.backward)
        planner = Planner(prepared, self.sizes, ITEM[self.dtype])
        text, peak = self._tried(self._step(prepared, planner.everything))
        if text is not None:
            return text
        best, _ = self._tried(self._step(prepared, planner.least))
        low, high = planner.least.peak, planner.everything.peak
        plan_for = high - (peak - self.budget)  # a module takes more than its plan: as much more, most likely
        for _ in range(TRIES):
            if not low < plan_for < high:
                plan_for = (low + high) // 2
            plan = planner.within(plan_for)
            text, peak = (None, 0) if plan is None else self._tried(self._step(prepared, plan))
            low, high = (low, plan_for) if text is None else (plan_for, high)
            best = text or best
            if (text is not None and self.budget - peak < self.budget // NEAR) or high - low < self.budget // NEAR:
                break
            plan_for += self.budget - peak
        return best

    def _step(self, prepared: Program, plan: Plan) -> Step:
        program = recompute(prepared, plan.kept)
        claim = f" Not kept, but computed again: {', '.join(plan.again)}." if plan.again else ""
        return Step(program, True, self._worth_freeing(program), claim)

    def _tried(self, step: Step) -> tuple[str | None, int]:
        """The module of a step, None if it doesn't hold the budget, and its peak."""
        found = footprint(self.write(step), self.program, self.sizes)
        self.lowest = min(self.lowest or found.peak, found.peak)
        if found.peak > self.budget:
            return None, found.peak
        size = ",".join(f"{name}={n}" for name, n in self.sizes.items())
        options = f" --memory-budget {self.budget}B" + (f" --set {size}" if size else "")
        claim = f"The arrays of a step take {found.peak:,} bytes at most where {_at(self.sizes)}, gradients included."
        return self.write(replace(step, claim=claim + step.claim, options=options)), found.peak

    def _worth_freeing(self, program: Program) -> frozenset[str]:
        stays = {*program.outputs, *program.updates.values()}
        item = ITEM[self.dtype]
        return frozenset(
            e.name for e in program.equations if e.name not in stays
            and item * number(mul(*program.tensors[e.name].shape), self.sizes) * SMALL >= self.budget
        )  # fmt: skip
