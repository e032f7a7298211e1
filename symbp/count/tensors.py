"""Programs at tensor level as they are counted: the counterpart of `scalars.listing`, for any sizes.

Concrete labels, no axes of length one, copies read through, forward values read where they're used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from symbp.count.labels import fix_labels, picked_apart
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
    Select,
    access,
    add,
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
from symbp.operations import is_constant
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import Group, groups, leading_to
from symbp.unroll import fix_sizes

SINGLE = index("one", 1)


@dataclass(frozen=True)
class Tensors:
    """Equations in running order. tensors: every tensor by name. outputs: what they are for.

    picked: inputs that stand for what integers pick from a table, see `labels`: the table, and at which of its places.
    sums: equations that are a sum over the steps of a recurrence, written out: see `steps`.
    """

    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    picked: Mapping[str, tuple[str, tuple[Expr, ...]]] = field(default_factory=dict)
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
    """The program with these sizes fixed, as it is counted; its other sizes are taken to be 2 or more."""
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
        value = known.read_through(equation.value)
        copy = known.add(equation.target, value)
        if not copy or equation.name in program.outputs:
            equations.append(Equation(equation.target, own_indices(value, {i.label for i in equation.target.free})))
    return Tensors(tuple(equations), program.outputs, program.tensors, picked).restricted(program.outputs)


def is_guarded(e: Expr) -> bool:
    """Whether a condition on indices alone decides between a value and zero."""
    return isinstance(e, Select) and not e.args[0].accesses and ZERO in e.args[1:] and ONE not in e.args[1:]


def own_indices(e: Expr, taken: set[str]) -> Expr:
    """The expression with the indices of every sum renamed where they are taken by what stands around it."""
    if not e.args or isinstance(e, (Index, Access)) or not any(isinstance(n, Reduce) or is_guarded(n) for n in walk(e)):
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
        self.memo: dict[Expr, Expr] = {}

    def read_through(self, e: Expr) -> Expr:
        return transform(e, self.rule)

    def rule(self, e: Expr) -> Expr:
        if isinstance(e, Access):
            if e.label in self.copies:
                formals, value = self.copies[e.label]
                return substitute(value, dict(zip(formals, e.args, strict=True)))
        elif e.args and e.skeleton in self.values:
            for pattern, target in self.values[e.skeleton]:
                found: dict[Expr, Expr] = {}
                if match(pattern, e, found):
                    return substitute(target, {i: found[i] for i in target.free})
        return e

    def add(self, target: Access, value: Expr) -> bool:
        """Notes what an equation computes; True if that's a copy."""
        if isinstance(value, Access) or is_constant(value):
            self.copies[target.label] = (target.args, value)
            return True
        if target.free <= value.free:
            self.values.setdefault(value.skeleton, []).append((value, target))
        return False


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


