"""Equations that nothing reads are dropped."""

from __future__ import annotations

from symbp.program import Program
from symbp.recurrence import leading_to


def drop_dead(program: Program) -> Program:
    """The program without equations that no output and no state update needs."""
    needed = {*program.outputs, *program.updates.values()}
    if program.prediction is not None:
        needed.add(program.prediction)
    needed = leading_to(program.equations, needed)
    return program.with_(e for e in program.equations if e.name in needed)
