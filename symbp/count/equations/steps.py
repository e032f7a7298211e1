"""Networks with recurrences step by step: a tensor for every step, so that nothing reads itself.

Only what runs along the time is written out; all other axes stay as they are. So a network of T steps is as long as T
layers are, whatever its width. A sum over the steps is written out, too; the constants of its derivative stand before
it once, as they do where it is a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from itertools import product
from math import prod

from symbp.derive.reverse import parts
from symbp.errors import SymbpError
from symbp.expr import (
    Access,
    Add,
    Expr,
    Index,
    Num,
    Reduce,
    access,
    add,
    call,
    factors,
    maximum_over,
    mul,
    num,
    rebuild,
    substitute,
    sum_over,
    terms,
    walk,
)
from symbp.operations import is_constant
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import groups

Axes = Mapping[str, frozenset[int]]  # computed tensor -> its axes that are written out


def in_steps(program: Program, limit: int = 10**6) -> tuple[Program, frozenset[str]]:
    """The program with a tensor for every step of its recurrences, whose length is a number; and the equations that
    have a sum over time written out.

    Raises SymbpError where it isn't one, where these are more equations than the limit, or where what is read of the
    steps is a maximum or picked by an integer input.
    """
    axes = along_time(program)
    entries = sum(prod(len(steps(program.tensors[name].indices[k])) for k in found) for name, found in axes.items())
    if entries > limit:
        raise SymbpError(f"{entries:,} equations step by step are more than {limit:,}: leave the number of steps open")
    sums = set()
    tensors = {name: t for name, t in program.tensors.items() if name not in axes}
    equations = []
    for group in groups(program.equations):
        places = [(at, e) for e in group.equations for at in positions(program.tensors[e.name], axes.get(e.name, ()))]
        if group.time is not None:
            axis = {e.name: e.target.args.index(group.time) for e in group.equations}
            places.sort(key=lambda p: p[0][axis[p[1].name]], reverse=group.backwards)  # stable: within a step as it was
        for at, e in places:
            given: dict[Expr, Expr] = {e.target.args[k]: num(v) for k, v in at.items()}
            t = program.tensors[e.name]
            target = _Steps(program, axes).read(substitute(e.target, given))  # type: ignore[arg-type]
            if at:
                left = tuple(i for k, i in enumerate(t.indices) if k not in at)
                tensors[target.label] = Tensor(target.label, left, t.role, t.dtype, layer=t.layer)
            equations.append(Equation(target, _Steps(program, axes).convert(substitute(e.value, given))))
            if is_sum(e, axes):
                sums.add(target.label)
    whole = replace(program, tensors=tensors, equations=tuple(equations), prediction=None, facts=(), inference=None)
    return whole, frozenset(sums)


def is_sum(e: Equation, axes: Axes) -> bool:
    """Whether it is a sum over time. Raises SymbpError where what becomes of its tangents isn't known."""
    found = [n for n in walk(e.value) if isinstance(n, Reduce) and times(n.body, axes) & set(n.indices)]
    if any(n.label == "max" for n in found):
        raise SymbpError(f"{e.name} is the maximum over the steps of a recurrence")
    if found and len(terms(e.value)) > 1:
        raise SymbpError(f"{e.name} adds further terms to a sum over the steps of a recurrence")
    return bool(found)


def along_time(program: Program) -> Axes:
    """The axes of computed tensors that recurrences run along, those included that only read what they compute."""
    found: dict[str, frozenset[int]] = {}
    for group in groups(program.equations):
        if group.time is not None:
            found.update({e.name: frozenset([e.target.args.index(group.time)]) for e in group.equations})
    while True:
        before = dict(found)
        for e in program.equations:
            indices = times(e.value, found)
            here = frozenset(k for k, i in enumerate(e.target.args) if i in indices)
            found[e.name] = found.get(e.name, frozenset()) | here
        found = {name: axes for name, axes in found.items() if axes}
        if found == before:
            return found


def times(e: Expr, axes: Axes) -> frozenset[Expr]:
    """The indices by which an expression reads along those axes."""
    return frozenset().union(*(a.args[k].free for a in e.accesses for k in axes.get(a.label, ())))


def positions(t: Tensor, axes: frozenset[int] | tuple[()]) -> list[dict[int, int]]:
    """Every place along some axes of a tensor."""
    return [dict(zip(sorted(axes), at, strict=True)) for at in product(*(steps(t.indices[k]) for k in sorted(axes)))]


def steps(i: Index) -> range:
    if not isinstance(i.size, Num):
        raise SymbpError(f"give a value for the size of {i.label}: a recurrence is written out at a number of steps")
    return range(int(i.size.value))


class _Steps:
    """Replaces reads along the time by reads of one step's tensor, and reductions over time by what they reduce."""

    def __init__(self, program: Program, axes: Axes) -> None:
        self.program = program
        self.axes = axes
        self.memo: dict[Expr, Expr] = {}

    def convert(self, e: Expr) -> Expr:
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self.converted(e)
        return found

    def converted(self, e: Expr) -> Expr:
        if isinstance(e, Access):
            return self.read(e)
        if isinstance(e, Reduce):
            over = [i for i in e.indices if i in times(e.body, self.axes)]
            left = tuple(i for i in e.indices if i not in over)
            if over:
                whole = sum_over if e.label == "sum" else maximum_over
                values = (map(num, at) for at in product(*map(steps, over)))
                places: Iterable[dict[Expr, Expr]] = (dict(zip(over, at, strict=True)) for at in values)
                each = [self.convert(whole(substitute(e.body, at), left)) for at in places]
                return add(*each) if e.label == "sum" else reduce(lambda a, b: call("maximum", a, b), each)
        return rebuild(e, [self.convert(a) for a in e.args]) if e.args and not isinstance(e, Index) else e

    def read(self, e: Access) -> Access:
        axes = self.axes.get(e.label)
        if not axes:
            return e
        at = [e.args[k] for k in sorted(axes)]
        if not all(isinstance(a, Num) for a in at):
            raise SymbpError(f"{e.label} is read at a step that an integer input picks")
        name = f"{e.label}[{','.join(a.label for a in at)}]"
        return access(name, [a for k, a in enumerate(e.args) if k not in axes])


def parts_of_sum(target: Access, value: Expr) -> list[tuple[Expr, Expr, tuple[Index, ...]]]:
    """The `parts` of a constant times a sum over steps that is written out."""
    sums = [f for f in factors(value) if isinstance(f, Add)]
    if len(sums) != 1:
        return parts(Equation(target, value))
    factor = mul(*(f for f in factors(value) if f not in sums))
    return [part for t in sums[0].args for part in parts(Equation(target, mul(factor, t)))]


def add_up(*summed: Expr) -> Expr:
    """The sum, a constant before each of its terms before the whole."""
    constants = {mul(*(f for f in factors(e) if is_constant(f))) for e in summed}
    if len(constants) != 1:
        return add(*summed)
    return mul(*constants, add(*(mul(*(f for f in factors(e) if not is_constant(f))) for e in summed)))
