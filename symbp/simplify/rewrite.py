"""Passes that rewrite one right-hand side after another. What they leave alone stays the same object, so that it is
neither built nor verified again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from symbp.expr import Expr
from symbp.program import Equation, Program


def with_value(equation: Equation, value: Expr) -> Equation:
    """The equation with another right-hand side; the same object if it is the one that it has."""
    return equation if value is equation.value else replace(equation, value=value)


def with_equations(program: Program, equations: Sequence[Equation]) -> Program:
    """The program with these equations; the same object if they are the ones that it has."""
    old = program.equations
    if len(old) == len(equations) and all(a is b for a, b in zip(old, equations, strict=True)):
        return program
    return program.with_(equations)


def rewrite_values(program: Program, rule: Callable[[Expr], Expr]) -> Program:
    """The program with the rule applied to every right-hand side; the same object if that changes none."""
    return with_equations(program, [with_value(e, rule(e.value)) for e in program.equations])
