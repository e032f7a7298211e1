"""Conditions on indices (masks, padding, strides) in every strategy: exactly as in the unrolled network."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.comparison import compare
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.neurons import Materialised
from symbp.notation import read
from symbp.program import Program

MIXING = {  # from r[b,t,d] and the weights of one layer to m[b,t,d]; `mask` is a condition on t and u
    "attention": "q{n}[b,t,f] = sum[d] Q{n}[d,f]*r{n}[b,t,d]\n"
    "k{n}[b,u,f] = sum[d] K{n}[d,f]*r{n}[b,u,d]\n"
    "s{n}[b,t,u] = sum[d] q{n}[b,t,d]*k{n}[b,u,d]\n"
    "e{n}[b,t,u] = exp(s{n}[b,t,u])\n"
    "m{n}[b,t,f] = sum[u : {mask}] e{n}[b,t,u]*sum[d] V{n}[d,f]*r{n}[b,u,d]",
    "weights": "m{n}[b,t,f] = sum[u,d : {mask}] M{n}[t,u]*V{n}[d,f]*r{n}[b,u,d]",
    "convolution": "m{n}[b,t,f] = c{n}[f] + sum[p,d] K{n}[p,d,f]*where(0 <= t+p-1 < T, r{n}[b,t+p-1,d], 0)",
}
MASKS = ["u <= t", "u < t", "u <= t + 1", "0 <= t - u <= 1", "u >= t", "u != t"]
AROUND = ["{m}", "tanh({m})", "r{n}[b,t,d] + {m}", "r{n}[b,t,d] + sigmoid({m})"]


def network(layers: list[tuple[str, str, str]], places: bool, batch: int, length: int) -> Program:
    """Layers over a sequence: what mixes its places, under which mask, and what is done with the result."""
    lines = [f"sizes B={batch}, T={length}, D=2", "index u=T, f=D, p=3", "input x[b,t,d], y[b,t,d]",
             "param A[d,f]" + (", P[t,d]" if places else ""),
             "r0[b,t,f] = " + ("P[t,f] + " if places else "") + "sum[d] A[d,f]*x[b,t,d]"]  # fmt: skip
    for n, (kind, mask, around) in enumerate(layers):
        text = MIXING[kind].format(n=n, mask=mask)
        weights = {"attention": ["Q{n}[d,f]", "K{n}[d,f]", "V{n}[d,f]"], "weights": ["M{n}[t,u]", "V{n}[d,f]"],
                   "convolution": ["K{n}[p,d,f]", "c{n}[f]"]}[kind]  # fmt: skip
        lines.append("param " + ", ".join(w.format(n=n) for w in weights))
        lines += text.splitlines()
        lines.append(f"r{n + 1}[b,t,d] = " + around.format(m=f"m{n}[b,t,d]", n=n))
    last = f"r{len(layers)}[b,t,d]"
    return read("\n".join([*lines, f"loss = sum[b,t,d] ({last} - y[b,t,d])^2"]))


def check(program: Program, sizes: dict[str, int] | None = None) -> set[str]:
    """Compares all strategies; returns those that the ledger has exactly."""
    ledger, neurons = Ledger(program, sizes or {}), Materialised(program, sizes or {})
    for strategy in STRATEGIES:
        account = ledger[strategy]
        expected = +neurons.operations(strategy)
        found = Counter({k: n.number for k, n in (account.operations or {}).items()})
        if account.exact:
            if strategy != "reverse + CSE":  # which finds values equal that happen to be, as those behind a zero
                assert +found == expected, strategy
        else:
            assert all(n <= found[k] for k, n in expected.items()), strategy
    return {s for s in STRATEGIES if ledger[s].exact}


layer = st.tuples(st.sampled_from(sorted(MIXING)), st.sampled_from(MASKS), st.sampled_from(AROUND))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(layer, min_size=1, max_size=2), st.booleans(), st.integers(1, 2), st.integers(2, 3))
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


CAUSAL = """
sizes B, T, D=3
index u=T, f=D
input x[b,t,d], y[b,t,d]
param P[t,d], Q[d,f], K[d,f], V[d,f]
r[b,t,d] = x[b,t,d] + P[t,d]
q[b,t,f] = sum[d] Q[d,f]*r[b,t,d]
k[b,u,f] = sum[d] K[d,f]*r[b,u,d]
v[b,u,f] = sum[d] V[d,f]*r[b,u,d]
p[b,t,u] = softmax[u : u <= t] sum[d] q[b,t,d]*k[b,u,d]
h[b,t,f] = r[b,t,f] + sum[u] p[b,t,u]*v[b,u,f]
loss = mean[b,t] sum[d] (h[b,t,d] - y[b,t,d])^2
"""


def test_closed_forms_of_causal_attention() -> None:
    """Found at small sizes, most of it at the largest of these alone; equal to the numbers at any size."""
    program = read(CAUSAL)
    symbolic = Ledger(program)
    for sizes in ({"B": 3, "T": 5}, {"B": 3, "T": 23}):  # 2/(B T) stays no division by one number
        concrete = Ledger(program, sizes)
        for strategy in STRATEGIES:
            form, number = symbolic[strategy], concrete[strategy]
            assert form.exact and number.exact
            at = {k: n.at(sizes).number for k, n in (form.operations or {}).items()}
            assert +Counter(at) == +Counter({k: n.number for k, n in (number.operations or {}).items()}), strategy


SINGLED_OUT = """
sizes B=2, T=3, D=2
index f=D
input x[b,t,d], y[b,t,d]
param A[d,f], P[t,d], V[d,f], c[t]
r[b,t,f] = P[t,f] + sum[d] A[d,f]*x[b,t,d]
m[b,t,f] = where(t == 1, sum[d] V[d,f]*r[b,t,d], 0) + c[t]
loss = sum[b,t,d] (tanh(m[b,t,d]) - y[b,t,d])^2
"""


def test_a_place_singled_out_is_no_label() -> None:
    program = read(SINGLED_OUT)
    ledger, neurons = Ledger(program), Materialised(program)
    for strategy in ("forward", "per parameter", "reverse"):
        found = {k: n.number for k, n in (ledger[strategy].operations or {}).items()}
        assert ledger[strategy].exact and +Counter(found) == +neurons.operations(strategy)
    for strategy in ("forward mode", "expanded"):  # small as it is, the network is unrolled for these
        assert ledger[strategy].operations is None and "t == 1" in ledger[strategy].why
        assert compare(program)[strategy].operations == dict(+neurons.operations(strategy))
