"""Odd small networks: every strategy at tensor level is what is counted place by place at neuron level."""

from __future__ import annotations

from collections import Counter

import pytest
from test_count_conditions import check

from symbp.count.ledger import STRATEGIES, Ledger
from symbp.notation import read

NETS = {  # what follows "input g[b], x[b,t]" and leads to y[b]
    "known zeros of functions": "param w[t], v[t]; z[b,t] = where(t > 0, w[t]*x[b,t], 0)"
    "; y[b] = sum[t] (tanh(z[b,t]) + exp(z[b,t]) + gelu(z[b,t]) + elu(z[b,t]))*v[t]",
    "signs where terms are missing": "param w[t], v[t]; z[b,t] = where(t > 0, w[t], 0) - where(t < T-1, v[t], 0)"
    "; q[b,t] = where(t > 1, v[t]*x[b,t], 0) - w[t]; y[b] = sum[t] (-2*z[b,t]*q[b,t] - z[b,t])",
    "numbers that differ by place": "param w[t]"
    "; y[b] = sum[t] (-1)^t*where(t > 1, 3, 2)*(w[t] + where(t > 0, 1, 0) + 2)*x[b,t]",
    "pairs": "param w[t]; a[b,t] = w[t]*x[b,t]; y[b] = sum[t,u<T] (a[b,t] - a[b,u])^2",
    "a symmetric matrix": "param w[t]; a[b,t] = w[t]*x[b,t]; y[b] = sum[t,u<T] exp(a[b,t]*a[b,u])",
    "a tangent in a sum": "param w[t], M[u<T,t]; r[b,t] = tanh(w[t]*x[b,t]); y[b] = sum[t,u<T] M[u,t]*r[b,t]*r[b,u]",
    "one softmax twice": "param w[t]; q[b,t] = w[t]*x[b,t]; p[b,t,u<T] = softmax[u : u <= t] q[b,t]*x[b,u]"
    "; y[b] = sum[t,u] p[b,t,u]*x[b,u]",
    "a sum behind a sign": "param w[t]; a[b,t] = w[t]*x[b,t]; y[b] = sum[t] (a[b,t]^3 + a[b,t] - x[b,0])",
    "variance": "param w[t]; a[b,t] = w[t]*x[b,t]; mu[b] = mean[t] a[b,t]; s[b] = mean[t] (a[b,t] - mu[b])^2"
    "; y[b] = sum[t] (a[b,t] - mu[b])/sqrt(s[b] + 1/100)",
    "the diagonal": "param W[t,u<T], c[t]; y[b] = sum[t] W[t,t]*x[b,t] + sum[t,u] where(t == u, c[t], W[u,t])*x[b,u]",
    "the greatest so far": "param w[t], c[t]; z[b,t] = min(w[t]*x[b,t], c[t]); m[b,t] = max[u<T : u <= t] z[b,u]"
    "; y[b] = sum[t] m[b,t]*z[b,t]",
    "sums of nothing and of one": "param w[t], c, q"
    "; y[b] = c + sum[t : t > T] w[t]*x[b,t] + c*sum[t : t == T-1] w[t]*x[b,t]",
    "the same weights both ways": "param k[p<3]; z[b,t] = sum[p] k[p]*where(0 <= t-p, x[b,t-p], 0)"
    "; v[b,t] = sum[p] k[p]*where(t+p < T, z[b,t+p], 0); y[b] = sum[t] v[b,t]^2",
}


def network(body: str):  # type: ignore[no-untyped-def]
    lines = ["sizes B, T", "input g[b], x[b,t]", *body.split("; "), "loss = mean[b] (y[b] - g[b])^2"]
    return read("\n".join(lines))


@pytest.mark.parametrize("length", [2, 4])
@pytest.mark.parametrize("name", NETS)
def test_both_levels_agree(name: str, length: int) -> None:
    assert check(network(NETS[name]), {"B": 2, "T": length}) == set(STRATEGIES)


@pytest.mark.parametrize("name", NETS)
def test_sizes_of_one(name: str) -> None:
    """Where a size is one much falls away; what can't be told is not called exact."""
    check(network(NETS[name]), {"B": 1, "T": 1})


def test_two_reads_of_one_entry_stay_two() -> None:
    """The sentence of docs/counting.md: r[t] + where(0 < t, r[t-1], r[t]) is an addition at every place."""
    program = read("sizes T\nparam r[t]\nm[t] = r[t] + where(0 < t, r[t-1], r[t])\nloss = sum[t] m[t]")
    for length in (2, 5):
        assert check(program, {"T": length}) == set(STRATEGIES)
        found = Ledger(program, {"T": length})["forward"].operations
        assert found is not None
        assert {k: n.number for k, n in found.items() if n} == {"add": length + length - 1}


@pytest.mark.parametrize("name", NETS)
def test_closed_forms(name: str) -> None:
    symbolic = Ledger(network(NETS[name]))
    sizes = {"B": 3, "T": 7}
    numbers = Ledger(network(NETS[name]), sizes)
    for strategy in STRATEGIES:
        form, number = symbolic[strategy].operations, numbers[strategy].operations
        assert form is not None and number is not None
        at = Counter({kind: n.at(sizes).number for kind, n in form.items()})
        assert +at == +Counter({kind: n.number for kind, n in number.items()}), strategy
