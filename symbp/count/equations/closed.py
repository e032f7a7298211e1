"""Closed forms of the work of tensor equations, conditions on indices included.

Where no condition is, the amount is a product of sizes. Where one is, the number of index values for which it holds is
a polynomial of the sizes that it speaks of as long as these aren't tiny, of a degree no higher than the number of
indices of such a size. It is found from its values at small sizes, and has to agree with further ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symbp.count.algebra.polynomial import Polynomial, through_points
from symbp.count.algebra.regions import NeedsSize, Space
from symbp.count.equations.tensors import Tensors
from symbp.count.equations.work import Work
from symbp.count.equations.written import Amounts
from symbp.errors import SymbpError
from symbp.expr import Condition, Delta, Expr, Index, Num, Size, walk

FIRST = 5  # the smallest size at which values are taken
MORE = 2  # further values that have to agree
WRITTEN_OUT = 200_000  # tuples of indices of one condition, beyond which the closed form is found at small sizes
SMALL = 2  # numbers in a condition, up to which it means the same at small sizes


def closed_forms(listing: Tensors, share: bool = False) -> dict[str, Amounts]:
    """Operations of every equation by kind, as polynomials in the sizes that are symbolic.

    For sizes of at least FIRST where conditions speak of them, for all sizes elsewhere.
    Raises SymbpError where the amounts follow no polynomial: then those sizes need values.
    """
    varied = large_sizes(listing) | sizes_in_conditions(listing)
    while True:
        try:
            found = _closed(listing, share, sorted(varied))
            break
        except NeedsSize as e:
            varied.add(e.label)
    numbers = {name: int(name) for name in varied if name.isdigit()}
    return {name: {k: n.at(numbers) for k, n in amounts.items()} for name, amounts in found.items()}


def _closed(listing: Tensors, share: bool, varied: list[str]) -> dict[str, Amounts]:
    first = Work(listing, Space(dict.fromkeys(varied, FIRST)), share)
    found = first.by_equation()
    if not varied:
        return found
    constrained = frozenset(first.constrained)
    free = frozenset(found) - constrained
    degree = {size: _degree(listing, constrained, size) for size in varied}

    def values(fixed: dict[str, int], left: list[str]) -> dict[str, Amounts]:
        if not left:
            counted = Work(listing, Space(fixed), share, free).by_equation()
            return {name: {k: n.at(fixed) for k, n in counted[name].items()} for name in constrained}
        size, *others = left
        points = range(FIRST, FIRST + degree[size] + 1 + MORE)
        at = {n: values({**fixed, size: n}, others) for n in points}
        return {name: through(size, {n: at[n][name] for n in points}, name) for name in constrained}

    return found | values({}, varied)


def through(size: str, at: Mapping[int, Amounts], equation: str) -> Amounts:
    """The amounts as polynomials in one more size."""
    kinds = dict.fromkeys(k for amounts in at.values() for k in amounts)
    out = {}
    for kind in kinds:
        points = {n: amounts.get(kind, Polynomial({})) for n, amounts in at.items()}
        few, more = list(points.items())[:-MORE], list(points.items())[-MORE:]
        form = through_points(size, dict(few))
        if any(form.at({size: n}) != value for n, value in more):
            raise SymbpError(f"the operations of {equation} follow no polynomial in {size}: give it a value")
        out[kind] = form
    return out


def _degree(listing: Tensors, names: Iterable[str], size: str) -> int:
    """The number of indices of this size in one equation, at most."""
    most = 1
    for e in listing.equations:
        if e.name in names:
            indices = {n for v in (e.target, e.value) for n in walk(v) if isinstance(n, Index)}
            most = max(most, sum(1 for i in indices if size in {n.label for n in walk(i.size)}))
    return most


def sizes_in_conditions(listing: Tensors) -> set[str]:
    """The symbolic sizes that conditions speak of."""
    indices = {i for condition in _index_conditions(listing) for i in condition.free}
    return {n.label for i in indices for n in walk(i.size) if isinstance(n, Size)}


def large_sizes(listing: Tensors) -> set[str]:
    """Numeric sizes that conditions speak of and that are too large to be written out, as text.

    Only where they can be made smaller: a condition's numbers are small, and so isn't one of them made of that size.
    """
    wanted: set[str] = set()
    refused: set[str] = set()
    for condition in _index_conditions(listing):
        numeric = [i for i in condition.free if isinstance(i.size, Num)]
        tuples = 1
        for i in numeric:
            tuples *= int(i.size.value)  # type: ignore[attr-defined]
        labels = {i.size.label for i in numeric}
        if not _small_numbers(condition):
            refused |= labels
        elif tuples > WRITTEN_OUT:
            wanted |= labels
    return wanted - refused


def _index_conditions(listing: Tensors) -> Iterable[Expr]:
    """Every condition on indices alone, and every computed index of a read."""
    seen = set()
    for e in listing.equations:
        for n in walk(e.value):
            if n not in seen:
                seen.add(n)
                if isinstance(n, (Condition, Delta)) and not n.accesses:
                    yield n
                elif n.tensors and n.label in listing.tensors:
                    yield from (a for a in n.args if not isinstance(a, (Index, Num)))


def _small_numbers(e: Expr) -> bool:
    """Whether the numbers that stand in a condition, not as sizes of its indices, are small."""
    if isinstance(e, Num):
        return -SMALL <= e.value <= SMALL
    return isinstance(e, Index) or all(map(_small_numbers, e.args))
