"""Forward mode: one tangent for every entry of every parameter, carried as extra axes of the tangent tensors."""

from __future__ import annotations

from collections.abc import Sequence

from symbp.derive.reverse import adjoint_prefix, adjoint_tensor, depending_on, parts
from symbp.expr import ZERO, Access, Expr, Index, access, add, delta, fresh_index, mul, sum_over, walk
from symbp.functions import diff
from symbp.normalise import normalise
from symbp.program import Equation, Program, Reason, Tensor, Term
from symbp.recurrence import leading_to


def forward(program: Program, wrt: Sequence[str], loss: str) -> Program:
    """The program followed by the tangents of everything between each name in wrt and the loss.

    The tangent of x[a] by p[e] is the tensor x_by_p[a, e]; the loss's is d_p[e].
    """
    program = normalise(program)
    prefix = adjoint_prefix(program)
    taken = {n.label for e in program.equations for n in walk(e.value) if isinstance(n, Index)}
    taken |= {i.label for t in program.tensors.values() for i in t.indices}
    needed = leading_to(program.equations, (loss,))
    derived: list[Equation] = []
    new: list[Tensor] = []
    for name in wrt:
        source = program.tensors[name]
        labels = set(taken)
        entry = tuple(fresh_index(i, labels) for i in source.indices)
        active = depending_on(program, (name,)) & needed
        gradient_name = f"{prefix}_{name}"
        for equation in program.equations:
            if equation.name not in active or equation.name == name:
                continue
            found = tangent_terms(program, equation, source, entry, active)
            is_loss = equation.name == loss
            target = program.tensors[equation.name]
            if is_loss:
                tangent = Tensor(gradient_name, entry, layer=source.layer, subscripts=source.subscripts)
            else:
                tangent = Tensor(f"{equation.name}_by_{name}", (*target.indices, *entry), layer=target.layer)
            new.append(tangent)
            reason = Reason("tangent", equation.name, name, tuple(found))
            derived.append(Equation(tangent.access, add(*(t.value for t in found)), reason))
        if loss not in active:
            zero = adjoint_tensor(source, gradient_name, loss)
            new.append(zero)
            derived.append(Equation(zero.access, ZERO, Reason("tangent", loss, name)))
    outputs = (loss, *(f"{prefix}_{name}" for name in wrt))
    return program.with_((*program.equations, *derived), new, outputs)


def tangent_terms(
    program: Program, equation: Equation, source: Tensor, entry: tuple[Index, ...], active: set[str]
) -> list[Term]:
    """One term for every read of an active tensor: local derivative times that tensor's tangent."""
    out: list[Term] = []
    for constant, body, bound in parts(equation):
        for read in sorted(body.accesses, key=lambda a: (a.label, a.digest)):
            if read.label in active and program.tensors[read.label].dtype == "real":
                local = mul(constant, diff(body, read))
                value = sum_over(mul(local, tangent_of(read, source, entry)), bound)
                if value is not ZERO:
                    out.append(Term(equation.target, read, local, value))
    return out


def tangent_of(read: Access, source: Tensor, entry: tuple[Index, ...]) -> Expr:
    """The derivative of a read by the source's entry: a product of deltas if it reads the source itself."""
    if read.label == source.name:
        return mul(*(delta(a, e) for a, e in zip(read.args, entry, strict=True)))
    return access(f"{read.label}_by_{source.name}", (*read.args, *entry))
