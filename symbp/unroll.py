"""The neuron level: every index gets its values, every tensor entry becomes a scalar."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from symbp.errors import SymbpError
from symbp.expr import (
    ZERO,
    Access,
    Expr,
    Index,
    Num,
    Reduce,
    Size,
    access,
    add,
    call,
    delta,
    index,
    mul,
    num,
    rebuild,
    size,
    substitute,
    walk,
)
from symbp.program import Equation, Program, Reason, Tensor, Term

LIMIT = 200_000  # scalar equations; beyond that nobody reads them, and the tensor level is there


def unroll(program: Program, sizes: Mapping[str, int] | None = None) -> Program:
    """The program with one scalar equation an entry, in the order in which a person would write them.

    sizes: values of the symbolic sizes; those that are no axis of a parameter (the batch) are 1 unless given.
    Integer inputs stay tensors, and a read through one becomes a sum with KroneckerDelta. Raises SymbpError for a
    missing size or a network of more than LIMIT entries.
    """
    program = fix_sizes(program, concrete_sizes(program, sizes))
    entries = sum(int(np.prod(shape(program.tensors[e.name]))) for e in program.equations)
    if entries > LIMIT:
        raise SymbpError(
            f"{program.title} has {entries} entries at neuron level, more than {LIMIT}: use the tensor level"
        )
    tensors: dict[str, Tensor] = {}
    symbols = {t.symbol for t in program.tensors.values()}
    for t in program.tensors.values():
        if t.dtype == "int" and t.indices:
            tensors[t.name] = t
            continue
        letters = small_letters(t, symbols)
        for at in positions(t):
            tensors[entry_name(t.name, at)] = Tensor(
                entry_name(t.name, at), (), t.role, t.dtype, t.init, t.layer, entry_symbol(t, at, letters),
                entry_symbol(t, at, t.adjoint), entry=(t.name, at),
            )  # fmt: skip
    equations: list[Equation] = []
    for equation in program.equations:
        t = program.tensors[equation.name]
        for at in positions(t):
            place: dict[Expr, Expr] = {i: num(v) for i, v in zip(t.indices, at, strict=True)}
            scalar = _Scalars(program)
            reason = equation.reason and _reason(equation.reason, place, scalar, program, at)
            value = scalar.expand(substitute(equation.value, place))
            equations.append(Equation(access(entry_name(t.name, at)), value, reason))
    outputs = tuple(entry_name(o, at) for o in program.outputs for at in positions(program.tensors[o]))
    return Program(program.title, tensors, tuple(equations), outputs, program.loss, None)


def _reason(
    reason: Reason, place: Mapping[Expr, Expr], scalar: _Scalars, program: Program, at: tuple[int, ...]
) -> Reason:
    """The reason of one entry: every tensor-level term splits in one scalar term a use.

    Terms over tensors that a simplification has written out elsewhere are left out.
    """
    out: list[Term] = []
    for term in reason.terms:
        if not term.value.tensors <= program.tensors.keys():
            continue
        value = scalar.expand(substitute(term.value, place))
        out.append(Term(term.through, term.read, term.local, value))
    wrt = entry_name(reason.wrt, at) if reason.wrt in program.tensors else reason.wrt
    return Reason(reason.kind, reason.of, wrt, tuple(out))


def concrete_sizes(program: Program, sizes: Mapping[str, int] | None) -> dict[str, int]:
    """A value for every symbolic size. Raises SymbpError if one is missing, unknown or not positive."""
    given = dict(sizes or {})
    for name, value in given.items():
        if name not in program.size_names:
            raise SymbpError(
                f"{program.title} has no size {name}: its sizes are {', '.join(program.size_names) or 'all fixed'}"
            )
        if not isinstance(value, int) or value < 1:
            raise SymbpError(f"the size {name} must be a positive integer, not {value!r}")
    of_parameters = {n.label for t in program.parameters for s in t.shape for n in walk(s) if isinstance(n, Size)}
    missing = [n for n in program.size_names if n not in given and n in of_parameters]
    if missing:
        raise SymbpError(f"give a value for the size {missing[0]}: at neuron level every size is a number")
    return {n: given.get(n, 1) for n in program.size_names}


def across_samples(program: Program) -> tuple[str, ...]:
    """The open sizes that an equation other than the loss sums over, as batch norm does: at 1 little is to be seen."""
    sums = (n for e in program.equations if e.name != program.loss for n in walk(e.value) if isinstance(n, Reduce))
    found = {i.size.label for n in sums for i in n.indices if isinstance(i.size, Size)}
    of_parameters = {n.label for t in program.parameters for s in t.shape for n in walk(s) if isinstance(n, Size)}
    return tuple(name for name in program.size_names if name in found - of_parameters)


def fix_sizes(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with numbers for its symbolic sizes."""
    if not program.size_names:
        return program
    mapping: dict[Expr, Expr] = {size(n): num(v) for n, v in sizes.items()}
    indices: set[Index] = {i for t in program.tensors.values() for i in t.indices}
    for e in program.equations:
        indices |= {n for n in walk(e.value) if isinstance(n, Index)}
        for term in e.reason.terms if e.reason else ():
            indices |= {
                n for v in (term.value, term.local, term.through, term.read) for n in walk(v) if isinstance(n, Index)
            }
    fixed: dict[Index, Index] = {i: index(i.label, substitute(i.size, mapping)) for i in indices}

    def fix(e: Expr, memo: dict[Expr, Expr]) -> Expr:
        if e in mapping:
            return mapping[e]
        if isinstance(e, Index):
            return fixed[e]
        if not e.args:
            return e
        found = memo.get(e)
        if found is None:
            found = memo[e] = rebuild(e, [fix(a, memo) for a in e.args])
        return found

    memo: dict[Expr, Expr] = {}
    tensors = {n: replace(t, indices=tuple(fixed[i] for i in t.indices)) for n, t in program.tensors.items()}
    equations = tuple(
        Equation(
            fix(e.target, memo),  # type: ignore[arg-type]
            fix(e.value, memo),
            e.reason and replace(e.reason, terms=tuple(
                Term(fix(t.through, memo), fix(t.read, memo), fix(t.local, memo), fix(t.value, memo))  # type: ignore[arg-type]
                for t in e.reason.terms
            )),
        )
        for e in program.equations
    )  # fmt: skip
    facts = tuple((fix(a, memo), fix(b, memo)) for a, b in program.facts)
    inference = program.inference and fix_sizes(program.inference, sizes)
    return replace(program, tensors=tensors, equations=equations, facts=facts, inference=inference)


def shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape as integers."""
    return tuple(int(s.value) for s in tensor.shape)  # type: ignore[attr-defined]


def positions(tensor: Tensor) -> Iterator[tuple[int, ...]]:
    """Every position of the tensor, in the order in which its subscripts are written."""
    lengths = shape(tensor)
    order = tensor.subscripts or tuple(range(len(lengths)))
    for written in product(*(range(lengths[axis]) for axis in order)):
        at = dict(zip(order, written, strict=True))
        yield tuple(at[axis] for axis in range(len(lengths)))


def entry_name(name: str, at: tuple[int, ...]) -> str:
    """The scalar's name: W1_0_2 is entry [0, 2] of W1."""
    return "_".join((name, *map(str, at)))


def small_letters(tensor: Tensor, taken: Container[str]) -> str:
    """The symbol that the entries of a tensor have: w for W, unless that is another one's."""
    symbol = tensor.symbol
    small = symbol[:1].lower() + symbol[1:]
    return small if len(tensor.indices) > 1 and small not in taken else symbol


def entry_symbol(tensor: Tensor, at: tuple[int, ...], letters: str) -> str:
    """LaTeX of one entry as textbooks write it: w^{(1)}_{12}, counted from 1, without a batch axis of length one."""
    if not letters:
        return ""
    lengths = shape(tensor)
    order = tensor.subscripts or tuple(range(len(at)))
    if all(n == 1 for n in lengths):
        return letters
    first_is_batch = tensor.role != "parameter" and len(at) > 1 and lengths[0] == 1 and tensor.subscripts is None
    written = [str(at[axis] + 1) for axis in order if not (first_is_batch and axis == 0)]
    joined = ("" if all(len(w) == 1 for w in written) else ",").join(written)
    return f"{letters}_{{{joined}}}"


class _Scalars:
    """Replaces accesses at numbers by scalars, and reductions by the sum or maximum written out."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.memo: dict[Expr, Expr] = {}

    def expand(self, e: Expr) -> Expr:
        found = self.memo.get(e)
        if found is None:
            found = self.memo[e] = self.convert(e)
        return found

    def convert(self, e: Expr) -> Expr:
        if isinstance(e, Access):
            at = tuple(self.expand(a) for a in e.args)
            if self.program.tensors[e.label].dtype == "int" and e.args:
                return access(e.label, at)
            if not all(isinstance(a, Num) for a in at):
                return self.through_integers(e.label, at)
            return access(entry_name(e.label, tuple(int(a.value) for a in at)))  # type: ignore[attr-defined]
        if isinstance(e, Reduce):
            ranges = [range(int(i.size.value)) for i in e.indices]  # type: ignore[attr-defined]
            each = [
                self.expand(substitute(e.body, {i: num(v) for i, v in zip(e.indices, at, strict=True)}))
                for at in product(*ranges)
            ]
            if e.label == "sum":
                return add(*each) if each else ZERO
            return reduce(lambda a, b: call("maximum", a, b), each)
        return rebuild(e, [self.expand(a) for a in e.args]) if e.args else e

    def through_integers(self, name: str, at: tuple[Expr, ...]) -> Expr:
        """A read through an integer input: the sum over all entries, each with the deltas that pick it."""
        lengths = shape(self.program.tensors[name])
        ranges = [(int(a.value),) if isinstance(a, Num) else range(n) for a, n in zip(at, lengths, strict=True)]
        picked = (mul(access(entry_name(name, p)), *map(delta, map(num, p), at)) for p in product(*ranges))
        return add(*picked)


def split(program: Program, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a tensor-level program's inputs as those of the unrolled program."""
    out: dict[str, Any] = {}
    for t in program.tensors.values():
        if t.role != "computed":
            out[t.name] = values[t.name] if t.entry is None else np.asarray(values[t.entry[0]])[t.entry[1]]
    return out


def join(program: Program, values: Mapping[str, Any], name: str) -> Any:
    """The array of a tensor from the scalars of an unrolled program."""
    entries = {t.entry[1]: values[t.name] for t in program.tensors.values() if t.entry and t.entry[0] == name}
    out = np.empty(tuple(1 + max(axis) for axis in zip(*entries, strict=True)), np.result_type(*entries.values()))
    for at, value in entries.items():
        out[at] = value
    return out
