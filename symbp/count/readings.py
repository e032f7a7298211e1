"""Reads of one tensor kept apart in an unrolled equation: what happens to be the same entry isn't the same number.

In sum[u] M[t,u]*r[u]*r[t] the read r[u] meets r[t] where u = t, and where(t > 0, m[t], r[t]) + r[t] is 2*r[t] at t = 0.
An equation costs the same at all of its places all the same, but for what is known to be zero: so before a program is
unrolled, reads at different places, or under different conditions, get different names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from symbp.expr import Access, Delta, Expr, Index, Mul, Select, access, rebuild, transform
from symbp.program import Equation, Program, Tensor
from symbp.unroll import entry_name

Context = tuple[Expr, ...]


@dataclass
class Readings:
    """base: a scalar's other name -> the scalar. others: (other name of a tensor, scalar) -> the scalar's name there.
    copies: tensors of tangents that are copies."""

    base: dict[Expr, Access] = field(default_factory=dict)
    others: dict[tuple[str, Expr], Access] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)
    memo: dict[Expr, Expr] = field(default_factory=dict)

    def real(self, e: Expr) -> Expr:
        """The expression with every entry by its own name."""
        return transform(e, lambda a: self.base.get(a, a), self.memo)

    def renamed(self, a: Access, read: Expr, of: str, like: str | None) -> Access:
        """The entry that one of a copy stands for, as it is called where the copy of a tensor is read."""
        if like is not None:
            return self.others.get((like, a), a)
        if of not in self.copies and read not in self.base:
            return a
        other = access(f"{a.label}__{of}", ())
        self.base[other] = a
        return other

    def meeting(
        self, equations: Sequence[Equation], tensor: Mapping[str, str], copies: Mapping[Expr, Expr]
    ) -> dict[tuple[str, str], str]:
        """(tensor computed, copy read) -> another tensor that it reads at the very same entries, wherever it does."""
        self.copies = {tensor[e.label] for e in copies}
        found: dict[tuple[str, str], dict[str, bool]] = {}
        for e in equations:
            reads: dict[str, set[Expr]] = {}
            for name in sorted(e.value.tensors):
                real = self.base.get(access(name), access(name))
                if name in tensor:
                    reads.setdefault(tensor[name], set()).add(copies.get(real, real))
            for copy in self.copies.intersection(reads):
                others = found.setdefault((tensor.get(e.name, e.name), copy), {})
                for other, entries in reads.items():
                    if other not in self.copies:
                        others[other] = others.get(other, True) and reads[copy] <= entries
        return {key: other for key, others in found.items() for other, always in others.items() if always}

    def note(self, tensors: Mapping[str, Tensor], other_names: Mapping[str, str]) -> None:
        """Notes the entries of an unrolled program's tensors that have other names."""
        for name, t in tensors.items():
            if t.entry and t.entry[0] in other_names:
                real = self.base[access(name)] = access(entry_name(other_names[t.entry[0]], t.entry[1]))
                self.others[t.entry[0], real] = access(name)


def apart(program: Program) -> tuple[Program, dict[str, str]]:
    """The program with another name for each different read of a tensor in an equation; and what these stand for."""
    stands_for: dict[str, str] = {}
    equations = []
    for e in program.equations:
        found: dict[str, dict[tuple[Access, Context], int]] = {}
        _collect(e.value, (), found, set())
        several = {name: reads for name, reads in found.items() if len(reads) > 1}
        value = _named(e.value, (), several, {}) if several else e.value
        stands_for |= {_other(name, n): name for name, reads in several.items() for n in range(1, len(reads))}
        equations.append(Equation(e.target, value))
    new = [replace(program.tensors[name], name=other, role="input") for other, name in stands_for.items()]
    return (program.with_(equations, new) if new else program), stands_for


def _other(name: str, n: int) -> str:
    return f"{name}__{n}" if n else name


def _inner(e: Expr, within: Context) -> list[tuple[Expr, Context]]:
    """The operands of a node, each with the conditions on indices that it stands under."""
    if isinstance(e, Select) and not e.args[0].accesses:
        condition, then, other = e.args
        return [(condition, within), (then, (*within, condition)), (other, (*within, e))]
    if isinstance(e, Mul):
        masks = [f for f in e.args if not f.accesses and isinstance(f, (Delta, Select))]
        return [(f, (*within, *masks) if f not in masks else within) for f in e.args]
    return [(a, within) for a in e.args]


def _collect(
    e: Expr, within: Context, found: dict[str, dict[tuple[Access, Context], int]], seen: set[tuple[Expr, Context]]
) -> None:
    if isinstance(e, Index) or not e.accesses or (e, within) in seen:
        return
    seen.add((e, within))
    if isinstance(e, Access):
        reads = found.setdefault(e.label, {})
        reads.setdefault((e, within), len(reads))
        return
    for a, inside in _inner(e, within):
        _collect(a, inside, found, seen)


def _named(
    e: Expr, within: Context, several: Mapping[str, Mapping[tuple[Access, Context], int]],
    memo: dict[tuple[Expr, Context], Expr],
) -> Expr:  # fmt: skip
    if isinstance(e, Index) or not e.accesses:
        return e
    found = memo.get((e, within))
    if found is None:
        if isinstance(e, Access):
            found = access(_other(e.label, several[e.label][e, within]), e.args) if e.label in several else e
        else:
            found = rebuild(e, [_named(a, inside, several, memo) for a, inside in _inner(e, within)])
        memo[e, within] = found
    return found
