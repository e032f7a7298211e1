"""Tensor equations place by place: every entry with the operations that it takes and the entries that it reads.

This is the neuron level as it is counted. An equation costs at each place what it costs as it stands there: conditions
on indices say which of its parts there are, what is known to be zero is left out, and nothing else is simplified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from symbp.count.equations.tensors import Tensors, is_index_mask
from symbp.count.neurons.indices import Place, chosen, number, over, places, truth
from symbp.expr import (
    ZERO,
    Access,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    coefficient,
    mul,
)
from symbp.functions import zero_of_zeros
from symbp.operations import EITHER, MINUS, PLUS, step, swappable
from symbp.simplify.share import canonical

Entry = tuple[str, tuple[int, ...]]  # a tensor, and where in it
Node = tuple[bytes, tuple[int, ...]]  # a subexpression's form, and where


@dataclass
class Computed:
    """What one entry takes. reads: computed entries, each as often as it is read."""

    operations: Counter[str] = field(default_factory=Counter)
    reads: Counter[Entry] = field(default_factory=Counter)


class Entries:
    """The entries of a listing whose sizes are numbers."""

    def __init__(self, listing: Tensors) -> None:
        self.listing = listing
        self.equations = {e.name: e for e in listing.equations}
        self.zero: dict[Entry, bool] = {}
        self.memo: dict[tuple[Expr, tuple[int, ...]], bool] = {}
        self.found: dict[tuple[str, ...], dict[Entry, Computed]] = {}
        for group in listing.groups:
            here = [(e, entry) for e in group.equations for entry in self.entries(e.name)]
            self.zero.update((entry, True) for _, entry in here)
            changed = True
            while changed:  # a recurrence starts from zero
                self.memo.clear()
                changed = False
                for e, entry in here:
                    if self.zero[entry] and not self.is_zero(e.value, dict(zip(e.target.args, entry[1], strict=True))):
                        self.zero[entry] = False
                        changed = group.time is not None
        self.memo.clear()

    def entries(self, name: str) -> Iterator[Entry]:
        """Every entry of a computed tensor."""
        return ((name, at) for at in places(self.equations[name].target.args))  # type: ignore[arg-type]

    def computed(self, outputs: Sequence[str]) -> dict[Entry, Computed]:
        """All that these outputs take, each entry after those that it reads."""
        key = tuple(outputs)
        if key not in self.found:
            self.found[key] = self.compute(key)
        return self.found[key]

    def compute(self, outputs: Sequence[str]) -> dict[Entry, Computed]:
        found: dict[Entry, Computed] = {}
        out: dict[Entry, Computed] = {}
        waiting = [(entry, False) for name in outputs for entry in self.entries(name)]
        while waiting:
            entry, done = waiting.pop()
            if done:
                out.setdefault(entry, found[entry])
            elif entry not in found:
                e = self.equations[entry[0]]
                made = Written(self)
                made.tree(e.value, dict(zip(e.target.args, entry[1], strict=True)), PLUS)
                found[entry] = made.computed
                waiting += [(entry, True), *((r, False) for r in made.computed.reads)]
        return out

    def operations(self) -> Counter[str]:
        """Of all that the outputs take, by kind."""
        total: Counter[str] = Counter()
        for c in self.computed(self.listing.outputs).values():
            total.update(c.operations)
        return +total

    def together(self) -> Counter[str]:
        """Of all that the outputs take, each subexpression computed once."""
        found = [(self.equations[name], at) for name, at in self.computed(self.listing.outputs)]
        return Shared(self).count((e.value, dict(zip(e.target.args, at, strict=True))) for e, at in found)

    def each_alone(self, outputs: Sequence[str]) -> Counter[str]:
        """Operations of what each entry of the outputs takes alone, summed over the entries."""
        asked: dict[Entry, int] = {}  # the outputs that need a value, as bits
        for n, entry in enumerate(entry for name in outputs for entry in self.entries(name)):
            asked[entry] = 1 << n
        total: Counter[str] = Counter()
        for entry, c in reversed(self.computed(outputs).items()):
            by = asked.get(entry, 0)
            for read in c.reads:
                asked[read] = asked.get(read, 0) | by
            for kind, n in c.operations.items():
                total[kind] += n * by.bit_count()
        return +total

    def written_out(self, outputs: Sequence[str]) -> Counter[str]:
        """Operations of the outputs with every entry in them replaced by what it stands for, nothing shared."""
        size: dict[Entry, Counter[str]] = {}
        for entry, c in self.computed(outputs).items():
            own = size[entry] = Counter(c.operations)
            for read, times in c.reads.items():
                for kind, n in size[read].items():
                    own[kind] += n * times
        return +sum((size[entry] for name in outputs for entry in self.entries(name)), Counter())

    # ------------------------------------------------------------------------------------ what is known to be zero

    def is_zero(self, e: Expr, at: Place) -> bool:
        """Whether an expression is known to be zero at a place."""
        key = e, tuple([at[i] for i in axes_of(e)])
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self._is_zero(e, at)
        return found

    def _is_zero(self, e: Expr, at: Place) -> bool:
        match e:
            case Num():
                return e is ZERO
            case Access() if e.label in self.listing.masks:
                formals, mask = self.listing.masks[e.label]
                return self.is_zero(mask, {i: int(number(a, at)) for i, a in zip(formals, e.args, strict=True)})
            case Access():
                return e.label in self.equations and self.zero[self.entry(e, at)]
            case Add():
                return all(self.is_zero(t, at) for t in e.args)
            case Mul():
                return any(self.is_zero(f, at) for f in sorted(e.args, key=lambda f: not self.is_mask(f)))
            case Pow() if isinstance(e.args[1], Num) and e.args[1].value > 0:
                return self.is_zero(e.args[0], at)
            case Reduce() if e.label == "sum":
                return all(self.is_zero(e.body, {**at, **inner}) for inner in over(e))
            case Call() if zero_of_zeros(e):
                return all(self.is_zero(a, at) for a in e.args if a.accesses)
            case Delta() if not e.accesses:
                return not truth(e, at)
            case Select() if e.args[0].accesses:
                return all(self.is_zero(a, at) for a in e.args[1:])
            case Select():
                return self.is_zero(chosen(e, at), at)
        return False

    def is_mask(self, e: Expr) -> bool:
        """Whether it is 1 or 0 by a condition on indices."""
        return is_index_mask(e) or (isinstance(e, Access) and e.label in self.listing.masks)

    def is_number(self, e: Expr) -> bool:
        """Whether an expression reads nothing."""
        return e.tensors <= self.listing.masks.keys()

    def entry(self, read: Access, at: Place) -> Entry:
        return read.label, tuple(int(number(a, at)) for a in read.args)


class Written:
    """One entry's expression as it is written: a subexpression costs as often as it appears."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.computed = Computed()

    def tree(self, e: Expr, at: Place, sign: int) -> None:
        if self.entries.is_zero(e, at):
            return
        minus = sign == MINUS
        swapped = minus and swappable(e)
        if minus and not swapped and not self.entries.is_number(e):
            self.computed.operations["neg"] += 1
        for operand, there, wanted in self.one(e, at, swapped):
            self.tree(operand, there, wanted)

    def one(self, e: Expr, at: Place, swapped: bool) -> list[tuple[Expr, Place, int]]:
        """Counts this node alone; returns what it's computed from."""
        count = self.computed.operations
        known = self.entries.is_zero
        match e:
            case _ if self.entries.is_number(e):
                return []
            case Access():
                if e.label in self.entries.equations:
                    self.computed.reads[self.entries.entry(e, at)] += 1
                return []
            case Add():
                return self.sum(e, at, swapped)
            case Mul() if any(map(self.entries.is_mask, e.args)):
                return [(mul(*(f for f in e.args if not self.entries.is_mask(f))), at, MINUS if swapped else PLUS)]
            case Reduce():
                bodies = [{**at, **inner} for inner in over(e)]
                if e.label == "sum":
                    bodies = [there for there in bodies if not known(e.body, there)]
                count["add" if e.label == "sum" else "compare"] += len(bodies) - 1
                return [(e.body, there, PLUS) for there in bodies]
            case Select() if not e.args[0].accesses:
                return [(chosen(e, at), at, PLUS)]
            case Call() if all(self.entries.is_number(a) or known(a, at) for a in e.args):
                return []  # of known zeros it's a known number
        here = step(e, swapped)
        for kind, n in here.operations:
            count[kind] += n
        return [(operand, at, sign) for operand, sign in here.operands]

    def sum(self, e: Expr, at: Place, swapped: bool) -> list[tuple[Expr, Place, int]]:
        """Terms that aren't zero, one addition between two; numbers are one term."""
        out = []
        numbers = positive = False
        for term in e.args:
            if self.entries.is_zero(term, at):
                continue
            if self.entries.is_number(term):
                numbers = True
                continue
            c, _ = coefficient(term)
            operand = -term if c < 0 else term
            out.append((operand, at, EITHER if (c < 0) != swapped else PLUS))
            positive |= (c < 0) == swapped or swappable(operand)
        self.computed.operations["add"] += len(out) + numbers - 1
        if out and not numbers and not positive:  # only what is subtracted is left
            self.computed.operations["neg"] += 1
        return out


class Shared(Written):
    """Entries computed together, each subexpression once for the values of its indices, whoever asks for it."""

    def count(self, roots: Iterable[tuple[Expr, Place]]) -> Counter[str]:
        """Operations by kind."""
        nodes: dict[Node, tuple[Expr, Place]] = {}
        wanted = [(node(e, at), e, at) for e, at in roots]
        waiting = [(*w, False) for w in wanted]
        order: list[Node] = []
        while waiting:
            name, e, at, done = waiting.pop()
            if done:
                order.append(name)
            elif name not in nodes and not self.entries.is_zero(e, at):
                nodes[name] = e, at
                waiting.append((name, e, at, True))
                for swapped in (False, True) if swappable(e) else (False,):
                    operands = Written(self.entries).one(e, at, swapped)
                    waiting += [(node(o, there), o, there, False) for o, there, _ in operands]
        asked: dict[Node, set[int]] = {}
        for name, _, _ in wanted:
            asked.setdefault(name, set()).add(PLUS)
        for name in reversed(order):
            (e, at), signs = nodes[name], asked.get(name, set())
            if not signs:
                continue
            swapped = MINUS in signs and PLUS not in signs and swappable(e)
            if MINUS in signs and not swapped and not self.entries.is_number(e):
                self.computed.operations["neg"] += 1
            for operand, there, sign in self.one(e, at, swapped):
                asked.setdefault(node(operand, there), set()).add(sign)
        return +self.computed.operations


def node(e: Expr, at: Place) -> Node:
    """What tells a subexpression at a place from others: its form, and the values of its indices."""
    form, axes = form_of(e)
    return form, tuple(at[i] for i in axes)


form_of = cache(canonical)


@cache
def axes_of(e: Expr) -> tuple[Index, ...]:
    """The free indices in an order of their own."""
    return tuple(sorted(e.free, key=lambda i: i.digest))
