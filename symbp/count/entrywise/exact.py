"""Closed forms of forward mode and expansion where conditions on indices matter.

They are found as those of `closed` are: from their values at small sizes, and they have to agree with further ones.
Sizes that no condition speaks of aren't tried out: each is given one huge power of two, and the digits of the result
are the coefficients (Kronecker substitution).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from symbp.count.algebra.polynomial import Polynomial
from symbp.count.algebra.regions import Known, NeedsSize, Space
from symbp.count.entrywise.causal import Prefix
from symbp.count.entrywise.fields import Fields
from symbp.count.equations.closed import FIRST, MORE, large_sizes, sizes_in_conditions, through
from symbp.count.equations.depth import Depth
from symbp.count.equations.tensors import Tensors
from symbp.count.equations.written import Amounts
from symbp.count.gradients.alone import Alone, Looks
from symbp.count.gradients.needs import entries_needed
from symbp.count.gradients.shapes import Shapes
from symbp.count.gradients.tangents import Tangents
from symbp.errors import SymbpError
from symbp.expr import Expr, Index, Num, index, rebuild, size
from symbp.program import Equation

DEGREE = 8  # of each gradient alone in a size, at most
BITS = 64  # more than the coefficients of the upper bound have
SPARE = 32  # of these, none is used


Found = tuple[Amounts, Amounts, Amounts]


@dataclass
class Exact:
    """Forward mode's tangents, the gradient written out and the loss written out, by kind.

    bound: upper bounds of them, which tell their degrees. depth: of a network of equal blocks. longer: by how many bits
    coefficients may be longer than the bound's, where that is none, as of tensors side by side. Raises SymbpError where
    they follow no polynomial, or where conditions hold for too many indices.
    """

    listing: Tensors
    loss: str
    bound: Tangents
    depth: Depth = field(default_factory=Depth)
    common: Known = field(default_factory=dict)
    longer: int = 0

    def forms(self) -> Found:
        varied = large_sizes(self.listing)
        if varied:
            self.listing = with_names(self.listing, varied)
            self.bound = Tangents(self.listing, entries_needed(self.listing)).run()
        varied |= sizes_in_conditions(self.listing)
        while True:
            try:
                found = self.at({}, sorted(varied))
                break
            except NeedsSize as e:
                varied.add(e.label)
        numbers = {name: int(name) for name in varied if name.isdigit()}
        tangents, written, loss = ({k: n.at(numbers) for k, n in amounts.items()} for amounts in found)
        return tangents, written, loss

    def at(self, fixed: dict[str, int], left: list[str]) -> Found:
        """At these sizes, as polynomials in those that are left and in those that no condition speaks of."""
        if not left:
            return self.amounts(self.computed(fixed))
        name, *others = left
        few = FIRST + highest(self.bound.forward_mode, name) + MORE
        last = max(few, FIRST + self.degree(name) + MORE)
        if others:
            found = {n: self.at({**fixed, name: n}, others) for n in range(FIRST, last + 1)}
        else:
            found = self.along(fixed, name, few, last)
        return (
            through(name, {n: found[n][0] for n in range(FIRST, few + 1)}, "forward mode"),
            through(name, {n: found[n][1] for n in sorted(found)}, "the expanded gradients"),
            through(name, {n: found[n][2] for n in sorted(found)}, "the expanded loss"),
        )

    def along(self, fixed: dict[str, int], name: str, few: int, last: int) -> dict[int, Found]:
        """At all values of a size, forward mode at the first few: from the largest down, with what is the same taken
        over."""
        whole = self.computed({**fixed, name: last})
        prefix = Prefix(whole, name, FIRST)
        names = prefix.names()
        costs = whole.costs_by_place(names)
        found = {last: self.amounts(whole, last <= few)}
        for n in range(FIRST, last):
            part = prefix.at(n, names, costs if n <= few else {})
            found[n] = self.amounts(part.run(whole.kinds) if part else self.computed({**fixed, name: n}), n <= few)
        return found

    def computed(self, sizes: dict[str, int]) -> Fields:
        shapes = Shapes(self.listing, Space(sizes, self.common), self.depth).run()
        return Fields(shapes, huge=self.huge(sizes)).run()

    def amounts(self, fields: Fields, forward_mode: bool = True) -> Found:
        sizes = fields.space.sizes
        written = (
            dict(zip(fields.kinds, found[self.loss].numbers.tolist(), strict=True))
            for found in (fields.tangents, fields.values)
        )
        gradients, loss = ({k: self.digits(n, fields.huge) for k, n in amounts.items() if n} for amounts in written)
        return {k: n.at(sizes) for k, n in fields.forward_mode().items()} if forward_mode else {}, gradients, loss

    # ------------------------------------------------------------------ sizes that no condition speaks of

    def highest(self, of: Callable[[Amounts], int]) -> int:
        """Of the gradients and the loss written out: that of the bounds, growing on with every block."""
        found = max(of(written[self.loss]) for written in self.written)
        growth = [
            of(written[name]) - of(written[before])
            for written in self.written
            for name, before in self.depth.earlier.items()
            if name in written and before in written
        ]
        return found + self.depth.left_out * max(growth, default=0)

    @property
    def written(self) -> tuple[dict[str, Amounts], dict[str, Amounts]]:
        return {self.loss: {}, **self.bound.tangent}, self.bound.value

    def degree(self, name: str) -> int:
        return self.highest(lambda amounts: highest(amounts, name))

    def bits(self, sizes: Mapping[str, int]) -> int:
        """Of a coefficient at these sizes, at most."""

        def longest(amounts: Amounts) -> int:
            found = (abs(Fraction(c)) for n in amounts.values() for c in n.at(sizes).terms.values())
            return int(max(found, default=Fraction(1))).bit_length()

        return self.highest(longest) + self.depth.left_out + BITS + self.longer

    @cached_property
    def degrees(self) -> dict[str, int]:
        polynomials = [n for written in self.written for n in written[self.loss].values()]
        return {name: self.degree(name) for name in sorted({s for n in polynomials for s in n.sizes})}

    def huge(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """A power of two for every other size, so large that no two terms of a result meet."""
        out, place = {}, self.bits(sizes)
        for name, degree in self.degrees.items():
            if name not in sizes:
                out[name] = 1 << place
                place *= degree + 1
        return out

    def digits(self, n: int, huge: Mapping[str, int]) -> Polynomial:
        """The polynomial in those sizes that has this value."""
        if not huge:
            return Polynomial({(): n})
        terms: dict[tuple[tuple[str, int], ...], int] = {}
        bits = next(iter(huge.values())).bit_length() - 1
        place, half = 0, 1 << (bits - 1)
        while n:
            digit = ((n + half) & (2 * half - 1)) - half
            if abs(digit).bit_length() > bits - SPARE:
                raise SymbpError("a coefficient is longer than its bound")
            if digit:
                left, m = place, []
                for name in huge:
                    left, k = divmod(left, self.degrees[name] + 1)
                    m += [(name, k)] if k else []
                terms[tuple(m)] = digit
            n, place = (n - digit) >> bits, place + 1
        return Polynomial(terms)


def highest(amounts: Amounts, name: str) -> int:
    """The degree in a size."""
    return max((n.degree(name) for n in amounts.values()), default=0)


def alone_exactly(listing: Tensors, gradients: Mapping[str, str], depth: Depth | None = None) -> Amounts:
    """Each gradient alone, by kind. depth: of a network of equal blocks. Raises SymbpError as `Exact` does."""
    varied = large_sizes(listing)
    if varied:
        listing = with_names(listing, varied)
    varied |= sizes_in_conditions(listing)
    looks = Looks(listing)
    common: Known = {}

    def at(fixed: dict[str, int], left: list[str]) -> Amounts:
        if not left:
            found = Alone(listing, Space(fixed, common), gradients, looks, depth or Depth()).run()
            return {k: n.at(fixed) for k, n in found.items()}
        name, *others = left
        values: dict[int, Amounts] = {}
        for n in range(FIRST, FIRST + DEGREE + MORE + 1):
            values[n] = at({**fixed, name: n}, others)
            if len(values) > MORE:
                try:
                    return through(name, values, "each gradient alone")
                except SymbpError:  # of a higher degree
                    continue
        return through(name, values, "each gradient alone")

    while True:
        try:
            found = at({}, sorted(varied))
            break
        except NeedsSize as e:
            varied.add(e.label)
            looks.forget()
    return {k: n.at({name: int(name) for name in varied if name.isdigit()}) for k, n in found.items()}


def with_names(listing: Tensors, numbers: Collection[str]) -> Tensors:
    """The listing with sizes in place of the numbers of indices: the size 1024 is called "1024"."""
    memo: dict[Expr, Expr] = {}

    def named(e: Expr) -> Expr:
        if isinstance(e, Index):
            return index(e.label, size(e.size.label)) if isinstance(e.size, Num) and e.size.label in numbers else e
        if e.args and e not in memo:
            memo[e] = rebuild(e, [named(a) for a in e.args])
        return memo.get(e, e)

    tensors = {
        name: replace(t, indices=tuple(named(i) for i in t.indices))  # type: ignore[misc]
        for name, t in listing.tensors.items()
    }
    equations = tuple(Equation(named(e.target), named(e.value)) for e in listing.equations)  # type: ignore[arg-type]
    picked = {name: (table, tuple(map(named, places))) for name, (table, places) in listing.picked.items()}
    return replace(listing, equations=equations, tensors=tensors, picked=picked)
