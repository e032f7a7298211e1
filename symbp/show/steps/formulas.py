"""The formulas of steps: each derivative, the chain rule that gives it, what that becomes, and its value."""

from __future__ import annotations

from collections.abc import Sequence

from symbp.expr import Expr, Reduce, walk
from symbp.program import Equation
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.printer import Printer
from symbp.show.names.symbols import HELPERS
from symbp.show.plan.equations import SHORT
from symbp.show.steps.chain_rule import chain
from symbp.show.steps.conventions import Conventions
from symbp.show.steps.shown import MATRICES, Shown
from symbp.show.steps.worked import Point
from symbp.simplify.inline import write_out


class Formulas:
    """Writes the formulas of one derivation. point: where numbers are asked for."""

    def __init__(self, shown: Shown, conventions: Conventions, point: Point | None = None) -> None:
        self.shown, self.conventions, self.point = shown, conventions, point
        self.level, self.writer = shown.level, shown.writer

    def formula(self, e: Equation) -> Formula:
        matrix = self.matrix_sides(e) if self.level in MATRICES else None
        if matrix is not None and self.level != "both":
            return self.with_numbers(Formula(e.target, e.value, _different(matrix)))
        sides = self.sides(e)
        self.conventions.indexed(e.value, self.level in MATRICES and matrix is None)
        return self.with_numbers(Formula(e.target, e.value, _different(sides), beside=_different(matrix or [])))

    def with_numbers(self, f: Formula) -> Formula:
        if self.point is None:
            return f
        shown = (self.substituted(self.shown.by_name[f.name]) if self.level == "neuron" else None) or f.value
        return self.point.added(f, shown, self.level == "neuron")

    def matrix_sides(self, e: Equation) -> list[Said] | None:
        writer = self.writer
        value = writer.matrix(lambda m: m.side(e.target, e.value))
        if value is None:
            return None
        sides = [writer.left(e.target, spelled) for spelled in (False, True)]
        kept = writer.matrix_latex.kept
        for before in self.shown.before.get(e.name, ()):
            side = writer.matrix(lambda m, v=before: m.side(e.target, v))  # type: ignore[misc]
            sides += [side] if side and writer.matrix_latex.kept == kept else []
        closed = self.shown.plan.after.get(e.name)
        last = None if closed is None else writer.matrix(lambda m: m.side(e.target, closed))
        return [*sides, value, *([last] if last and writer.matrix_latex.kept == kept else [])]

    def sides(self, e: Equation) -> list[Said]:
        both = self.writer.both
        sides = [
            both(lambda p: p.name(e.name, e.target.args)),
            both(lambda p: p.name(e.name, e.target.args, spelled=True)),
        ]
        if e.reason is None or e.reason.kind in HELPERS:
            return [sides[0], both(lambda p: p.write(e.value))]
        if e.reason.kind == "adjoint":
            sides.append(self.chain(e))
            explicit = self.explicit(e) if self.level != "neuron" else None
            if explicit is not None:
                sides.append(explicit)
        elif self.level == "neuron":
            sides.append(both(lambda p: self.tangent_chain(p, e)))
        for before in self.shown.before.get(e.name, ()):
            sides.append(both(lambda p, v=before: p.write(v)))  # type: ignore[misc]
        sides.append(both(lambda p: p.write(e.value)))
        if e.name in self.shown.plan.after:
            return [*sides, both(lambda p: p.write(self.shown.plan.after[e.name]))]
        last = self.substituted(e) if e.reason.kind == "adjoint" else None
        return sides if last is None else [*sides, both(lambda p: p.write(last))]

    def chain(self, e: Equation) -> Said:
        """The chain rule in symbols."""
        wrt = self.shown.derivative(e.name).wrt
        uses = self.shown.uses.at(wrt)
        if self.level != "neuron" and len(uses) > 1:
            uses = [u for u in uses if u.through.label in self.shown.base.tensors]
        return self.writer.both(lambda p: chain(p, self.shown.loss, uses))

    def explicit(self, e: Equation) -> Said | None:
        """The same with the Kronecker deltas that the sum uses up, for parameters."""
        found = self.shown.contracted(e)
        if found is None:
            return None
        for factor in found[1]:
            self.conventions.indexed(factor, False)
        return self.writer.both(lambda p: p.sum_of(*found))

    def tangent_chain(self, printer: Printer, e: Equation) -> str:
        """dT/dp as the sum over what T reads of dT/dr * dr/dp."""
        d = self.shown.derivative(e.name)
        equation = next((f for f in self.shown.uses.equations if f.name == d.of), None)
        if equation is None or d.wrt in equation.value.tensors:
            return ""
        moving = {x.of for n, x in self.writer.names.derivatives.items() if x.wrt == d.wrt and n in self.shown.by_name}
        reads = self.shown.in_order(r for r in equation.value.tensors if r in moving)
        gap = printer.style.space
        return printer.joined_terms(
            [printer.derivative(d.of, (), r, ()) + gap + printer.derivative(r, (), d.wrt, ()) for r in reads]
        )

    def substituted(self, e: Equation) -> Expr | None:
        """The value with its only adjoint written out, where that one is short and comes straight from the loss."""
        read = [n for n in e.value.tensors if n in self.shown.by_name]
        if len(read) != 1 or self.writer.names.tensors[read[0]].symbol or self.shown.count(read[0]) != 1:
            return None
        source = self.shown.by_name[read[0]]
        reads_derivatives = any(n in self.writer.names.derivatives for n in source.value.tensors)
        if (
            reads_derivatives
            or sum(1 for _ in walk(source.value)) > SHORT
            or any(isinstance(n, Reduce) for n in walk(e.value))
        ):
            return None
        return write_out(e.value, source)


def _different(sides: Sequence[Said]) -> tuple[Said, ...]:
    """The sides without empty ones and without one that says the same as the one in front of it."""
    kept: list[Said] = []
    for s in sides:
        if s.latex and (not kept or s.latex != kept[-1].latex):
            kept.append(s)
    return tuple(kept)
