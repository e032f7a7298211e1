"""Names of summed indices: none may read as if it were a free one, and the fewer primes the better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from symbp.expr import Access, Expr, Index, Reduce, fresh_index, rebuild, substitute, walk
from symbp.program import Equation, Program


class Declared(NamedTuple):
    """The indices that a program is written with: of its tensors, and those that are summed over only."""

    formal: tuple[Index, ...]
    summed: tuple[Index, ...]

    def of_other_size(self, i: Index) -> set[str]:
        """Names that an index made up beside this one can't have: they run over something else."""
        return {d.label for found in self for d in found if d.size is not i.size}


def declared_indices(program: Program) -> Declared:
    """Every index in the program's tensors and equations, by name."""
    formal = {i for t in program.tensors.values() for i in t.indices}
    summed = {n for e in program.equations for n in walk(e.value) if isinstance(n, Index)} - formal
    return Declared(
        *(tuple(sorted(found, key=lambda i: (len(i.label), i.label, i.digest))) for found in (formal, summed))
    )


def clear_names(program: Program, declared: Declared) -> Program:
    """The program with summed indices renamed where they clash with a free index, or were made up on the way."""
    return program.with_(clear(e, declared) for e in program.equations)


def clear(equation: Equation, declared: Declared) -> Equation:
    """One equation with clear names of summed indices."""
    taken = frozenset(i.label for i in equation.target.args if isinstance(i, Index))
    return replace(equation, value=_clear(equation.value, taken, declared))


def _clear(e: Expr, taken: frozenset[str], declared: Declared) -> Expr:
    if not e.args or isinstance(e, (Access, Index)):
        return e
    if not isinstance(e, Reduce):
        args = [_clear(a, taken, declared) for a in e.args]
        return e if all(a is b for a, b in zip(args, e.args, strict=True)) else rebuild(e, args)
    used = set(taken | {i.label for i in e.free})
    renamed: dict[Expr, Expr] = {}
    for i in e.indices:
        renamed[i] = _name(i, used, declared)
        used.add(renamed[i].label)
    body = _clear(substitute(e.body, renamed), taken | {i.label for i in renamed.values()}, declared)
    return rebuild(e, (body, *renamed.values()))


def _name(i: Index, used: set[str], declared: Declared) -> Index:
    """The index itself if it is a tensor's and not in use, else the first of its letter and size that isn't."""
    if i in declared.formal and i.label not in used:
        return i
    like = [d for found in declared for d in found if d.size is i.size and stem(d) == stem(i) and d.label not in used]
    return like[0] if like else fresh_index(i, used | declared.of_other_size(i))


def stem(i: Index) -> str:
    """The letter of an index without its number."""
    return i.label.rstrip("0123456789") or i.label


def reads(e: Expr, name: str, bound: frozenset[Index] = frozenset()) -> Iterator[tuple[Access, frozenset[Index]]]:
    """The accesses to a tensor in an expression, each with the indices that are bound where it stands."""
    if isinstance(e, Access) and e.label == name:
        yield e, bound
    inner = bound | frozenset(e.indices) if isinstance(e, Reduce) else bound
    for a in e.args:
        if name in a.tensors:
            yield from reads(a, name, inner)
