"""Conditions on indices (masks, padding, strides) in every strategy: exactly as in the unrolled network."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from symbp.architectures import load
from symbp.count.ledger import STRATEGIES, Ledger
from symbp.count.neurons.materialised import Materialised
from symbp.notation import read
from symbp.program import Program

MIXING = {  # from r[b,t,d] and the weights of one layer to m[b,t,d]; `mask` is a condition on t and u, `place` on t
    "attention": "q{n}[b,t,f] = sum[d] Q{n}[d,f]*r{n}[b,t,d]\n"
    "k{n}[b,u,f] = sum[d] K{n}[d,f]*r{n}[b,u,d]\n"
    "s{n}[b,t,u] = sum[d] q{n}[b,t,d]*k{n}[b,u,d]\n"
    "e{n}[b,t,u] = exp(s{n}[b,t,u])\n"
    "m{n}[b,t,f] = sum[u : {mask}] e{n}[b,t,u]*sum[d] V{n}[d,f]*r{n}[b,u,d]",
    "softmax": "q{n}[b,t,f] = sum[d] Q{n}[d,f]*r{n}[b,t,d]\n"
    "s{n}[b,t,u] = sum[d] q{n}[b,t,d]*r{n}[b,u,d]\n"
    "p{n}[b,t,u] = softmax[u : {mask} or u == t] s{n}[b,t,u]\n"
    "m{n}[b,t,f] = sum[u] p{n}[b,t,u]*sum[d] V{n}[d,f]*r{n}[b,u,d]",
    "weights": "m{n}[b,t,f] = sum[u,d : {mask}] M{n}[t,u]*V{n}[d,f]*r{n}[b,u,d]",
    "product": "m{n}[b,t,f] = sum[u : {mask}] M{n}[t,u]*r{n}[b,u,f]*r{n}[b,t,f]",
    "plain sum": "m{n}[b,t,f] = sum[u : {mask}] r{n}[b,u,f]",
    "sum beside": "m{n}[b,t,f] = r{n}[b,t,f] + sum[u : {mask}] r{n}[b,u,f]",
    "beside": "m{n}[b,t,f] = where({place}, sum[d] V{n}[d,f]*r{n}[b,t,d], 0) + c{n}[t]",
    "behind": "g{n}[b,t,f] = where({place}, r{n}[b,t,f], 0)\nm{n}[b,t,f] = tanh(sum[d] V{n}[d,f]*g{n}[b,t,d])",
    "shift": "m{n}[b,t,f] = where(t > 0, r{n}[b,t-1,f], r{n}[b,t,f])*w{n}[f]",
    "convolution": "m{n}[b,t,f] = w{n}[f] + sum[p,d] K{n}[p,d,f]*where(0 <= t+p-1 < T, r{n}[b,t+p-1,d], 0)",
    "average": "m{n}[b,t,f] = w{n}[f]*sum[p] where(0 <= t+p-1 < T, r{n}[b,t+p-1,f], 0)",
    "pooling": "m{n}[b,t,f] = max[p] where(0 <= t+p-1 < T, r{n}[b,t+p-1,f], w{n}[f])",
}
SHAPES = {"Q": "d,f", "K": "d,f", "V": "d,f", "M": "t,u", "c": "t", "w": "f"}
MASKS = ["u <= t", "u < t", "u <= t + 1", "0 <= t - u <= 1", "u >= t", "u != t", "u == t"]
PLACES = ["t != 1", "t > 0", "t < T - 1", "t < 7", "t == 1"]
AROUND = ["{m}", "tanh({m})", "r{n}[b,t,d] + {m}", "r{n}[b,t,d] + sigmoid({m})", "{m} - r{n}[b,t,d]", "{m}*{m}",
          "r{n}[b,t,d]*{m}", "{m}^3 - r{n}[b,t,d]", "where({place}, {m}, 0)", "exp({m})*r{n}[b,t,d]"]  # fmt: skip
Layer = tuple[str, str, str, str]


def network(layers: list[Layer], places: bool, batch: int, length: int) -> Program:
    """Layers over a sequence: what mixes its places, under which mask, at which places, and what is done with it."""
    lines = [f"sizes B={batch}, T={length}, D=2", "index u=T, f=D, p=3", "input x[b,t,d], y[b,t,d]",
             "param A[d,f]" + (", P[t,d]" if places else ""),
             "r0[b,t,f] = " + ("P[t,f] + " if places else "") + "sum[d] A[d,f]*x[b,t,d]"]  # fmt: skip
    for n, (kind, mask, place, around) in enumerate(layers):
        text = MIXING[kind].format(n=n, mask=mask, place=place)
        shapes = SHAPES | ({"K": "p,d,f"} if kind == "convolution" else {})
        lines += [f"param {name}{n}[{shape}]" for name, shape in shapes.items() if f"{name}{n}[" in text]
        lines += text.splitlines()
        lines.append(f"r{n + 1}[b,t,d] = " + around.format(m=f"m{n}[b,t,d]", n=n, place=place))
    last = f"r{len(layers)}[b,t,d]"
    return read("\n".join([*lines, f"loss = sum[b,t,d] ({last} - y[b,t,d])^2"]))


def check(program: Program, sizes: dict[str, int] | None = None) -> set[str]:
    """Compares all strategies kind by kind; returns those that the ledger has, and exactly."""
    ledger, neurons = Ledger(program, sizes or {}), Materialised(program, sizes or {})
    for strategy in STRATEGIES:
        account = ledger[strategy]
        expected = +neurons.operations(strategy)
        found = Counter({k: n.number for k, n in (account.operations or {}).items()})
        if account.operations is None:
            assert account.why
        elif account.exact:
            assert +found == expected, strategy
        else:
            assert all(n <= found[k] for k, n in expected.items()), strategy
    return {s for s in STRATEGIES if ledger[s].exact and ledger[s].operations is not None}


layer = st.tuples(*map(st.sampled_from, (sorted(MIXING), MASKS, PLACES, AROUND)))


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(layer, min_size=1, max_size=2), st.booleans(), st.integers(1, 2), st.integers(2, 3))
@example([("sum beside", "u >= t", "t > 0", "{m}")], True, 2, 3)  # equal entries are added
@example([("weights", "u <= t", "t > 0", "{m}^3 - r{n}[b,t,d]"), ("sum beside", "u >= t", "t > 0", "{m}")], True, 1, 2)
@example([("plain sum", "0 <= t - u <= 1", "t > 0", "{m}^3 - r{n}[b,t,d]")], True, 1, 3)
@example([("behind", "u <= t", "t < 7", "{m}*{m}")], False, 1, 2)  # a tangent could read what is computed later
@example([("softmax", "u <= t", "t > 0", "r{n}[b,t,d]*{m}")], False, 1, 3)
@example([("beside", "u <= t", "t == 1", "where({place}, {m}, 0)")], True, 1, 3)
def test_masks(layers: list[Layer], places: bool, batch: int, length: int) -> None:
    assert check(network(layers, places, batch, length)) == set(STRATEGIES)


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
    assert check(read(SINGLED_OUT)) == set(STRATEGIES)
    wide = Ledger(read(SINGLED_OUT.replace("D=2", "D=64").replace("T=3", "T=50")))
    assert all(wide[s].exact and wide[s].total for s in STRATEGIES)
