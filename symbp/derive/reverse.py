"""Reverse accumulation on any list of equations: adjoints, last equation first, each used by all that need it.

For an equation T[t] = E and a read x[a] in E under summed indices s, the chain rule adds to the adjoint of x

    d_x[f] += Sum over t and s of d_T[t] * dE/dx[a] * delta(f, a)

and the delta is contracted. That is the only rule: nothing here knows a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symbp.affine import settle
from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Expr,
    Index,
    Reduce,
    access,
    add,
    compare,
    delta,
    fresh_index,
    mul,
    select,
    substitute,
    sum_over,
    terms,
)
from symbp.functions import diff
from symbp.normalise import linear_sum, normalise
from symbp.program import Equation, Program, Reason, Tensor, Term
from symbp.recurrence import groups


def reverse(program: Program, wrt: Sequence[str], loss: str) -> Program:
    """The program followed by the adjoints of `loss`; outputs are the loss and d_<name> for each name in wrt."""
    program = normalise(program)
    in_order = groups(program.equations)
    program = program.with_(e for group in in_order for e in group.equations)
    prefix = adjoint_prefix(program)
    active = depending_on(program, wrt)
    first_use = {name: n for n, e in reversed(list(enumerate(program.equations))) for name in e.value.tensors}
    starting: dict[int, list[int]] = {}  # equation -> places in wrt of the tensors that it is the first to read
    for k, source in enumerate(wrt):
        if source in first_use and program.tensors[source].role != "computed":
            starting.setdefault(first_use[source], []).append(k)
    contributions: dict[str, list[Term]] = {}
    derived: list[Equation] = []
    new: list[Tensor] = []

    def accumulate(equation: Equation, upstream: Expr) -> None:
        """Hands the equation's adjoint on to what it reads."""
        if equation.name in active:
            for term, read in chain_rule(program, equation, upstream, active):
                contributions.setdefault(read, []).append(term)

    def finish(name: str) -> Expr:
        """Writes the adjoint's equation, all contributions being known; returns its access."""
        tensor = program.tensors[name]
        adjoint = adjoint_tensor(tensor, f"{prefix}_{name}", loss)
        found = contributions.get(name, [])
        new.append(adjoint)
        value = add(*(t.value for t in found))
        derived.append(Equation(adjoint.access, value, Reason("adjoint", loss, name, tuple(found))))
        return adjoint.access

    last = len(program.equations)
    for group in reversed(in_order):
        last -= len(group.equations)
        if group.time is not None and any(e.name in contributions for e in group.equations):
            for e in group.equations:  # the members' adjoints read each other: all of them are there from the start
                accumulate(e, access(f"{prefix}_{e.name}", program.tensors[e.name].indices))
            for e in reversed(group.equations):
                finish(e.name)
        elif group.time is None:
            (equation,) = group.equations
            if equation.name == loss:
                accumulate(equation, ONE)
            elif equation.name in contributions:
                accumulate(equation, finish(equation.name))
        for k in sorted(k for n in range(last, last + len(group.equations)) for k in starting.get(n, ())):
            finish(wrt[k])
    done = {t.name for t in new}
    for name in wrt:
        if f"{prefix}_{name}" not in done:
            finish(name)
    outputs = (loss, *(f"{prefix}_{name}" for name in wrt))
    return program.with_((*program.equations, *derived), new, outputs)


def adjoint_prefix(program: Program) -> str:
    """d, or d2, d3, ... where the program already holds adjoints: no name d_<tensor> may be taken."""
    prefix, n = "d", 2
    while any(f"{prefix}_{name}" in program.tensors for name in program.tensors):
        prefix, n = f"d{n}", n + 1
    return prefix


def adjoint_tensor(tensor: Tensor, name: str, loss: str) -> Tensor:
    """The tensor that holds the gradient of the loss by this one: the same shape, named as the literature does."""
    symbol = tensor.adjoint if name.startswith("d_") else ""  # the letter is taken where d2_ is: delta stays one thing
    return Tensor(name, tensor.indices, layer=tensor.layer, symbol=symbol, subscripts=tensor.subscripts)


def depending_on(program: Program, names: Iterable[str]) -> set[str]:
    """The named tensors and every real tensor computed from one of them."""
    active = set(names)
    for group in groups(program.equations):
        if any(e.value.tensors & active for e in group.equations):
            active |= group.names
    return active


def chain_rule(program: Program, equation: Equation, upstream: Expr, active: set[str]) -> list[tuple[Term, str]]:
    """What the equation contributes to the adjoint of every active tensor that it reads: (term, tensor)."""
    out: list[tuple[Term, str]] = []
    for constant, body, bound in parts(equation):
        for read in sorted(body.accesses, key=lambda a: (a.label, a.digest)):
            if read.label in active and program.tensors[read.label].dtype == "real":
                local = mul(constant, diff(body, read))
                if local is not ZERO:
                    value = pull_back(equation, program.tensors[read.label], read, mul(upstream, local), bound)
                    out.append((Term(equation.target, read, local, value), read.label))
    return out


def parts(equation: Equation) -> list[tuple[Expr, Expr, tuple[Index, ...]]]:
    """The equation as a sum of Sum(constant * body, bound): a list of (constant, body, bound).

    A maximum m = max(u) is linear in u where it is attained: the constant is [u = m], shared equally among ties.
    """
    value = equation.value
    if isinstance(value, Reduce) and value.label == "max":
        attained = select(compare("==", value.body, equation.target), ONE, ZERO)
        return [(attained / sum_over(attained, value.indices), value.body, value.indices)]
    elementwise: list[Expr] = []
    out: list[tuple[Expr, Expr, tuple[Index, ...]]] = []
    for term in terms(value):
        linear = linear_sum(term)
        if linear is None:
            elementwise.append(term)
        else:
            out.append((linear[0], linear[1].body, linear[1].indices))
    return [*out, (ONE, add(*elementwise), ())] if elementwise else out


def pull_back(equation: Equation, tensor: Tensor, read: Access, value: Expr, bound: tuple[Index, ...]) -> Expr:
    """Sum over the equation's indices of value * delta(tensor's formal indices, the read's index expressions)."""
    indices: list[Index] = [*equation.target.args, *bound]  # type: ignore[list-item]
    renamed: dict[Expr, Index] = {}
    deltas: list[tuple[Index, Expr]] = []
    for formal, at in zip(tensor.indices, read.args, strict=True):
        if isinstance(at, Index) and at in indices and at not in renamed and at.size is formal.size:
            renamed[at] = formal
        else:
            deltas.append((formal, at))
    taken = {i.label for i in (*tensor.indices, *indices)}
    formal_names = {i.label for i in tensor.indices}
    summed: list[Index] = []
    for i in indices:
        if i not in renamed:
            if i.label in formal_names:
                renamed[i] = fresh_index(i, taken)
            summed.append(renamed.get(i, i))
    new = dict(renamed.items())
    product = mul(substitute(value, new), *(delta(f, substitute(at, new)) for f, at in deltas))
    return settle(sum_over(product, summed))
