"""Walking through expressions, and rewriting them node by node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from symbp.expr.arithmetic import Expr, Index
from symbp.expr.reductions import rebuild

_WALKED = 64  # the nodes of expressions up to this size are kept: they are walked again and again


def walk(e: Expr) -> Iterator[Expr]:
    """Every distinct node of the expression, children first."""
    nodes = e._nodes
    if nodes is None:
        nodes = tuple(_walk(e))
        if len(nodes) <= _WALKED:
            e._nodes = nodes
    return iter(nodes)


def _walk(e: Expr) -> Iterator[Expr]:
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args))


def occurrences(roots: Iterable[Expr], parts: Callable[[Expr], Iterable[Expr]] = lambda e: e.args) -> dict[Expr, int]:
    """How often each distinct node stands in the roots where they are written out as trees.

    parts: what a node is made of, where that isn't its arguments.
    """
    roots = list(roots)
    order: dict[Expr, None] = {}
    stack = [(r, False) for r in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack.extend((p, False) for p in parts(node))
    times = dict.fromkeys(reversed(order), 0)
    for r in roots:
        times[r] += 1
    for node, n in times.items():
        for p in parts(node):
            times[p] += n
    return times


def transform(e: Expr, rule: Callable[[Expr], Expr], memo: dict[Expr, Expr] | None = None) -> Expr:
    """The rule applied to every node, children first. memo: kept by the caller where the rule looks at nodes alone."""
    memo = {} if memo is None else memo
    found = memo.get(e)
    if found is None:
        if not e.args or type(e) is Index:
            found = rule(e)
        else:
            args = tuple([memo[a] if a in memo else transform(a, rule, memo) for a in e.args])
            found = rule(e if args == e.args else rebuild(e, args))
        memo[e] = found
    return found
