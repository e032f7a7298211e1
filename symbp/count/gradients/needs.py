"""Each gradient alone: what one entry of it needs of the reverse program, summed over all entries.

Going back from a gradient's entry, an axis of what it needs is tied to an axis of the parameter, or needed whole. An
equation that is needed along a tied axis costs, over all entries of the parameter, its whole work once along that axis;
one that is needed whole costs its whole work for each.
"""

from __future__ import annotations

from collections.abc import Mapping

from symbp.count.algebra.polynomial import ZERO as zero
from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.equations.tensors import Tensors
from symbp.count.equations.written import Amounts, has_condition, sizes_of
from symbp.expr import Access, Delta, Expr, Index, Num, Reduce, factors, terms

WHOLE = -1  # needed for every value of this axis; else the parameter's axis that it is tied to
Extent = tuple[int, ...]


def each_alone(listing: Tensors, work: Mapping[str, Amounts], gradients: Mapping[str, str]) -> tuple[Amounts, bool]:
    """(operations, whether these are exact, not only an upper bound). gradients: output -> its parameter.

    work: the operations of every equation for all that the gradients need together.
    """
    weights: dict[str, Polynomial] = {}
    whole: dict[frozenset[str], list[Polynomial]] = {}  # what is needed for every entry -> how many these are
    exact = True
    back = _Back(listing)
    for output, parameter in gradients.items():
        picked = back.picked(output)
        entries = sizes_of(i for k, i in enumerate(listing.tensors[parameter].indices) if k not in picked)
        everything, parts = back.needed_by(output, picked)
        whole.setdefault(everything, []).append(entries)
        for name, extent in parts.items():
            tied = sizes_of(i for i, k in zip(listing.tensors[name].indices, extent, strict=True) if k != WHOLE)
            weights[name] = weights.get(name, zero) + divided(entries, tied)
        exact = exact and back.exact
    for names, numbers in whole.items():
        entries = total(numbers)
        for name in names:
            weights[name] = weights.get(name, zero) + entries
    found: Amounts = {}
    for name, times in weights.items():
        for kind, n in work[name].items():
            found[kind] = found.get(kind, zero) + n * times
    return found, exact


def divided(a: Polynomial, b: Polynomial) -> Polynomial:
    """a by a product of sizes that are among its factors."""
    out: dict[tuple[tuple[str, int], ...], object] = {}
    ((divisor, c),) = b.terms.items()
    for m, value in a.terms.items():
        left = dict(m)
        for name, n in divisor:
            left[name] = left.get(name, 0) - n
        assert all(n >= 0 for n in left.values()), f"{b} doesn't divide {a}"
        out[tuple(sorted((name, n) for name, n in left.items() if n))] = value
    return Polynomial(out) * Polynomial({(): 1}).ratio(Polynomial({(): c}))  # type: ignore[arg-type]


class _Back:
    """Goes back from a gradient to what it needs."""

    def __init__(self, listing: Tensors) -> None:
        self.listing = listing
        self.equations = [e for group in listing.groups for e in group.equations]
        self.recurrent = {name for group in listing.groups if group.time is not None for name in group.names}
        self.place = {e.name: n for n, e in enumerate(self.equations)}
        self.whole: dict[str, frozenset[str]] = {}  # all that a tensor needs that is needed whole
        for group in listing.groups:
            reads = {r for e in group.equations for r in e.value.tensors if r in self.place} - group.names
            found = frozenset().union(group.names, *(self.whole[r] for r in reads))
            self.whole.update(dict.fromkeys(group.names, found))
        self.exact = not any(has_condition(e.value, labels=False) or e.name in self.recurrent for e in self.equations)

    def picked(self, output: str) -> frozenset[int]:
        """The axes of a gradient at which a label picks one place: the other entries are zero, and need nothing."""
        equation = self.equations[self.place[output]]
        deltas = ({f for f in factors(t) if isinstance(f, Delta)} for t in terms(equation.value))
        shared = frozenset.intersection(*map(frozenset, deltas))
        fixed = {a for d in shared if any(isinstance(b, Num) for b in d.args) for a in d.args}
        return frozenset(k for k, i in enumerate(equation.target.args) if i in fixed)

    def needed_by(self, output: str, picked: frozenset[int]) -> tuple[frozenset[str], dict[str, Extent]]:
        """What one entry of a gradient takes: tensors taken whole, and others with the extent of what is taken."""
        axes = range(len(self.listing.tensors[output].indices))
        found: dict[str, Extent] = {output: tuple(WHOLE if k in picked else k for k in axes)}
        whole: set[str] = set()
        waiting = {output}
        while waiting:
            name = max(waiting, key=self.place.__getitem__)
            waiting.remove(name)
            if name in whole:
                continue
            extent = found[name]
            if all(k == WHOLE for k in extent) or name in self.recurrent:
                whole |= self.whole[name]
                continue
            equation = self.equations[self.place[name]]
            tied = {i: k for i, k in zip(equation.target.args, extent, strict=True) if k != WHOLE}
            for read, bound in reads(equation.value):
                if read.label in self.place and read.label not in whole:
                    here = tuple(tied.get(at, WHOLE) if at not in bound else WHOLE for at in read.args)
                    self.check(read, here)
                    found[read.label] = self.joined(found.get(read.label, here), here)
                    waiting.add(read.label)
        return frozenset(whole), {name: extent for name, extent in found.items() if name not in whole}

    def check(self, read: Access, extent: Extent) -> None:
        """Each parameter axis ties one axis of a tensor, else what is needed is less than counted."""
        tied = [k for k in extent if k != WHOLE]
        if len(tied) != len(set(tied)) or any(not isinstance(at, (Index, Num)) for at in read.args):
            self.exact = False

    def joined(self, a: Extent, b: Extent) -> Extent:
        """What contains both: one of them, or else more than is needed."""
        out = tuple(x if x == y else WHOLE for x, y in zip(a, b, strict=True))
        if out not in (a, b):
            self.exact = False
        return out


def reads(e: Expr, bound: frozenset[Expr] = frozenset()) -> list[tuple[Access, frozenset[Expr]]]:
    """Every read of a tensor with the indices of the sums around it."""
    if isinstance(e, Access):
        return [(e, bound)]
    inner = bound.union(e.indices) if isinstance(e, Reduce) else bound
    return [] if isinstance(e, Index) else [r for a in e.args for r in reads(a, inner)]




def entries_needed(listing: Tensors) -> dict[str, Polynomial]:
    """How many entries of each tensor the outputs need: all, but along axes that are only read at given places."""
    places: dict[str, list[frozenset[Expr] | None]] = {
        o: [None] * len(listing.tensors[o].indices) for o in listing.outputs
    }
    for group in reversed(listing.groups):
        for e in reversed(group.equations):
            if group.time is not None:
                places[e.name] = [None] * len(e.target.args)
            fixed = dict(zip(e.target.args, places.get(e.name, ()), strict=False))
            for read, bound in reads(e.value):
                here = [_places(at, fixed, bound) for at in read.args]
                before = places.get(read.label)
                places[read.label] = here if before is None else [
                    None if a is None or b is None else a | b for a, b in zip(before, here, strict=True)
                ]  # fmt: skip
    out = {}
    for name, found in places.items():
        n = sizes_of(i for i, at in zip(listing.tensors[name].indices, found, strict=True) if at is None)
        for at in found:
            n = n * (1 if at is None else len(at))
        out[name] = n
    return out


def _places(at: Expr, fixed: Mapping[Expr, frozenset[Expr] | None], bound: frozenset[Expr]) -> frozenset[Expr] | None:
    """Where an axis is read: at given places, or anywhere."""
    if not at.free and not at.accesses:
        return frozenset((at,))
    return fixed.get(at) if at not in bound else None
