"""Whether two formulas are equal by algebra: both brought to one normal form, whose difference is zero."""

from __future__ import annotations

from collections.abc import Iterator

from symbp.affine import settle
from symbp.expr import (
    ONE,
    ZERO,
    Add,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    add,
    base_exponent,
    factors,
    index,
    logic,
    mul,
    num,
    rebuild,
    select,
    substitute,
    sum_over,
    transform,
    walk,
)
from symbp.functions import expand
from symbp.proofread.reference import Reference
from symbp.simplify.algebra import use_delta
from symbp.simplify.inline import write_out

LARGE = 600  # nodes: beyond that numbers decide
TERMS = 200  # of an opened product
STEPS = 12  # of writing adjoints out
POWER = 4  # the highest power of a sum that is opened


def equal(reference: Reference, name: str, mine: Expr) -> bool:
    """Whether the formula equals the derivation's for that quantity. False says that algebra didn't find it so.

    The derivation's helpers and what the formula doesn't read are written out, a step at a time.
    """
    right = reference.equation(name).value
    for a, b in _written(reference, mine, right):
        if max(_nodes(a), _nodes(b)) > LARGE:
            return False
        if settle(a - b) is ZERO or normal(a - b) is ZERO:
            return True
    return False


def _nodes(e: Expr) -> int:
    return sum(1 for _ in walk(e))


def _written(reference: Reference, mine: Expr, right: Expr) -> Iterator[tuple[Expr, Expr]]:
    """Both sides in forms that come closer: as they stand, then with more and more names replaced by their values."""
    yield mine, right
    for goal in (mine.tensors, None):  # towards what the formula reads, then away from all that only one side reads
        for _ in range(STEPS):
            apart = right.tensors - goal if goal is not None else mine.tensors ^ right.tensors
            names = {n for n in apart if _replaceable(reference, n) and n in reference.adjoints}
            if not names:
                break
            mine, right = (_replaced(reference, e, names) for e in (mine, right))
            yield mine, right
    for name in reversed(reference.order):
        if name in mine.tensors | right.tensors and _replaceable(reference, name) and name not in reference.adjoints:
            mine, right = (_replaced(reference, e, {name}) for e in (mine, right))
            yield mine, right


def _replaceable(reference: Reference, name: str) -> bool:
    return name in reference.order and name not in reference.recurrent


def _replaced(reference: Reference, e: Expr, names: set[str]) -> Expr:
    for name in sorted(names):
        e = write_out(e, reference.equation(name))
    return e


def normal(e: Expr) -> Expr:
    """Functions written out, products and sums opened, fractions under one bar, bound indices named by their place."""
    e = transform(e, expand)
    for _ in range(4):
        new = settle(named(transform(transform(e, opened), use_delta)))
        if new is e:
            break
        e = new
    return e


def opened(e: Expr) -> Expr:
    """(a + b) c = a c + b c, small powers of sums too; Sum(a + b) = Sum(a) + Sum(b)."""
    if isinstance(e, (Mul, Pow)):
        sums: list[Expr] = []
        rest: list[Expr] = []
        for f in factors(e):
            base, n = base_exponent(f)
            if isinstance(base, Add) and isinstance(n, Num) and isinstance(n.value, int) and 0 < n.value <= POWER:
                sums += [base] * n.value
            else:
                rest.append(f)
        if sums:
            return _product([*sums, mul(*rest)])
    if isinstance(e, Select) and not (e.args[1] is ONE and e.args[2] is ZERO):
        condition, then, otherwise = e.args
        return add(
            *(mul(select(c, ONE, ZERO), v) for c, v in ((condition, then), (logic("not", condition), otherwise)))
        )
    if isinstance(e, Reduce) and e.label == "sum" and isinstance(e.body, Add):
        return add(*(sum_over(t, e.indices) for t in e.body.args))
    return e


def _product(parts: list[Expr]) -> Expr:
    """The product of sums, term by term; left alone where it has too many."""
    terms: list[Expr] = [num(1)]
    for p in parts:
        own = p.args if isinstance(p, Add) else (p,)
        if len(terms) * len(own) > TERMS:
            return mul(*parts)
        terms = [mul(t, u) for t in terms for u in own]
    return add(*terms)


def named(e: Expr) -> Expr:
    """Bound indices renamed by where they stand, so that sums that differ in names only are one."""
    done: dict[Expr, Expr] = {}

    def visit(node: Expr) -> Expr:
        if node not in done:
            args = node.args if isinstance(node, Index) else tuple(map(visit, node.args))
            new = node if args == node.args else rebuild(node, args)
            done[node] = _renamed(new) if isinstance(new, Reduce) else new
        return done[node]

    return visit(e)


def _renamed(e: Reduce) -> Expr:
    """The reduction with its indices numbered in the order in which its body reads them."""
    depth = 1 + max((_depth(a) for a in e.args), default=0)
    order = list(
        dict.fromkeys(
            i for read in sorted(e.body.accesses, key=lambda a: (a.skeleton, a.label)) for i in _indices(read)
        )
    )
    bound = sorted(e.indices, key=lambda i: (order.index(i) if i in order else len(order), i.digest))
    new: dict[Expr, Expr] = {i: index(f"_{depth}_{n}", i.size) for n, i in enumerate(bound)}
    return rebuild(e, (substitute(e.body, new), *(new[i] for i in bound)))


def _indices(e: Expr) -> list[Index]:
    return [i for a in e.args for i in ([a] if isinstance(a, Index) else _indices(a))]


def _depth(e: Expr) -> int:
    """How many reductions stand inside one another."""
    found = _depths.get(e)
    if found is None:
        found = _depths[e] = isinstance(e, Reduce) + max((_depth(a) for a in e.args), default=0)
    return found


_depths: dict[Expr, int] = {}
