"""Operation counts: what every way to compute a gradient costs, and how much of the naive one is repeated work.

What an operation is, `symbp.operations` says; docs/counting.md compares that with SymPy's `count_ops`. Here the
programs are built at neuron level and counted (`strategies`), for networks small enough to be written out.
"""

from symbp.count.comparison import compare
from symbp.count.counts import Counts, Row
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.repeats import Repeat, Repeats

__all__ = ["STRATEGIES", "Counts", "Ledger", "Repeat", "Repeats", "Row", "compare"]
