"""Networks of many equal blocks, as a transformer's: counted at a few of them, whatever the depth.

Block j + 1 is block j with its tensors renamed. A network of KEPT blocks stands for one of N: what it costs, and
N - KEPT times what a block in its middle costs, one that has equal blocks before and behind it. Two such blocks are
kept, and have to cost the same, or else the whole network is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from symbp.blocks import form, repeated_runs
from symbp.count.equations.depth import Depth
from symbp.expr import Access, Expr, access, transform
from symbp.program import Equation, Program, Tensor

KEPT = 4  # the first, two in the middle, the last


@dataclass(frozen=True)
class Blocks:
    """A network by one with fewer blocks.

    short: the network with KEPT of them. left_out: how many aren't in it. kept: the layers of
    each of these.
    stands_for: tensor of the whole network -> the one of the short network that is computed alike. earlier: tensor of a
    middle block -> the one in the same place of the block before it.
    """

    short: Program
    left_out: int
    kept: tuple[frozenset[int], ...]
    stands_for: dict[str, str]
    earlier: dict[str, str]

    @property
    def depth(self) -> Depth:
        return Depth(self.kept, self.left_out, self.earlier)


def find_blocks(program: Program) -> Blocks | None:
    """The equal blocks of a network, if there are more of them than are kept."""
    layers: dict[int, list[Tensor]] = {}
    for t in program.tensors.values():
        layers.setdefault(t.layer or 0, []).append(t)
    layers.pop(0, None)
    last = max(layers, default=0)
    if sorted(layers) != list(range(1, last + 1)):
        return None
    forms = _forms(program, layers)
    found = [b for b in repeated_runs([forms[k] for k in sorted(forms)]) if b.count > KEPT]
    if not found:
        return None
    best = max(found, key=lambda b: b.saved)
    return _shortened(program, layers, best.start + 1, best.period, best.count)


def _forms(program: Program, layers: Mapping[int, Sequence[Tensor]]) -> dict[int, tuple[object, ...]]:
    """Each layer's tensors and equations, where a tensor is called by its place in a layer so many further back."""
    laid_out = {k: tuple((t.role, t.dtype, t.shape) for t in tensors) for k, tensors in layers.items()}
    kinds = {layout: n for n, layout in enumerate(dict.fromkeys(laid_out.values()))}
    at = {t.name: (k, n) for k, tensors in layers.items() for n, t in enumerate(tensors)}

    def called(layer: int, name: str) -> str:
        if name not in at:
            return name
        k, n = at[name]
        return f"{layer - k} back, number {n} of kind {kinds[laid_out[k]]}"

    found: dict[int, tuple[object, ...]] = {}
    for k, tensors in layers.items():
        equations = [program.equation(t.name) for t in tensors if t.role == "computed"]
        found[k] = (laid_out[k], *(form(e.target, e.value, partial(called, k)) for e in equations))
    return found


def _renamed(e: Expr, names: Mapping[str, str]) -> Expr:
    return transform(e, lambda a: access(names.get(a.label, a.label), a.args) if isinstance(a, Access) else a)


def _shortened(
    program: Program, layers: Mapping[int, Sequence[Tensor]], first: int, period: int, count: int
) -> Blocks | None:
    """Without the blocks behind the KEPT first; what reads the last one reads the last that is kept."""

    def block(n: int) -> list[Tensor]:
        start = first + n * period
        return [t for k in range(start, start + period) for t in layers[k]]

    kept = [block(n) for n in range(KEPT)]
    gone = [block(n) for n in range(KEPT, count)]
    stands_for = {t.name: t.name for t in program.tensors.values()}
    for n, here in enumerate((kept[-1], *gone)):
        twin = kept[-1] if n == len(gone) else kept[-2]
        stands_for.update({t.name: u.name for t, u in zip(here, twin, strict=True)})
    left_out = {t.name for tensors in gone for t in tensors}
    inside = left_out | {t.name for tensors in kept for t in tensors}
    alone = {t.name for t in program.tensors.values() if t.role in ("input", "state")}
    if any(
        not program.equation(t.name).value.tensors <= inside | alone
        for t in (*kept[1], *kept[2])
        if t.role == "computed"
    ):  # the adjoint of what all blocks read, as of a weight that they share, has N terms
        return None
    readable = {t.name for t in gone[-1]}
    equations = []
    for e in program.equations:
        if e.name in left_out:
            continue
        if e.name not in inside and not e.value.tensors.isdisjoint(inside):
            if not (e.value.tensors & inside) <= readable:
                return None
            e = Equation(e.target, _renamed(e.value, stands_for), e.reason)
        equations.append(e)
    tensors = {name: t for name, t in program.tensors.items() if name not in left_out}
    facts = tuple((a, b) for a, b in program.facts if not (a.tensors | b.tensors) & left_out)
    short = replace(program, tensors=tensors, equations=tuple(equations), facts=facts)
    places = tuple(frozenset(t.layer for t in tensors if t.layer) for tensors in kept)
    earlier = {t.name: u.name for n in (1, 2) for t, u in zip(kept[n], kept[n - 1], strict=True)}
    return Blocks(short, count - KEPT, places, stands_for, earlier)
