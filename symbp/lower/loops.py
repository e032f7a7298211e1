"""Recurrences as loops over time: only what is in the cycle runs step by step."""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import Reduce, access, add, terms, walk
from symbp.lower.array import Array, copy
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import Group, groups, local_to_step
from symbp.simplify.share import unused


def hoist_invariants(program: Program) -> Program:
    """Terms of a recurrence that don't read it and hold a sum, such as input projections, come out of it."""
    new: list[Tensor] = []
    equations: list[Equation] = []
    for group in groups(program.equations):
        if group.time is None:
            equations += group.equations
            continue
        inside: list[Equation] = []
        for e in group.equations:
            free = [t for t in terms(e.value) if not t.tensors & group.names]
            rest = [t for t in terms(e.value) if t.tensors & group.names]
            if rest and any(isinstance(n, Reduce) for t in free for n in walk(t)):
                tensor = program.tensors[e.name]
                name = unused(f"{e.name}_in", program)
                new.append(Tensor(name, tensor.indices, layer=tensor.layer))
                target = access(name, tensor.indices)
                equations.append(Equation(target, add(*free), Reason("shared")))
                e = replace(e, value=add(target, *rest))
            inside.append(e)
        equations += inside
    return program.with_(equations, new) if new else program


def turned_before(a: Array, group: Group, program: Program, before: dict[str, Array]) -> Array:
    """The tree with d @ U.T as d @ U_T, where U is the same in all steps: its copy is noted in `before`.

    A small matrix's product takes half the time where its rows lie in order.
    """
    if not a.args:
        return a
    a = replace(a, args=tuple(turned_before(x, group, program, before) for x in a.args))
    if a.op != "matmul" or a.args[1].form != "{}.T" or a.args[1].args[0].args:
        return a
    name = a.args[1].args[0].form
    if name not in program.tensors or name in group.names:
        return a
    turned = unused(f"{name}_T", program)
    before[turned] = copy(a.args[1])
    return replace(a, args=(a.args[0], Array(turned, a.args[1].axes)))


def time_first(program: Program) -> dict[str, tuple[int, ...]]:
    """Positions of axes, that of time first, for what a loop writes or reads a step at a time: a step's values lie
    together then. What is given or asked for from outside stays as it is declared.
    """
    fixed = {*program.outputs, *program.updates.values(), program.prediction}
    out: dict[str, tuple[int, ...]] = {}
    for group in groups(program.equations):
        if group.time is None:
            continue
        for e in group.equations:
            for a in (e.target, *sorted(e.value.accesses, key=lambda a: a.digest)):
                steps = [n for n, at in enumerate(a.args) if at.free == {group.time}]
                free = program.tensors[a.label].role == "computed" and a.label not in fixed
                if free and len(steps) == 1 and not any(i.accesses for i in a.args):
                    rest = (n for n in range(len(a.args)) if n != steps[0])
                    out.setdefault(a.label, (*steps, *rest))
    local = {name for g in groups(program.equations) if g.time is not None for name in local_to_step(g, program)}
    return {name: order for name, order in out.items() if name not in local}
