"""Each gradient alone, exactly: which entries of the reverse program every entry of a gradient needs.

Going back from the gradients, an equation is needed by whole parameters, or by those entries of one whose place along
some axes is that of the equation's own entry; each with the region for which conditions on indices leave it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symbp.count.algebra.polynomial import Polynomial, total
from symbp.count.algebra.regions import ALL, NONE, Region, Space
from symbp.count.equations.depth import Depth
from symbp.count.equations.tally import summed
from symbp.count.equations.tensors import Tensors
from symbp.count.equations.work import Work
from symbp.count.equations.written import Amounts, added, plus
from symbp.count.gradients.shapes import Reading
from symbp.count.gradients.templates import Template, contains, given, in_whole, ties
from symbp.expr import Access, Expr, Index, Num, access, index, transform
from symbp.program import Equation
from symbp.recurrence import Group


@dataclass(frozen=True)
class Need:
    """By whom a tensor is needed. bits: all entries of these parameters' gradients; or parameter, template: some.

    template: for each axis of the parameter the tensor's index or the place that it equals, or its own index. where:
    the entries, over the tensor's indices and the parameter's own.
    """

    bits: int
    parameter: str | None
    template: Template
    where: Region


Passed = tuple[int, Template, Region]  # which of the tensors read is needed, as in Need


@dataclass(frozen=True, eq=False)
class Taken:
    """What an equation takes: operations, and reads: which of its tensors, at which places, where."""

    amounts: Amounts
    reads: tuple[tuple[int, tuple[Expr, ...], Region], ...]


@dataclass
class Looks:
    """What equations look like but for the names of tensors. free: what those take, and read, that have nothing to do
    with conditions: this is the same whatever the sizes. weights: how many numbers some parameters hold."""

    listing: Tensors
    free: dict[object, Taken] = field(default_factory=dict)
    weights: dict[int, Polynomial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place = {name: n for n, name in enumerate(self.listing.tensors)}
        self.known: dict[str, tuple[object, tuple[str, ...]]] = {}

    def of(self, e: Equation) -> tuple[object, tuple[str, ...]]:
        """(equation with its tensors numbered, and their indices; their names)."""
        found = self.known.get(e.name)
        if found is None:
            names = sorted(e.value.tensors, key=self.place.__getitem__)
            number = {name: str(n) for n, name in enumerate(names)}
            value = transform(e.value, lambda a: access(number[a.label], a.args) if isinstance(a, Access) else a)
            formals = tuple(self.listing.tensors[name].indices for name in names)
            found = self.known[e.name] = (e.target.args, value, formals), tuple(names)
        return found

    def forget(self) -> None:
        """Where other sizes are to be varied."""
        self.free.clear()
        self.weights.clear()


@dataclass
class Alone:
    """Counts it in a space of index values. gradients: output -> its parameter. depth: of a network of equal blocks."""

    listing: Tensors
    space: Space
    gradients: Mapping[str, str]
    looks: Looks
    depth: Depth = field(default_factory=Depth)
    needs: dict[str, dict[Need, None]] = field(default_factory=dict)  # in the order in which they came up

    def run(self) -> Amounts:
        """The operations, by kind.

        Raises TooLarge where regions would be too large, NeedsSize where a size has to be a number.
        """
        self.work = Work(self.listing, self.space)
        self.owned: dict[str, Template] = {}
        self.times: dict[tuple[int, Taken], list[Polynomial]] = {}  # what equations take, and for whom
        self.seen: dict[object, Taken] = {}
        self.passed: dict[tuple[Taken, Template, Template], list[Passed]] = {}
        for group in self.listing.groups:
            self.work.find_alive(group)
        self.parameters = [self.listing.tensors[p] for p in self.gradients.values()]
        self.bit = {t.name: 1 << n for n, t in enumerate(self.parameters)}
        for output, parameter in self.gradients.items():
            self.needs[output] = {Need(0, parameter, self.listing.tensors[output].indices, ALL): None}
        for group in reversed(self.listing.groups):
            self.group(group)
        operations: dict[int, list[Amounts]] = {}
        for (place, taken), weights in self.times.items():
            operations.setdefault(place, []).append(plus({}, taken.amounts, total(weights)))
        return self.depth.whole({place: added(parts) for place, parts in operations.items()})

    def group(self, group: Group) -> None:
        if group.time is None:
            (e,) = group.equations
            self.equation(e, True)
            return
        settled = False
        while not settled:  # what the members of a recurrence need of one another
            before = {e.name: self.joined(e) for e in group.equations}
            for e in reversed(group.equations):
                self.equation(e, False)
            after = {e.name: self.joined(e) for e in group.equations}
            settled = all(keys(before[name]) == keys(after[name]) for name in before)
            for name, needs in after.items():
                self.needs[name] = dict.fromkeys(needs)
        for e in reversed(group.equations):
            self.equation(e, True)

    def equation(self, e: Equation, counted: bool) -> None:
        """Notes what an equation needs, for those that need it; counts it."""
        alike, names = self.looks.of(e)
        look = alike, tuple(self.work.alive[n].key if n in self.work.alive else None for n in names)
        place = self.depth.place(self.listing.tensors[e.name])
        for need in self.joined(e):
            taken = self.taken(e, need, look, names)
            if counted:
                self.times.setdefault((place, taken), []).append(self.weight(need))
            for n, template, where in self.passed_on(taken, need, names):
                known = self.needs.setdefault(names[n], {})
                if Need(need.bits, need.parameter, template, ALL) not in known:
                    known[Need(need.bits, need.parameter, template, where)] = None

    def taken(self, e: Equation, need: Need, look: object, names: Sequence[str]) -> Taken:
        """What an equation takes for a need. Those that look alike are counted once."""
        where = self.space.both(need.where, self.work.alive[e.name])
        own = frozenset(q for q in self.own(need.parameter) if q in need.template)
        key = look, where.key, own
        known = self.looks.free if where.is_all and not own else self.seen
        found = known.get(key) or self.seen.get(key)
        if found is None:
            tally = Reading(self.work, e.name)
            self.work.constrained.discard(e.name)
            tally.as_tree(e.value, where, e.target.free | own)  # type: ignore[operator]
            reads = tuple((names.index(r.label), r.args, there) for r, there, _ in tally.reads
                          if r.label in self.work.alive and not there.empty)  # fmt: skip
            if e.name in self.work.constrained or not all(there.is_all for _, _, there in reads):
                known = self.seen
            found = known[key] = Taken(summed(((r, 1) for r in tally.records), self.space), reads)
        return found

    def passed_on(self, taken: Taken, need: Need, names: Sequence[str]) -> list[Passed]:
        """What is needed of the tensors that are read."""
        key = taken, self.own(need.parameter), need.template
        found = self.passed.get(key)
        if found is None:
            reads = ((n, access(names[n], args), there) for n, args, there in taken.reads)
            wanted = ((n, *self.reached(*key[1:], read, there)) for n, read, there in reads)
            found = self.passed[key] = list(dict.fromkeys(wanted))
        return found

    def formals(self, name: str) -> tuple[Index, ...]:
        return self.listing.tensors[name].indices

    def own(self, parameter: str | None) -> Template:
        """The indices of a parameter's axes."""
        if parameter is None:
            return ()
        found = self.owned.get(parameter)
        if found is None:
            axes = self.formals(parameter)
            found = self.owned[parameter] = tuple(index(f"own.{k}", i.size) for k, i in enumerate(axes))
        return found

    def weight(self, need: Need) -> Polynomial:
        """For how many numbers of parameters it is."""
        if need.parameter:
            return self.depth.mark(self.listing.tensors[need.parameter])
        found = self.looks.weights.get(need.bits)
        if found is None:
            marked = [(self.depth.mark(t), t) for n, t in enumerate(self.parameters) if need.bits >> n & 1]
            found = total(self.space.extents(t.indices) * mark for mark, t in marked)
            self.looks.weights[need.bits] = found
        return found

    def reached(self, own: Template, tied: Template, read: Access, where: Region) -> tuple[Template, Region]:
        """Which entries of a tensor a read reaches for a template, as in Need."""
        formals = self.formals(read.label)
        template: list[Expr] = []
        more: dict[Index, Expr] = {}
        for q, tie in zip(own, tied, strict=True):
            same = [f for f, at in zip(formals, read.args, strict=True) if at is tie and f.size is tie.size]  # type: ignore[attr-defined]
            if isinstance(tie, Num):
                template.append(tie)
            elif same and tie is not q:
                template.append(same[0])
            else:
                template.append(q)
                more[q] = tie  # type: ignore[index]
        wider = access(read.label, (*read.args, *more.values()))
        return tuple(template), self.space.entries(wider, (*formals, *more), where)

    def joined(self, e: Equation) -> list[Need]:
        """By whom an equation is needed, everyone once."""
        found = list(self.needs.get(e.name, ()))
        partly = list(dict.fromkeys(n.parameter for n in found if n.parameter is not None))
        apart = 0
        for name in partly:
            apart |= self.bit[name]
        whole: dict[object, Need] = {}

        def add(bits: int, where: Region) -> None:
            before = whole.get(where.key)
            whole[where.key] = Need(bits | (before.bits if before else 0), None, (), where)

        for bits, members in in_whole(found, apart):
            add(bits, self.space.either(n.where for n in members))
        out = []
        for name in partly:
            need = self.together(name, [n for n in found if n.parameter == name or n.bits & self.bit[name]])
            if need.template == self.own(name) and not set(need.where.axes) & set(self.own(name)):
                add(self.bit[name], need.where)
            else:
                out.append(need)
        return [*out, *whole.values()]

    def together(self, name: str, needs: Sequence[Need]) -> Need:
        """What one of several needs, as one: by entries in the template that holds all of theirs."""
        own = self.own(name)
        if len(needs) == 1 and needs[0].parameter:
            return needs[0]
        by_template: dict[Template, Region] = {}
        for n in needs:
            t = n.template if n.parameter else own
            by_template[t] = self.space.either((by_template.get(t, NONE), n.where))
        wide = tuple(
            at[0] if len(set(at)) == 1 else q for q, at in zip(own, zip(*by_template, strict=True), strict=True)
        )
        where = by_template.pop(wide, NONE)
        for t, narrow in sorted(
            by_template.items(), key=lambda tr: -sum(a is q for a, q in zip(tr[0], own, strict=True))
        ):
            if contains(wide, t, own) and self.covers(where, narrow, given(wide, t)):
                continue
            for d in ties(wide, t):
                narrow = self.space.both(narrow, self.space.where(d))
            where = self.space.either((where, narrow))
        return Need(0, name, wide, where)

    def covers(self, wide: Region, narrow: Region, fixed: Mapping[Expr, Expr]) -> bool:
        """Whether a region holds another one, where some of its indices are given."""
        if wide.is_all:
            return True
        at = access("", [fixed.get(i, i) for i in wide.axes])
        return self.space.both(narrow, self.space.read(at, wide.axes, wide)).same(narrow)


def keys(needs: Sequence[Need]) -> list[tuple[object, ...]]:
    return [(n.bits, n.parameter, n.template, n.where.key) for n in needs]
