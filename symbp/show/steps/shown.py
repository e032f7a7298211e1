"""What a derivation shows, and what is known of it: the material of its formulas and of its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from symbp.expr import Expr, Index
from symbp.program import Equation, Program
from symbp.show.formulas.formula import Said
from symbp.show.formulas.writer import Writer
from symbp.show.names.symbols import HELPERS, Partial
from symbp.show.plan.equations import Plan
from symbp.show.plan.selection import tensor_of
from symbp.show.steps.chain_rule import Uses, contracted

MATRICES = ("matrix", "batched", "both")  # levels that show matrices where there are any


@dataclass(frozen=True)
class Shown:
    """base, plan: at tensor level. equations: the derived ones as they are shown, entries at neuron level. forward: the
    program that they're derived from, at the same level. before: values of equations before simplification.
    writer: for `equations`; wide: for the tensor level. numbers: tensor -> (first, last) number of its definition.
    """

    base: Program
    plan: Plan
    level: str
    equations: Sequence[Equation]
    forward: Program
    before: Mapping[str, Sequence[Expr]]
    writer: Writer
    wide: Writer
    numbers: Mapping[str, tuple[int, int]]

    @property
    def loss(self) -> str:
        assert self.base.loss is not None
        return self.base.loss

    @cached_property
    def uses(self) -> Uses:
        return Uses(self.forward, self.loss)

    @cached_property
    def wide_uses(self) -> Uses:
        return Uses(self.base, self.loss)

    @cached_property
    def by_name(self) -> dict[str, Equation]:
        return {e.name: e for e in self.equations}

    @cached_property
    def records(self) -> dict[str, Equation]:
        """The derived equations at tensor level, which know where they come from."""
        return {e.name: e for e in self.plan.program.equations}

    def group(self, name: str) -> str:
        """The tensor that an entry belongs to; at tensor level the tensor itself."""
        return tensor_of(self.writer.names.tensors, name)

    def is_aside(self, name: str) -> bool:
        """Whether an adjoint is only shown on the way."""
        return self.group(name) in self.plan.asides

    def is_helper(self, name: str) -> bool:
        record = self.records.get(self.group(name))
        return bool(record and record.reason and record.reason.kind in HELPERS)

    def count(self, name: str) -> int:
        """How many shown equations read the quantity; those that are only shown on the way don't count."""
        return sum(1 for e in self.equations if name in e.value.tensors and not self.is_aside(e.name))

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Names of tensors in the order of their declaration."""
        return sorted(names, key=self.writer.names.position.__getitem__)

    def derivative(self, name: str) -> Partial:
        """What an adjoint or tangent is of and by."""
        return self.writer.names.derivatives[name]

    def number(self, name: str) -> Said:
        """The number of a definition, or the range of numbers of its entries."""
        first, last = self.numbers[name]
        return self.wide.say("equation", first) if first == last else self.wide.say("equations", first, last)

    def contracted(self, e: Equation) -> tuple[tuple[Index, ...], list[Expr]] | None:
        """(indices, factors) of the sum before its Kronecker deltas are used up; None if there are none to show."""
        assert e.reason is not None
        if len(e.reason.terms) != 1 or self.base.tensors[e.reason.wrt].role != "parameter":
            return None
        term = e.reason.terms[0]
        adjoint = next(
            (n for n, d in self.writer.names.derivatives.items() if d.wrt == term.through.label and d.of == self.loss),
            None,
        )
        if adjoint is None or term.through.label not in self.base.tensors or adjoint not in self.by_name:
            return None
        return contracted(self.writer.names, self.base, adjoint, term)
