"""Equations that nothing reads are dropped."""

from __future__ import annotations

from symbp.program import Equation, Program


def drop_dead(program: Program) -> Program:
    """The program without equations that no output and no state update needs."""
    needed = {*program.outputs, *program.updates.values()}
    if program.prediction is not None:
        needed.add(program.prediction)
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        if equation.name in needed:
            needed |= equation.value.tensors
            kept.append(equation)
    return program.with_(reversed(kept))
