"""The expressions inside equations: an immutable, hash-consed DAG in a canonical form.

Users write SymPy (`symbp.language` converts at the edge). Inside, equal expressions are one object, so that
equality is identity, every traversal can be memoised on nodes, and the order of operands depends on their
structure alone: the same input gives the same output to the byte. SymPy's own trees were measured first: one
`diff` of a sigmoid took 6 ms and one `KroneckerDelta` 0.8 ms, here both take microseconds.

Canonical form: sums and products are flat, carry one rational coefficient a term, collect equal terms and equal
bases, and are sorted by a structural digest. How people want them ordered is the printers' business.

`nodes` keeps one object a structure; `arithmetic`, `conditions` and `reductions` are the kinds of nodes, each with the
functions that bring it to canonical form; `traversal` walks through them. This package's names are the language of
everything that computes with expressions.
"""

from symbp.expr.arithmetic import (
    HALF,
    INFINITY,
    ONE,
    PI,
    ZERO,
    Access,
    Add,
    Call,
    Const,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Number,
    Pow,
    Select,
    Size,
    access,
    add,
    as_expr,
    base_exponent,
    call,
    coefficient,
    factors,
    index,
    mul,
    num,
    power,
    size,
    sqrt,
    terms,
    uncollected,
)
from symbp.expr.conditions import (
    FALSE,
    TRUE,
    Condition,
    compare,
    delta,
    logic,
    select,
)
from symbp.expr.nodes import (
    node,
)
from symbp.expr.reductions import (
    Reduce,
    fresh_index,
    maximum_over,
    rebuild,
    substitute,
    sum_over,
)
from symbp.expr.traversal import (
    occurrences,
    transform,
    walk,
)

__all__ = [
    "FALSE",
    "HALF",
    "INFINITY",
    "ONE",
    "PI",
    "TRUE",
    "ZERO",
    "Access",
    "Add",
    "Call",
    "Condition",
    "Const",
    "Delta",
    "Expr",
    "Index",
    "Mul",
    "Num",
    "Number",
    "Pow",
    "Reduce",
    "Select",
    "Size",
    "access",
    "add",
    "as_expr",
    "base_exponent",
    "call",
    "coefficient",
    "compare",
    "delta",
    "factors",
    "fresh_index",
    "index",
    "logic",
    "maximum_over",
    "mul",
    "node",
    "num",
    "occurrences",
    "power",
    "rebuild",
    "select",
    "size",
    "sqrt",
    "substitute",
    "sum_over",
    "terms",
    "transform",
    "uncollected",
    "walk",
]
