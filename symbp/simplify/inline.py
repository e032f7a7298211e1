"""Derived equations written out where they're used."""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import Access, Add, Expr, Reduce, substitute, transform, walk
from symbp.operations import cost
from symbp.program import Equation, Program
from symbp.simplify.algebra import tidy
from symbp.simplify.nominal import nominal
from symbp.simplify.reuse import Library
from symbp.verify import reads_in_range

DERIVED = ("adjoint", "tangent")


def inline_single_uses(program: Program) -> Program:
    """A derived equation with one use outside of a reduction is written there: d_z = Sum(d_y W) * a * (1 - a)."""
    equations = {e.name: e for e in program.equations}
    for inner in _candidates(program):
        current = equations[inner.name]
        users = [e for e in equations.values() if inner.name in e.value.tensors]
        if len(users) == 1 and _once_outside(current, users[0]):
            del equations[inner.name]
            equations[users[0].name] = _written(users[0], current)
    return program.with_(equations.values())


def inline_where_cheaper(program: Program) -> Program:
    """A derived equation is written out in all its uses if that, after tidying, makes the program cheaper."""
    equations = {e.name: e for e in program.equations}
    position = {name: n for n, name in enumerate(equations)}
    library = Library(program.facts)
    for name, e in equations.items():
        library.add(e, position[name])
    for inner in _candidates(program):
        current = equations[inner.name]
        users = [e for e in equations.values() if inner.name in e.value.tensors]
        if not 1 <= len(users) <= 3 or not (_product(current) or _outside(current, users)):
            continue
        library.drop(position[inner.name])
        written = [_written(u, current) for u in users]
        written = [replace(w, value=library.cheapest(w.value, position[w.name])) for w in written]
        before = cost(current.value, nominal) + sum(cost(u.value, nominal) for u in users)
        readable = all(reads_in_range(program, w.value) for w in written)
        if readable and sum(cost(w.value, nominal) for w in written) < before:
            del equations[inner.name]
            for w in written:
                equations[w.name] = w
                library.add(w, position[w.name])
        else:
            library.add(current, position[inner.name])
    return program.with_(equations.values())


def _candidates(program: Program) -> list[Equation]:
    """The derived equations that nothing outside of the program asks for."""
    keep = {*program.outputs, *program.updates.values()}
    return [e for e in program.equations if e.name not in keep and e.reason and e.reason.kind in DERIVED]


def _written(user: Equation, inner: Equation) -> Equation:
    """The user with the inner equation written out in it, and in its reason."""
    reason = user.reason
    if reason is not None and inner.reason is not None:
        reason = replace(reason, via=(*inner.reason.via, *inner.reason.terms, *reason.via))
    return replace(user, value=tidy(write_out(user.value, inner)), reason=reason)


def _product(equation: Equation) -> bool:
    """Whether the value is a plain product, such as -t/p: what holds a sum is better computed once."""
    return not any(isinstance(node, (Reduce, Add)) for node in walk(equation.value))


def _outside(equation: Equation, users: list[Equation]) -> bool:
    """Whether every read of the equation's target stands outside of all reductions."""
    bodies = (node.body for u in users for node in walk(u.value) if isinstance(node, Reduce))
    return not any(equation.name in body.tensors for body in bodies)


def _once_outside(equation: Equation, user: Equation) -> bool:
    return len([a for a in user.value.accesses if a.label == equation.name]) == 1 and _outside(equation, [user])


def write_out(e: Expr, equation: Equation) -> Expr:
    """Every read of the equation's target replaced by its value at those indices."""

    def rule(node: Expr) -> Expr:
        if isinstance(node, Access) and node.label == equation.name:
            return substitute(equation.value, dict(zip(equation.target.args, node.args, strict=True)))
        return node

    return transform(e, rule)
