"""What parameters cost, of a network of many equal blocks, from that of a few: each gradient alone, forward mode.

The cost is a table: what the equations of block i take for the parameters of block j. For a block in the middle it
depends on no more than which comes first, and whether they are neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symbp.count.algebra.polynomial import ONE as one
from symbp.count.algebra.polynomial import Polynomial, variable
from symbp.count.equations.written import Amounts, added, plus
from symbp.errors import SymbpError

if TYPE_CHECKING:
    from symbp.program import Tensor

BEFORE, FIRST, ONE, OTHER, LAST, BEHIND = range(6)  # places: the blocks that are kept, what comes before and behind
MARKS = tuple(f"block {n}" for n in range(6))  # stand for the parameters of a place; no size has such a name


@dataclass(frozen=True)
class Depth:
    """kept: the layers of the four blocks that are kept. left_out: how many more there are in the middle.

    earlier: tensor of a middle block -> the one in the same place of the block before it. Without blocks, all of a
    network is what comes behind them.
    """

    kept: tuple[frozenset[int], ...] = ()
    left_out: int = 0
    earlier: Mapping[str, str] = field(default_factory=dict)

    def place(self, t: Tensor) -> int:
        """Where a tensor is computed, or a parameter is read."""
        for n, layers in enumerate(self.kept, FIRST):
            if t.layer in layers:
                return n
        return BEFORE if self.kept and t.layer is not None and t.layer < min(self.kept[0]) else BEHIND

    def mark(self, t: Tensor) -> Polynomial:
        """What a parameter's cost is multiplied by."""
        return variable(MARKS[self.place(t)]) if self.kept else one

    def whole(self, found: Mapping[int, Amounts]) -> Amounts:
        """The cost of the whole network. found: by the equations' places, with marks.

        Raises SymbpError where the blocks don't cost the same.
        """
        if not self.kept:
            return found.get(BEHIND, {})
        cost = [[{k: m for k, n in found.get(i, {}).items() if (m := part(n, mark))} for mark in MARKS]
                for i in range(6)]  # fmt: skip
        alike = [((ONE, ONE), (OTHER, OTHER)), ((ONE, FIRST), (OTHER, ONE)), ((ONE, OTHER), (OTHER, LAST)),
                 ((FIRST, OTHER), (FIRST, LAST)), ((LAST, FIRST), (LAST, ONE))]  # fmt: skip
        for x in (BEFORE, BEHIND):
            alike += [((x, ONE), (x, OTHER)), ((ONE, x), (OTHER, x))]
        if any(cost[i][j] != cost[k][n] for (i, j), (k, n) in alike):
            raise SymbpError("the blocks in the middle cost different amounts")
        out = added(amounts for row in cost for amounts in row)
        once = [(ONE, ONE), (ONE, FIRST), (ONE, OTHER), (ONE, BEFORE), (ONE, BEHIND),
                (BEFORE, ONE), (FIRST, OTHER), (LAST, ONE), (BEHIND, ONE)]  # fmt: skip
        out = plus(out, added(cost[i][j] for i, j in once), self.left_out)
        pairs = (self.left_out + 2) * (self.left_out + 1) // 2 - 1  # of blocks in the middle, further apart
        return plus(out, added((cost[OTHER][FIRST], cost[ONE][LAST])), pairs)


def part(n: Polynomial, mark: str) -> Polynomial:
    """The coefficient of a mark."""
    return Polynomial({tuple(f for f in m if f[0] != mark): c for m, c in n.terms.items() if (mark, 1) in m})
