"""The local derivative of an equation whose entries depend on several entries of a tensor, as a softmax's do."""

from __future__ import annotations

from symbp.derive.forward import push_forward
from symbp.expr import Call, Expr, Index, Reduce, delta, fresh_index, mul, substitute, walk
from symbp.normalise import normalise
from symbp.program import Program
from symbp.show.steps.chain_rule import Use
from symbp.simplify.algebra import tidy
from symbp.simplify.inline import write_out
from symbp.simplify.reuse import Library

LONG = 16  # nodes: what is longer explains nothing


def jacobian(base: Program, use: Use) -> Expr | None:
    """The derivative of one entry, `use.through`, by another, `use.read`, in values of the forward pass.

    None where the equation has no sum within a function or a quotient, so that its local derivative is read off it, and
    where the derivative is long or has sums itself.
    """
    equation, tensor = base.equation(use.through.label), base.tensors[use.read.label]
    if not any(isinstance(n, Call) for n in walk(equation.value)):
        return None
    full = normalise(base)
    if full.equation(equation.name) is equation:
        return None
    labels = {n.label for e in full.equations for n in walk(e.value) if isinstance(n, Index)}
    labels |= {i.label for t in full.tensors.values() for i in t.indices}
    entry = tuple(fresh_index(i, labels) for i in tensor.indices)
    names = {e.name: f"{e.name}_moved" for e in full.equations}
    seeds = {tensor.name: lambda read: mul(*map(delta, read.args, entry))}
    *helpers, last = (e for _, e in push_forward(full, seeds, equation.name, entry, names))
    library = Library()
    for n, name in enumerate([e.name.removesuffix("_moved") for e in (*helpers, last)]):
        library.add(full.equation(name), n)
    value = library.cheapest(last.value, len(full.equations))  # exp(a) exp(b) would be exp(a + b) later
    for helper in reversed(helpers):
        value = write_out(value, helper)
    value = substitute(value, dict(zip(last.target.args, (*use.through.args, *use.read.args), strict=True)))
    value = tidy(library.cheapest(value, len(full.equations)))
    short = sum(1 for _ in walk(value)) <= LONG and not any(isinstance(n, Reduce) for n in walk(value))
    return value if short and value.tensors <= set(base.tensors) else None
