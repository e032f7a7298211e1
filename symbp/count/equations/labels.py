"""Integers in a count. Which entries they pick costs nothing, and nearly nothing depends on it: all are taken as 0.

What they pick from a table of inputs or parameters counts as numbers of their own all the same: E[x[b, t], d] of an
embedding is another one for every b, t and d, and what is computed from it is computed for each.
"""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import ONE, ZERO, Access, Delta, Expr, access, transform, walk
from symbp.program import Program, Tensor
from symbp.simplify.share import canonical


def fix_labels(program: Program) -> Program:
    """The program with 0 for every entry of its labels, 1 for every entry of a mask.

    A label picks which entry is read and which adjoint isn't zero, so at neuron level the equations depend on it; for
    a loss that treats its classes alike their number doesn't. A mask picks from no axis: it is only compared.
    """
    labels = {t.name for t in program.tensors.values() if t.dtype == "int"}
    if not labels:
        return program
    nodes = [n for e in program.equations for n in walk(e.value) if isinstance(n, (Access, Delta))]
    picking = {a.label for n in nodes for a in n.args if isinstance(a, Access)}

    def rule(e: Expr) -> Expr:
        return (ZERO if e.label in picking else ONE) if isinstance(e, Access) and e.label in labels else e

    return program.with_(replace(e, value=transform(e.value, rule), reason=None) for e in program.equations)


def picked_apart(program: Program) -> tuple[Program, dict[str, Access]]:
    """The program with inputs in place of what integers pick from tables; and what each of these stands for."""
    if not any(t.dtype == "int" for t in program.tensors.values()):
        return program, {}
    names: dict[bytes, str] = {}
    new: dict[str, Tensor] = {}
    stands_for: dict[str, Access] = {}

    def rule(e: Expr) -> Expr:
        if not isinstance(e, Access) or not any(isinstance(a, Access) for a in e.args):
            return e
        if program.tensors[e.label].role == "computed":
            return e
        key, axes = canonical(e)
        if key not in names:
            picks = "_".join(a.label for a in e.args if isinstance(a, Access))
            name = names[key] = _unused(f"{e.label}_at_{picks}", program, new)
            new[name] = Tensor(name, axes, "input", layer=program.tensors[e.label].layer)
            stands_for[name] = e
        return access(names[key], axes)

    equations = [replace(e, value=transform(e.value, rule), reason=None) for e in program.equations]
    return (program.with_(equations, new.values()), stands_for) if new else (program, {})


def _unused(name: str, program: Program, new: dict[str, Tensor]) -> str:
    candidate, n = name, 2
    while candidate in program.tensors or candidate in new:
        candidate, n = f"{name}{n}", n + 1
    return candidate
