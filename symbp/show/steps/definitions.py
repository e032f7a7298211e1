"""The network's own equations as formulas with numbers, and the numbers by which steps refer to them."""

from __future__ import annotations

from symbp.program import Equation, Program
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.writer import Writer
from symbp.show.plan.selection import tensor_of
from symbp.show.steps.conventions import Conventions
from symbp.show.steps.shown import MATRICES
from symbp.show.steps.worked import Point

Numbers = dict[str, tuple[int, int]]  # tensor -> (first, last) number of its definition


def definitions(
    base: Program, forward: Program, level: str, writer: Writer, conventions: Conventions, point: Point | None
) -> tuple[tuple[Formula, ...], tuple[Formula, ...], Numbers]:
    """(the network, what updates its state, the numbers). forward: the network at the level of the derivation."""

    def group(e: Equation) -> str:
        return tensor_of(forward.tensors, e.name)

    updates = set(base.updates.values())
    main = [e for e in forward.equations if group(e) not in updates]
    rest = [e for e in forward.equations if group(e) in updates]
    numbers: Numbers = {}
    formulas = []
    for n, e in enumerate((*main, *rest), 1):
        first, _ = numbers.get(group(e), (n, n))
        numbers[group(e)] = (first, n)
        written = _written(e, n, level, writer, conventions)
        formulas.append(written if point is None else point.added(written, e.value, level == "neuron"))
    return tuple(formulas[: len(main)]), tuple(formulas[len(main) :]), numbers


def _written(e: Equation, number: int, level: str, writer: Writer, conventions: Conventions) -> Formula:
    matrix: tuple[Said, ...] = ()
    if level in MATRICES:
        side = writer.matrix(lambda m: m.side(e.target, e.value))
        matrix = () if side is None else (writer.left(e.target), side)
    if level != "both" and matrix:
        return Formula(e.target, e.value, matrix, number)
    conventions.indexed(e.value, among_matrices=level in ("matrix", "batched"))
    return Formula(e.target, e.value, (writer.expr(e.target), writer.expr(e.value)), number, matrix)
