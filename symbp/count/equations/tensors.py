"""Programs at tensor level as they are counted: the counterpart of `scalars.listing`, for any sizes.

Concrete labels, no axes of length one, copies read through, forward values read where they're used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

from symbp.count.equations.labels import fix_labels, picked_apart
from symbp.errors import SymbpError
from symbp.expr import (
    ONE,
    ZERO,
    Access,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Reduce,
    Select,
    access,
    add,
    base_exponent,
    delta,
    factors,
    fresh_index,
    index,
    mul,
    rebuild,
    select,
    substitute,
    sum_over,
    terms,
    transform,
    walk,
)
from symbp.functions import zero_of_zeros
from symbp.operations import is_constant
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import Group, groups, leading_to
from symbp.simplify.share import canonical
from symbp.unroll import fix_sizes

SINGLE = index("one", 1)
EQUAL, SIDES = "==", (index("a", 1), index("b", 1))


@dataclass(frozen=True)
class Tensors:
    """Equations in running order. tensors: every tensor by name. outputs: what they are for.

    picked: inputs that stand for what integers pick from a table, see `labels`: the table, and at which of its places.
    masks: names in place of conditions, and what they stand for, over these indices: a sum isn't contracted by them.
    sums: equations that are a sum over the steps of a recurrence, written out: see `steps`.
    """

    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    picked: Mapping[str, tuple[str, tuple[Expr, ...]]] = field(default_factory=dict)
    masks: Mapping[str, tuple[tuple[Expr, ...], Expr]] = field(default_factory=dict)
    sums: frozenset[str] = frozenset()

    @cached_property
    def groups(self) -> list[Group]:
        return groups(self.equations)

    def restricted(self, outputs: tuple[str, ...]) -> Tensors:
        """What these outputs take, alone."""
        needed = leading_to(self.equations, outputs)
        return replace(self, equations=tuple(e for e in self.equations if e.name in needed), outputs=outputs)


def given_sizes(program: Program, sizes: Mapping[str, int] | None) -> dict[str, int]:
    """The sizes given. Raises SymbpError for one that the program doesn't have or that isn't positive."""
    for name, value in (sizes or {}).items():
        if name not in program.size_names:
            known = ", ".join(program.size_names) or "all fixed"
            raise SymbpError(f"{program.title} has no size {name}: its sizes are {known}")
        if not isinstance(value, int) or value < 1:
            raise SymbpError(f"the size {name} must be a positive integer, not {value!r}")
    return dict(sizes or {})


def tensor_listing(program: Program, sizes: Mapping[str, int] | None = None) -> Tensors:
    """The program with these sizes fixed, as it is counted; its other sizes are taken to be 2 or more.

    Tangents aren't looked up as what others compute: what happens to equal one depends on the order of the parameters.
    """
    tangents = {e.name: e.reason.of for e in program.equations if e.reason and e.reason.kind == "tangent"}
    program = program.with_(replace(e, reason=None) for e in program.equations)
    program, stands_for = picked_apart(fix_sizes(program, sizes) if sizes else program)
    picked = {}
    for name, read in stands_for.items():
        places = zip(read.args, program.tensors[read.label].indices, strict=True)
        picked[name] = read.label, tuple(ZERO if isinstance(at, Access) else at for at, i in places if not is_single(i))
    program = without_ones(fix_labels(program))
    known = Known(program.tensors)
    equations = []
    for equation in program.equations:
        of = tangents.get(equation.name)
        value = known.read_through(equation.value, of)
        copy = known.add(equation.target, value, of is not None)
        if not copy or equation.name in program.outputs:
            equations.append(Equation(equation.target, own_indices(value, {i.label for i in equation.target.free})))
    found = Tensors(tuple(equations), program.outputs, program.tensors, picked, known.masks)
    return found.restricted(program.outputs)


def values_read(program: Program) -> Program:
    """The program as it is differentiated: values of earlier equations read by name, no axes of length one."""
    program = without_ones(program)
    known = Known(program.tensors)
    equations = []
    for e in program.equations:
        value = known.read_through(e.value)
        known.add(e.target, value)
        equations.append(Equation(e.target, value))
    return program.with_(equations)


def is_index_mask(e: Expr) -> bool:
    """Whether a factor is 1 or 0 by a condition on indices alone."""
    if e.accesses:
        return False
    return isinstance(e, Delta) or (isinstance(e, Select) and e.args[1] is ONE and e.args[2] is ZERO)


def is_guarded(e: Expr) -> bool:
    """Whether a condition on indices alone decides between a value and zero."""
    return isinstance(e, Select) and not e.args[0].accesses and ZERO in e.args[1:] and ONE not in e.args[1:]


@cache
def holds_sum(e: Expr) -> bool:
    """Whether there is a sum in it, a maximum or a guarded value."""
    return isinstance(e, Reduce) or is_guarded(e) or any(map(holds_sum, e.args))


def own_indices(e: Expr, taken: set[str]) -> Expr:
    """The expression with the indices of every sum renamed where they are taken by what stands around it."""
    if not e.args or isinstance(e, (Index, Access)) or not holds_sum(e):
        return e
    if is_guarded(e):  # a factor that is 1 or 0: what doesn't depend on a sum's index can leave the sum
        condition, then, other = e.args
        mask = select(condition, ONE, ZERO) if other is ZERO else select(condition, ZERO, ONE)
        return mul(mask, own_indices(then if other is ZERO else other, taken))
    if isinstance(e, Reduce):
        labels = set(taken)
        new: dict[Expr, Expr] = {i: fresh_index(i, labels) for i in e.indices}
        body = own_indices(substitute(e.body, {i: j for i, j in new.items() if i is not j}), labels)
        apart = [t for t in terms(body) if e.label == "sum" and t.accesses and not t.free & frozenset(new.values())]
        if apart and isinstance(body, Add):  # the same in every term of the sum: once, times their number
            rest = add(*(t for t in body.args if t not in apart))
            return add(sum_over(rest, list(new.values())), *(sum_over(t, list(new.values())) for t in apart))  # type: ignore[arg-type]
        return rebuild(e, (body, *new.values()))
    return rebuild(e, [own_indices(a, taken) for a in e.args])


def kept_inside(e: Expr, fixed: Mapping[Expr, Expr], left: Collection[Expr]) -> tuple[Expr, list[Index]]:
    """A term of a sum with some indices given; and those that are left of the sum besides `left`.

    A factor that depends on given ones alone was computed in every term, and still is: it reads at one more index, of
    length one, so that it isn't moved out of the sum.
    """
    alone = [f for f in factors(e) if left and f.accesses and f.free & fixed.keys() and f.free.isdisjoint(left)]
    if not alone:
        return substitute(e, fixed), []
    rest = mul(*(f for f in factors(e) if f not in alone))
    moved = {i: add(at, SINGLE) for i, at in fixed.items()}
    return mul(substitute(rest, fixed), *(substitute(f, moved) for f in alone)), [SINGLE]


class Known:
    """For one program: what is computed so far, to be read instead of computed again."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self.copies: dict[str, tuple[tuple[Expr, ...], Expr]] = {}
        self.values: dict[bytes, list[tuple[Expr, Access]]] = {}
        self.masks: dict[str, tuple[tuple[Expr, ...], Expr]] = {}
        self.place: dict[str, int] = {}  # of the equations, in the order in which they're added
        self.last: int | None = None

    def read_through(self, e: Expr, upto: str | None = None) -> Expr:
        """The expression with what is computed read by name. upto: the last equation whose value may be read."""
        self.last = self.place.get(upto) if upto is not None else None
        return transform(transform(e, self.rule), self.settled) if self.masks else transform(e, self.rule)

    def settled(self, e: Expr) -> Expr:
        """For `transform`: a sum of conditions alone as the number, or the condition, that it is."""
        if not isinstance(e, Reduce) or not e.accesses or not e.tensors <= self.masks.keys():
            return e
        found = factors(transform(e, self.transparent))
        return mul(*(self.opaque(f) if is_index_mask(f) else f for f in found))

    def rule(self, e: Expr) -> Expr:
        if isinstance(e, Access):
            if e.label in self.copies:
                formals, value = self.copies[e.label]
                copied = substitute(value, dict(zip(formals, e.args, strict=True)))
                return transform(copied, equal) if EQUAL in copied.tensors else copied
        elif isinstance(e, Mul) and any(map(self.is_mask, e.args)):
            kept = dict.fromkeys(base_exponent(f)[0] for f in e.args if self.is_mask(f))
            return mul(*kept, self.rule(mul(*(f for f in e.args if not self.is_mask(f)))))
        elif isinstance(e, Call) and is_constant(e):
            return ZERO if zero_of_zeros(e) else e
        elif e.args and e.skeleton in self.values:
            for pattern, target in self.values[e.skeleton]:
                indices: dict[Expr, Expr] = {}
                if (self.last is None or self.place[target.label] <= self.last) and match(pattern, e, indices):
                    return substitute(target, {i: indices[i] for i in target.free})
        return e

    def add(self, target: Access, value: Expr, tangent: bool = False) -> bool:
        """Notes what an equation computes; True if that's a copy, a tangent also where it's one but for known zeros."""
        self.place.setdefault(target.label, len(self.place))
        if tangent:
            found = factors(transform(value, self.transparent))
            kept = [self.opaque(f) for f in found if is_index_mask(f)]
            rest = mul(*(f for f in found if not is_index_mask(f)))
            if isinstance(rest, Access) or is_constant(rest):
                self.copies[target.label] = target.args, mul(rest, *kept)
                return True
        if isinstance(value, Access) or is_constant(value):
            self.copies[target.label] = (target.args, value)
            return True
        if target.free <= value.free and not tangent:
            self.values.setdefault(value.skeleton, []).append((value, target))
        return False

    def opaque(self, mask: Expr) -> Expr:
        """A condition as the read of a tensor of ones and zeros, so that a sum isn't contracted by it."""
        if isinstance(mask, Delta):
            self.masks[EQUAL] = SIDES, delta(*SIDES)
            return equal(access(EQUAL, mask.args))
        key, axes = canonical(mask)
        self.masks[f"where {key.hex()}"] = axes, mask
        return access(f"where {key.hex()}", axes)

    def transparent(self, e: Expr) -> Expr:
        """For `transform`: an opaque condition as itself."""
        if not isinstance(e, Access) or e.label not in self.masks:
            return e
        formals, mask = self.masks[e.label]
        return substitute(mask, dict(zip(formals, e.args, strict=True)))

    def is_mask(self, e: Expr) -> bool:
        """Whether a factor is 1 or 0 by a condition on indices alone."""
        base, _ = base_exponent(e)
        return is_index_mask(e) or (isinstance(base, Access) and base.label in self.masks)


def match(pattern: Expr, e: Expr, found: dict[Expr, Expr]) -> bool:
    """Whether e is the pattern with its indices renamed; found: index of the pattern -> index of e."""
    if isinstance(pattern, Index):
        return isinstance(e, Index) and e.size is pattern.size and found.setdefault(pattern, e) is e
    if type(pattern) is not type(e) or pattern.label != e.label or len(pattern.args) != len(e.args):
        return False
    if not pattern.args:
        return pattern is e
    return all(match(p, a, found) for p, a in zip(pattern.args, e.args, strict=True)) and len(
        set(found.values())
    ) == len(found)


def equal(e: Expr) -> Expr:
    """For `transform`: the opaque form of a delta in normal form."""
    if not isinstance(e, Access) or e.label != EQUAL:
        return e
    found = delta(*e.args)
    return access(EQUAL, found.args) if isinstance(found, Delta) else found


def is_single(i: Expr) -> bool:
    """Whether it's an index that has one value."""
    return isinstance(i, Index) and isinstance(i.size, Num) and i.size.value == 1


def without_ones(program: Program) -> Program:
    """The program without axes and sums of length one."""

    if not any(is_single(n) for e in program.equations for v in (e.target, e.value) for n in walk(v)):
        return program
    kept_axes = {
        t.name: [k for k, i in enumerate(t.indices) if not is_single(i)] for t in program.tensors.values()
    }
    memo: dict[Expr, Expr] = {}

    def convert(e: Expr) -> Expr:
        if is_single(e):
            return ZERO
        if not e.args or isinstance(e, Index):
            return e
        found = memo.get(e)
        if found is None:
            if isinstance(e, Access):
                found = access(e.label, [convert(e.args[k]) for k in kept_axes[e.label]])
            elif isinstance(e, Reduce):
                indices = [i for i in e.indices if not is_single(i)]
                found = rebuild(e, (convert(e.body), *indices))
            else:
                found = rebuild(e, [convert(a) for a in e.args])
            memo[e] = found
        return found

    tensors = {
        t.name: replace(t, indices=tuple(t.indices[k] for k in kept_axes[t.name]), subscripts=None)
        for t in program.tensors.values()
    }
    equations = tuple(
        replace(e, target=access(e.name, tensors[e.name].indices), value=convert(e.value)) for e in program.equations
    )
    return replace(program, tensors=tensors, equations=equations)


