"""Gradients given as formulas: a text in index or matrix notation, or SymPy equations. No text is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sympy as sp

from symbp.errors import SymbpError, nearest
from symbp.expr import Access, Expr, Index, access, substitute
from symbp.language import from_sympy
from symbp.notation.formulas import Formula, read_formulas
from symbp.notation.source import Source
from symbp.program import Equation, Tensor
from symbp.proofread.given import Given
from symbp.proofread.matrices import read_matrices
from symbp.proofread.reference import Reference
from symbp.simplify.inline import write_out
from symbp.verify import verify

_INDEXED = re.compile(r"^\s*[^\W\d]\w*'?\s*\[[^=]*\]\s*=[^=]", re.MULTILINE)


def from_text(reference: Reference, text: str, name: str) -> list[Given]:
    """The quantities that a text gives: d_W1[i,h] = sum[b] x[b,i]*d_z1[b,h], or d_W1 = x.T @ d_z1.

    A left-hand side with indices anywhere makes it index notation. Other names on the left are the text's own.
    Raises SymbpError with the place.
    """
    used = set(re.findall(r"\w+", text))
    aliases = {a: t for a, t in reference.known.items() if a == t or a in used}  # no more, for what messages list
    read = read_formulas if _INDEXED.search(text) else read_matrices
    if not text.strip():
        raise SymbpError(f"{name} is empty: write a formula such as {_example(reference)}")
    return _judgeable(reference, read(text, name, reference.derived.tensors, aliases, reference.program.size_names))


def from_equations(reference: Reference, equations: Iterable[Any]) -> list[Given]:
    """The quantities that SymPy equations give, Eq(d_W1[i, h], Sum(...)) or pairs (target, value).

    Raises SymbpError naming the equation.
    """
    scalars = {t.name for t in reference.derived.tensors.values() if not t.indices}
    pairs = [(e.lhs, e.rhs) if isinstance(e, sp.Eq) else e for e in equations]
    for e in pairs:
        if not (isinstance(e, tuple) and len(e) == 2):
            raise SymbpError(f"{e} is not an equation: write Eq(target, value) or (target, value)")
    scalars |= {target.name for target, _ in pairs if isinstance(target, sp.Symbol)}
    formulas = []
    for target, value in pairs:
        left = from_sympy(target, scalars, "left-hand side")
        if not isinstance(left, Access) or not all(isinstance(i, Index) for i in left.args):
            raise SymbpError(f"{target} is no quantity: write it with bare indices, {_example(reference)}")
        left = access(reference.known.get(left.label, left.label), left.args)
        formulas.append(Formula(left, from_sympy(value, scalars, f"equation for {left.label}"), Source("", "SymPy"), 0))
    return _judgeable(reference, formulas)


def _example(reference: Reference) -> str:
    name = (*reference.parameters, *reference.adjoints)[0]
    return f"{reference.access(name)} = ..."


def _judgeable(reference: Reference, formulas: list[Formula]) -> list[Given]:
    """Each formula that gives a quantity of the derivation, with its values."""
    own: dict[str, Equation] = {}
    read: set[str] = set()
    found: list[Given] = []
    for f in formulas:
        name = f.target.label
        read |= f.value.tensors
        value = f.value
        for helper in (own[n] for n in sorted(f.value.tensors) if n in own):
            value = write_out(value, helper)
        if name not in reference.order:
            if name in reference.derived.tensors:
                raise f.error(f"{name} is given: there is nothing to check about it")
            own[name] = Equation(f.target, value)
            continue
        _check(reference, f, value)
        found.append(_given(reference, f, value))
    _check_circles(reference, found)
    unused = next((f for f in formulas if f.target.label in own and f.target.label not in read), None)
    if unused is not None:
        name = unused.target.label
        known = [n for n in reference.adjoints if not reference.is_helper(n)]
        raise unused.error(f"{name} is no quantity of the network, and no formula reads it: {nearest(name, known)}")
    if not found:
        raise SymbpError(f"there is no formula to check: write one for a gradient, {_example(reference)}")
    return found


def _check_circles(reference: Reference, given: list[Given]) -> None:
    """Raises SymbpError where formulas are given in terms of each other: such ones would say nothing.

    In a recurrence they may, a step apart.
    """
    reads = {g.name: sorted(g.reads) for g in given}
    for start in reads:
        path, waiting = {start}, [start]
        for name in waiting:
            for read in reads.get(name, ()):
                if read == start and not {start, name} <= reference.recurrent:
                    raise SymbpError(
                        f"{start} is given in terms of itself{'' if name == start else f', through {name}'}"
                    )
                if read not in path:
                    path.add(read)
                    waiting.append(read)


def _check(reference: Reference, f: Formula, value: Expr) -> None:
    """Raises SymbpError at the formula's place if an index is unbound or a read leaves its tensor."""
    name = f"mine_{f.target.label}"
    unknown = sorted(value.tensors - set(reference.derived.tensors))
    if unknown:
        raise SymbpError(f"{f.target.label} reads {unknown[0]}: {nearest(unknown[0], reference.derived.tensors)}")
    if any(read.label == f.target.label and read.args == f.target.args for read in value.accesses):
        raise f.error(f"{f.target.label} is given in terms of itself")
    try:
        verify(reference.alone(Tensor(name, f.target.args), value))  # type: ignore[arg-type]
    except SymbpError as error:
        message = str(error).replace("mine_", "")
        raise (f.error(message) if f.source.text else SymbpError(message)) from None


def _given(reference: Reference, f: Formula, value: Expr) -> Given:
    name = f.target.label
    own: tuple[Index, ...] = f.target.args  # type: ignore[assignment]
    formal = reference.tensor(name).indices
    reads = frozenset(value.tensors & set(reference.adjoints))
    arrays = tuple(reference.value_of(p, value, own) for p in reference.points)
    if [i.size for i in own] != [i.size for i in formal]:
        return Given(name, arrays, reads, None, f.where)
    renamed = substitute(value, dict(zip(own, formal, strict=True)))
    return Given(name, arrays, reads, renamed, f.where)
