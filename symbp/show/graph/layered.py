"""A layered drawing of a directed graph: ranks, an order within each, coordinates (Sugiyama, Tagawa, Toda 1981).

Edges over several ranks go through points of their own, so that they don't run across nodes.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12  # to find an order
PULLS = 60  # to find places
LIGHT = 0.02  # how hard a light node pulls
THIN = 0.4  # of the room of a node that the point of a long edge takes

Key = Hashable
Point = tuple[float, float]  # (along the ranks, across them)


@dataclass(frozen=True)
class Layout:
    """at: the centre of each node, as (along, across). bends: the points that each edge goes through on its way."""

    at: Mapping[str, Point]
    bends: Mapping[tuple[str, str], tuple[Point, ...]]


def layered(
    nodes: Mapping[str, tuple[float, float]],
    edges: Mapping[tuple[str, str], float],
    sources: frozenset[str],
    light: frozenset[str],
    gap: float,
) -> Layout:
    """Places the nodes of an acyclic graph.

    nodes: name -> (size along the ranks, size across), in an order in which edges point forward. edges: with the free
    room that each needs between two ranks. sources: nodes that stand right before what they lead to. light: those that
    stand beside the others of their rank. gap: free room between neighbours in a rank.
    """
    rank = _ranks(list(nodes), edges, sources)
    layers: list[list[Key]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in nodes:
        layers[rank[name]].append(name)
    links: list[tuple[Key, Key]] = []
    for a, b in edges:
        chain: list[Key] = [a, *((a, b, r) for r in range(rank[a] + 1, rank[b])), b]
        for r, point in enumerate(chain[1:-1], rank[a] + 1):
            layers[r].append(point)
        links += list(pairwise(chain))
    before: dict[Key, list[Key]] = {n: [] for layer in layers for n in layer}
    after: dict[Key, list[Key]] = {n: [] for layer in layers for n in layer}
    for s, t in links:
        before[t].append(s)
        after[s].append(t)
    layers = _ordered(layers, before, after, light)
    room = {n: nodes[n][1] if isinstance(n, str) else THIN * gap for layer in layers for n in layer}
    across = _across(layers, before, after, room, light, gap)
    free = [0.0] * len(layers)
    for (a, b), needed in edges.items():
        for r in range(rank[a], rank[b]):
            free[r] = max(free[r], needed)
    along: dict[int, float] = {}
    at = 0.0
    for r, layer in enumerate(layers):
        thick = max((nodes[n][0] for n in layer if isinstance(n, str)), default=0.0)
        along[r] = at + thick / 2
        at += thick + free[r]
    places = {n: (along[r], across[n]) for r, layer in enumerate(layers) for n in layer}
    bends = {(a, b): tuple(places[a, b, r] for r in range(rank[a] + 1, rank[b])) for a, b in edges}
    return Layout({n: places[n] for n in nodes}, bends)


def _ranks(names: list[str], edges: Iterable[tuple[str, str]], sources: frozenset[str]) -> dict[str, int]:
    """The longest way to each node; sources and others without anything before them right before their first reader."""
    rank = dict.fromkeys(names, 0)
    into: dict[str, list[str]] = {n: [] for n in names}
    out: dict[str, list[str]] = {n: [] for n in names}
    for a, b in edges:
        into[b].append(a)
        out[a].append(b)
    for n in names:
        rank[n] = max((rank[p] + 1 for p in into[n]), default=0)
    for n in names:
        if n in sources and out[n]:
            rank[n] = min(rank[b] for b in out[n]) - 1
    return rank


def _ordered(
    layers: list[list[Key]], before: Mapping[Key, list[Key]], after: Mapping[Key, list[Key]], light: frozenset[str]
) -> list[list[Key]]:
    """The layers with few crossings: sorted by the mean place of their neighbours, forth and back; the best is kept."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, after)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        rest = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for r in rest:
            fixed = {n: k for k, n in enumerate(layers[r - 1 if down else r + 1])}
            neighbours = before if down else after
            now = {n: k for k, n in enumerate(layers[r])}
            wanted = {n: _mean([fixed[m] for m in neighbours[n]], now[n]) for n in layers[r]}
            layers[r] = sorted(layers[r], key=lambda n: (n in light, wanted[n], now[n]))
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _crossings(layers: Sequence[Sequence[Key]], after: Mapping[Key, list[Key]]) -> int:
    count = 0
    for first, second in pairwise(layers):
        place = {n: k for k, n in enumerate(second)}
        ends = [sorted(place[m] for m in after[n]) for n in first]
        seen: list[int] = []
        for found in ends:
            count += sum(len(seen) - bisect_right(seen, e) for e in found)
            for e in found:
                insort(seen, e)
    return count


def _across(
    layers: Sequence[Sequence[Key]],
    before: Mapping[Key, list[Key]],
    after: Mapping[Key, list[Key]],
    room: Mapping[Key, float],
    light: frozenset[str],
    gap: float,
) -> dict[Key, float]:
    """Places near the mean of the neighbours', in order and apart; bends of edges pull hardest, light nodes least."""
    at: dict[Key, float] = {}
    weight = {n: LIGHT if n in light else 1.0 for layer in layers for n in layer}
    for layer in layers:
        at.update(_apart([0.0] * len(layer), layer, room, weight, gap))
    for sweep in range(PULLS):
        order = layers if sweep % 2 == 0 else list(reversed(layers))
        for layer in order:
            wanted = []
            for n in layer:
                near = [*before[n], *after[n]]
                weights = [4.0 if not isinstance(n, str) and not isinstance(m, str) else weight[m] for m in near]
                places = [w * at[m] for w, m in zip(weights, near, strict=True)]
                wanted.append(sum(places) / sum(weights) if near else at[n])
            at.update(_apart(wanted, layer, room, weight, gap))
    return at


def _apart(
    wanted: Sequence[float], layer: Sequence[Key], room: Mapping[Key, float], weight: Mapping[Key, float], gap: float
) -> dict[Key, float]:
    """The places nearest to the wanted ones that keep the order and the gaps, by pooling neighbours that collide."""
    offsets = [0.0]
    for a, b in pairwise(layer):
        offsets.append(offsets[-1] + (room[a] + room[b]) / 2 + gap)
    blocks: list[tuple[float, float, int]] = []  # (mean, weight, how many)
    for n, target, offset in zip(layer, wanted, offsets, strict=False):
        mean, heavy, count = target - offset, weight[n], 1
        while blocks and blocks[-1][0] > mean:
            other, more, others = blocks.pop()
            mean = (other * more + mean * heavy) / (more + heavy)
            heavy, count = heavy + more, count + others
        blocks.append((mean, heavy, count))
    flat = [mean for mean, _, count in blocks for _ in range(count)]
    return {n: place + offset for n, place, offset in zip(layer, flat, offsets, strict=False)}
