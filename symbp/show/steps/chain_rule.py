"""The chain rule as it is written before anything is computed: which values a tensor reaches the loss through."""

from __future__ import annotations

from dataclasses import dataclass

from symbp.expr import (
    Access,
    Delta,
    Expr,
    Index,
    access,
    delta,
    factors,
    fresh_index,
    mul,
    substitute,
    sum_over,
    transform,
    walk,
)
from symbp.program import Equation, Program, Term
from symbp.recurrence import leading_to
from symbp.show.formulas.order import factor_key
from symbp.show.formulas.printer import Printer
from symbp.show.names.binders import declared_indices, reads
from symbp.show.names.symbols import Names


@dataclass(frozen=True)
class Use:
    """One equation that reads a tensor: its target at `through`, the tensor at `read`, summed over `indices`."""

    through: Access
    read: Access
    indices: tuple[Index, ...]


class Uses:
    """Who reads what, among the equations that lead to the loss."""

    def __init__(self, program: Program, loss: str) -> None:
        needed = leading_to(program.equations, (loss,))
        self.program, self.loss, self.declared = program, loss, declared_indices(program)
        self.equations = [e for e in program.equations if e.name in needed]

    def of(self, name: str) -> list[Equation]:
        """The equations that read the tensor."""
        return [e for e in self.equations if name in e.value.tensors]

    def at(self, name: str) -> list[Use]:
        """The uses of a tensor at its formal indices; an index that all reads share with the target isn't summed."""
        tensor = self.program.tensors[name]
        return [self.use(e, tensor.access, tensor.role == "parameter") for e in self.of(name)]

    def use(self, equation: Equation, formal: Access, keep_deltas: bool) -> Use:
        found = list(reads(equation.value, formal.label))
        renamed: dict[Expr, Expr] = {}
        if not keep_deltas:
            for axis, f in enumerate(formal.args):
                at = {r.args[axis] for r, _ in found}
                only = next(iter(at))
                free = not any(only in bound for _, bound in found)
                if len(at) == 1 and free and only in equation.target.args and only not in renamed:
                    renamed[only] = f
        taken = {i.label for i in formal.args if isinstance(i, Index)}
        taken |= {
            i.label for i in equation.target.args if i not in renamed and isinstance(i, Index) and i.label not in taken
        }
        summed: list[Index] = []
        for i in equation.target.args:
            if i not in renamed and isinstance(i, Index):
                clash = any(isinstance(f, Index) and f.label == i.label for f in formal.args)
                new = fresh_index(i, taken | self.declared.of_other_size(i)) if clash else i
                taken.add(new.label)
                renamed[i] = new
                summed.append(new)
        through = substitute(equation.target, renamed)
        return Use(through, formal, tuple(summed))  # type: ignore[arg-type]


def chain(printer: Printer, loss: str, uses: list[Use]) -> str:
    """The sum over uses of dL/dthrough * dthrough/dread; empty where a use is by the loss itself."""
    if not uses or any(u.through.label == loss for u in uses):
        return ""
    out = []
    for u in uses:
        first = printer.derivative(loss, (), u.through.label, u.through.args)
        second = printer.derivative(u.through.label, u.through.args, u.read.label, u.read.args)
        head = printer.style.reduction("sum", [printer.index(i) for i in u.indices]) if u.indices else ""
        out.append(head + first + printer.style.space + second)
    return printer.joined_terms(out)


def contracted(names: Names, program: Program, adjoint: str, term: Term) -> tuple[tuple[Index, ...], list[Expr]] | None:
    """(indices, factors) of the sum before its Kronecker deltas are used up; None if there are none to show."""
    tensor = program.tensors[term.read.label]
    equation = program.equation(term.through.label)
    taken = {i.label for i in (*tensor.indices, *equation.target.args) if isinstance(i, Index)}
    names_taken, declared = {i.label for i in tensor.indices}, declared_indices(program)
    renamed: dict[Expr, Expr] = {}
    for i in sorted((n for n in _indices(term) if n.label in names_taken), key=lambda n: (n.label, n.digest)):
        new = fresh_index(i, taken | declared.of_other_size(i))
        taken.add(new.label)
        renamed[i] = new
    through = substitute(term.through, renamed)
    local = substitute(with_forward_values(term.local, equation), renamed)
    read = substitute(term.read, renamed)
    bound = [i for i in sorted(read.free | local.free, key=lambda n: (n.label, n.digest)) if i not in through.free]
    deltas = [delta(f, a) for f, a in zip(tensor.indices, read.args, strict=True)]
    body = sum_over(mul(local, *deltas), bound)
    parts = [access(adjoint, through.args), *factors(body)]
    if not any(isinstance(p, Delta) for p in parts):
        return None
    parts.sort(key=lambda f: factor_key(names, f))
    return tuple(i for i in through.args if isinstance(i, Index)), [p for p in parts if p is not mul()]


def _indices(term: Term) -> set[Index]:
    return {n for e in (term.through, term.read, term.local) for n in walk(e) if isinstance(n, Index)}


def with_forward_values(local: Expr, equation: Equation) -> Expr:
    """A local derivative with what the forward pass has computed: sigma(z) (1 - sigma(z)) becomes h (1 - h)."""
    return transform(local, lambda e: equation.target if e is equation.value else e)


def bare(e: Expr) -> Expr:
    """The expression without indices, for an elementwise formula said in words."""
    return transform(e, lambda a: access(a.label) if isinstance(a, Access) else a)
