"""Operation counts: what every way to compute a gradient costs, at any size, and how much of the naive one is repeated.

    algebra -> equations -> gradients -> entrywise -> recurrences -> ledger -> neurons -> tables -> memory

What an operation is, `symbp.operations` says. Each room knows those in front of it only. Start at `ledger`: the account
of a network, every strategy at any size. `algebra` are polynomials in the sizes, and sets of index values; `equations`
counts a Program as it stands, `gradients` what is computed parameter by parameter, `entrywise` the same where
conditions on indices tell entries apart, `recurrences` what grows with every step. `neurons` does all this on the
unrolled network, where each operation can be looked at: the proof, and what small networks show besides. `tables` is
what people see of it, `memory` what is kept how long, and what a smaller peak costs.

docs/counting.md and docs/memory.md explain the figures.
"""

from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.memory.footprint import Memory
from symbp.count.neurons.repeats import Repeat, Repeats
from symbp.count.tables.comparison import compare
from symbp.count.tables.counts import Counts, Row

__all__ = ["STRATEGIES", "Counts", "Ledger", "Memory", "Repeat", "Repeats", "Row", "compare"]
