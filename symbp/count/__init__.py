"""Operation counts: what every way to compute a gradient costs, at any size, and how much of the naive one is repeated.

What an operation is, `symbp.operations` says. From the programs of all strategies to the tables:

- `tensors` brings a program into the form that is counted (`labels`: what integers do in it), `work` counts its
  equations (`tally`: one expression), `regions` holds the index values that conditions let through (`rows`: index
  arithmetic on them), `closed` makes closed forms (`polynomial`) of that; `blocks` has a network of many equal blocks
  counted at a few of them;
- `tangents` has forward mode and naive expansion by recurrence, `needs` each gradient alone, in any sizes, with
  conditions on indices taken to hold; where there are any, `shapes` and `fields` do the same entry by entry (`plans`:
  what an equation takes; `places`: entries that are alike share a number; `templates`: entries of parameters), `alone`
  each gradient alone, and `exact` makes closed forms of it (`causal`: most of it is counted at one size alone);
- `ledger` is the account of a network, `comparison`, `parts`, `sweep` and `sidebyside` are what people see of it;
- `neurons`, `scalars` and `repeats` do the same on the unrolled network, where each operation can be looked at: the
  proof, and what small networks show besides.

- `memory` says which values are kept how long and what is there at the peak, `tradeoff` what a smaller peak costs.

docs/counting.md and docs/memory.md explain the figures.
"""

from symbp.count.comparison import compare
from symbp.count.counts import Counts, Row
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.memory import Memory
from symbp.count.repeats import Repeat, Repeats

__all__ = ["STRATEGIES", "Counts", "Ledger", "Memory", "Repeat", "Repeats", "Row", "compare"]
