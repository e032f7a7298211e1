"""Recomputation: values that aren't kept for what follows the loss are computed again where they are read there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from symbp.expr import Access, Expr, access, transform
from symbp.program import Equation, Program, Reason
from symbp.recurrence import leading_to, local_to_step
from symbp.schedule.lifetimes import timeline, turning_point
from symbp.simplify.dead import drop_dead
from symbp.simplify.share import unused
from symbp.verify import verify


def recompute(program: Program, kept: Collection[str]) -> Program:
    """The program with nothing kept behind the loss but these of the tensors computed up to it.

    Whatever else is read behind the loss is computed a second time, once, just before the first equation that reads it,
    from what is kept; or only there, where nothing reads it before. Copies have the equations of their originals, so
    results are the same but for rounding, where lowering adds in another order. What is local to a step of a recurrence
    can't be kept.
    """
    found = timeline(program)
    turn = turning_point(found)
    early = [e for g in found.steps[: turn + 1] for e in g.equations]
    local = {name for g in found.steps if g.time is not None for name in local_to_step(g, program)}
    stays = {*program.outputs, *program.updates.values(), *kept} - local
    late = _Late({e.name: e for e in early if e.name not in stays})
    for group in found.steps[turn + 1 :]:
        for e in group.equations:
            late.provide(e)
        late.equations += group.equations
    if not late.again:
        return program
    needed = {*program.outputs, *program.updates.values()}
    needed |= {name for e in late.equations for name in e.value.tensors if name not in late.again}
    needed = leading_to(early, needed)
    names: dict[str, str] = {}
    for name in late.again:
        names[name] = unused(f"{name}_again", program) if name in needed else name
    copies = [replace(program.tensors[old], name=new) for old, new in names.items()]
    equations = [e for e in early if e.name in needed or e.name == program.prediction]
    equations += [_renamed(e, names) for e in late.equations]
    return verify(drop_dead(program.with_(equations, copies)), "recompute", before=program)


@dataclass
class _Late:
    """The equations behind the loss, and before each what it reads and isn't kept. again: the names of these."""

    lost: dict[str, Equation]
    equations: list[Equation] = field(default_factory=list)
    again: dict[str, None] = field(default_factory=dict)

    def provide(self, reader: Equation) -> None:
        work: list[tuple[Equation, bool]] = [(reader, False)]
        while work:
            e, ready = work.pop()
            if ready:
                self.equations.append(replace(e, reason=Reason("recomputed", wrt=e.name)))
                continue
            if e is not reader:
                if e.name in self.again:
                    continue
                self.again[e.name] = None
                work.append((e, True))
            reads = sorted(name for name in e.value.tensors if name in self.lost and name not in self.again)
            work += [(self.lost[name], False) for name in reversed(reads)]


def _renamed(e: Equation, names: dict[str, str]) -> Equation:
    def rule(node: Expr) -> Expr:
        return access(names[node.label], node.args) if isinstance(node, Access) and node.label in names else node

    if e.reason is not None and e.reason.kind == "recomputed" and names[e.name] != e.name:
        return replace(e, target=access(names[e.name], e.target.args), value=transform(e.value, rule))
    return replace(e, value=transform(e.value, rule))
