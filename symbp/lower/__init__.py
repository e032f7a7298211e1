"""Lowering: a simplified Program becomes statements of NumPy array operations.

    stabilise -> hoist_invariants [-> shard -> schedule] -> one statement an equation [-> calls with out= -> rooms]

`stabilise` turns sums of exponentials into forms that never overflow. `writer` hands each kind of node to its rule:
`reads` (views), `product`, `conditions`, `contraction` (matrix products), `scatter` (adjoints of reads). The rules look
at indices only, never at layers, and build trees of `array` operations. Readable code prints the trees (`lower`); fast
code takes them apart into `calls` and finds `rooms` where their results lie (`workspace`), by `packing` where memory is
short; `last_reads` says what readable code gives back then. Where the batch is shared among ranks, `parallel` says what
is a rank's part of a result, `messages` when it is completed.
"""

from __future__ import annotations

from symbp.lower.explain import explanation
from symbp.lower.last_reads import by_layer, last_reads
from symbp.lower.messages import Message
from symbp.lower.stabilise import stabilise
from symbp.lower.statements import Loop, Lowered, Statement, lower, prepare
from symbp.lower.workspace import IN_WORKSPACE, Workspace, workspace

__all__ = [
    "IN_WORKSPACE",
    "Loop",
    "Lowered",
    "Message",
    "Statement",
    "Workspace",
    "by_layer",
    "explanation",
    "last_reads",
    "lower",
    "prepare",
    "stabilise",
    "workspace",
]
