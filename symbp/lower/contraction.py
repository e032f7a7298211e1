"""Sums of products as matrix products, by the roles of their indices.

Of two operands an index is contracted (in both, summed), left or right (in one of them, kept) or shared (in both,
kept). Without shared indices the sum is a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from symbp.expr import (
    ZERO,
    Access,
    Add,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    add,
    factors,
    mul,
    select,
    sum_over,
    walk,
)
from symbp.lower.arrays import Writer
from symbp.lower.scatter import scatter
from symbp.lower.text import (
    ATOM,
    MATMUL,
    PRODUCT,
    Axes,
    Text,
    arrange,
    axis_argument,
    own,
    without,
)
from symbp.verify import reads_in_range


def contract(writer: Writer, e: Reduce, order: Axes) -> Text:
    """The sum as an array over its free indices in the given order."""
    if isinstance(e.body, Add) and any(isinstance(n, Delta) for n in walk(e.body)):
        return writer.write(add(*(sum_over(t, e.indices) for t in e.body.args)), order)
    scattered = scatter(writer, e, order)
    if scattered is not None:
        return scattered
    parts = [g for f in factors(e.body) for g in factors(_outside_mask(writer, f))]
    for p in parts:  # in a loop, a sum that is zero at some times is chosen as a whole
        if isinstance(p, Select) and p.args[2] is ZERO and writer.is_scalar(p.args[0]):
            rest = mul(p.args[1], *(q for q in parts if q is not p))
            return writer.choice(p.args[0], writer.write(sum_over(rest, e.indices), order), Text("0"))
    result = own(e, order)
    if not result:
        whole = _inner_product(writer, e, parts)
        if whole is not None:
            return whole
    full = mul(*parts)
    covered = any(set(result) | set(e.indices) == p.free for p in parts)
    if len(parts) > 1 and not (covered and len(e.indices) > 1):
        for left, right in _splits(parts):
            text = _matrix_product(writer, mul(*left), mul(*right), e.indices, result)
            if text is not None:
                return text
        if not covered:
            return _einsum(writer, parts, e.indices, result)
    return _plain_sum(writer, e, full, order)


def _outside_mask(writer: Writer, f: Expr) -> Expr:
    """Select(c, a b, 0) = Select(c, a, 0) b for factors b that can be read everywhere: they contract."""
    if isinstance(f, Select) and f.args[2] is ZERO and isinstance(f.args[1], Mul):
        safe = [g for g in f.args[1].args if reads_in_range(writer.program, g)]
        rest = mul(*(g for g in f.args[1].args if g not in safe))
        return mul(select(f.args[0], rest, ZERO), *safe)
    return f


def _splits(parts: Sequence[Expr]) -> Iterator[tuple[list[Expr], list[Expr]]]:
    """All ways to share the factors among two operands, the most even first."""
    n = len(parts)
    for k in sorted(range(1, n), key=lambda k: abs(n - 2 * k)):
        for chosen in combinations(range(n), k):
            yield [parts[i] for i in chosen], [parts[i] for i in range(n) if i not in chosen]


def _matrix_product(writer: Writer, a: Expr, b: Expr, bound: Sequence[Index], result: Axes) -> Text | None:
    """a @ b if no kept index is in both and every summed one is; None otherwise."""
    if any(i in a.free and i in b.free for i in result) or not all(i in a.free and i in b.free for i in bound):
        return None
    kept_a, kept_b = own(a, result), own(b, result)
    if (*kept_a, *kept_b) != result:
        a, b, kept_a, kept_b = b, a, kept_b, kept_a
    if (*kept_a, *kept_b) == result and len(bound) == 1 and len(kept_b) <= 1:
        left = writer.write(a, (*kept_a, *bound))
        right = writer.write(b, (*bound, *kept_b))
        if not left.boolean and not right.boolean:
            return Text(f"{left.at(PRODUCT)} @ {right.at(ATOM)}", result, MATMUL)
    left, right = writer.write(a, _natural(a, (*kept_a, *bound))), writer.write(b, _natural(b, (*bound, *kept_b)))
    axes = ", ".join(f"[{', '.join(str(t.axes.index(i)) for i in bound)}]" for t in (left, right))
    text = f"np.tensordot({left.code}, {right.code}, axes=({axes}))"
    return arrange(Text(text, (*without(left.axes, bound), *without(right.axes, bound))), result)


def _natural(e: Expr, order: Axes) -> Axes:
    """The axes as they stand in the widest tensor that is read, so that nothing need be transposed."""
    widest = max(sorted(e.accesses, key=lambda a: a.label), key=lambda a: len(a.free), default=None)
    own_order = [i for i in (widest.args if widest is not None else ()) if isinstance(i, Index) and i in order]
    return tuple(dict.fromkeys((*own_order, *order)))


def _inner_product(writer: Writer, e: Reduce, parts: Sequence[Expr]) -> Text | None:
    """A sum over all axes of a square or of two like arrays as np.vdot."""
    if len(parts) == 1 and isinstance(parts[0], Pow) and isinstance(parts[0].args[1], Num):
        base, n = parts[0].args
        if isinstance(base, Access) and isinstance(n, Num) and Fraction(n.value) == 2:
            text = writer.write(base, base.args)  # type: ignore[arg-type]
            return Text(f"np.vdot({text.code}, {text.code})")
    if len(parts) == 2 and all(isinstance(p, Access) for p in parts) and parts[0].args == parts[1].args:
        a, b = sorted(parts, key=lambda p: p.label)
        if set(a.args) == set(e.indices):
            return Text(f"np.vdot({a.label}, {b.label})")
    return None


def _plain_sum(writer: Writer, e: Reduce, summand: Expr, order: Axes) -> Text:
    """The body as an array, summed over the axes."""
    axes = _natural(summand, (*order, *e.indices))
    body = writer.write(summand, axes)
    if body.boolean:
        body = Text(f"{body.at(ATOM)}.astype(DTYPE)", body.axes)
    text = Text(f"{body.at(ATOM)}.sum({axis_argument(body.axes, e.indices)})", without(body.axes, e.indices))
    return arrange(text, order)


def _einsum(writer: Writer, parts: Sequence[Expr], bound: Sequence[Index], result: Axes) -> Text:
    """Any other sum of products."""
    everything = tuple(dict.fromkeys((*result, *bound)))
    letters = {i: "abcdefghijklmnopqrstuvwxyz"[n] for n, i in enumerate(everything)}
    texts = [writer.write(p, everything) for p in parts]
    spec = ",".join("".join(letters[i] for i in t.axes) for t in texts)
    target = "".join(letters[i] for i in result)
    operands = ", ".join(t.code for t in texts)
    return Text(f'np.einsum("{spec}->{target}", {operands}, optimize=True)', result)
