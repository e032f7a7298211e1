"""Which of the derived equations are shown, at the level of the derivation: of tensors, or of their entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from symbp.expr import ZERO, Expr, substitute
from symbp.program import Equation, Program, Tensor
from symbp.show.names.symbols import HELPERS
from symbp.show.plan.equations import Plan, derived
from symbp.show.plan.request import Request


@dataclass(frozen=True)
class Selection:
    """equations: those that are shown. before: what they were before simplification, line by line, by name.

    program: the derived program and forward: the one that it's derived from, both at the level of the derivation.
    """

    equations: tuple[Equation, ...]
    before: Mapping[str, tuple[Expr, ...]]
    program: Program
    forward: Program


def selection(base: Program, plan: Plan, wanted: Request, method: str, unrolled: bool, sizes: Mapping[str, int] | None
              ) -> Selection:  # fmt: skip
    """What is shown of a plan. unrolled: whether entries are shown, for these sizes."""
    if unrolled:
        program, forward, before = plan.program.unroll(sizes), base.unroll(sizes), _unrolled_before(plan, sizes)
    else:
        program, forward = plan.program, base
        before = {e.name: tuple(f.value for f in plan.before if f.name == e.name) for e in plan.before}
    return Selection(tuple(_shown(base, plan, program, forward, wanted, method)), before, program, forward)


def tensor_of(tensors: Mapping[str, Tensor], name: str) -> str:
    """The tensor that an entry belongs to; of a tensor, itself."""
    entry = tensors[name].entry
    return entry[0] if entry else name


def _unrolled_before(plan: Plan, sizes: Mapping[str, int] | None) -> dict[str, tuple[Expr, ...]]:
    found: dict[str, tuple[Expr, ...]] = {}
    rest = list(plan.before)
    while rest:
        old = {e.name: e for e in reversed(rest)}  # the first line of each
        rest = [e for e in rest if e is not old[e.name]]
        other = plan.program.with_(old.get(e.name, e) for e in plan.program.equations).unroll(sizes)
        for e in other.equations:
            if tensor_of(other.tensors, e.name) in old:
                found[e.name] = (*found.get(e.name, ()), e.value)
    return found


def _shown(
    base: Program, plan: Plan, program: Program, forward: Program, wanted: Request, method: str
) -> list[Equation]:
    """The derived equations in question, without tangents that are zero."""

    def group(name: str) -> str:
        return tensor_of(program.tensors, name)

    left_out = {e.name for e in forward.equations}
    helpers = _forward_helpers(base, plan.program)
    zeros: dict[Expr, Expr] = {}
    kept: list[Equation] = []
    for e in program.equations:
        if e.name in left_out or group(e.name) in helpers:
            continue
        value = substitute(e.value, zeros)
        if value is ZERO and method == "forward" and group(e.name) not in plan.program.outputs:
            zeros[e.target] = ZERO
        else:
            kept.append(replace(e, value=value))
    return wanted.needed(kept, group, plan.asides)


def _forward_helpers(base: Program, program: Program) -> set[str]:
    """Names for common subexpressions that only forward equations read."""
    new = {e.name for e in derived(program, base)}
    out = set()
    for e in program.equations:
        if e.name not in base.tensors and (e.reason is None or e.reason.kind in HELPERS):
            readers = {e.name}
            for other in program.equations:
                if other.value.tensors & readers and other.name not in base.tensors:
                    readers.add(other.name)
            if not readers & new:
                out.add(e.name)
    return out
