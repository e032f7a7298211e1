"""Derived equations written out where they're used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symbp.expr import Access, Add, Expr, Reduce, substitute, transform, walk
from symbp.program import Equation, Program
from symbp.simplify.algebra import tidy
from symbp.simplify.nominal import operations
from symbp.simplify.reuse import Library
from symbp.simplify.rewrite import with_equations
from symbp.verify import reads_in_range

DERIVED = ("adjoint", "tangent")


def inline_single_uses(program: Program) -> Program:
    """A derived equation with one use outside of a reduction is written there: d_z = Sum(d_y W) * a * (1 - a).

    A copy, d_u = v, is read through wherever it is used.
    """
    book = _Book(program)
    for name in _candidates(program):
        current, users = book[name], book.users(name)
        if name in current.value.tensors:  # a recurrence
            continue
        if isinstance(current.value, Access) or (len(users) == 1 and _once_outside(current, users[0])):
            book.remove(name)
            for u in users:
                book.put(_written(u, current))
    return with_equations(program, list(book))


def inline_where_cheaper(program: Program) -> Program:
    """A derived equation is written out in all its uses if that, after tidying, makes the program cheaper."""
    book = _Book(program)
    position = {e.name: n for n, e in enumerate(program.equations)}
    library = Library(program.facts)
    for e in program.equations:
        library.add(e, position[e.name])
    for name in _candidates(program):
        current, users = book[name], book.users(name)
        if not 1 <= len(users) <= 3 or name in current.value.tensors:
            continue
        if not (_product(current) or _outside(current, users)):
            continue
        library.drop(position[name])
        written = [_written(u, current) for u in users]
        written = [replace(w, value=library.cheapest(w.value, position[w.name])) for w in written]
        before = operations(current.value) + sum(operations(u.value) for u in users)
        readable = all(reads_in_range(program, w.value) for w in written)
        if readable and sum(operations(w.value) for w in written) < before:
            book.remove(name)
            for w in written:
                book.put(w)
                library.add(w, position[w.name])
        else:
            library.add(current, position[name])
    return with_equations(program, list(book))


class _Book:
    """The equations by name, and who reads whom."""

    def __init__(self, program: Program) -> None:
        self.equations: dict[str, Equation] = {}
        self.readers: dict[str, set[str]] = {}
        self.place = {e.name: n for n, e in enumerate(program.equations)}
        for e in program.equations:
            self.put(e)

    def __getitem__(self, name: str) -> Equation:
        return self.equations[name]

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations.values())

    def put(self, e: Equation) -> None:
        """Adds the equation, or replaces the one of its name in its place."""
        if e.name in self.equations:
            for t in self.equations[e.name].value.tensors:
                self.readers[t].discard(e.name)
        self.equations[e.name] = e
        for t in e.value.tensors:
            self.readers.setdefault(t, set()).add(e.name)

    def remove(self, name: str) -> None:
        for t in self.equations.pop(name).value.tensors:
            self.readers[t].discard(name)

    def users(self, name: str) -> list[Equation]:
        """The equations that read the tensor, in their order."""
        return [self.equations[n] for n in sorted(self.readers.get(name, ()), key=self.place.__getitem__)]


def _candidates(program: Program) -> list[str]:
    """The derived equations that nothing outside of the program asks for."""
    keep = {*program.outputs, *program.updates.values()}
    return [e.name for e in program.equations if e.name not in keep and e.reason and e.reason.kind in DERIVED]


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


def without(program: Program, equation: Equation) -> Program:
    """The program without an equation, which stands written out wherever it was read."""
    return program.with_(
        replace(e, value=write_out(e.value, equation)) if equation.name in e.value.tensors else e
        for e in program.equations
        if e is not equation
    )


def write_out(e: Expr, equation: Equation) -> Expr:
    """Every read of the equation's target replaced by its value at those indices."""

    def rule(node: Expr) -> Expr:
        if isinstance(node, Access) and node.label == equation.name:
            return substitute(equation.value, dict(zip(equation.target.args, node.args, strict=True)))
        return node

    return transform(e, rule)
