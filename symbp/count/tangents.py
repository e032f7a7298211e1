"""Forward mode and naive expansion at any size, by recurrence on the equations.

Forward mode has one tangent for every entry of a tensor and every parameter p that this entry depends on, known ones
and zeros apart. Expansion takes the same equations and writes every name out until inputs and parameters are left. So

    operations of dv/dp written out = sum over the reads r of v of
                                      (local derivative written out) + join + (dr/dp written out),

summed over all p: a linear recurrence, in which the number of p that an entry depends on stands beside the local
derivative. All entries of a tensor cost the same as long as no condition on indices tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from symbp.count.polynomial import ONE as one
from symbp.count.polynomial import ZERO as zero
from symbp.count.polynomial import Polynomial, as_polynomial, of_size
from symbp.count.tensors import Known, Tensors, own_indices
from symbp.count.written import Amounts, Written, has_condition, in_order, sizes_of, unconditional, written
from symbp.derive.reverse import parts
from symbp.errors import SymbpError
from symbp.expr import ONE, ZERO, Access, Expr, Index, access, add, coefficient, factors, mul, substitute, sum_over
from symbp.functions import diff
from symbp.operations import is_constant, swappable
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
        self.at_hand = Known(tensors)
        for group in self.listing.groups:
            if group.time is not None:
                names = ", ".join(e.name for e in group.equations)
                raise SymbpError(f"{names} form a recurrence, whose tree grows with every step")
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
        for part, (constant, inner, bound) in enumerate(parts(Equation(e.target, body))):
            for read in sorted(inner.accesses, key=lambda a: (a.label, a.digest)):
                if read.label in self.depends and self.listing.tensors[read.label].dtype == "real":
                    local = mul(constant, diff(inner, read))
                    if local is not ZERO:
                        pieces += self.pieces(read, local, bound, part)
        own, grown, found = self.joined(pieces)
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
            here = tuple(None if at is None else substitute(at, formals) for at in template)  # type: ignore[arg-type]
            free = [i for at, i in zip(here, self.listing.tensors[name].indices, strict=True) if at is None]
            out.append(Piece(read, local, bound, sizes_of(tuple(free)), 0, name, here, found.known.get(name), part))
        return out

    def size(self, bits: int) -> Polynomial:
        """How many numbers these parameters hold."""
        found = self._sizes.get(bits)
        if found is None:
            found = zero
            for n, t in enumerate(self.parameters):
                if bits >> n & 1:
                    found = found + sizes_of(t.indices)
            self._sizes[bits] = found
        return found

    # ------------------------------------------------------------------------------- the pieces put together

    def joined(self, pieces: list[Piece]) -> tuple[Amounts, Amounts, Dependence]:
        """(operations of the tangents of one entry, the same with local derivatives written out, dependence)."""
        pieces = self.merged(pieces)
        full = 0
        for p in pieces:
            full |= p.bits
        partly: dict[str, Template] = {}
        known: dict[str, Expr] = {}
        for name in dict.fromkeys(p.name for p in pieces if p.name is not None):
            own_pieces = [p for p in pieces if p.name == name]
            whole = self.union(name, [self.summed(p) for p in own_pieces])
            if len(own_pieces) == 1 and own_pieces[0].constant and not full & self._bits[name]:
                known[name] = own_pieces[0].local
            elif all(at is None for at in whole) or full & self._bits[name]:
                full |= self._bits[name]
                continue
            partly[name] = whole
        union = self.size(full)
        for name, whole in partly.items():
            union = union + self.template_size(name, whole)
        own: Amounts = {}
        grown: Amounts = {}
        joins = union * -1
        times: dict[tuple[Access, int], Polynomial] = {}
        for p in pieces:
            n = self.reached(p)
            joins = joins + n
            whole = self.whole(p)
            negative = is_negative(whole) and not swappable(unsigned(whole))
            cost = written(unsigned(whole))
            inside = cost.reads.pop(TANGENT, zero)
            own = plus(own, cost.operations, n)
            grown = plus(grown, self.expanded(cost), n)
            if inside:  # all its pieces read the tangents of one access equally often
                times[p.read, p.part] = inside * sizes_of(p.fixed)
            if negative:
                signs = {"neg": self.alone(p, pieces)}
                own, grown = plus(own, signs), plus(grown, signs)
        for (read, _), n in times.items():
            grown = plus(grown, self.tangent.get(read.label, {}), n)
        joined = {"add": joins} if joins else {}
        return plus(own, joined), plus(grown, joined), Dependence(full, partly, known)

    def merged(self, pieces: list[Piece]) -> list[Piece]:
        """Pieces whose tangents are constants put into one a parameter: there they fold, or cancel."""
        out = [p for p in pieces if p.known is None]
        groups: dict[tuple[str | None, Template], list[Piece]] = {}
        for p in pieces:
            if p.known is not None:
                groups.setdefault((p.name, self.summed(p)), []).append(p)
        for (name, template), members in groups.items():
            value = add(*(sum_over(mul(p.local, p.known), p.left) for p in members if p.known is not None))
            if value is not ZERO:
                each = self.template_size(str(name), template)
                out.append(replace(members[0], local=value, bound=(), template=template, known=ONE, each=each))
        return out

    def whole(self, p: Piece) -> Expr:
        """Local derivative times tangent, summed."""
        product = p.local if p.known is not None else mul(p.local, access(TANGENT, in_order(p.read.free)))
        total = sum_over(self.at_hand.read_through(product), p.left)
        return own_indices(total, {i.label for i in total.free})

    def reached(self, p: Piece) -> Polynomial:
        """How many parameters an entry depends on through this piece."""
        return p.each if p.name is None else self.template_size(p.name, self.summed(p))

    def alone(self, p: Piece, pieces: list[Piece]) -> Polynomial:
        """How many of these it depends on through no other piece that is added."""
        others = [q for q in pieces if q is not p and not is_negative(self.whole(q))]
        covered = zero
        for name in [p.name] if p.name else [t.name for t in self.parameters if self._bits[t.name] & p.bits]:
            assert name is not None
            mine = self.summed(p) if p.name else self.everything(name)
            templates = [self.everything(name) if q.name is None else self.summed(q) for q in others
                         if q.name == name or q.bits & self._bits[name]]  # fmt: skip
            if templates:
                widest = self.union(name, templates)
                narrower = mine if all(a is None for a in widest) else widest
                covered = covered + self.template_size(name, narrower)
        return self.reached(p) - covered

    def everything(self, name: str) -> Template:
        return (None,) * len(self.listing.tensors[name].indices)

    def summed(self, p: Piece) -> Template:
        """The template with the indices of the sum gone: what is tied to one of them takes all values."""
        assert p.name is not None
        out: list[Expr | None] = []
        for at, axis in zip(p.template, self.listing.tensors[p.name].indices, strict=True):
            inside = () if at is None else [i for i in p.bound if i in at.free]
            if inside and not (at in p.bound and at.size is axis.size and p.template.count(at) == 1):  # type: ignore[union-attr]
                self.exact = False
            out.append(None if inside else at)
        return tuple(out)

    def union(self, name: str, found: list[Template]) -> Template:
        """What contains all templates: one of them, or else an upper bound."""
        for t in found:
            if all(all(a is None or a is b for a, b in zip(t, other, strict=True)) for other in found):
                return t
        self.exact = False
        return tuple(at[0] if len(set(at)) == 1 else None for at in zip(*found, strict=True))

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

    @property
    def constant(self) -> bool:
        """Whether the tangent that it gives is a constant."""
        return self.known is not None and is_constant(self.local)


def is_negative(e: Expr) -> bool:
    """Whether it is the negative of something that costs as much; beside another constant a sign costs nothing."""
    number, rest = coefficient(e)
    return number == -1 and not any(is_constant(f) for f in factors(rest) if f is not ONE)


def unsigned(e: Expr) -> Expr:
    return -e if is_negative(e) else e



def plus(a: Mapping[str, Polynomial], b: Mapping[str, Polynomial], times: Polynomial | int = 1) -> Amounts:
    """a + times b, by kind."""
    out = dict(a)
    for kind, n in b.items():
        out[kind] = out.get(kind, zero) + as_polynomial(n) * times
    return {k: n for k, n in out.items() if n}


