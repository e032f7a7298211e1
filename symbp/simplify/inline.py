"""Derived equations written out where they're used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from symbp.expr import Access, Add, Expr, Reduce, substitute, transform, walk
from symbp.operations import cost
from symbp.program import Equation, Program
from symbp.simplify.algebra import tidy
from symbp.simplify.nominal import nominal
from symbp.simplify.reuse import reuse_values

DERIVED = ("adjoint", "tangent")


def inline_single_uses(program: Program) -> Program:
    """A derived equation with one use outside of a reduction is written there: d_z = Sum(d_y W) * a * (1 - a)."""
    return _inline(program, lambda e, users: len(users) == 1 and _once_outside(e, users[0]), always=True)


def inline_where_cheaper(program: Program) -> Program:
    """A derived equation is written out in all its uses if that, after tidying, makes the program cheaper."""
    return _inline(program, lambda e, users: len(users) <= 3 and (_product(e) or _outside(e, users)), always=False)


def _inline(program: Program, wanted: Callable[[Equation, list[Equation]], bool], always: bool) -> Program:
    keep = {*program.outputs, *program.updates.values()}
    for equation in program.equations:
        if equation.name in keep or equation.reason is None or equation.reason.kind not in DERIVED:
            continue
        current = next(e for e in program.equations if e.name == equation.name)
        users = [e for e in program.equations if current.name in e.value.tensors]
        if not users or not wanted(current, users):
            continue
        written = {e.name: _written(e, current) for e in users}
        trial = program.with_(written.get(e.name, e) for e in program.equations if e is not current)
        if always:
            program = trial
            continue
        trial = _tidied(trial, written)
        before = cost(current.value, nominal) + sum(cost(e.value, nominal) for e in users)
        after = sum(cost(trial.equation(name).value, nominal) for name in written)
        if after < before:
            program = trial
    return program


def _written(user: Equation, inner: Equation) -> Equation:
    """The user with the inner equation written out in it, and in its reason."""
    reason = user.reason
    if reason is not None and inner.reason is not None:
        reason = replace(reason, via=(*inner.reason.via, *inner.reason.terms, *reason.via))
    return replace(user, value=tidy(write_out(user.value, inner)), reason=reason)


def _tidied(program: Program, written: dict[str, Equation]) -> Program:
    return reuse_values(program) if written else program


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
