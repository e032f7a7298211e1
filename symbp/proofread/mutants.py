"""What people get wrong in a formula: one expression in, many nearly equal ones out, each with what was changed.

Nothing here knows a layer: factors, terms, powers, reads and sums are taken from the expression as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations, product

from symbp.expr import (
    Access,
    Add,
    Call,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    access,
    add,
    base_exponent,
    call,
    fresh_index,
    logic,
    mul,
    num,
    power,
    rebuild,
    select,
    substitute,
    sum_over,
    walk,
)
from symbp.functions import TABLE
from symbp.program import Tensor


@dataclass(frozen=True)
class Mistake:
    """What differs. kind: a key of the tables in `symbp.proofread.words`. parts: what its sentence names."""

    kind: str
    parts: tuple[Expr | str, ...] = ()


KINDS = ("factor", "instead", "term", "term_sign", "power", "diagonal", "axis", "factor_twice", "reversed",
         "derivative")  # fmt: skip
Mutant = tuple[Expr, Mistake]


def swap(e: Expr, old: Expr, new: Expr) -> Expr:
    """Every occurrence of a part replaced, also under a sum whose index it reads."""
    done: dict[Expr, Expr] = {old: new}

    def visit(node: Expr) -> Expr:
        if node not in done:
            args = node.args if isinstance(node, Index) else tuple(map(visit, node.args))
            done[node] = node if args == node.args else rebuild(node, args)
        return done[node]

    return visit(e)


def mutants(
    e: Expr, target: Tensor, adjoints: frozenset[str], tensors: Mapping[str, Tensor], near: Mapping[str, set[str]]
) -> Iterator[Mutant]:
    """Nearly equal expressions, each with the mistake that it holds, one of KINDS: the likeliest stands first there.

    target: what the expression computes. adjoints: names that come from upstream, which no local derivative holds.
    near: for every tensor those that its equation reads, or that read it: z beside sigmoid(z).
    """
    nodes = list(walk(e))[::-1]
    yield from factors_left_out(e, nodes, adjoints)
    yield from reads_exchanged(e, nodes, adjoints, tensors, near)
    yield from terms_changed(e, nodes)
    yield from powers_changed(e, nodes, adjoints)
    yield from reads_transposed(e, nodes, tensors)
    yield from reads_shifted(e, nodes)
    yield from conditions_reversed(e, nodes)
    yield from sums_changed(e, nodes)
    yield from functions_exchanged(e, nodes)
    yield from derivative_too_many(e, target, tensors)


def factors_left_out(e: Expr, nodes: list[Expr], adjoints: frozenset[str]) -> Iterator[Mutant]:
    """A product without one or two of its factors, or with one of them twice."""
    for node in nodes:
        if isinstance(node, Mul):
            own = [f for f in node.args if not isinstance(f, Num) and f.tensors and f.tensors.isdisjoint(adjoints)]
            for left_out in (*((f,) for f in own), *combinations(own, 2)):
                missing = mul(*left_out)
                yield swap(e, node, node / missing), Mistake("factor", (missing,))
            for f in own:
                yield swap(e, node, node * f), Mistake("factor_twice", (f,))
        elif isinstance(node, Reduce) and node.label == "sum" and node.body.tensors.isdisjoint(adjoints):
            yield swap(e, node, num(1)), Mistake("factor", (node,))


def reads_exchanged(
    e: Expr, nodes: list[Expr], adjoints: frozenset[str], tensors: Mapping[str, Tensor], near: Mapping[str, set[str]]
) -> Iterator[Mutant]:
    """A tensor read where its neighbour belongs: the value before the activation instead of the one after it."""
    for node in nodes:
        if isinstance(node, Access) and node.label not in adjoints:
            for other in sorted(near.get(node.label, ())):
                if tensors[other].shape == tensors[node.label].shape and tensors[other].dtype == "real":
                    instead = access(other, node.args)
                    yield swap(e, node, instead), Mistake("instead", (instead, node))


def terms_changed(e: Expr, nodes: list[Expr]) -> Iterator[Mutant]:
    """A sum without one of its terms, or with the term's sign turned."""
    for node in nodes:
        if isinstance(node, Add) and node.accesses:
            for t in node.args:
                yield swap(e, node, node - t), Mistake("term", (t, node))
                yield swap(e, node, node - t - t), Mistake("term_sign", (t, node))


def powers_changed(e: Expr, nodes: list[Expr], adjoints: frozenset[str]) -> Iterator[Mutant]:
    """Another power."""
    for node in nodes:
        base, n = base_exponent(node)
        if isinstance(n, Num) and node.tensors and node.tensors.isdisjoint(adjoints) and isinstance(node, Pow):
            old = Fraction(n.value)
            for new in (old + 1, old - 1, old + Fraction(1, 2), old - Fraction(1, 2), -old):
                yield swap(e, node, power(base, num(new))), Mistake("power", (base, num(new), n))


def reads_transposed(e: Expr, nodes: list[Expr], tensors: Mapping[str, Tensor]) -> Iterator[Mutant]:
    """A square tensor read with its axes exchanged: W where its transpose belongs."""
    for node in nodes:
        if isinstance(node, Access) and len(node.args) > 1 and all(isinstance(i, Index) for i in node.args):
            for order in permutations(node.args):
                if order != node.args and [i.args for i in order] == [i.args for i in node.args]:
                    instead = access(node.label, order)
                    yield swap(e, node, instead), Mistake("instead", (instead, node))


def reads_shifted(e: Expr, nodes: list[Expr]) -> Iterator[Mutant]:
    """A read one step off: h[t] where h[t-1] belongs, with the start that this one has or without."""
    for node in nodes:
        read = node.args[1] if isinstance(node, Select) else node
        if isinstance(read, Access):
            for k, at in enumerate(read.args):
                if isinstance(at, Add) and not at.accesses:
                    bare = next((i for i in at.args if isinstance(i, Index)), None)
                    if bare is not None:
                        instead = access(read.label, (*read.args[:k], bare, *read.args[k + 1 :]))
                        yield swap(e, node, instead), Mistake("instead", (instead, read))


def conditions_reversed(e: Expr, nodes: list[Expr]) -> Iterator[Mutant]:
    """A mask that is one where it should be zero."""
    for node in nodes:
        if isinstance(node, Select) and node.args[0].accesses:
            condition, then, otherwise = node.args
            yield swap(e, node, select(logic("not", condition), then, otherwise)), Mistake("reversed", (node,))


def sums_changed(e: Expr, nodes: list[Expr]) -> Iterator[Mutant]:
    """A sum over k' of which only the term k' = k is kept, a Jacobian taken for diagonal; or one over another axis."""
    for node in nodes:
        if isinstance(node, Reduce) and node.label == "sum":
            for i, k in product(node.indices, sorted(e.free - node.free, key=lambda k: k.label)):
                if k.size is i.size:
                    rest = [j for j in node.indices if j is not i]
                    body = substitute(node.body, {i: k})
                    yield swap(e, node, sum_over(body, rest)), Mistake("diagonal", (node, k))
                    for n in sorted(node.free, key=lambda n: n.label):
                        summed = fresh_index(n, {j.label for j in body.free | node.free})
                        other = sum_over(substitute(body, {n: summed}), [*rest, summed])
                        yield swap(e, node, other), Mistake("axis", (node, n, i))


def functions_exchanged(e: Expr, nodes: list[Expr]) -> Iterator[Mutant]:
    """Another elementary function of one argument."""
    for node in nodes:
        if isinstance(node, Call) and len(node.args) == 1:
            for row in TABLE.values():
                if row.arity == 1 and row.name != node.label:
                    instead = call(row.name, node.args[0])
                    yield swap(e, node, instead), Mistake("instead", (instead, node))


def derivative_too_many(e: Expr, target: Tensor, tensors: Mapping[str, Tensor]) -> Iterator[Mutant]:
    """The derivative of a function that isn't applied there: y (1 - y) behind a linear output."""
    for tensor in tensors.values():
        if tensor.indices and tensor.shape == target.shape and target.name.endswith(f"_{tensor.name}"):
            value = access(tensor.name, target.indices)
            for row in TABLE.values():
                if row.arity == 1 and row.derivative is not None:
                    (factor,) = row.derivative((value,), value)
                    if factor.tensors:
                        yield mul(e, factor), Mistake("derivative", (factor, row.name))


def without_terms(values: tuple[Expr, ...]) -> Iterator[tuple[Expr, tuple[int, ...]]]:
    """A sum of up to six terms without some of them: what is left, and which are missing."""
    if 1 < len(values) <= 6:
        for count in range(1, len(values)):
            for missing in combinations(range(len(values)), count):
                yield add(*(v for n, v in enumerate(values) if n not in missing)), missing
