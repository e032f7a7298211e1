"""Data parallelism as one lowering rule: a sum over the sharded batch index is completed by an Allreduce.

Every rank runs the same equations on its share of the batch. What has the batch as an axis is a shard; a sum (or a
maximum) over the batch is a partial result until it is completed over all ranks; everything else is the same on every
rank. Completion is linear: sums and multiples of partial sums are partial too, and are completed where something else
reads them, or with the outputs in the end (`symbp.lower.messages`). In formulas, the batch's size is the global one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import NoReturn

from symbp.affine import opposite, where_nonzero
from symbp.errors import SymbpError
from symbp.expr import (
    TRUE,
    ZERO,
    Access,
    Add,
    Expr,
    Index,
    Mul,
    Reduce,
    Select,
    Size,
    access,
    logic,
    rebuild,
    select,
    size,
    walk,
)
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups


@dataclass(frozen=True)
class Sharded:
    """A program for one rank.

    partial: tensor -> "sum" or "max", of what is computed as a rank's part of it. completed: those of them that other
    equations read whole. batch, total: the sizes of the share and of the global batch.
    """

    program: Program
    partial: dict[str, str]
    completed: frozenset[str]
    batch: Size
    total: Size

    def is_shard(self, name: str) -> bool:
        """Whether a rank has only its samples of a tensor."""
        return self.batch in self.program.tensors[name].shape


def shard(program: Program, batch: str) -> Sharded:
    """The program on a share of the batch, a partial result in each equation that has one at all.

    Raises SymbpError, naming the equation, where samples are paired or told apart by their number.
    """
    completed: frozenset[str] = frozenset()
    while True:  # what is read whole is found on the way, and changes what is partial
        splitter = _Splitter(program, batch, completed)
        found = splitter.split()
        if found.completed == completed | splitter.new.keys():
            return found
        completed = found.completed - splitter.new.keys()


class _Splitter:
    """Splits the equations of a program, given what is completed before it is read."""

    def __init__(self, program: Program, batch: str, completed: frozenset[str]) -> None:
        self.program, self.batch, self.completed = program, size(batch), set(completed)
        taken = {*program.tensors, *program.size_names}
        self.total = size(next(name for name in _names(f"{batch}_all") if name not in taken))
        self.partial: dict[str, str] = {}
        self.new: dict[str, Tensor] = {}
        self.equations: list[Equation] = []
        self.known: dict[Expr, Access] = {}
        self.at = program.equations[0]

    def split(self) -> Sharded:
        looped = {e.name for g in groups(self.program.equations) if g.time is not None for e in g.equations}
        for t in self.program.tensors.values():
            self.check_axes(t)
        for e in self.program.equations:
            self.at = e
            value = self.rewrite(e.value, TRUE)
            if any(map(self.is_batch, e.target.free)):
                value = self.complete(value, TRUE)
            kind = self.kind(value)
            if kind:
                self.partial[e.name] = kind
            if kind and e.name in looped:
                self.completed.add(e.name)
            self.equations.append(e if value is e.value else Equation(e.target, value, e.reason))
        program = self.program.with_(self.equations, self.new.values())
        return Sharded(program, self.partial, frozenset(self.completed), self.batch, self.total)

    # -------------------------------------------------------------------------------- what can't be sharded

    def refuse(self, what: str) -> NoReturn:
        raise SymbpError(
            f"{self.program.title}: equation for {self.at.name}: it {what}, which no rank has all of: the batch "
            f"{self.batch.label} can't be sharded; generate the module without `parallel`"
        )

    def is_batch(self, i: Index) -> bool:
        if i.size is not self.batch and self.batch in walk(i.size):
            self.refuse(f"has an index {i.label} whose size is computed from {self.batch.label}")
        return i.size is self.batch

    def check_axes(self, t: Tensor) -> None:
        if sum(n is self.batch for s in t.shape for n in walk(s)) > 1:
            raise SymbpError(
                f"{self.program.title}: {t.name} has the batch {self.batch.label} as two axes, which no rank has all "
                f"of: the batch can't be sharded; generate the module without `parallel`"
            )

    def check_read(self, read: Access) -> None:
        """A shard is read sample by sample, and nothing else at the number of a sample."""
        for length, place in zip(self.program.tensors[read.label].shape, read.args, strict=True):
            if (length is self.batch) != (isinstance(place, Index) and self.is_batch(place)):
                self.refuse(f"reads {read.label} at samples that it computes")

    # ------------------------------------------------------------------------------------------ the rule

    def kind(self, e: Expr) -> str:
        """Of what the value is a rank's part, "sum" or "max"; "" where it is whole (or a shard)."""
        match e:
            case Access():
                return "" if e.label in self.completed else self.partial.get(e.label, "")
            case Reduce():
                if any(map(self.is_batch, e.indices)):
                    return e.label
                return self.kind(e.body) if e.label == "sum" else ""
            case Add() | Mul():
                return "sum" if any(self.kind(a) == "sum" for a in e.args) else ""
            case Select():
                return "sum" if any(self.kind(a) == "sum" for a in e.args[1:]) else ""
        return ""

    def rewrite(self, e: Expr, where: Expr) -> Expr:
        """The expression with partial results completed unless it is linear in them. where: conditions around it."""
        if len([i for i in e.free if self.is_batch(i)]) > 1:
            self.refuse("pairs samples of the batch")
        match e:
            case Size():
                return self.total if e is self.batch else e
            case Index() if self.is_batch(e):
                self.refuse("computes with the number of a sample")
            case Index():
                return e
            case Access():
                self.check_read(e)
                return access(e.label, [a if isinstance(a, Index) else self.whole(a, where) for a in e.args])
            case Reduce() if e.label == "sum" and not any(map(self.is_batch, e.indices)):
                body = self.rewrite(e.body, where)
                return rebuild(e, (body if self.kind(body) != "max" else self.complete(body, where), *e.indices))
            case Reduce():
                return rebuild(e, (self.whole(e.body, where), *e.indices))
            case Add():
                return self.sum(e, where)
            case Mul():
                return self.product(e, where)
            case Select():
                return self.choice(e, where)
        return rebuild(e, [self.whole(a, where) for a in e.args]) if e.args else e

    def sum(self, e: Add, where: Expr) -> Expr:
        args = [self.rewrite(a, where) for a in e.args]
        if not all(self.kind(a) == "sum" for a in args):
            args = [self.complete(a, where) for a in args]
        return rebuild(e, args)

    def product(self, e: Mul, where: Expr) -> Expr:
        """Stays partial with one partial sum among its factors and none that is a shard."""
        around = [logic("and", where, _nonzero(g for g in e.args if g is not f)) for f in e.args]
        args = [self.rewrite(f, w) for f, w in zip(e.args, around, strict=True)]
        sums = [f for f in args if self.kind(f) == "sum"]
        keep = max(sums, key=lambda f: (not isinstance(f, Access), len(f.free)), default=None)
        if any(self.is_batch(i) for i in e.free):
            keep = None
        return rebuild(e, [f if f is keep else self.complete(f, w) for f, w in zip(args, around, strict=True)])

    def choice(self, e: Select, where: Expr) -> Expr:
        test = self.whole(e.args[0], where)
        around = [logic("and", where, c) for c in (e.args[0], opposite(e.args[0]))]
        args = [self.rewrite(a, w) for a, w in zip(e.args[1:], around, strict=True)]
        linear = all(a is ZERO or self.kind(a) == "sum" for a in args)
        if not linear or any(self.is_batch(i) for i in e.free):
            args = [self.complete(a, w) for a, w in zip(args, around, strict=True)]
        return rebuild(e, (test, *args))

    def whole(self, e: Expr, where: Expr) -> Expr:
        return self.complete(self.rewrite(e, where), where)

    def complete(self, e: Expr, where: Expr) -> Expr:
        """The expression without partial results: each is read from a tensor that is completed before."""
        kind = self.kind(e)
        if not kind:
            return e
        if isinstance(e, Access):
            self.completed.add(e.label)
            return e
        if isinstance(e, Mul):
            return rebuild(e, [self.complete(f, where) for f in e.args])
        body = select(where, e, ZERO) if kind == "sum" and not where.accesses else e
        if body not in self.known:
            self.known[body] = self.named(body, kind)
        return self.known[body]

    def named(self, value: Expr, kind: str) -> Access:
        """The access to a new tensor, completed before it is read, that holds the value."""
        taken = {*self.program.tensors, *self.program.size_names, *self.new}
        tensor = self.program.tensors[self.at.name]
        order = list(dict.fromkeys((*tensor.indices, *(n for n in walk(value) if isinstance(n, Index)))))
        axes = tuple(sorted(value.free, key=order.index))
        target = access(next(name for name in _names(f"{self.at.name}_{kind}") if name not in taken), axes)
        self.new[target.label] = Tensor(target.label, axes, layer=tensor.layer)
        self.partial[target.label] = kind
        self.completed.add(target.label)
        self.equations.append(Equation(target, value, Reason("shared")))
        return target


def _names(name: str) -> Iterator[str]:
    """The name, then the same with numbers behind it."""
    return chain([name], (f"{name}{n}" for n in count(2)))


def _nonzero(others: Iterable[Expr]) -> Expr:
    """Where none of these factors is zero for reasons of its place."""
    return logic("and", *(c for c in map(where_nonzero, others) if not c.accesses))
