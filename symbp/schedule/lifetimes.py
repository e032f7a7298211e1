"""Lifetimes: from which equation to which a Program's tensors are kept when it runs in order.

A step is one equation, or a recurrence as a whole. In a step its results and all that it reads are there at once; what
no later step reads is given up after it. Outputs stay to the end. Inputs, parameters and states are there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symbp.expr import Expr, Num, mul, num, substitute
from symbp.expr import size as size_of
from symbp.program import Program
from symbp.recurrence import Group, groups, local_to_step

ITEM = {"float64": 8, "float32": 4}  # bytes of a number
INTEGER = 8  # bytes of an integer


@dataclass(frozen=True)
class Life:
    """A computed tensor. first: the step that computes it, last: the last step that needs it. count: numbers held."""

    name: str
    count: Expr
    first: int
    last: int
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """A program's steps in running order, and its computed tensors' lives in the order in which they begin."""

    program: Program
    steps: tuple[Group, ...]
    lives: tuple[Life, ...]

    def at(self, step: int) -> list[Life]:
        """What is there in a step."""
        return [life for life in self.lives if life.first <= step <= life.last]

    def peak(self, item: int, sizes: Mapping[str, int]) -> tuple[int, int]:
        """(the most bytes that are there at once, the first step in which they are). item: bytes of a number."""
        held = [0] * (len(self.steps) + 1)
        for life in self.lives:
            n = item * number(life.count, sizes)
            held[life.first] += n
            held[life.last + 1] -= n
        most, where, now = 0, 0, 0
        for k, change in enumerate(held):
            now += change
            if now > most:
                most, where = now, k
        return most, where


def timeline(program: Program) -> Timeline:
    """The lives of a program's computed tensors."""
    steps = tuple(groups(program.equations))
    first: dict[str, int] = {}
    reads: dict[str, list[int]] = {}
    lacking: dict[str, Expr] = {}  # what is local to a step of a recurrence has no axis of time
    for k, group in enumerate(steps):
        for e in group.equations:
            first[e.name] = k
            for name in e.value.tensors:
                if not reads.setdefault(name, []) or reads[name][-1] != k:
                    reads[name].append(k)
        if group.time is not None:
            lacking |= dict.fromkeys(local_to_step(group, program), group.time.size)
    stays = {*program.outputs, *program.updates.values()}
    lives = []
    for name, k in first.items():
        later = tuple(n for n in reads.get(name, ()) if n > k)
        last = len(steps) - 1 if name in stays else max(later, default=k)
        axes = program.tensors[name].shape
        if name in lacking:
            left = list(axes)
            left.remove(lacking[name])
            axes = tuple(left)
        lives.append(Life(name, mul(*axes), k, last, later))
    return Timeline(program, steps, tuple(lives))


def turning_point(found: Timeline) -> int:
    """The step that computes the loss: what is read behind it is kept for the backward pass.

    The last step where the program has no loss of its own.
    """
    loss = found.program.loss
    return next((k for k, g in enumerate(found.steps) if loss in g.names), len(found.steps) - 1)


def number(e: Expr, sizes: Mapping[str, int]) -> int:
    """A size or a product of sizes in numbers. Sizes that aren't given are 1."""
    values: dict[Expr, Expr] = {size_of(name): num(value) for name, value in sizes.items()}
    found = substitute(e, values)
    assert isinstance(found, Num), f"no value for a size in {e!r}"
    return int(found.value)
