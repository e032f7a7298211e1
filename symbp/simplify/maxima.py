"""A maximum of increasing functions is the function of the maximum: max_p relu(s[p] + b) = relu(max_p s[p] + b).

What is computed entry by entry before a maximum over windows is computed for the maxima alone then.
"""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import (
    Access,
    Add,
    Call,
    Expr,
    Index,
    Num,
    Reduce,
    access,
    add,
    call,
    coefficient,
    maximum_over,
    mul,
    substitute,
)
from symbp.functions import TABLE
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups
from symbp.simplify.share import unused


def move_maxima(program: Program) -> Program:
    """The program with each maximum as early as that leaves it the same; the same object if all are."""
    position = 0
    while position < len(program.equations):
        moved = _moved(program, position)
        if moved is None:
            position += 1
        else:
            program, position = moved, position - 1
    return program


def window_maximum(program: Program, equation: Equation) -> tuple[Equation, Access] | None:
    """(the equation of what the maximum is over, the read) where nothing but the maximum reads that; None otherwise."""
    value = equation.value
    if not (isinstance(value, Reduce) and value.label == "max" and isinstance(value.body, Access)):
        return None
    read = value.body
    asked = {*program.outputs, *program.updates.values(), program.prediction, program.loss}
    looped = {n for g in groups(program.equations) if g.time is not None for n in g.names}
    if program.tensors[read.label].role != "computed" or read.label in asked | looped or read.accesses != {read}:
        return None
    if sum(read.label in e.value.tensors for e in program.equations) > 1:
        return None
    return program.equation(read.label), read


def _moved(program: Program, position: int) -> Program | None:
    """The program with the maximum at this position moved in front of one function or sum."""
    outer = program.equations[position]
    found = window_maximum(program, outer)
    if found is None:
        return None
    inner, read = found
    assert isinstance(outer.value, Reduce)
    windows = outer.value.indices
    place = dict(zip(inner.target.args, read.args, strict=True))
    within = frozenset(i for i, at in place.items() if at.free & frozenset(windows))
    inside, outside = _parts(inner.value, within)  # type: ignore[arg-type]
    if inside is None:
        return None
    layer = program.tensors[inner.name].layer
    before: list[Equation] = []
    new: list[Tensor] = []
    if not isinstance(inside, Access):
        name = unused(f"{inner.name}_sum" if isinstance(inside, Reduce) else f"{inner.name}_part", program)
        new.append(Tensor(name, program.tensors[inner.name].indices, layer=layer))
        before.append(Equation(access(name, inner.target.args), inside))
    over = before[0].target if before else inside
    largest = access(unused(f"{over.label}_max", program), outer.target.args)
    new.append(Tensor(largest.label, program.tensors[outer.name].indices, layer=layer))
    maximum = Equation(largest, maximum_over(substitute(over, place), windows), Reason("moved"))
    value = inner.value
    if isinstance(value, Call):
        result = call(value.label, largest, *value.args[1:])
    else:
        result = add(largest, *(substitute(t, place) for t in outside))
    equations: list[Equation] = []
    for e in program.equations:
        equations += before if e is inner else (maximum, replace(outer, value=result)) if e is outer else (e,)
    return program.with_(equations, new)


def _parts(e: Expr, within: frozenset[Index]) -> tuple[Expr | None, list[Expr]]:
    """(what the function is of, nothing), or (the sum of the terms that differ within a window, the others); (None,
    nothing) where it is neither.
    """
    if isinstance(e, Call) and TABLE[e.label].increasing and e.args[0].free & within:
        if all(isinstance(a, Num) and a.value >= 0 for a in e.args[1:]):
            return e.args[0], []
    c, total = coefficient(e)
    if isinstance(total, Add):
        opened = [mul(c, t) for t in total.args]
        varying, same = ([t for t in opened if bool(t.free & within) is inside] for inside in (True, False))
        if varying and same:
            return add(*varying), same
    return None, []
