"""Which arrays nothing reads any more after a statement: readable code gives them back there if memory is short."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from symbp.lower.loops import with_start
from symbp.lower.recorder import WORD
from symbp.lower.statements import Loop, Lowered, Statement


def last_reads(lowered: Lowered, names: Collection[str]) -> dict[int, list[str]]:
    """Position of a statement or loop -> those of the names that it is the last one to make or to read."""
    last: dict[str, int] = {}
    for k, item in enumerate(lowered.statements):
        inside = item.body if isinstance(item, Loop) else (item,)
        lines = [*(item.head if isinstance(item, Loop) else ()), *(line for s in inside for line in s.lines)]
        last |= {word: k for line in lines for word in WORD.findall(line) if word in names}
    for seen in _of_one_array(lowered):  # it is there as long as any of them
        if seen & last.keys():
            end = max(last.get(name, 0) for name in seen)
            last |= {name: end for name in sorted(seen) if name in last or name not in lowered.program.tensors}
    out: dict[int, list[str]] = {}
    for name, k in last.items():
        out.setdefault(k, []).append(name)
    return out


def _of_one_array(lowered: Lowered) -> list[set[str]]:
    """The names that are views of one array, and its own."""
    found: list[set[str]] = []
    for item in lowered.statements:
        new: list[set[str]] = []
        if isinstance(item, Loop):
            new = [{view, of, with_start(of, lowered.program)} for view, of in item.shifted.items()]
        elif isinstance(item, Statement) and item.array.op == "view" and not item.array.args[0].args:
            new = [{item.name, item.array.args[0].form}]
        for names in new:
            found = [s for s in found if s.isdisjoint(names)] + [names.union(*(s for s in found if s & names))]
    return found


def by_layer(lowered: Lowered, places: Mapping[int, list[str]]) -> dict[int, list[str]]:
    """The same places moved back to where the statements of a layer end: fewer lines, each with more names."""
    layers: list[int | None] = []
    for item in lowered.statements:
        first = item.body[0] if isinstance(item, Loop) else item
        own = lowered.program.tensors[first.name].layer if isinstance(first, Statement) else None
        layers.append(own if own is not None or not layers else layers[-1])
    out: dict[int, list[str]] = {}
    for k in sorted(places):
        end = k
        while end + 1 < len(layers) and layers[end + 1] == layers[k]:
            end += 1
        out.setdefault(end, []).extend(places[k])
    return out
