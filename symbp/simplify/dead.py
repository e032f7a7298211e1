"""Equations that nothing reads are dropped."""

from __future__ import annotations

from symbp.program import Program
from symbp.recurrence import leading_to
from symbp.simplify.rewrite import with_equations
from symbp.verify import in_running_order


def drop_dead(program: Program) -> Program:
    """The program without equations that no output and no state update needs."""
    needed = {*program.outputs, *program.updates.values()}
    if program.prediction is not None:
        needed.add(program.prediction)
    if in_running_order(program.equations):
        for e in reversed(program.equations):
            if e.name in needed:
                needed |= e.value.tensors
    else:
        needed = leading_to(program.equations, needed)
    return with_equations(program, [e for e in program.equations if e.name in needed])
