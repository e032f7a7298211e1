"""Recurrences as loops over time: only what is in the cycle runs step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from symbp.affine import decide, is_mask, learn, opposite, where_nonzero
from symbp.expr import (
    FALSE,
    ONE,
    TRUE,
    ZERO,
    Access,
    Add,
    Delta,
    Expr,
    Index,
    Reduce,
    Select,
    access,
    add,
    factors,
    mul,
    select,
    terms,
    transform,
    walk,
)
from symbp.lower.array import Array, Axes, copy
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import Group, groups, local_to_step, step
from symbp.simplify.share import unused

if TYPE_CHECKING:
    from symbp.lower.writer import Writer


def hoist_invariants(program: Program) -> Program:
    """Terms of a recurrence that don't read it and hold a sum, such as input projections, come out of it.

    What is the same at all times, such as the gradient by the last state, or by the mean of all, needs no axis of time.
    """
    new: dict[str, Tensor] = {}
    equations: list[Equation] = []
    for group in groups(program.equations):
        if group.time is None:
            equations += group.equations
            continue
        inside: list[Equation] = []
        for e in group.equations:
            apart = partial(_invariants_apart, at=e, group=group, program=program, new=new, equations=equations)
            value = transform(transform(e.value, apart), partial(_one_or_the_other, time=group.time))
            inside.append(replace(e, value=value))
        equations += inside
    return program.with_(equations, new.values()) if new else program


def _invariants_apart(
    e: Expr, at: Equation, group: Group, program: Program, new: dict[str, Tensor], equations: list[Equation]
) -> Expr:
    """A sum within an equation, its terms that don't read the recurrence given by new tensors' equations."""
    tensor, time = program.tensors[at.name], group.time
    assert time is not None
    free = [t for t in terms(e) if not t.tensors & group.names]
    rest = [t for t in terms(e) if t.tensors & group.names]
    if not isinstance(e, Add) or not rest or e.free - frozenset(tensor.indices):
        return e
    if len(free) > 1:
        free = [_read_here_alone(t, program, equations) for t in free]
    if not any(isinstance(n, Reduce) for t in free for n in walk(t)):
        return e
    apart: dict[Expr, list[Expr]] = {}
    for t in free:
        mask, value = _at_some_times(t, time)
        apart.setdefault(mask, []).append(value)
    for mask, values in apart.items():
        indices = tuple(i for i in tensor.indices if i is not time or any(time in v.free for v in values))
        name = unused(f"{at.name}_in", program, new)
        new[name] = Tensor(name, indices, layer=tensor.layer)
        target = access(name, indices)
        equations.append(Equation(target, add(*values), Reason("shared")))
        rest.append(mul(mask, target))
    return add(*rest)


def _read_here_alone(term: Expr, program: Program, equations: list[Equation]) -> Expr:
    """What a term reads, in its place, and no longer among the equations, if nothing else reads it."""
    made = next((e for e in equations if e.target is term), None)
    readers = sum(term.tensors <= e.value.tensors for e in program.equations)
    if made is None or readers > 1 or made.name in (*program.outputs, *program.updates.values()):
        return term
    equations.remove(made)
    return made.value


def _one_or_the_other(e: Expr, time: Index) -> Expr:
    """A sum of two terms, of which one is zero just where the other isn't, as a choice: such as what arrives from the
    next step, and at the last step from the loss.
    """
    masked = [(_mask(t, time), t) for t in terms(e)] if isinstance(e, Add) else []
    masked.sort(key=lambda found: isinstance(found[0], Delta))  # rather "if t + 1 < T" than "if t == T - 1"
    for mask, t in masked:
        for other, u in masked:
            if mask is not other and ONE not in (mask, other) and _exclude(where_nonzero(mask), where_nonzero(other)):
                then, otherwise = (mul(*(f for f in factors(x) if f is not m)) for m, x in ((mask, t), (other, u)))
                rest = (x for x in terms(e) if x not in (t, u))
                return add(select(where_nonzero(mask), then, otherwise), *rest)
    return e


def _mask(term: Expr, time: Index) -> Expr:
    """The factor that is 1 at some times and 0 at others; 1 where there is none or another condition on time too."""
    found = [f for f in factors(term) if isinstance(f, (Select, Delta)) and f.free & {time}]
    return found[0] if len(found) == 1 and _is_of(found[0], time) else ONE


def _is_of(f: Expr, time: Index) -> bool:
    return (is_mask(f) or isinstance(f, Delta)) and f.free == {time}


def _exclude(one: Expr, other: Expr) -> bool:
    """Whether always just one of the two conditions holds."""
    return decide(other, learn(one)) is FALSE and decide(other, learn(opposite(one))) is TRUE


def _at_some_times(term: Expr, time: Index) -> tuple[Expr, Expr]:
    """(mask, value) of mask * value, where the value is the same at all times; (1, term) for other terms."""
    masks = [f for f in factors(term) if _is_of(f, time)]
    value = mul(*(f for f in factors(term) if f not in masks))
    return (mul(*masks), value) if masks and time not in value.free else (ONE, term)


def turned_before(a: Array, group: Group, program: Program, before: dict[str, Array]) -> Array:
    """The tree with d @ U.T as d @ U_T, where U is the same in all steps: its copy is noted in `before`.

    A small matrix's product takes half the time where its rows lie in order.
    """
    if not a.args:
        return a
    a = replace(a, args=tuple(turned_before(x, group, program, before) for x in a.args))
    if a.op != "matmul" or a.args[1].form != "{}.T" or a.args[1].args[0].args:
        return a
    name = a.args[1].args[0].form
    if name not in program.tensors or name in group.names:
        return a
    turned = unused(f"{name}_T", program)
    before[turned] = copy(a.args[1])
    return replace(a, args=(a.args[0], Array(turned, a.args[1].axes)))


def time_first(program: Program) -> dict[str, tuple[int, ...]]:
    """Positions of axes, that of time first, for what a loop writes or reads a step at a time: a step's values lie
    together then. What is given or asked for from outside stays as it is declared.
    """
    fixed = {*program.outputs, *program.updates.values(), program.prediction}
    out: dict[str, tuple[int, ...]] = {}
    for group in groups(program.equations):
        if group.time is None:
            continue
        for e in group.equations:
            for a in (e.target, *sorted(e.value.accesses, key=lambda a: a.digest)):
                steps = [n for n, at in enumerate(a.args) if at.free == {group.time}]
                free = program.tensors[a.label].role == "computed" and a.label not in fixed
                if free and len(steps) == 1 and not any(i.accesses for i in a.args):
                    rest = (n for n in range(len(a.args)) if n != steps[0])
                    out.setdefault(a.label, (*steps, *rest))
    looped = [g for g in groups(program.equations) if g.time is not None]
    local = {name for g in looped for name in local_to_step(g, program) - shifted(g).keys()}
    return {name: order for name, order in out.items() if name not in local}


def shifted(group: Group) -> dict[str, str]:
    """What another tensor was a step before, zero at the first step: name -> which other. No work, but a view."""
    out: dict[str, str] = {}
    for e in group.equations:
        read = left_by_step_before(e.value, group)
        if read is not None and len(read.args) == len(e.target.args):
            if all(at is i or group.time in at.free for at, i in zip(read.args, e.target.args, strict=True)):
                out[e.name] = read.label
    return out


def left_by_step_before(e: Expr, group: Group) -> Access | None:
    """h[n, t - 1, j] of an expression that is that, and zero at the first step; None for any other."""
    if group.time is None or not isinstance(e, Select) or e.args[2] is not ZERO or not isinstance(e.args[1], Access):
        return None
    condition, read = e.args[0], e.args[1]
    if read.label not in group.names or abs(step(read, group.time)) != 1 or condition.free != {group.time}:
        return None
    inside = (bound for at in read.args if group.time in at.free for bound in (at, group.time.size - at - 1))
    return read if decide(condition, tuple(inside)) is TRUE else None


def made_before(
    writer: Writer, kept: Mapping[str, Axes], shared: Mapping[str, str], alone: Mapping[str, Axes], backwards: bool
) -> Iterator[str]:
    """The lines that make a loop's arrays.

    kept: over time. shared: of these, views of others, which begin with a step of zeros. alone: of a step, carried to
    the next one.
    """
    for name, axes in kept.items():
        later = [view for view, of in shared.items() if of == name]
        if later:
            whole = with_start(name, writer.program)
            sizes = (writer.size(n) for n in (axes[0].size + 1, *(i.size for i in axes[1:])))
            yield f"{whole} = np.zeros(({', '.join(sizes)}), DTYPE)"
            parts = dict.fromkeys(later, "[1:]" if backwards else "[:-1]")
            parts[name] = "[:-1]" if backwards else "[1:]"
            views = ", ".join(f"{whole}{part}" for part in parts.values())
            yield f"{', '.join(parts)} = {views}  # {later[0]}: {name} a step before"
        elif name not in shared:
            yield f"{name} = np.empty({writer.shape(axes)}, DTYPE)"
    for name, axes in alone.items():
        yield f"{name} = np.zeros({writer.shape(axes)}, DTYPE)"


def with_start(name: str, program: Program) -> str:
    """What an array over time is called together with the step of zeros where its recurrence starts."""
    return unused(f"{name}_with_start", program)
