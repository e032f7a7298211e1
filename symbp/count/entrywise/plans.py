"""What writing out an equation's value, and its tangents, takes for each entry: operations, and reads of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from symbp.count.algebra.polynomial import ONE as one
from symbp.count.algebra.polynomial import ZERO as zero
from symbp.count.algebra.polynomial import Polynomial
from symbp.count.algebra.regions import Region
from symbp.count.entrywise.places import Layout
from symbp.count.equations.tally import MAC
from symbp.count.gradients.shapes import Reading, Shapes, Unit
from symbp.expr import Access, Index
from symbp.program import Equation


@dataclass(frozen=True)
class Term:
    """What an equation's entries take, at every place of a region: operations of a kind, or a read written out.

    free: indices that the region leaves free, over which it's summed. tangents: whether the read is one of tangents.
    """

    where: Region
    free: frozenset[Index]
    kind: str = ""
    read: Access | None = None
    tangents: bool = False


@dataclass(frozen=True)
class Times:
    """A number that grows with every block that the first one stands for."""

    start: int
    growth: int

    def at(self, blocks: int) -> int:
        return self.start + self.growth * blocks


@dataclass(frozen=True)
class Own:
    """An equation's own operations for every entry: numbers as in Field, which grow like Times."""

    layout: Layout
    start: np.ndarray
    growth: np.ndarray

    def at(self, blocks: int) -> np.ndarray:
        return (self.start + self.growth * blocks).astype(object)


Plan = dict[Term, Polynomial]  # how often
Costs = dict[tuple[str, Region, frozenset[Index]], Polynomial]  # operations at every place of a region over indices


def value_plan(shapes: Shapes, e: Equation) -> Plan:
    work = shapes.work
    where = shapes.space.both(work.needed.get(e.name, work.alive[e.name]), work.alive[e.name])
    return _plan(shapes, e, Unit(e.value, where, e.target.free, one))


def tangent_plan(shapes: Shapes, e: Equation) -> tuple[Plan, Costs]:
    """By all parameters together; and the operations alone, as forward mode counts them."""
    out: Plan = {}
    costs: Costs = {}
    for unit in shapes.units.get(e.name, ()):
        for term, n in _plan(shapes, e, unit).items():
            times = n * unit.weight * unit.sign
            out[term] = out.get(term, zero) + times
            if term.kind:
                key = term.kind, term.where, unit.scope.union(term.free, term.where.axes)
                costs[key] = costs.get(key, zero) + times
    for read, where, scope in shapes.uses[e.name]:
        term = Term(where, _free(e, where, scope, read), "", read, True)
        out[term] = out.get(term, zero) + 1
    return out, costs


def _plan(shapes: Shapes, e: Equation, unit: Unit) -> Plan:
    """What an expression takes, for every entry of the equation's target."""
    tally = Reading(shapes.work, e.name)
    tally.as_tree(unit.value, unit.where, unit.scope)
    out: Plan = {}
    for r in tally.records:
        if r.kind != MAC and not r.counted.empty:
            term = Term(r.counted, _free(e, r.counted, r.over, None), r.kind)
            out[term] = out.get(term, zero) + r.each
    for read, where, scope in tally.reads:
        if read.label in shapes.computed:
            term = Term(where, _free(e, where, scope, read), "", read)
            out[term] = out.get(term, zero) + 1
    return out


def _free(e: Equation, where: Region, over: Iterable[Index], read: Access | None) -> frozenset[Index]:
    used = e.target.free if read is None else e.target.free | read.free
    return frozenset(i for i in over if i not in where.axes and i not in used)
