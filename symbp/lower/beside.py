"""Small layers beside each other: what a product takes from a layer's values alone, as h (1 - h) behind a sigmoid, is
computed for all layers by the same calls.

A step of a small net takes the time of its calls, however few numbers these work on. So such factors get equations of
their own, the values that they read lie in one array, row after row, and the calls go over all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from symbp.expr import Access, Add, Expr, Index, Mul, Num, Pow, Size, access, add, mul, num, substitute, walk
from symbp.lower.constants import constant
from symbp.lower.layouts import TINY, has_few_units, units
from symbp.lower.recorder import Call, Recorder, Value
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups
from symbp.simplify.share import unused

RULE = "small layers at once"

Kinds = tuple[dict[str, str], ...]  # {name of a factor: name of the tensor that it reads}, of those computed alike


# ---------------------------------------------------------------------------------------------------- equations


def name_factors(program: Program) -> tuple[Program, Kinds]:
    """What products take from one small tensor alone gets equations, where there are several of a kind."""
    looped = {n for g in groups(program.equations) if g.time is not None for n in g.names}
    factors = {e.name: _factors(program, e, looped) for e in program.equations}
    found: dict[tuple[Expr, ...], dict[str, None]] = {}
    for of_equation in factors.values():
        for read, factor in of_equation.items():
            found.setdefault(_kind(program, read, factor), {})[read.label] = None
    tensors = dict(program.tensors)
    names: dict[tuple[str, tuple[Expr, ...]], str] = {}
    for kind, labels in found.items():
        if len(labels) > 1 and sum(units(tensors[label]) for label in labels) <= TINY:
            names |= {(label, kind): unused(f"{label}_factor", program, names.values()) for label in labels}
    equations: list[Equation] = []
    for e in program.equations:
        for read, factor in factors[e.name].items():
            name = names.get((read.label, _kind(program, read, factor)))
            if name is None:
                continue
            if name not in tensors:
                axes = tuple(i for i in read.args if isinstance(i, Index))
                tensors[name] = Tensor(name, axes, layer=program.tensors[read.label].layer)
                equations.append(Equation(access(name, axes), factor, Reason("shared")))
            rest = (f for f in e.value.args if read not in f.accesses)
            e = replace(e, value=mul(access(name, read.args), *rest))
        equations.append(e)
    kinds: dict[tuple[Expr, ...], dict[str, str]] = {}
    for (label, kind), name in names.items():
        kinds.setdefault(kind, {})[name] = label
    return replace(program, tensors=tensors).with_(equations) if names else program, tuple(kinds.values())


def _factors(program: Program, e: Equation, looped: set[str]) -> dict[Access, Expr]:
    """What a product takes from each small tensor of its shape alone, by arithmetic entry by entry."""
    found: dict[Access, list[Expr]] = {}
    for f in e.value.args if isinstance(e.value, Mul) and e.name not in looped else ():
        if f.free and len(f.accesses) == 1:
            (read,) = f.accesses
            found.setdefault(read, []).append(f)
    return {
        read: mul(*several)
        for read, several in found.items()
        if several != [read]
        and len(set(read.args)) == len(read.args) and set(read.args) == set(e.target.args)
        and all(isinstance(n, Access | Index | Num | Size | Add | Mul | Pow) for f in several for n in walk(f))
        and len(read.args) > 1 and read.label not in looped
        and program.tensors[read.label].role == "computed" and has_few_units(program.tensors[read.label])
    }  # fmt: skip


def _kind(program: Program, read: Access, factor: Expr) -> tuple[Expr, ...]:
    """The same for tensors of one batch of which the same is computed."""
    batch = (n for n in program.tensors[read.label].shape if not isinstance(n, Num))
    return substitute(factor, {read: access("#", [])}), *batch


# -------------------------------------------------------------------------------------------------------- calls


def lay_beside(recorder: Recorder, program: Program, kinds: Kinds, parts: Mapping[str, int]) -> None:
    """The calls for all factors of a kind become those for one. parts: the numbers of their statements."""
    for kind in kinds:
        chains = [
            Chain(recorder.names[label], recorder.names[name], [c for c in recorder.calls if c.part == parts[name]])
            for name, label in kind.items()
        ]
        if _fit(recorder.calls, chains):
            _lay(recorder, chains, program)


@dataclass(frozen=True)
class Chain:
    """Calls that make one array of another, entry by entry."""

    read: Value
    made: Value
    calls: list[Call]

    @property
    def block(self) -> Value:
        """The array that it reads, with the row of ones below if there is one (`symbp.lower.offsets`)."""
        return self.read.base or self.read

    @property
    def may_move(self) -> bool:
        """Whether nobody else says where the arrays lie."""
        whole = self.block is self.read or self.read.form.startswith("{}[:")
        new = self.block.needs_room or (self.block.base is None and self.block.form.startswith("np.ones("))
        return self.made.needs_room and self.block.contiguous and whole and new

    @property
    def is_one(self) -> bool:
        """Whether each call works on what the one before it made, and may write over that."""
        made = [c.out for c in self.calls]
        before = [None, *made[:-1]]
        return made[-1] is self.made and all(
            c.in_place and all(v is self.read or v is last or not v.dims for v in c.args)
            for c, last in zip(self.calls, before, strict=True)
        )

    @property
    def steps(self) -> tuple[object, ...]:
        """What the calls do, but for which array is read and which is made."""
        return tuple(
            (c.form, *("read" if v is self.read else v if not v.dims else "made" for v in c.args)) for c in self.calls
        )

    def over(self, read: Value, made: Value) -> None:
        """The calls work on other arrays of more rows."""
        for c in self.calls:
            c.args = tuple(read if v is self.read else v if not v.dims else made for v in c.args)
            c.out, c.rule = made, RULE


def _fit(calls: Sequence[Call], chains: Sequence[Chain]) -> bool:
    """Whether they differ only in the rows that they work on, and all that they read is there before the first."""
    start = min(calls.index(chain.calls[0]) for chain in chains)
    roots = {chain.read.root for chain in chains}
    return (
        all(chain.is_one and chain.may_move for chain in chains)
        and len({chain.steps for chain in chains}) == 1
        and len({chain.read.dims[1:] for chain in chains}) == 1
        and all(k < start for k, c in enumerate(calls) if c.out is not None and c.out.root in roots)
    )


def _lay(recorder: Recorder, chains: Sequence[Chain], program: Program) -> None:
    blocks = [chain.block for chain in chains]
    dims = (add(*(b.dims[0] for b in blocks)), *chains[0].read.dims[1:])
    shape = ", ".join(constant(n).code for n in dims)
    taken = {v.name for v in recorder.values}
    read = Value(dims, name=unused("layers", program, taken), form=f"np.ones(({shape}), DTYPE)")
    made = Value(dims, name=unused("factors", program, taken))
    recorder.values[:0] = [read, made]
    start: Expr = num(0)
    for block, chain in zip(blocks, chains, strict=True):
        for part, whole in ((block, read), (chain.made, made)):
            part.base = whole
            part.form = f"{{}}[{constant(start).code}:{constant(add(start, part.dims[0])).code}]"
        start = add(start, block.dims[0])
    first, *others = chains
    first.over(read, made)
    first.calls[-1].also = tuple(chain.calls[0].part for chain in others)
    gone = {id(c) for chain in others for c in chain.calls}
    recorder.calls[:] = [c for c in recorder.calls if id(c) not in gone]
