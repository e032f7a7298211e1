"""Attention in all its forms."""

import numpy as np
import pytest
from layer_oracles import assert_exact, run

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.layers import Attention, LinearAttention, MultiHeadAttention
from symbp.sequence import Sequential


def net(*layers, loss="mean_squared_error", **options):
    return Sequential(*layers, loss=loss, **options)


DEFINITIONS = {
    "attention": lambda: net(Attention(3), shape=("T", 5)),
    "attention_causal": lambda: net(Attention(3, causal=True), shape=("T", 5)),
    "multi_head": lambda: net(MultiHeadAttention(2), shape=("T", 6)),
    "multi_head_causal": lambda: net(MultiHeadAttention(2, causal=True), shape=("T", 6)),
    "alibi": lambda: net(MultiHeadAttention(2, causal=True, alibi=True), shape=("T", 6)),
    "alibi_integer_slopes": lambda: net(MultiHeadAttention(8, causal=True, alibi=True), shape=("T", 8)),
    "rotary": lambda: net(MultiHeadAttention(2, causal=True, rotary=True), shape=("T", 12)),
    "cross_padded": lambda: net(MultiHeadAttention(2, memory=("S", 5), padding=True), shape=("T", 6)),
    "linear_attention": lambda: net(LinearAttention(3), shape=("T", 5)),
    "linear_attention_causal": lambda: net(LinearAttention(3, causal=True), shape=("T", 5)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_all_ways_to_the_gradient_agree(name):
    assert_exact(DEFINITIONS[name]())


def softmax(s, axis=-1):
    e = np.exp(s - s.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def test_causal_multi_head_against_numpy():
    program = net(MultiHeadAttention(2, causal=True), shape=("T", 6))
    v = random_values(program)
    q, k, u = (np.einsum("nti,ihd->nhtd", v["x"], v[f"{a}1"]) + v[f"b_{a.lower()}1"][:, None] for a in "QKV")
    s = np.where(np.tril(np.ones((q.shape[2],) * 2)) > 0, q @ np.swapaxes(k, 2, 3) / np.sqrt(3), -np.inf)
    y = np.einsum("nhtd,hdj->ntj", softmax(s) @ u, v["O1"]) + v["c1"]
    assert np.allclose(program.evaluate(v)["y"], y, rtol=0, atol=1e-12)


def test_scores_depend_on_the_distance_only_after_rotation():
    program = net(MultiHeadAttention(1, rotary=True, bias=False), shape=(5, 4))
    v = random_values(program)
    v["x"][:] = v["x"][:, :1]
    s = program.evaluate(v)["s1"]
    assert np.allclose(s[:, :, 1:, 1:], s[:, :, :-1, :-1], rtol=0, atol=1e-12)


def test_padding_is_not_seen():
    program = net(MultiHeadAttention(2, memory=("S", 5), padding=True), shape=("T", 6))
    v = random_values(program)
    v["sees"][:] = 1
    v["sees"][:, -2:] = 0
    moved = {**v, "memory": v["memory"].copy()}
    moved["memory"][:, -2:] += 7
    assert np.array_equal(program.evaluate(v)["y"], program.evaluate(moved)["y"])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_causal_softmax_does_not_overflow(sign):
    program = net(Attention(3, causal=True), shape=("T", 5))
    v = random_values(program)
    v["x"] = v["x"] * 100
    v["Q1"] = sign * v["Q1"] * 100
    found, _ = run(program.gradient(), v)
    assert all(np.all(np.isfinite(found[f"d_{name}1"])) for name in "QKV")
    assert np.allclose(found["p1"].sum(-1), 1)


def test_the_gradient_of_a_masked_softmax_is_the_textbooks():
    """d_s = p (d_p - Sum(p d_p)), with the mask in p alone."""
    derived = net(Attention(3, causal=True), shape=("T", 5)).gradient()
    assert derived.equation("d_s1").value.tensors == {"p1", "d_p1"}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (MultiHeadAttention(4), r"layer 1 \(MultiHeadAttention\): 4 heads don't divide the width 6"),
        (MultiHeadAttention(2, rotary=True), "heads of even width, not 3"),
        (MultiHeadAttention(2, causal=True, memory=(3, 5)), "leave out causal"),
    ],
)
def test_what_does_not_fit(layer, message):
    with pytest.raises(SymbpError, match=message):
        net(layer, shape=("T", 6))
