"""Sums of products as matrix products, by the roles of their indices.

Of two operands an index is contracted (in both, summed), left or right (in one of them, kept) or shared (in both,
kept). Without shared indices the sum is a matrix product; with them, a stack of matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from symbp.lower.array import (
    ATOM,
    MATMUL,
    PRODUCT,
    Array,
    Axes,
    arrange,
    as_float,
    opaque,
    own,
    reduction,
    view,
    without,
)
from symbp.lower.conditions import choice
from symbp.lower.reads import is_symbolic
from symbp.lower.recorder import typical
from symbp.lower.scatter import scatter
from symbp.lower.writer import Writer
from symbp.verify import reads_in_range


def contract(writer: Writer, e: Reduce, order: Axes) -> Array:
    """The sum as an array over its free indices in the given order."""
    if isinstance(e.body, Add) and any(isinstance(n, Delta) for n in walk(e.body)):
        return writer.write(add(*(sum_over(t, e.indices) for t in e.body.args)), order)
    scattered = scatter(writer, e, order)
    if scattered is not None:
        return arrange(scattered, order)
    parts = [g for f in factors(e.body) for g in factors(_outside_mask(writer, f))]
    for p in parts:  # in a loop, a sum that is zero at some times is chosen as a whole
        if isinstance(p, Select) and p.args[2] is ZERO and writer.is_scalar(p.args[0]):
            rest = mul(p.args[1], *(q for q in parts if q is not p))
            return choice(writer, p.args[0], writer.write(sum_over(rest, e.indices), order), Array("0"))
    result = own(e, order)
    if not result:
        whole = _inner_product(writer, e, parts)
        if whole is not None:
            return whole
    covered = any(set(result) | set(e.indices) == p.free for p in parts)
    if len(parts) > 1:
        for left, right in _splits(parts):
            a, b = mul(*left), mul(*right)
            if not covered or len(e.indices) == 1 or not a.free & b.free & frozenset(result):
                found = _matrix_product(writer, a, b, e.indices, result)
                if found is not None:
                    return found
        if not covered:
            return _einsum(writer, parts, e.indices, result)
    return _plain_sum(writer, e, mul(*parts), order)


def factors_of_sums(e: Expr) -> Iterator[tuple[Access, Axes]]:
    """The accesses in sums of products in the expression, each with what is summed over."""
    for n in walk(e):
        if isinstance(n, Reduce) and n.label == "sum" and len(factors(n.body)) > 1:
            for a in sorted(n.body.accesses, key=lambda a: a.digest):
                yield a, n.indices


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


# ---------------------------------------------------------------------------------------- matrix products


def _matrix_product(writer: Writer, a: Expr, b: Expr, bound: Axes, result: Axes) -> Array | None:
    """a @ b if every summed index is in both operands; None otherwise, or where that would take a copy."""
    if not all(i in a.free and i in b.free for i in bound):
        return None
    shared = tuple(i for i in result if i in a.free and i in b.free)
    left, right = without(own(a, result), shared), without(own(b, result), shared)
    if not left or not right:
        return None if shared else _matrix_vector(writer, a, b, bound, result)
    first = without(result, shared)
    if first.index(right[0]) < first.index(left[0]):
        a, b, left, right = b, a, right, left
    x, y = _operands(writer, a, b, (*shared, *left), bound, right, shared)
    turned = not shared and x.axes[0] in bound
    # both operands lie the other way round, or one does, with several axes, of which the batch shall stay the last
    if turned and (y.axes[-1] in bound or (len(left) > 1 and is_symbolic(x.axes[-1]))):
        a, b, left, right = b, a, right, left
        x, y = _operands(writer, a, b, left, bound, right, ())
    plain = len(left) == 1 or y.axes == (*bound, *right)  # NumPy copies a transposed matrix for each of a stack
    if not shared and len(bound) == 1 and len(right) == 1 and x.axes[-1] is bound[0] and plain:
        y = arrange(y, (*bound, *right))
        out = Array("{} @ {}", (*x.axes[:-1], *right), MATMUL, args=(x, y), levels=(PRODUCT, ATOM), op="matmul")
        return arrange(out, result)
    if shared:
        if len(bound) > 1 or len(left) > 1 or len(right) > 1:
            return None
        return arrange(_stacked(x, y, shared, left, bound, right, result), result)
    return arrange(_flat(writer, x, y, left, bound, right), result)


def _operands(writer: Writer, a: Expr, b: Expr, left: Axes, bound: Axes, right: Axes, shared: Axes) -> list[Array]:
    """The operands, with the fewest axes moved."""
    orders = ((a, (*left, *bound)), (b, (*shared, *bound, *right)))
    return [as_float(writer.write(e, writer.natural(e, order))) for e, order in orders]


def _matrix_vector(writer: Writer, a: Expr, b: Expr, bound: Axes, result: Axes) -> Array | None:
    """A matrix times a vector, a vector times a matrix, or an inner product."""
    if own(b, result):
        a, b = b, a
    if len(bound) > 1 or len(own(a, result)) > 1 or b.free != frozenset(bound):
        return None
    left = own(a, result)
    x = as_float(writer.write(a, (*left, *bound)))
    y = as_float(writer.write(b, bound))
    return Array("{} @ {}", left, MATMUL, args=(x, y), levels=(PRODUCT, ATOM), op="matmul")


def _stacked(x: Array, y: Array, shared: Axes, left: Axes, bound: Axes, right: Axes, result: Axes) -> Array:
    """One matrix product for each value of the shared indices."""
    lead = tuple(i for i in (*x.axes, *result) if i in shared)
    lead = tuple(dict.fromkeys(lead))
    lead = tuple(i for i in result if i in lead)
    a, b = arrange(x, (*lead, *left, *bound)), arrange(y, (*lead, *bound, *right))
    return Array("{} @ {}", (*lead, *left, *right), MATMUL, args=(a, b), levels=(PRODUCT, ATOM), op="matmul")


def _flat(writer: Writer, x: Array, y: Array, left: Axes, bound: Axes, right: Axes) -> Array:
    """One matrix product of arrays whose axes are grouped into two; by tensordot where that takes a copy."""
    left, right = (tuple(i for i in a.axes if i in group) for a, group in ((x, left), (y, right)))
    both = tuple(i for i in x.axes if i in bound)
    groups = {x.axes: ((*left, *both), (*both, *left)), y.axes: ((*both, *right), (*right, *both))}
    if x.axes not in groups[x.axes] or y.axes not in groups[y.axes]:
        larger = max(x, y, key=lambda a: typical(mul(*a.dims)))  # in its order it needn't be copied
        both = tuple(i for i in larger.axes if i in bound)
        axes = ", ".join(f"[{', '.join(str(a.axes.index(i)) for i in both)}]" for a in (x, y))
        return replace(opaque(f"np.tensordot({{}}, {{}}, axes=({axes}))", x, y, axes=(*left, *right)), op="tensordot")
    a = _matrix(writer, x, x.axes[: len(left)] == left, left, both)
    b = _matrix(writer, y, y.axes[: len(both)] == both, both, right)
    kept = (*left, *right)
    shape = (mul(*(i.size for i in left)), mul(*(i.size for i in right)))
    out = Array("{} @ {}", kept, MATMUL, args=(a, b), levels=(PRODUCT, ATOM), op="matmul", shape=shape)
    if len(left) == 1 and len(right) == 1:
        return out
    return view(f"{{}}.reshape({', '.join(writer.size(i.size) for i in kept)})", out, kept)


def _matrix(writer: Writer, a: Array, in_order: bool, rows: Axes, columns: Axes) -> Array:
    """The array as a matrix of these groups of axes, transposed where they lie the other way round."""
    first, second = (rows, columns) if in_order else (columns, rows)
    if len(first) > 1 or len(second) > 1:
        shape = [mul(*(i.size for i in group)) for group in (first, second)]
        if a.op == "view" and a.form.startswith("{}.reshape("):
            a = a.args[0]  # only the last of two reshapes counts
        tensor = writer.tensors.get(a.form)
        if tensor is None or a.args or writer.stored(tensor.name, tensor.shape) != shape:
            sizes = [writer.size(n) for n in shape]
            computed = [n for n, size in enumerate(shape) if isinstance(size, Mul)]  # 25 stands there, not 784 * B
            merged = computed[-1] if computed else 0 if len(first) > 1 else 1
            if isinstance(shape[1 - merged], Num):  # NumPy finds no length beside one that is zero
                sizes[merged] = "-1"
            a = view(f"{{}}.reshape({', '.join(sizes)})", a, a.axes, (shape[0], shape[1]))
    return a if in_order else view("{}.T", a, a.axes, a.dims[::-1])


# ------------------------------------------------------------------------------------------- other sums


def _inner_product(writer: Writer, e: Reduce, parts: Sequence[Expr]) -> Array | None:
    """A sum over all axes of a square or of two like arrays as np.vdot."""
    if len(parts) == 1 and isinstance(parts[0], Pow) and isinstance(parts[0].args[1], Num):
        base, n = parts[0].args
        if isinstance(base, Access) and isinstance(n, Num) and Fraction(n.value) == 2:
            a = writer.write(base, base.args)  # type: ignore[arg-type]
            return opaque("np.vdot({}, {})", a, a, axes=())
    if len(parts) == 2 and all(isinstance(p, Access) for p in parts) and parts[0].args == parts[1].args:
        first, second = sorted(parts, key=lambda p: p.label)
        if set(first.args) == set(e.indices):
            arrays = [writer.write(p, first.args) for p in (first, second)]  # type: ignore[arg-type]
            return opaque("np.vdot({}, {})", *arrays, axes=())
    return None


def _plain_sum(writer: Writer, e: Reduce, summand: Expr, order: Axes) -> Array:
    """The body as an array, summed over the axes."""
    body = as_float(writer.write(summand, writer.natural(summand, (*order, *e.indices))))
    return arrange(reduction("sum", body, e.indices), order)


def _einsum(writer: Writer, parts: Sequence[Expr], bound: Sequence[Index], result: Axes) -> Array:
    """Any other sum of products."""
    everything = tuple(dict.fromkeys((*result, *bound)))
    letters = {i: "abcdefghijklmnopqrstuvwxyz"[n] for n, i in enumerate(everything)}
    arrays = [writer.write(p, everything) for p in parts]
    spec = ",".join("".join(letters[i] for i in a.axes) for a in arrays)
    target = "".join(letters[i] for i in result)
    form = f'np.einsum("{spec}->{target}", {", ".join("{}" for _ in arrays)}, optimize=True)'
    return opaque(form, *arrays, axes=result)
