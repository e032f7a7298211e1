"""Forward mode: tangents, first equation first.

With one tangent for every entry of a tensor p, carried as extra axes, this gives Jacobians; with a single direction it
gives a Jacobian-vector product in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from symbp.derive.reverse import adjoint_prefix, adjoint_tensor, depending_on, parts
from symbp.expr import ZERO, Access, Expr, Index, access, add, delta, fresh_index, mul, sum_over, walk
from symbp.functions import diff
from symbp.normalise import normalise
from symbp.program import Equation, Program, Reason, Tensor, Term
from symbp.recurrence import leading_to

Seeds = Mapping[str, Callable[[Access], Expr]]  # tensor -> the tangent of a read of it


def forward(program: Program, wrt: Sequence[str], of: str) -> Program:
    """The program followed by the tangents of everything between each name in wrt and `of`.

    The tangent of x[a] by p[e] is the tensor x_by_p[a, e]. That of a scalar `of` is called d_p[e].
    """
    program = normalise(program)
    prefix = adjoint_prefix(program)
    taken = {n.label for e in program.equations for n in walk(e.value) if isinstance(n, Index)}
    taken |= {i.label for t in program.tensors.values() for i in t.indices}
    scalar = not program.tensors[of].indices
    derived: list[Equation] = []
    new: list[Tensor] = []
    outputs = [of]
    for name in wrt:
        source = program.tensors[name]
        labels = set(taken)
        entry = tuple(fresh_index(i, labels) for i in source.indices)
        last = f"{prefix}_{name}" if scalar else f"{of}_by_{name}"
        outputs.append(last)
        names = {e.name: last if e.name == of else f"{e.name}_by_{name}" for e in program.equations}
        found = push_forward(program, {name: _unit(entry)}, of, entry, names)
        if not found and last not in program.tensors:
            found = [_equation(last, program.tensors[of], entry, [], of)]
        for tensor, equation in found:
            if tensor.name in program.tensors:  # differentiated before: the same tangent
                continue
            if tensor.name == last and scalar:
                tensor = replace(adjoint_tensor(source, last, of), indices=entry)
            new.append(tensor)
            assert equation.reason is not None
            derived.append(replace(equation, reason=replace(equation.reason, wrt=name)))
    return program.with_((*program.equations, *derived), new, tuple(outputs))


def jvp(program: Program, along: Mapping[str, str], of: str) -> Program:
    """The program followed by the tangent `<of>_dot` in the direction that moves each tensor along another one."""
    program = normalise(program)
    seeds = {name: _direction(v) for name, v in along.items()}
    found = push_forward(program, seeds, of, (), {e.name: f"{e.name}_dot" for e in program.equations})
    target = program.tensors[of]
    if not found:
        found = [_equation(f"{of}_dot", target, (), [], of)]
    return program.with_((*program.equations, *(e for _, e in found)), [t for t, _ in found], (of, f"{of}_dot"))


def push_forward(
    program: Program, seeds: Seeds, of: str, entry: tuple[Index, ...], names: Mapping[str, str]
) -> list[tuple[Tensor, Equation]]:
    """The tangents of all that lies between the seeds and `of`, under these names, each with its tensor."""
    active = depending_on(program, seeds) & leading_to(program.equations, (of,))

    def tangent(read: Access) -> Expr:
        if read.label in seeds:
            return seeds[read.label](read)
        return access(names[read.label], (*read.args, *entry))

    return [
        _equation(names[e.name], program.tensors[e.name], entry, _terms(program, e, active, tangent), e.name)
        for e in program.equations
        if e.name in active and e.name not in seeds
    ]


def _equation(
    name: str, like: Tensor, entry: tuple[Index, ...], terms: list[Term], of: str
) -> tuple[Tensor, Equation]:
    tensor = Tensor(name, (*like.indices, *entry), layer=like.layer)
    return tensor, Equation(tensor.access, add(*(t.value for t in terms)), Reason("tangent", of, "", tuple(terms)))


def _terms(
    program: Program, equation: Equation, active: set[str], tangent: Callable[[Access], Expr]
) -> list[Term]:
    """One term for every read of an active tensor: local derivative times that tensor's tangent."""
    out: list[Term] = []
    for constant, body, bound in parts(equation):
        for read in sorted(body.accesses, key=lambda a: (a.label, a.digest)):
            if read.label in active and program.tensors[read.label].dtype == "real":
                local = mul(constant, diff(body, read))
                value = sum_over(mul(local, tangent(read)), bound)
                if value is not ZERO:
                    out.append(Term(equation.target, read, local, value))
    return out


def _unit(entry: tuple[Index, ...]) -> Callable[[Access], Expr]:
    """The tangent of a tensor by its own entries: a product of deltas."""
    return lambda read: mul(*(delta(a, e) for a, e in zip(read.args, entry, strict=True)))


def _direction(name: str) -> Callable[[Access], Expr]:
    return lambda read: access(name, read.args)
