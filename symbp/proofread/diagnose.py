"""How a wrong quantity differs from the right one.

Every hypothesis is the derivation with one equation changed. It holds if what then comes out is what was given, at all
points; the best one explains all the wrong quantities at once. The equations tried are that of the quantity and those
upstream of it that it was not given, the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from symbp.errors import SymbpError
from symbp.expr import ONE, ZERO, Expr, mul, num, power, size
from symbp.program import Term
from symbp.proofread.given import TOLERANCE, Given, agree
from symbp.proofread.hypotheses import Changes, Hypothesis, passed_on, paths_missing
from symbp.proofread.mutants import Mistake
from symbp.proofread.reference import Point, Reference
from symbp.proofread.shapes import rearranged

WORK = 20_000  # equations evaluated for hypotheses: some ten seconds, then the search ends
LOOSE = 5  # times the tolerance: how well a hypothesis has to fit


@dataclass(frozen=True)
class Finding:
    """mistake: what differs. inside: the equation that it's in. follows: wrong quantities that it explains too.

    besides: the factor that everything is off by in addition, for a mistake that comes with a wrong factor.
    """

    mistake: Mistake
    inside: str
    follows: frozenset[str] = frozenset()
    besides: Expr = ONE


def diagnose(reference: Reference, first: Given, others: Sequence[Given]) -> Finding:
    """What is wrong with the first wrong quantity. others: further ones that were computed together with it."""
    mistake = rearranged(reference, first)
    if mistake is not None:
        return Finding(mistake, first.name)
    if not all(np.all(np.isfinite(a)) for a in first.arrays):
        return Finding(Mistake("not_finite"), first.name)
    return _Search(reference, first, others).best()


def ratio(mine: Any, other: Any) -> float | None:
    """The c with mine = c * other; None where there's none, or there are too few entries to tell."""
    if other is None or np.shape(mine) != np.shape(other) or np.size(other) < 2 or not np.any(other):
        return None
    c = float(np.vdot(other, mine) / np.vdot(other, other))
    return c if c and agree(mine, c * other, LOOSE * TOLERANCE) else None


class _Search:
    def __init__(self, reference: Reference, first: Given, others: Sequence[Given]) -> None:
        self.reference, self.first, self.pinned = reference, first, first.reads
        self.right = {g.name for g in others if self.is_right(g)}
        self.wrong = [g for g in others if g.name not in self.right and g.name != first.name]
        self.others = [g for g in others if g.name != first.name]
        self.proportional: list[Hypothesis] = []  # what would fit at the first point if everything were a multiple

    def is_right(self, g: Given) -> bool:
        pairs = zip(g.arrays, self.reference.points, strict=True)
        return all(agree(mine, p.values[g.name], g.tolerance) for mine, p in pairs)

    def best(self) -> Finding:
        """The hypothesis that explains most of what is wrong; the first of those that explain as much."""
        found: Finding | None = None
        for hypothesis in self.hypotheses():
            if self.reference.work > WORK:
                break
            explained = self.explained(hypothesis)
            if explained is None and hypothesis.inside in self.reference.forward:
                explained = self.explained(replace(hypothesis, alone=True))
            if explained is None or (found is not None and len(explained) <= len(found.follows)):
                continue
            found = Finding(hypothesis.mistake, hypothesis.inside, frozenset(explained))
            if len(explained) == len(self.wrong):
                break
        return found or self.best_multiple() or Finding(Mistake("unknown"), self.first.name)

    def best_multiple(self) -> Finding | None:
        """A hypothesis that gives what was handed in but for a factor: two mistakes."""
        for h in self.proportional:
            names = [self.first.name, *(g.name for g in self.wrong)]
            values = [self.values(h, p, names) or {} for p in self.reference.points]
            ratios = [ratio(a, v.get(self.first.name)) for a, v in zip(self.first.arrays, values, strict=True)]
            c = None if None in ratios else self.named([r for r in ratios if r is not None])
            if c is not None:
                scaled = [{n: r * v[n] for n in names} for r, v in zip(ratios, values, strict=True) if r is not None]
                follows = [g.name for g in self.wrong if all(self.fits(g, k, v) for k, v in enumerate(scaled))]
                return Finding(h.mistake, h.inside, frozenset(follows), c)
        return None

    def explained(self, h: Hypothesis) -> set[str] | None:
        """The other wrong quantities that the hypothesis explains; None if it doesn't explain the first one."""
        points, changes = self.reference.points, False
        for k, point in enumerate(points):
            values = self.values(h, point, [self.first.name])
            if values is None or not self.fits(self.first, k, values):
                if k == 0 and values is not None and ratio(self.first.arrays[0], values[self.first.name]) is not None:
                    self.proportional.append(h)
                return None
            changes |= not agree(values[self.first.name], point.values[self.first.name], self.first.tolerance)
        if not changes:
            return None  # it fits because what is wrong is hardly so
        names = [g.name for g in self.others]
        left = {g.name for g in self.wrong}
        if h.alone:
            names = [n for n in names if n in self.reference.forward]
            left &= set(names)
        for k, point in enumerate(points):
            values = self.values(h, point, names) or {}
            left -= {g.name for g in self.others if not self.fits(g, k, values)}
            if any(g.name in self.right and g.name in names and not self.fits(g, k, values) for g in self.others):
                return None  # it would make wrong what is right
        return left

    def fits(self, g: Given, k: int, values: Mapping[str, Any]) -> bool:
        return g.name in values and agree(g.arrays[k], values[g.name], LOOSE * g.tolerance)

    def values(self, h: Hypothesis, point: Point, names: Iterable[str]) -> dict[str, Any] | None:
        try:
            return self.reference.with_equations(point, h.new, names, self.pinned)
        except (SymbpError, ZeroDivisionError):
            return None

    # -------------------------------------------------------------------------------------- hypotheses

    def hypotheses(self) -> Iterator[Hypothesis]:
        """Cheap ones first; of each kind, the nearest equations first."""
        known_right = self.right - {self.first.name}
        places = [n for n in self.reference.upstream(self.first.name, self.pinned) if n not in known_right]
        for name in places:
            yield from self.scaled(name)
        for name in places:
            yield from passed_on(self.reference, name)
            yield from paths_missing(self.reference, name)
        yield from Changes(self.reference, self.pinned).of(places)

    def scaled(self, name: str) -> Iterator[Hypothesis]:
        """The equation, or one of its terms, times a number or a product of sizes."""
        equation = self.reference.equation(name)
        terms = equation.reason.terms if equation.reason else ()
        parts: list[tuple[Expr, Term | None]] = [(equation.value, None)]
        parts += [(t.value, t) for t in terms if len(terms) > 1]
        for part, term in parts:
            c = self.factor(name, equation.value, part)
            if c is None or c is ONE:
                continue
            if term is None:
                mistake = Mistake("scaled", (c,))
            elif c is ZERO:
                mistake = Mistake("path", (term.through, term.read))
            else:
                mistake = Mistake("path_scaled", (term.through, c))
            yield Hypothesis(name, {name: equation.value + (c - 1) * part}, mistake)

    def factor(self, name: str, value: Expr, part: Expr) -> Expr | None:
        """The c for which the first quantity is what it would be with c times that part of an equation."""
        ratios = []
        for k, point in enumerate(self.reference.points):
            left = self.values(Hypothesis(name, {name: value - part}, Mistake("")), point, [self.first.name])
            if left is None:
                return None
            without, right = left[self.first.name], point.values[self.first.name]
            whole, mine = right - without, self.first.arrays[k] - without
            norm = float(np.sum(whole * whole))
            if not norm > 1e-20 * max(1.0, float(np.sum(right * right))):
                return None
            c = float(np.sum(whole * mine) / norm)
            if not agree(self.first.arrays[k], without + c * whole, LOOSE * self.first.tolerance):
                return None
            ratios.append(c)
        return self.named(ratios)

    def named(self, ratios: list[float]) -> Expr | None:
        """A number, or a number times powers of sizes, that has these values at the points."""
        sizes = [p.sizes for p in self.reference.points]
        names = list(sizes[0])
        for exponents in sorted(product((0, 1, -1, 2, -2), repeat=len(names)), key=lambda e: sum(map(abs, e))):
            if sum(map(abs, exponents)) > 3:
                break
            monomials = [float(np.prod([s[n] ** e for n, e in zip(names, exponents, strict=True)])) for s in sizes]
            numbers = [r / m for r, m in zip(ratios, monomials, strict=True)]
            number = Fraction(numbers[0]).limit_denominator(64)
            if all(abs(c - number) <= LOOSE * self.first.tolerance * max(1.0, abs(c)) for c in numbers):
                powers = [power(size(n), e) for n, e in zip(names, exponents, strict=True)]
                return mul(num(number.numerator if number.denominator == 1 else number), *powers)
        return None
