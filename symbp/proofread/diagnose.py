"""How a wrong quantity differs from the right one.

Every hypothesis is the derivation with one equation changed. It holds if what then comes out is what was given, at all
points; the best one explains all the wrong quantities at once. The equations tried are that of the quantity and those
upstream of it that it was not given, the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from symbp.affine import settle
from symbp.errors import SymbpError
from symbp.expr import ONE, ZERO, Expr, mul, num, power, size, substitute
from symbp.proofread.given import Given, agree
from symbp.proofread.mutants import Mistake, mutants, without_terms
from symbp.proofread.reference import Point, Reference
from symbp.proofread.shapes import wrong_shape
from symbp.simplify.inline import write_out

TRIED = 1500  # hypotheses: a network of a hundred equations isn't searched for ever
LOOSE = 10  # times the tolerance: how well a hypothesis has to fit


@dataclass(frozen=True)
class Finding:
    """mistake: what differs. inside: the equation that it's in. follows: wrong quantities that it explains too."""

    mistake: Mistake
    inside: str
    follows: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Hypothesis:
    inside: str
    value: Expr
    mistake: Mistake
    alone: bool = False  # a mistake of the forward pass that the gradients don't share


def diagnose(reference: Reference, first: Given, others: Sequence[Given]) -> Finding:
    """What is wrong with the first wrong quantity. others: further ones that were computed together with it."""
    mistake = wrong_shape(reference, first)
    if mistake is not None:
        return Finding(mistake, first.name)
    if not all(np.all(np.isfinite(a)) for a in first.arrays):
        return Finding(Mistake("not_finite"), first.name)
    return _Search(reference, first, others).best()


class _Search:
    def __init__(self, reference: Reference, first: Given, others: Sequence[Given]) -> None:
        self.reference, self.first, self.pinned = reference, first, first.reads
        self.right = {g.name for g in others if self.is_right(g)}
        self.wrong = [g for g in others if g.name not in self.right and g.name != first.name]
        self.others = [g for g in others if g.name != first.name]

    def is_right(self, g: Given) -> bool:
        pairs = zip(g.arrays, self.reference.points, strict=True)
        return all(agree(mine, p.values[g.name], g.tolerance) for mine, p in pairs)

    def best(self) -> Finding:
        """The hypothesis that explains most of what is wrong; the first of those that explain as much."""
        found: Finding | None = None
        for tried, hypothesis in enumerate(self.hypotheses()):
            if tried >= TRIED:
                break
            explained = self.explained(hypothesis)
            if explained is None and hypothesis.inside in self.reference.forward:
                explained = self.explained(replace(hypothesis, alone=True))
            if explained is None or (found is not None and len(explained) <= len(found.follows)):
                continue
            found = Finding(hypothesis.mistake, hypothesis.inside, frozenset(explained))
            if len(explained) == len(self.wrong):
                break
        return found or Finding(Mistake("unknown"), self.first.name)

    def explained(self, h: _Hypothesis) -> set[str] | None:
        """The other wrong quantities that the hypothesis explains; None if it doesn't explain the first one."""
        points = self.reference.points
        for k, point in enumerate(points):
            values = self.values(h, point, [self.first.name])
            if values is None or not self.fits(self.first, k, values):
                return None
        if all(agree(a, p.values[self.first.name]) for a, p in zip(self.first.arrays, points, strict=True)):
            return None
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

    def values(self, h: _Hypothesis, point: Point, names: Iterable[str]) -> dict[str, Any] | None:
        try:
            return self.reference.with_equations(point, {h.inside: h.value}, names, self.pinned)
        except (SymbpError, ZeroDivisionError):
            return None

    # -------------------------------------------------------------------------------------- hypotheses

    def hypotheses(self) -> Iterator[_Hypothesis]:
        known_right = self.right - {self.first.name}
        places = [n for n in self.reference.upstream(self.first.name, self.pinned) if n not in known_right]
        for name in places:
            yield from self.scaled(name)
        for name in places:
            yield from self.passed_on(name)
            yield from self.paths_missing(name)
        for name in places:
            yield from self.changed(name)

    def scaled(self, name: str) -> Iterator[_Hypothesis]:
        """The equation, or one of its terms, times a number or a product of sizes."""
        equation = self.reference.equation(name)
        parts: list[tuple[Expr, Expr | str]] = [(equation.value, "")]
        terms = equation.reason.terms if equation.reason else ()
        if len(terms) > 1:
            parts += [(t.value, t.through) for t in terms]
        for part, through in parts:
            c = self.factor(name, equation.value, part)
            if c is None or c is ONE:
                continue
            value = equation.value + (c - 1) * part
            if through == "":
                yield _Hypothesis(name, value, Mistake("scaled", (c,)))
            elif c is ZERO:
                yield _Hypothesis(name, value, Mistake("path", (through,)))
            else:
                yield _Hypothesis(name, value, Mistake("path_scaled", (through, c)))

    def factor(self, name: str, value: Expr, part: Expr) -> Expr | None:
        """The c for which the first quantity is what it would be with c times that part of an equation."""
        ratios = []
        for k, point in enumerate(self.reference.points):
            left = self.values(_Hypothesis(name, value - part, Mistake("")), point, [self.first.name])
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

    def passed_on(self, name: str) -> Iterator[_Hypothesis]:
        """The adjoint of what the equation's tensor is read by, as if that step weren't there."""
        equation, reference = self.reference.equation(name), self.reference
        for term in equation.reason.terms if equation.reason else ():
            upstream = f"{reference.prefix}_{term.through.label}"
            formal = reference.tensor(name).indices
            if term.through.label == reference.loss or len(formal) != len(term.through.args):
                continue
            if reference.tensor(name).shape == reference.tensor(upstream).shape:
                passed = reference.tensor(upstream).access
                new: dict[Expr, Expr] = dict(zip(reference.tensor(upstream).indices, formal, strict=True))
                yield _Hypothesis(name, substitute(passed, new), Mistake("step", (passed, term.through)))

    def paths_missing(self, name: str) -> Iterator[_Hypothesis]:
        """Several of the chain rule's terms left out."""
        equation = self.reference.equation(name)
        terms = equation.reason.terms if equation.reason else ()
        for value, missing in without_terms(tuple(t.value for t in terms)):
            throughs = dict.fromkeys(terms[k].through for k in missing)
            yield _Hypothesis(name, value, Mistake("path" if len(throughs) == 1 else "paths", tuple(throughs)))

    def changed(self, name: str) -> Iterator[_Hypothesis]:
        """Something changed inside the right-hand side, as derived, and as written with the forward pass's values."""
        reference = self.reference
        adjoints = frozenset(reference.adjoints)
        readable, value = reference.readable(name), reference.equation(name).value
        forms = dict.fromkeys((readable, value, self.written_out(name, readable)))
        seen: set[Expr] = set(forms)
        for form in forms:
            for new, mistake in mutants(form, reference.tensor(name), adjoints, reference.derived.tensors, self.near):
                settled = settle(new)
                if settled not in seen:
                    seen.add(settled)
                    yield _Hypothesis(name, settled, mistake)

    def written_out(self, name: str, value: Expr) -> Expr:
        """The right-hand side with the adjoints of the derivation's own helpers replaced by what they are."""
        reference, axes = self.reference, len(self.reference.tensor(name).indices)
        for read in sorted(value.accesses, key=lambda a: a.digest):
            helper = read.label in reference.adjoints and read.label not in self.pinned and len(read.args) < axes
            if helper and read.label not in reference.recurrent:
                value = write_out(value, reference.equation(read.label))
        return value

    @cached_property
    def near(self) -> dict[str, set[str]]:
        """For every forward tensor, the ones that its equation reads or that read it."""
        out: dict[str, set[str]] = {}
        for e in self.reference.derived.equations:
            if e.name in self.reference.forward:
                for other in e.value.tensors:
                    out.setdefault(e.name, set()).add(other)
                    out.setdefault(other, set()).add(e.name)
        return out
