"""The tangents of every tensor, by parameters that reach it alike, with the regions where they aren't known to be zero.

A tensor has few kinds of tangents, whatever the number of parameters: by whole parameters that reach all of its
entries, by those that reach the entries of some rows (a weight and its own neuron), each where conditions on indices
let them through. One expression is counted for all tangents of a kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.algebra.regions import ALL, NONE, Region, Space
from symbp.count.equations.depth import Depth
from symbp.count.equations.steps import add_up, parts_of_sum
from symbp.count.equations.tally import Tally
from symbp.count.equations.tensors import Known, Tensors, is_index_mask, kept_inside, own_indices
from symbp.count.equations.work import Work
from symbp.count.gradients.templates import Template, contains, given, in_whole, meeting, ties, total_bits
from symbp.derive.reverse import parts
from symbp.errors import SymbpError
from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Add,
    Expr,
    Index,
    Num,
    Reduce,
    access,
    add,
    coefficient,
    delta,
    factors,
    index,
    mul,
    substitute,
    sum_over,
    terms,
    transform,
    uncollected,
    walk,
)
from symbp.functions import diff
from symbp.operations import is_constant
from symbp.program import Equation, Tensor
from symbp.recurrence import Group


@dataclass(frozen=True)
class Shape:
    """Tangents of one tensor. bits: by all entries of these parameters; or parameter, template: by some entries of one.

    name: of the tensor that they are, over the entries' indices and `own`, those of the parameter that are free.
    alive: where they aren't known to be zero. known: their value, where that is no matter of computing.
    """

    name: str
    bits: int
    parameter: str | None
    template: Template
    own: tuple[Index, ...]
    alive: Region
    known: Expr | None = None


@dataclass(frozen=True)
class Through:
    """A read that passes tangents on: its local derivative, in a sum over these indices."""

    read: Access
    local: Expr
    bound: tuple[Index, ...]


@dataclass(frozen=True)
class Unit:
    """An expression that computes tangents, at places of a region over the scope. weight: for so many parameters.

    sign: -1 for what another unit of the same tensor has counted too many.
    """

    value: Expr
    where: Region
    scope: frozenset[Index]
    weight: Polynomial
    sign: int = 1


@dataclass(frozen=True)
class Piece:
    """What passes through one read: the value, and by which parameters (as in Shape)."""

    value: Expr
    bits: int
    parameter: str | None
    template: Template


@dataclass
class Shapes:
    """The tangents of a forward program, in a space of index values.

    needed: where the loss depends on a tangent. units: what is computed. uses: the reads that pass tangents on, and
    where: (tensor read, read, region, indices that it runs over). depth: of a network of equal blocks.
    """

    listing: Tensors
    space: Space
    depth: Depth = field(default_factory=Depth)
    work: Work = field(init=False)
    sizes: dict[int, Polynomial] = field(default_factory=dict)
    shapes: dict[str, list[Shape]] = field(default_factory=dict)
    needed: dict[str, Region] = field(default_factory=dict)
    units: dict[str, list[Unit]] = field(default_factory=dict)
    uses: dict[str, list[tuple[Access, Region, frozenset[Index]]]] = field(default_factory=dict)
    through: dict[str, list[Through]] = field(default_factory=dict)
    at_hand: Known = field(default_factory=lambda: Known({}))

    def run(self) -> Shapes:
        """Raises TooLarge where regions would be too large, NeedsSize where a size has to be a number."""
        self.start(self.listing.groups)
        self.find_needed(self.listing.equations)
        for e in self.listing.equations:
            self.equation(e)
        return self

    def start(self, groups: Sequence[Group], alive: Mapping[str, Region] | None = None,
              like: Shapes | None = None) -> None:  # fmt: skip
        """Finds where values aren't zero, and what passes tangents on. alive, like: what other groups have of it."""
        self.forward = frozenset(self.listing.tensors)
        self.computed = frozenset(e.name for e in self.listing.equations)
        self.tensors = dict(self.listing.tensors)
        self.listing = replace(self.listing, tensors=self.tensors)
        self.work = Work(self.listing, self.space, alive=dict(alive or {}))
        for group in groups:
            self.work.find_alive(group)
        self.work.find_needed(groups)
        self.parameters = [t for t in self.tensors.values() if t.role == "parameter"]
        self.bit = {t.name: 1 << n for n, t in enumerate(self.parameters)}
        for t in self.parameters:
            self.shapes[t.name] = [self.seed(t.name, t.indices, t.name)]
        for name, (table, places) in self.listing.picked.items():
            if self.tensors[table].role == "parameter":
                self.shapes[name] = [self.seed(table, places, name)]
        for name, shapes in self.shapes.items():
            self.note(name, shapes)
        self.at_hand = Known(self.listing.tensors) if like is None else like.at_hand
        self.through = self.find_reads() if like is None else like.through
        self.sizes = {} if like is None else like.sizes

    def note(self, name: str, shapes: Sequence[Shape]) -> None:
        """Makes tangents readable as tensors."""
        for s in shapes:
            self.tensors[s.name] = Tensor(s.name, (*self.tensors[name].indices, *s.own))
            self.work.alive[s.name] = s.alive

    def seed(self, parameter: str, template: Template, of: str) -> Shape:
        return Shape(f"{of} by {parameter}", 0, parameter, template, (), ALL, ONE)

    def own(self, parameter: str) -> Template:
        """The indices of a parameter's axes."""
        return tuple(index(f"own.{k}", i.size) for k, i in enumerate(self.tensors[parameter].indices))

    # --------------------------------------------------------------------------- what passes tangents on

    def find_reads(self) -> dict[str, list[Through]]:
        """The reads of every equation that pass tangents on."""
        depends = set(self.shapes)
        found = {}
        for e in self.listing.equations:
            if depends & e.value.tensors:
                depends.add(e.name)
            self.at_hand.add(e.target, e.value)
            found[e.name] = [
                Through(read, local, bound)
                for constant, inner, bound in self.parts(e)
                for read in sorted(inner.accesses, key=lambda a: (a.label, a.digest))
                if read.label in depends and self.tensors[read.label].dtype == "real"
                and (local := mul(constant, local_derivative(inner, read))) is not ZERO
            ]  # fmt: skip
        return found

    def parts(self, e: Equation) -> list[tuple[Expr, Expr, tuple[Index, ...]]]:
        return parts_of_sum(e.target, e.value) if e.name in self.listing.sums else masked_parts(e)

    def total(self, e: Equation, values: Iterable[Expr], alike: bool = True) -> Expr:
        """The sum of tangents. alike: by the same entries of a parameter; others that come out equal stay two."""
        return (add_up if e.name in self.listing.sums else add if alike else uncollected)(*values)

    def find_needed(self, equations: Sequence[Equation]) -> None:
        """Where the loss depends on a tangent, from the loss back: that is the same for every parameter."""
        self.needed.update(dict.fromkeys(self.listing.outputs, ALL))
        for e in reversed(equations):
            self.uses[e.name] = self.passed(e)

    def passed(self, e: Equation) -> list[tuple[Access, Region, frozenset[Index]]]:
        """The reads of tangents in an equation for them, and where they are made."""
        found: list[tuple[Access, Region, frozenset[Index]]] = []
        for n, t in enumerate(self.through[e.name]):
            stand_in = f"{t.read.label} tangent {n}"
            self.tensors[stand_in] = self.tensors[t.read.label]
            self.work.alive[stand_in] = self.work.alive.get(t.read.label, ALL)
            value = self.put_together(mul(t.local, access(stand_in, t.read.args)), t.bound, e)
            tally = Reading(self.work, e.name)
            tally.as_tree(value, self.needed.get(e.name, NONE), e.target.free)
            for read, where, scope in tally.reads:
                if read.label == stand_in:
                    found.append((access(t.read.label, read.args), where, scope))
                    entries = self.space.entries(read, self.tensors[read.label].indices, where)
                    label = t.read.label
                    self.needed[label] = self.space.either((self.needed.get(label, NONE), entries))
        return found

    def put_together(self, product: Expr, bound: Sequence[Index], e: Equation) -> Expr:
        """The sum, as it is counted."""
        summed = sum_over(self.at_hand.read_through(product, e.name), list(bound))
        summed = self.at_hand.read_through(summed, e.name)
        return own_indices(summed, {i.label for i in (*summed.free, *e.target.free)})

    # ------------------------------------------------------------------------------------------- tangents

    def equation(self, e: Equation) -> None:
        """Notes what the tangents of a tensor look like, and what they take."""
        self.units[e.name] = []
        pieces = [p for t in self.through[e.name] for p in self.pieces(t, e)]
        partly = list(dict.fromkeys(p.parameter for p in pieces if p.parameter is not None))
        apart = total_bits(self.bit[name] for name in partly)
        found: dict[object, tuple[int, Region]] = {}
        for bits, members in in_whole(pieces, apart):
            alive = self.unit(e, self.total(e, (p.value for p in members)), (), self.size(bits))
            self.merge(found, bits, alive)
        out = []
        for name in partly:
            alive, template, known = self.part(
                e, name, [p for p in pieces if p.parameter == name or p.bits & self.bit[name]]
            )
            own: tuple[Index, ...] = tuple(q for q in self.own(name) if q in template)  # type: ignore[misc]
            if template == self.own(name) and known is None and not set(alive.axes) & set(own):
                self.merge(found, self.bit[name], alive)
            elif not alive.empty:
                out.append(Shape(f"{e.name} by {name}", 0, name, template, own, alive, known))
        for n, (bits, alive) in enumerate(found.values()):
            if not alive.empty:
                out.append(Shape(f"{e.name} by {n}", bits, None, (), (), alive))
        self.shapes[e.name] = out
        self.note(e.name, out)

    def merge(self, found: dict[object, tuple[int, Region]], bits: int, alive: Region) -> None:
        before = found.get(alive.key, (0, alive))[0]
        found[alive.key] = before | bits, alive

    def size(self, bits: int) -> Polynomial:
        """How many numbers these parameters hold."""
        found = self.sizes.get(bits)
        if found is None:
            marked = [(self.depth.mark(t), t) for n, t in enumerate(self.parameters) if bits >> n & 1]
            found = self.sizes[bits] = total(self.space.extents(t.indices) * mark for mark, t in marked)
        return found

    def pieces(self, t: Through, e: Equation) -> list[Piece]:
        """What passes through one read: one piece for each shape of what is read."""
        at: dict[Expr, Expr] = dict(zip(self.tensors[t.read.label].indices, t.read.args, strict=True))
        out = []
        for s in self.shapes.get(t.read.label, ()):
            tied: dict[Expr, Expr] = {}  # an index of the sum -> the parameter's, which fixes it
            deltas: list[Expr] = []
            template: list[Expr] = []
            if s.parameter is not None:
                for q, tie in zip(self.own(s.parameter), s.template, strict=True):
                    here = substitute(tie, at) if tie is not q else q
                    if here in t.bound and here not in tied and isinstance(here, Index) and here.size is q.size:  # type: ignore[attr-defined]
                        tied[here] = q
                        here = q
                    elif here is not q and (here.free & set(t.bound) or not isinstance(here, (Index, Num))
                                            or (isinstance(here, Index) and here.size is not q.size)):  # type: ignore[attr-defined] # fmt: skip
                        deltas.append(delta(q, substitute(here, tied)))
                        here = q
                    template.append(here)
            tangent = access(s.name, (*t.read.args, *s.own)) if s.known is None else substitute(s.known, at)
            left = [i for i in t.bound if i not in tied]
            own = t.read.label not in self.computed  # a parameter's own tangents are deltas, which settle first
            product, more = kept_inside(mul(t.local, tangent), tied, () if own else left)
            value = self.put_together(mul(product, *deltas), [*left, *more], e)
            if value is not ZERO:
                out.append(Piece(value, s.bits, s.parameter, tuple(template)))
        return out

    def unit(
        self, e: Equation, value: Expr, own: Sequence[Expr], weight: Polynomial, sign: int = 1
    ) -> Region:
        """Notes an expression for tangents; returns where it isn't known to be zero."""
        alive = self.work.not_zero(value)
        scope = e.target.free | frozenset(q for q in own if isinstance(q, Index))
        where = self.space.both(alive, self.needed.get(e.name, NONE))
        self.units[e.name].append(Unit(value, where, scope, weight, sign))
        return alive

    def part(self, e: Equation, name: str, pieces: Sequence[Piece]) -> tuple[Region, Template, Expr | None]:
        """The tangents by the entries of a parameter that its template has; where templates differ, part by part."""
        own = self.own(name)
        templates = [p.template or own for p in pieces]
        if len(set(templates)) > 1:
            pieces = [self.kept_apart(p, n) for n, p in enumerate(pieces)]
        wide = tuple(at[0] if len(set(at)) == 1 else q for q, at in zip(own, zip(*templates, strict=True), strict=True))
        one = self.depth.mark(self.tensors[name])
        chain = sorted(set(templates), key=lambda t: sum(a is q for a, q in zip(t, own, strict=True)))
        if chain[-1] != wide or not all(contains(b, a, own) for a, b in pairwise(chain)):
            return self.overlapping(e, own, wide, one, chain, pieces, templates), wide, None
        known: Expr | None = None
        values = []
        for n, template in enumerate(chain):
            members = [p for p, t in zip(pieces, templates, strict=True) if contains(t, template, own)]
            alike = len({p.template or own for p in members}) == 1
            value = self.total(e, (p.value for p in members), alike)
            value = put_apart(value, given(own, template))
            alive = self.unit(e, value, template, one)
            values.append((alive, value))
            if n:
                self.unit(e, put_apart(value, given(template, chain[n - 1])), chain[n - 1], one, -1)
            if len(chain) == 1 and self.is_copy(value) and e.name not in self.listing.outputs:
                known = value
                self.units[e.name].pop()
        for (here, _), template in zip(values[:-1], chain[:-1], strict=True):
            inside = self.work.not_zero(put_apart(value, given(wide, template)))
            if not self.space.both(here, inside).same(here):
                for d in ties(wide, template):
                    here = self.space.both(here, self.space.where(d))
                alive = self.space.either((alive, here))
        return alive, wide, known

    def kept_apart(self, p: Piece, n: int) -> Piece:
        """A piece with names of its own for the tangents that it reads: two that meet at some places stay two."""

        def rule(e: Expr) -> Expr:
            if not isinstance(e, Access) or e.label in self.forward:
                return e
            name = f"{e.label} ({n})"
            self.tensors[name], self.work.alive[name] = self.tensors[e.label], self.work.alive[e.label]
            return access(name, e.args)

        return replace(p, value=transform(p.value, rule))

    def is_copy(self, value: Expr) -> bool:
        """Whether a tangent is a constant, or a value of the forward pass: then it's read instead."""
        rest = mul(*(f for f in factors(value) if not is_index_mask(f)))
        return is_constant(rest) or (isinstance(rest, Access) and rest.label in self.forward)

    def overlapping(self, e: Equation, own: Template, wide: Template, one: Polynomial,
                    distinct: Sequence[Template], pieces: Sequence[Piece],
                    templates: Sequence[Template]) -> Region:  # fmt: skip
        """The same where templates overlap: by inclusion and exclusion."""
        alive = NONE
        parted = list(zip(pieces, templates, strict=True))
        values = {t: self.total(e, (p.value for p, of in parted if of == t)) for t in distinct}
        for n in range(1, len(distinct) + 1):
            for met in combinations(distinct, n):
                common, same = meeting(met, own)
                for k in range(1, n + 1):
                    for chosen in combinations(met, k):
                        moved = [mul(put_apart(values[t], given(t, common)), *same) for t in chosen]
                        self.unit(e, self.total(e, moved, alike=False), common, one, (-1) ** (n - k))
        for t, value in values.items():
            here = self.work.not_zero(value)
            for d in ties(wide, t):
                here = self.space.both(here, self.space.where(d))
            alive = self.space.either((alive, here))
        return alive


def masked_parts(e: Equation) -> list[tuple[Expr, Expr, tuple[Index, ...]]]:
    """As `parts`, where a condition on indices, or a sign of all terms together, may stand before a sum."""
    out = []
    rest = []
    for term in (t for t in terms(e.value) for t in opened(t)):
        mask = mul(*(f for f in factors(term) if is_index_mask(f)))
        inner = mul(*(f for f in factors(term) if not is_index_mask(f)))
        if any(isinstance(f, Reduce) for f in factors(inner)):
            out += [(mul(mask, constant), body, bound) for constant, body, bound in parts(Equation(e.target, inner))]
        else:
            rest.append(term)
    return [*out, *(parts(Equation(e.target, add(*rest))) if rest else ())]


def opened(e: Expr) -> list[Expr]:
    """The terms of a sum, also where a number stands before all of them."""
    number, rest = coefficient(e)
    return [mul(number, t) for t in terms(rest)] if any(isinstance(n, Reduce) for n in walk(rest)) else [e]


def put_apart(e: Expr, table: Mapping[Expr, Expr]) -> Expr:
    """A sum with other indices, term by term: two that come out equal stay two."""
    number, rest = coefficient(e)
    if not isinstance(rest, Add) or number not in (1, -1):
        return substitute(e, table)
    return mul(number, uncollected(*(put_apart(t, table) for t in rest.args)))


def local_derivative(body: Expr, read: Access) -> Expr:
    """Raises SymbpError for a product of sums, which is left where a size is one."""
    try:
        return diff(body, read)
    except ValueError as error:
        raise SymbpError("at these sizes an equation holds a product of sums") from error


@dataclass
class Reading(Tally):
    """Notes the reads of one expression: (read, where, the indices that it runs over)."""

    reads: list[tuple[Access, Region, frozenset[Index]]] = field(default_factory=list)

    def note_read(self, read: Access, where: Region) -> None:
        assert self.scope is not None
        self.reads.append((read, where, self.scope))
