"""Networks of equal blocks are counted at four of them: the same numbers as of the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sympy as sp
from sympy import Eq, Idx, IndexedBase, Sum, Symbol

from symbp import Dense, Program, Sequential, Tanh, declare, sizes
from symbp.architectures import load
from symbp.builder import Builder
from symbp.count import STRATEGIES
from symbp.count.equations.blocks import KEPT, find_blocks
from symbp.count.ledger import Account, Ledger
from symbp.layers import Layer, Residual
from symbp.normalise import normalise


def accounts(program: Program, whole: bool) -> dict[str, Account]:
    ledger = Ledger(program)
    if whole:
        ledger.__dict__["blocks"] = None
    assert (ledger.blocks is None) == whole
    return {s: ledger[s] for s in STRATEGIES}


@pytest.mark.parametrize(
    ("net", "left_out"),
    [
        ("gpt:layers=7,heads=2,width=4,context=T,vocabulary=5", 2),
        ("mlp:4-4-4-4-4-4-4-4-3,tanh,half_squared_error", 2),
    ],
)
def test_the_same_as_of_the_whole_network(net: str, left_out: int) -> None:
    program = load(net)
    blocks = find_blocks(normalise(program))
    assert blocks is not None and blocks.left_out == left_out
    assert accounts(program, False) == accounts(program, True)


def test_gpt2_is_counted_at_four_blocks() -> None:
    ledger = Ledger(load("gpt:gpt2,head=tied,context=T"))
    assert ledger.shorter is not None and ledger.blocks is not None
    assert ledger.blocks.left_out == 12 - 1 - KEPT  # the first one reads the embedding, and isn't like the others
    assert str(ledger["reverse + CSE"].total) == "55,728*B*T^2 + 742,519,761*B*T - 768*T - 123,653,376"
    assert all(ledger[s].exact for s in STRATEGIES)
    assert not {"simplified", "reverse"} & vars(ledger).keys()  # the twelve blocks were never differentiated
    assert not ledger._listings


@pytest.mark.parametrize(
    "layers",
    [
        [Dense(4), Tanh()] * 4,  # too few
        [layer for n in range(8) for layer in (Dense(3 + n), Tanh())],  # none like another
        [Dense(4), Residual(*[Dense(4)] * 9), Dense(4)],  # what is behind them reads what is in front of them
    ],
)
def test_what_has_no_equal_blocks(layers: list) -> None:
    program = normalise(Sequential(*layers, features=4, loss="half_squared_error"))
    found = find_blocks(program)
    assert found is None or accounts(program, False) == accounts(program, True)


@dataclass(frozen=True)
class Shared(Layer):
    """tanh(x W), with one W for all layers."""

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, i = x.indices
        j = net.like(i)
        if net.table is None:
            net.table = net.parameter("W", (i, j), init="xavier")
        return net.tensor("h", (n, j), sp.tanh(Sum(x * net.table.base[i, j], i)))


def test_blocks_that_share_a_weight_are_counted_whole() -> None:
    """The gradient by it has a term for every block."""
    net = Sequential(*[Dense(3)], *[Shared()] * 9, features=3, loss="half_squared_error")
    assert find_blocks(normalise(net)) is None


def test_what_reads_across_the_blocks_is_counted_whole() -> None:
    """Every layer's output goes into the loss, too: no block can be left out."""
    B = sizes("B")
    n, i, j = Idx("n", B), Idx("i", 3), Idx("j", 3)
    x, L = IndexedBase("x"), Symbol("L")
    weights = [IndexedBase(f"W{k}") for k in range(8)]
    hidden = [x, *(IndexedBase(f"h{k}") for k in range(8))]
    equations = [
        Eq(after[n, j], Sum(before[n, i] * W[i, j], i))
        for before, after, W in zip(hidden[:-1], hidden[1:], weights, strict=True)
    ]
    total = sum(Sum(h[n, j] ** 2, n, j) for h in hidden[1:])
    net = declare([*equations, Eq(L, total)], inputs=[x[n, i]], parameters=[W[i, j] for W in weights], loss=L)
    assert find_blocks(normalise(net)) is None
