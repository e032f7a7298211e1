"""The `inference` part of a text: the same network with some equations replaced, for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symbp.notation import syntax as s
from symbp.program import Program
from symbp.recurrence import leading_to


def replaced(base: Sequence[s.Node], later: Sequence[s.Node]) -> list[s.Node]:
    """The statements of both parts: what the later part defines or marks takes the place of what was there."""
    defined = {_name(st) for st in later if isinstance(st, (s.Declared, s.Equation, s.Layer))}
    marks = {m for st in later if (m := _mark(st))}
    kinds = {type(st) for st in later}
    kept: list[s.Node] = []
    for st in base:
        if isinstance(st, (s.Declared, s.Layer)) and _name(st) in defined:
            continue
        if isinstance(st, s.Equation):
            if _name(st) in defined:
                continue
            if _mark(st) in marks:
                st = replace(st, mark="")
        elif isinstance(st, s.Update) or (_mark(st) and _mark(st) in marks):
            continue
        elif isinstance(st, s.About) and (st.name.text, st.name.primed) in defined:
            continue
        elif isinstance(st, s.Fact) and s.Fact in kinds:
            continue
        elif isinstance(st, s.Header) and st.kind in {h.kind for h in later if isinstance(h, s.Header)}:
            continue
        kept.append(st)
    return [*kept, *later]


def _name(st: s.Declared | s.Equation | s.Layer) -> tuple[str, bool]:
    return st.target.name.text, st.target.name.primed


def _mark(st: s.Node) -> str:
    return st.kind if isinstance(st, s.Mark) else st.mark if isinstance(st, s.Equation) else ""


def needed(program: Program) -> set[str]:
    """What the program's results are computed from."""
    ends = {*program.outputs, program.loss, program.prediction, *program.updates, *program.updates.values()}
    return leading_to(program.equations, [n for n in ends if n is not None])


def only_needed(program: Program, base: Program) -> Program:
    """The program for prediction without what only training needs: its updates, and all that leads to them alone."""
    program = replace(program, updates={}, inference=None)
    dropped = needed(base) - needed(program)
    return replace(
        program,
        tensors={n: t for n, t in program.tensors.items() if n not in dropped},
        equations=tuple(e for e in program.equations if e.name not in dropped),
        facts=tuple(f for f in program.facts if not (f[0].tensors | f[1].tensors) & dropped),
    )
