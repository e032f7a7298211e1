"""Common factors of products: a b c and a b d share a b, which no equal subexpression shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

from symbp.expr import Access, Expr, Index, Mul, access, factors, mul, substitute, transform, walk
from symbp.operations import is_constant
from symbp.program import Equation, Program, Reason, Tensor
from symbp.simplify.nominal import operations
from symbp.simplify.rewrite import with_value
from symbp.simplify.share import axis_order, canonical, rename_free, unused
from symbp.verify import reads_in_range, recurrent


def share_products(program: Program) -> Program:
    """Pairs of tensors over the same indices that are factors of two or more larger products are multiplied once."""
    while True:
        found = _most_common(program)
        if found is None:
            return program
        program = _name_it(program, *found)


def _pairs(e: Expr) -> list[tuple[Expr, Expr]]:
    """The pairs of factors that could be multiplied beforehand: accesses with the same indices."""
    arrays = [f for f in factors(e) if isinstance(f, Access) and f.free]
    return [(a, b) for a, b in combinations(arrays, 2) if a.free == b.free]


@cache
def _pairs_in(e: Expr) -> tuple[tuple[bytes, Expr], ...]:
    """(canonical form, product) of every pair in the products of three factors or more that an expression holds."""
    large = (n for n in walk(e) if isinstance(n, Mul) and sum(not is_constant(f) for f in n.args) > 2)
    products = (mul(a, b) for node in large for a, b in _pairs(node))
    return tuple((canonical(product)[0], product) for product in products)


def _most_common(program: Program) -> tuple[bytes, Expr, int] | None:
    """(canonical form, example, first equation) of a pair that stands in two or more products of three factors."""
    seen: dict[bytes, list[tuple[int, Expr]]] = {}
    for n, equation in enumerate(program.equations):
        for key, product in _pairs_in(equation.value):
            seen.setdefault(key, []).append((n, product))
    shared = {k: v for k, v in seen.items() if len(v) > 1}
    if not shared:
        return None
    key = max(shared, key=lambda k: (len(shared[k]), k))
    n, example = min(shared[key], key=lambda found: found[0])
    return key, example, n


def _name_it(program: Program, key: bytes, example: Expr, first: int) -> Program:
    order = canonical(example)[1]
    owner = program.equations[first].target
    axes = axis_order(example, order, owner, {t.name for t in program.parameters})
    a, b = factors(example)
    name = unused(f"{a.label}_times_{b.label}", program)
    tensor = Tensor(name, axes, layer=program.tensors[owner.label].layer)

    def rule(e: Expr) -> Expr:
        if isinstance(e, Mul):
            for pair in _pairs(e):
                found, indices = canonical(mul(*pair))
                if found == key:
                    rest = [f for f in e.args if f not in pair]
                    return mul(rename_free(tensor.access, order, indices), *rest)
        return e

    equations = [
        with_value(e, transform(e.value, rule)) if any(found == key for found, _ in _pairs_in(e.value)) else e
        for e in program.equations
    ]
    shared = Equation(tensor.access, example, Reason("shared"))
    return program.with_([*equations[:first], shared, *equations[first:]], [tensor])


def hoist_factors(program: Program) -> Program:
    """Factors over fewer indices than their product are multiplied first: c m[n] x[n, j] = (c m[n]) x[n, j]."""
    cyclic = recurrent(program.equations)
    tensors = dict(program.tensors)
    growing = replace(program, tensors=tensors)
    waiting = list(reversed(program.equations))
    done: list[Equation] = []
    while waiting:
        equation = waiting.pop()
        found = None if equation.name in cyclic else _hoistable(growing, equation)
        if found is None:
            done.append(equation)
            continue
        node, small = found
        axes = [i for i in equation.target.args if isinstance(i, Index) and i in small.free]
        layer = tensors[equation.name].layer
        tensor = Tensor(unused(f"{equation.name}_scale", growing), tuple(axes), layer=layer)
        tensors[tensor.name] = tensor
        written = mul(tensor.access, *(f for f in factors(node) if not f.free <= small.free))
        value = substitute(equation.value, {node: written})
        waiting += [replace(equation, value=value), Equation(tensor.access, small, Reason("shared"))]
    return program if len(done) == len(program.equations) else growing.with_(done)


def _hoistable(program: Program, equation: Equation) -> tuple[Expr, Expr] | None:
    """(a product, its factors over fewer indices) where multiplying these first takes fewer operations."""
    axes = set(equation.target.args)
    for node in walk(equation.value):
        if isinstance(node, Mul) and node.free <= axes:
            for subset in sorted({f.free for f in node.args if f.free and f.free < node.free}, key=len, reverse=True):
                part = [f for f in node.args if f.free <= subset]
                small = mul(*part)
                if len(part) > 1 and small is not mul(-1, part[-1]) and reads_in_range(program, small):
                    rest = mul(*(f for f in node.args if f not in part), access("#", sorted(subset, key=str)))
                    if operations(small) + operations(rest) < operations(node):
                        return node, small
    return None
