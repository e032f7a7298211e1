"""Conditions on indices (masks, padding, strides) in every strategy: exactly as in the unrolled network."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.neurons import Materialised
from symbp.notation import read
from symbp.program import Program

MIXING = {  # from r[b,t,d] and the weights of one layer to m[b,t,d]; `mask` is a condition on t and u
    "attention": "q{n}[b,t,d] = Q{n}[d]*r{n}[b,t,d]\n"  # not r itself: r[t]*r[u] is a square where t = u
    "s{n}[b,t,u] = sum[d] q{n}[b,t,d]*r{n}[b,u,d]\n"
    "e{n}[b,t,u] = exp(s{n}[b,t,u])\n"
    "m{n}[b,t,f] = sum[u : {mask}] e{n}[b,t,u]*sum[d] V{n}[d,f]*r{n}[b,u,d]",
    "weights": "m{n}[b,t,f] = sum[u,d : {mask}] M{n}[t,u]*V{n}[d,f]*r{n}[b,u,d]",
    "convolution": "m{n}[b,t,f] = c{n}[f] + sum[p,d] K{n}[p,d,f]*where(0 <= {stride}*t+p-1 < T, r{n}[b,{stride}*t+p-1,d], 0)",
    "shift": "m{n}[b,t,f] = c{n}[t,f] + sum[d] V{n}[d,f]*where({first}, r{n}[b,t,d], 0)",
}
MASKS = ["u <= t", "u < t", "u <= t + 1", "0 <= t - u <= 1", "u >= t", "u != t"]
AROUND = ["{m}", "tanh({m})", "r{n}[b,t,d] + {m}", "r{n}[b,t,d] + sigmoid({m})"]


def network(layers: list[tuple[str, str, str]], places: bool, batch: int, length: int) -> Program:
    """Layers over a sequence: what mixes its places, under which mask, and what is done with the result."""
    lines = [
        f"sizes B={batch}, T={length}, D=2", "index u=T, f=D, p=3", "input x[b,t,d], y[b,t,d]",
        "param P[t,d], A[d,f]",
    ]  # fmt: skip
    lines.append("r0[b,t,f] = " + ("P[t,f] + " if places else "") + "sum[d] A[d,f]*x[b,t,d]")
    for n, (kind, mask, around) in enumerate(layers):
        stride = 1
        text = MIXING[kind].format(n=n, mask=mask, stride=stride, first=mask.replace("u", "1"))
        weights = {"attention": ["Q{n}[d]", "V{n}[d,f]"], "weights": ["M{n}[t,u]", "V{n}[d,f]"],
                   "convolution": ["K{n}[p,d,f]", "c{n}[f]"], "shift": ["V{n}[d,f]", "c{n}[t,f]"]}[kind]  # fmt: skip
        lines.append("param " + ", ".join(w.format(n=n) for w in weights))
        lines += text.splitlines()
        lines.append(f"r{n + 1}[b,t,d] = " + around.format(m=f"m{n}[b,t,d]", n=n))
    last = f"r{len(layers)}[b,t,d]"
    used = "P[t,d], " if not places else ""
    lines[3] = lines[3].replace("P[t,d], ", "") if used else lines[3]
    return read("\n".join([*lines, f"loss = sum[b,t,d] ({last} - y[b,t,d])^2"]))


def check(program: Program, sizes: dict[str, int] | None = None) -> set[str]:
    """Compares all strategies that are small enough; returns those that the ledger has exactly."""
    ledger, neurons = Ledger(program, sizes or {}), Materialised(program, sizes or {})
    for strategy in STRATEGIES:
        account = ledger[strategy]
        expected = +neurons.operations(strategy)
        found = Counter({k: n.number for k, n in (account.operations or {}).items()})
        if account.exact:
            assert +found == expected, strategy
        else:
            assert all(n <= found[k] for k, n in expected.items()), strategy
    return {s for s in STRATEGIES if ledger[s].exact}


layer = st.tuples(st.sampled_from(sorted(MIXING)), st.sampled_from(MASKS), st.sampled_from(AROUND))


@settings(max_examples=25, deadline=None)
@given(st.lists(layer, min_size=1, max_size=2), st.booleans(), st.integers(1, 2), st.integers(2, 4))
def test_masks(layers: list[tuple[str, str, str]], places: bool, batch: int, length: int) -> None:
    check(network(layers, places, batch, length))


@pytest.mark.parametrize(
    ("net", "sizes"),
    [
        ("cnn:1x4x4,2c3p1+relu+max2,2,cross_entropy", {"B": 1}),
        ("cnn:1x4x4,2c2+tanh,2,cross_entropy", {"B": 2}),
        ("cnn:2x5x5,2c3s2p1+relu,3,cross_entropy", {"B": 2}),
        ("cnn:1x5x5,2c3s2p1+batch_norm+relu,2c2p1+tanh,2,cross_entropy", {"B": 1}),
    ],
)
def test_convolutions(net: str, sizes: dict[str, int]) -> None:
    assert check(load(net), sizes) == set(STRATEGIES)
