"""Derivations that are wrong in one place, made from the right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from symbp.affine import settle
from symbp.expr import Expr, substitute
from symbp.proofread.mutants import KINDS, Mistake, mutants, without_terms
from symbp.proofread.reference import Reference
from symbp.simplify.inline import write_out

FAR = 8  # adjoints further up that may have been passed on


@dataclass(frozen=True)
class Hypothesis:
    """The derivation with other right-hand sides.

    inside: the equation that the mistake is reported for. alone: a mistake of the forward pass that the gradients don't
    share.
    """

    inside: str
    new: Mapping[str, Expr]
    mistake: Mistake
    alone: bool = False


def passed_on(reference: Reference, name: str) -> Iterator[Hypothesis]:
    """An adjoint further up, of the same shape, as if the steps between weren't there."""
    equation, formal = reference.equation(name), reference.tensor(name).indices
    terms = {f"{reference.prefix}_{t.through.label}": t for t in (equation.reason.terms if equation.reason else ())}
    for other in islice(reference.upstream(name, frozenset()), 1, FAR):
        upstream = reference.tensor(other)
        if upstream.shape == reference.tensor(name).shape:
            value = substitute(upstream.access, dict(zip(upstream.indices, formal, strict=True)))
            if other in terms:
                yield Hypothesis(name, {name: value}, Mistake("step", (value, terms[other].through)))
            else:
                yield Hypothesis(name, {name: value}, Mistake("steps", (value,)))


def paths_missing(reference: Reference, name: str) -> Iterator[Hypothesis]:
    """One or several of the chain rule's terms left out."""
    equation = reference.equation(name)
    terms = equation.reason.terms if equation.reason else ()
    for value, missing in without_terms(tuple(t.value for t in terms)):
        throughs = tuple(dict.fromkeys(terms[k].through for k in missing))
        if len(throughs) == 1:
            yield Hypothesis(name, {name: value}, Mistake("path", (*throughs, terms[missing[0]].read)))
        else:
            yield Hypothesis(name, {name: value}, Mistake("paths", throughs))


class Changes:
    """Something changed inside right-hand sides."""

    def __init__(self, reference: Reference, pinned: frozenset[str]) -> None:
        self.reference, self.pinned = reference, pinned
        self.found: dict[str, dict[Mistake, Expr]] = {}
        self.near: dict[str, set[str]] = {}
        self.through: dict[str, set[str]] = {}  # forward equation -> the adjoints that have a term through it
        for e in reference.derived.equations:
            if e.name in reference.forward:
                for other in e.value.tensors:
                    self.near.setdefault(other, set()).update(e.value.tensors - {other})  # k beside q
                    self.near.setdefault(e.name, set()).add(other)
                    self.near.setdefault(other, set()).add(e.name)
            elif e.reason is not None:
                for term in e.reason.terms:
                    self.through.setdefault(term.through.label, set()).add(e.name)

    def of(self, names: Sequence[str]) -> Iterator[Hypothesis]:
        """Every change of these equations, the likeliest kind first, in all that go back through the same step at once.

        Then those of one equation alone of such ones.
        """
        shared: list[Hypothesis] = []
        alone: list[Hypothesis] = []
        for name in names:
            together = set().union(*(found for found in self.through.values() if name in found), {name}) - self.pinned
            for mistake, value in self.mutants(name).items():
                same = {n: self.mutants(n)[mistake] for n in sorted(together) if mistake in self.mutants(n)}
                shared.append(Hypothesis(name, same, mistake))
                if len(same) > 1:
                    alone.append(Hypothesis(name, {name: value}, mistake))
        yield from sorted(shared, key=lambda h: KINDS.index(h.mistake.kind))
        yield from alone

    def mutants(self, name: str) -> dict[Mistake, Expr]:
        """The equation's right-hand side changed: as derived, and as written with the forward pass's values."""
        if name not in self.found:
            reference = self.reference
            readable, value = reference.readable(name), reference.equation(name).value
            whole = self.written_out(name, readable)
            forms = dict.fromkeys((readable, value, whole, reference.in_values(whole)))
            out: dict[Mistake, Expr] = {}
            seen: set[Expr] = set(forms)
            for form in forms:
                target, tensors = reference.tensor(name), reference.derived.tensors
                for new, mistake in mutants(form, target, frozenset(reference.adjoints), tensors, self.near):
                    settled = settle(new)
                    if settled not in seen:
                        seen.add(settled)
                        out.setdefault(mistake, settled)
            self.found[name] = out
        return self.found[name]

    def written_out(self, name: str, value: Expr) -> Expr:
        """The right-hand side with the adjoints of sums over one of its axes replaced by what they are."""
        reference, axes = self.reference, len(self.reference.tensor(name).indices)
        for read in sorted(value.accesses, key=lambda a: a.digest):
            summed = read.label in reference.adjoints and read.label not in self.pinned and len(read.args) < axes
            if summed and read.label not in reference.recurrent:
                value = write_out(value, reference.equation(read.label))
        return value
