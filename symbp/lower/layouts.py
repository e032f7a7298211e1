"""In which order the axes of arrays lie in memory, chosen for all arrays that are combined entry by entry at once.

What a maximum runs over comes first: then it is the maximum of long rows. Where all other axes are short, the batch
comes last: NumPy starts a new inner loop for every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from symbp.expr import Access, Expr, Index, Num, Reduce, mul
from symbp.lower.constants import known
from symbp.program import Program, Tensor
from symbp.recurrence import groups

SHORT = 64  # rows that are shorter than this cost more to start than to run
TINY = 32

Order = tuple[int, ...]


@dataclass
class _Classes:
    """Tensors that are combined entry by entry; `first`: the axes that a maximum runs over, by class."""

    parent: dict[str, str] = field(default_factory=dict)
    first: dict[str, Order] = field(default_factory=dict)

    def find(self, name: str) -> str:
        while (above := self.parent.setdefault(name, name)) != name:
            name = above
        return name

    def join(self, names: Iterable[str]) -> None:
        a, *rest = names
        for b in rest:
            one, other = self.find(a), self.find(b)
            if one != other:
                self.parent[other] = one
                if other in self.first:
                    self.first.setdefault(one, self.first[other])


@dataclass
class Layouts:
    """orders: positions of axes in the order of memory, by class. The first tensor of a class decides for all of it.

    first: of those that are still to be decided, the axes that come first whatever the others' order, by class.
    """

    classes: dict[str, str]
    orders: dict[str, Order]
    first: dict[str, Order]

    def of(self, name: str) -> Order | None:
        """The order that is decided for a tensor; None if none is yet."""
        return self.orders.get(self.classes.get(name, name))

    def decide(self, name: str, order: Order) -> Order:
        """The order that a tensor gets whose values come in the given one."""
        which = self.classes.get(name, name)
        first = self.first.get(which, ())
        if not all(n < len(order) for n in first):
            first = ()
        return self.orders.setdefault(which, (*first, *(n for n in order if n not in first)))


def layouts(program: Program, known: Mapping[str, Order]) -> Layouts:
    """What is decided before any statement is written. known: the orders of arrays that loops go through."""
    looped = {e.name for g in groups(program.equations) if g.time is not None for e in g.equations}
    fixed = {*program.outputs, *program.updates.values(), *looped}
    classes = _Classes()
    views = {e.name for e in program.equations if isinstance(e.value, Access)}
    for e in program.equations:
        _read(e.value, classes, views)
        for accesses in _together(e.value, e.target):
            classes.join([a.label for a in accesses])
    out = {}
    for t in program.tensors.values():
        if t.role == "computed" and t.name not in fixed and len(t.indices) > 1:
            order = _order(t)
            if classes.find(t.name) not in classes.first and order != tuple(range(len(t.indices))):
                out[classes.find(t.name)] = order
    out |= {classes.find(name): order for name, order in known.items()}
    return Layouts({name: classes.find(name) for name in classes.parent}, out, classes.first)


def _read(e: Expr, classes: _Classes, views: set[str]) -> None:
    """Notes the axes that maxima run over and the accesses that are combined inside of sums."""
    if isinstance(e, Reduce):
        for accesses in _together(e.body):
            classes.join([a.label for a in accesses])
            if e.label == "max" and accesses[0].label not in views:
                places = tuple(n for n, i in enumerate(accesses[0].args) if i in e.indices)
                short = [i for i in e.indices if known(i.size) <= SHORT]
                if short and 0 < len(places) < len(accesses[0].args) - 1:
                    classes.first.setdefault(classes.find(accesses[0].label), places)
    for a in e.args:
        _read(a, classes, views)


def _together(e: Expr, *more: Access) -> list[list[Access]]:
    """The accesses that meet entry by entry outside of sums, grouped by their indices, which are all different."""
    found: dict[tuple[Expr, ...], dict[str, Access]] = {}

    def look(node: Expr) -> None:
        if isinstance(node, Reduce):
            return
        if isinstance(node, Access):
            if len(node.args) > 1 and all(isinstance(i, Index) for i in node.args):
                found.setdefault(node.args, {})[node.label] = node
            return
        for a in node.args:
            look(a)

    for node in (e, *more):
        look(node)
    return [list(group.values()) for group in found.values()]


def _order(t: Tensor) -> Order:
    places = tuple(range(len(t.indices)))
    if not has_few_units(t):
        return places
    symbolic = [n for n in places if not isinstance(t.shape[n], Num)]
    return (*(n for n in places if n not in symbolic), *symbolic)


def has_few_units(t: Tensor) -> bool:
    """Whether all axes but one, that of the batch, are numbers, and together no more than TINY."""
    return sum(not isinstance(n, Num) for n in t.shape) == 1 and units(t) <= TINY


def units(t: Tensor) -> int:
    """How many numbers a tensor has for each sample."""
    return known(mul(*(n for n in t.shape if isinstance(n, Num))))
