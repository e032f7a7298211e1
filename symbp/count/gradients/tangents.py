"""Forward mode and naive expansion at any size, by recurrence on the equations.

Forward mode has one tangent for every entry of a tensor and every parameter p that this entry depends on, known ones
and zeros apart. Expansion takes the same equations and writes every name out until inputs and parameters are left. So

    operations of dv/dp written out = sum over the reads r of v of
                                      (local derivative written out) + join + (dr/dp written out),

summed over all p: a linear recurrence, in which the number of p that an entry depends on stands beside the local
derivative. All entries of a tensor cost the same as long as no condition on indices tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from symbp.count.algebra.polynomial import ONE as one
from symbp.count.algebra.polynomial import ZERO as zero
from symbp.count.algebra.polynomial import Polynomial, of_size, total
from symbp.count.equations.steps import add_up, parts_of_sum
from symbp.count.equations.tensors import Known, Tensors, kept_inside, own_indices
from symbp.count.equations.written import (
    Amounts,
    Written,
    has_condition,
    in_order,
    plus,
    sizes_of,
    unconditional,
    written,
)
from symbp.count.gradients.shapes import local_derivative, masked_parts
from symbp.errors import SymbpError
from symbp.expr import ONE, ZERO, Access, Expr, Index, access, add, mul, substitute, sum_over, uncollected
from symbp.operations import is_constant
from symbp.program import Equation

TANGENT = "tangent of this read"
Template = tuple[Expr | None, ...]  # for each axis of a parameter the entry's index that it equals; None: any value


@dataclass
class Dependence:
    """Which parameters an entry depends on. full: those of which it depends on every entry, as bits. partly: parameter
    -> template. known: parameter -> its tangent, where that is a constant."""

    full: int = 0
    partly: dict[str, Template] = field(default_factory=dict)
    known: dict[str, Expr] = field(default_factory=dict)


@dataclass
class Tangents:
    """The recurrence over a forward program. entries: tensor -> how many of its entries are needed.

    exact: False where a condition on indices, or a parameter reached on two ways of different extent, makes the
    amounts upper bounds.
    """

    listing: Tensors
    entries: Mapping[str, Polynomial]
    exact: bool = True
    value: dict[str, Amounts] = field(default_factory=dict)  # tensor -> one entry written out
    tangent: dict[str, Amounts] = field(default_factory=dict)  # tensor -> its tangents by all p written out, one entry
    forward_mode: Amounts = field(default_factory=dict)
    depends: dict[str, Dependence] = field(default_factory=dict)
    at_hand: Known = field(default_factory=lambda: Known({}))
    _bits: dict[str, int] = field(default_factory=dict)
    _sizes: dict[int, Polynomial] = field(default_factory=dict)

    def run(self) -> Tangents:
        """Raises SymbpError for a recurrence: its trees grow with every step."""
        tensors = self.listing.tensors
        self.parameters = [t for t in tensors.values() if t.role == "parameter"]
        self._bits = {t.name: 1 << n for n, t in enumerate(self.parameters)}
        for t in self.parameters:
            self.depends[t.name] = Dependence(0, {t.name: t.indices}, {t.name: ONE})
        for name, (table, places) in self.listing.picked.items():
            if tensors[table].role == "parameter":
                self.depends[name] = Dependence(0, {table: places}, {table: ONE})
        self.at_hand = Known(tensors)
        for group in self.listing.groups:
            if group.time is not None:
                names = ", ".join(e.name for e in group.equations)
                raise SymbpError(f"the recurrence of {names} has a tree that grows with every step")
            (equation,) = group.equations
            self.equation(equation)
        return self

    # ------------------------------------------------------------------------------------------ one equation

    def equation(self, e: Equation) -> None:
        body = unconditional(e.value)
        self.at_hand.add(e.target, body)
        self.exact = self.exact and not has_condition(e.value)
        value = written(body)
        self.value[e.name] = self.expanded(value)
        pieces: list[Piece] = []
        is_sum = e.name in self.listing.sums
        body_parts = (parts_of_sum(e.target, body) if is_sum else masked_parts(Equation(e.target, body)))
        for part, (constant, inner, bound) in enumerate(body_parts):
            for read in sorted(inner.accesses, key=lambda a: (a.label, a.digest)):
                if read.label in self.depends and self.listing.tensors[read.label].dtype == "real":
                    local = mul(constant, local_derivative(inner, read))
                    if local is not ZERO:
                        pieces += self.pieces(read, local, bound, part)
        own, grown, found = self.joined(pieces, add_up if is_sum else add)
        if pieces:
            self.depends[e.name] = found
            self.tangent[e.name] = grown
            self.forward_mode = plus(self.forward_mode, own, self.entries[e.name])

    def expanded(self, w: Written) -> Amounts:
        """What is written, and the values that it reads written out."""
        out = dict(w.operations)
        for name, times in w.reads.items():
            if name in self.value:
                out = plus(out, self.value[name], times)
        return out

    def pieces(self, read: Access, local: Expr, bound: tuple[Index, ...], part: int) -> list[Piece]:
        """What one read contributes: one piece for all parameters that it fully depends on, one for each other."""
        found = self.depends[read.label]
        formals = dict(zip(self.listing.tensors[read.label].indices, read.args, strict=True))
        out = []
        if found.full:
            out.append(Piece(read, local, bound, self.size(found.full), found.full, None, (), None, part))
        for name, template in found.partly.items():
            axes = self.listing.tensors[name].indices
            here = tuple(
                None if at is None else self.same_range(substitute(at, formals), axis)  # type: ignore[arg-type]
                for at, axis in zip(template, axes, strict=True)
            )
            free = [i for at, i in zip(here, axes, strict=True) if at is None]
            out.append(Piece(read, local, bound, sizes_of(tuple(free)), 0, name, here, found.known.get(name), part))
        return out

    def same_range(self, at: Expr, axis: Index) -> Expr | None:
        """What a parameter's axis is tied to; None, for any value, where an index of other values decides it."""
        if isinstance(at, Index) and at.size is not axis.size:
            self.exact = False
            return None
        return at

    def size(self, bits: int) -> Polynomial:
        """How many numbers these parameters hold."""
        found = self._sizes.get(bits)
        if found is None:
            found = total(sizes_of(t.indices) for n, t in enumerate(self.parameters) if bits >> n & 1)
            self._sizes[bits] = found
        return found

    # ------------------------------------------------------------------------------- the pieces put together

    def joined(self, pieces: list[Piece], sum_of: Callable[..., Expr]) -> tuple[Amounts, Amounts, Dependence]:
        """(operations of the tangents of one entry, the same with local derivatives written out, dependence).

        sum_of: `add`, or `add_up` for the terms of one sum.
        """
        own: Amounts = {}
        grown: Amounts = {}
        found = Dependence()
        names: dict[tuple[Access, int], str] = {}  # no parameter is reached by two pieces of one read
        for p in pieces:
            names.setdefault((p.read, p.part), f"{TANGENT}{len(names)}")
        known: dict[tuple[object, ...], Expr] = {}
        wholes = []
        for p in pieces:
            key = p.read, p.part, p.local, p.left, p.known
            if key not in known:
                known[key] = self.whole(p, names[p.read, p.part])
            wholes.append(known[key])
        times: dict[tuple[Access, int], Polynomial] = {}
        for p, whole in zip(pieces, wholes, strict=True):
            inside = written(whole).reads.get(names[p.read, p.part])
            if inside:  # all pieces of one read take its tangents equally often
                times[p.read, p.part] = inside * sizes_of(p.fixed)
        by_value: dict[Expr, list[Polynomial]] = {}
        for region in self.regions(pieces):
            alike = len({tuple(at for at in pieces[n].template if at is not None) for n in region.pieces}) == 1
            value = (sum_of if alike or sum_of is add_up else uncollected)(*(wholes[n] for n in region.pieces))
            if value is not ZERO:
                by_value.setdefault(value, []).append(region.parameters)
                self.note(found, region, value)
        for value, parameters in by_value.items():
            cost, n = written(value), total(parameters)
            own = plus(own, cost.operations, n)
            grown = plus(grown, self.expanded(cost), n)
        for (read, _), n_reads in times.items():
            grown = plus(grown, self.tangent.get(read.label, {}), n_reads)
        return own, grown, found

    def note(self, found: Dependence, region: Region, value: Expr) -> None:
        """A tangent by the region's parameters is there; from one region to the next the template grows."""
        if region.name is None:
            found.full |= region.bits
            return
        first = region.name not in found.partly
        found.partly[region.name] = region.template
        found.known.pop(region.name, None)
        if is_constant(value) and first and region.only:
            found.known[region.name] = value
        elif all(at is None for at in region.template):
            del found.partly[region.name]
            found.full |= self._bits[region.name]

    def regions(self, pieces: list[Piece]) -> list[Region]:
        """The parameters, parted by which pieces give a tangent by them."""
        partly = dict.fromkeys(p.name for p in pieces if p.name is not None)
        apart = 0
        for name in partly:
            apart |= self._bits[name]
        parts: list[tuple[int, tuple[int, ...]]] = [(-1 & ~apart, ())]
        for n, p in enumerate(pieces):
            if p.bits:
                parts = [
                    part
                    for bits, members in parts
                    for part in ((bits & p.bits, (*members, n)), (bits & ~p.bits, members))
                    if part[0]
                ]
        out = [Region(members, self.size(bits), bits) for bits, members in parts if members]
        for name in partly:
            covering = [n for n, p in enumerate(pieces) if p.name == name or p.bits & self._bits[name]]
            templates = {n: self.summed(pieces[n], name) for n in covering}
            before = zero
            chain = sorted(set(templates.values()), key=lambda t: sum(at is None for at in t))
            if not all(contains(wide, narrow) for narrow, wide in pairwise(chain)):
                self.exact = False
                chain = [tuple(at[0] if len(set(at)) == 1 else None for at in zip(*chain, strict=True))]
                templates = dict.fromkeys(covering, chain[0])
            for template in chain:
                size = self.template_size(name, template)
                members = tuple(n for n in covering if contains(templates[n], template))
                out.append(Region(members, size - before, 0, name, template, len(chain) == 1))
                before = size
        return out

    def whole(self, p: Piece, tangent: str) -> Expr:
        """Local derivative times tangent, summed."""
        own = p.read.label not in self.value  # a parameter's own tangents are deltas, which settle first
        product = mul(p.local, access(tangent, in_order(p.read.free)) if p.known is None else p.known)
        product, more = kept_inside(product, {i: i for i in p.fixed}, () if own else p.left)
        summed = self.at_hand.read_through(sum_over(self.at_hand.read_through(product), [*p.left, *more]))
        return own_indices(summed, {i.label for i in summed.free})

    def summed(self, p: Piece, name: str) -> Template:
        """The template with the indices of the sum gone: what is tied to one of them takes all values."""
        axes = self.listing.tensors[name].indices
        if p.name is None:
            return (None,) * len(axes)
        out: list[Expr | None] = []
        for at, axis in zip(p.template, axes, strict=True):
            inside = () if at is None else [i for i in p.bound if i in at.free]
            if inside and not (isinstance(at, Index) and at.size is axis.size and p.template.count(at) == 1):
                self.exact = False
            out.append(None if inside else at)
        return tuple(out)

    def template_size(self, name: str, template: Template) -> Polynomial:
        out = one
        for at, i in zip(template, self.listing.tensors[name].indices, strict=True):
            if at is None:
                out = out * of_size(i.size)
        return out


@dataclass(frozen=True)
class Piece:
    """The tangents that come through one read: local derivative times the tangent of the read.

    each: by how many parameters the read has one. bits: the fully reached ones, or name and template of one that is
    reached partly. part: of the equation's terms. known: the read's tangent where that is a constant.
    """

    read: Access
    local: Expr
    bound: tuple[Index, ...]
    each: Polynomial
    bits: int
    name: str | None
    template: Template
    known: Expr | None
    part: int

    @property
    def fixed(self) -> tuple[Index, ...]:
        """The indices of the sum that a parameter fixes."""
        return tuple(i for i in self.bound if i not in self.left)

    @property
    def left(self) -> tuple[Index, ...]:
        """The indices of the sum that a parameter doesn't fix."""
        return tuple(i for i in self.bound if not any(at is i for at in self.template))


@dataclass(frozen=True)
class Region:
    """Parameters by which the same pieces give a tangent. parameters: how many numbers these are.

    bits: whole parameter tensors, or name: entries of one that the template has and the one before it doesn't. only:
    there is no other region of this name.
    """

    pieces: tuple[int, ...]
    parameters: Polynomial
    bits: int
    name: str | None = None
    template: Template = ()
    only: bool = True


def contains(wide: Template, narrow: Template) -> bool:
    """Whether a template has all entries of another one."""
    return all(a is None or a is b for a, b in zip(wide, narrow, strict=True))
