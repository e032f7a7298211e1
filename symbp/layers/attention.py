"""Attention: p[n, h, t, u] = exp(s[n, h, t, u]) over its sum over u, o = Sum(p v, u).

Queries are at t, keys and values at u; h counts heads, d runs within one. What may not be seen has no exponential: a
mask is a Piecewise around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Eq, Sum

from symbp.builder import Builder
from symbp.language import FUNCTIONS
from symbp.layers.layer import Layer, axes, piecewise, size_of


def attend(net: Builder, s: Any, visible: Any) -> Any:
    """The softmax of the scores over their last axis, among those that are visible."""
    *lead, u = s.indices
    u2 = net.like(u, *lead)
    other = s.base[(*lead, u2)]
    if visible is True:
        return net.tensor("p", s.indices, sp.exp(s) / Sum(sp.exp(other), u2))
    total = Sum(piecewise(sp.exp(other), visible.xreplace({u: u2}), 0), u2)
    return net.tensor("p", s.indices, piecewise(sp.exp(s), visible, 0) / total)


@dataclass(frozen=True)
class Attention(Layer):
    """One head: s[n, t, u] = Sum(q[n, t, d] k[n, u, d], d) / sqrt(D) (Vaswani et al. 2017, eq. 1)."""

    units: int
    causal: bool = False

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, t, i = axes(net, x, "n t i")
        u, d = net.index("u", size_of(t), *x.indices), net.index("d", self.units, *x.indices)
        Q, K, V = (net.parameter(name, (i, d), init="xavier") for name in "QKV")
        q, k, v = (net.tensor(name, (n, t, d), Sum(x * W, i)) for name, W in zip("qkv", (Q, K, V), strict=True))
        s = net.tensor("s", (n, t, u), Sum(q * k.base[n, u, d], d) / sp.sqrt(self.units))
        p = attend(net, s, u <= t if self.causal else True)
        return net.tensor("o", (n, t, d), Sum(p * v.base[n, u, d], u))


@dataclass(frozen=True)
class MultiHeadAttention(Layer):
    """z[n, t, j] = Sum(o[n, t, h, d] O[h, d, j], h, d) + c[j], each head h attending for itself.

    causal: a position sees itself and what is before it. alibi: Press et al. 2022, scores fall with the distance by
    2^(-8 (h + 1)/H). rotary: Su et al. 2021, eq. 34, pairs of q and k are rotated by t 10000^(-2 e/D). memory: a shape
    (S, M) makes it cross attention to an input memory[n, u, m]; padding: an input sees[n, u] is 1 where u may be seen,
    0 where it is padding.
    """

    heads: int
    causal: bool = False
    alibi: bool = False
    rotary: bool = False
    memory: tuple[Any, int] | None = None
    padding: bool = False
    bias: bool = True

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, t, i = axes(net, x, "n t i")
        self.check(net, i)
        H, D = self.heads, size_of(i) // self.heads
        source, u, m = x, t, i
        if self.memory is not None:
            u, m = net.index("u", self.memory[0], *x.indices), net.index("m", self.memory[1], *x.indices)
            source = net.input("memory", (n, u, m))
        h, d = net.index("h", H, n, t, i, u, m), net.index("d", D, n, t, i, u, m)
        Q, O = net.parameter("Q", (i, h, d), init="xavier"), net.parameter("O", (h, d, i), init="xavier")
        K, V = (net.parameter(name, (m, h, d), init="xavier") for name in "KV")
        q = net.tensor("q", (n, t, h, d), Sum(x * Q, i) + self.offset(net, "b_q", (h, d)))
        k = net.tensor("k", (n, u, h, d), Sum(source * K, m) + self.offset(net, "b_k", (h, d)))
        v = net.tensor("v", (n, u, h, d), Sum(source * V, m) + self.offset(net, "b_v", (h, d)))
        if self.memory is None:
            u = net.index("u", size_of(t), n, t, i, h, d)
        s = net.tensor("s", (n, h, t, u), self.scores(net, q, k, u))
        p = attend(net, s, self.visible(net, n, t, u))
        o = net.tensor("o", (n, t, h, d), Sum(p * v.base[n, u, h, d], u))
        j = net.feature(size_of(i))
        z = Sum(o * O.base[h, d, j], h, d) + self.offset(net, "c", (j,))
        return net.tensor("z", (n, t, j), z, adjoint=r"\delta")

    def check(self, net: Builder, i: Any) -> None:
        """Raises SymbpError where the heads don't fit the width, or options each other."""
        if size_of(i) % self.heads:
            raise net.fail(f"{self.heads} heads don't divide the width {size_of(i)}: choose a divisor of it")
        if self.rotary and size_of(i) // self.heads % 2:
            raise net.fail(f"rotary needs heads of even width, not {size_of(i) // self.heads}: use other heads")
        if self.memory is not None and (self.causal or self.alibi or self.rotary):
            raise net.fail("a memory has no order that x shares: leave out causal, alibi and rotary")

    def offset(self, net: Builder, name: str, indices: tuple[Any, ...]) -> Any:
        return net.parameter(name, indices, init="zeros") if self.bias else 0

    def scores(self, net: Builder, q: Any, k: Any, u: Any) -> Any:
        """q . k / sqrt(D), with what depends on positions."""
        n, t, h, d = q.indices
        if self.rotary:
            (a, b), (a2, b2) = rotated(net, q, "q"), rotated(net, k, "k")
            e = a.indices[-1]
            product = Sum(a * a2.base[n, u, h, e] + b * b2.base[n, u, h, e], e)
        else:
            product = Sum(q * k.base[n, u, h, d], d)
        s = product / sp.sqrt(size_of(d))
        return s - sp.Integer(2) ** (-sp.Integer(8) * (h + 1) / self.heads) * (t - u) if self.alibi else s

    def visible(self, net: Builder, n: Any, t: Any, u: Any) -> Any:
        conditions = [u <= t] if self.causal else []
        if self.padding:
            conditions.append(Eq(net.input("sees", (n, u), "int"), 1))
        return sp.And(*conditions) if conditions else True


def rotated(net: Builder, q: Any, name: str) -> tuple[Any, Any]:
    """Neighbouring pairs of q[n, t, h, :], rotated by t 10000^(-2 e/D): the first and the second of each."""
    n, t, h, d = q.indices
    e = net.index("e", size_of(d) // 2, *q.indices)
    angle = t * sp.Integer(10000) ** (-2 * e / size_of(d))
    first, second = q.base[n, t, h, 2 * e], q.base[n, t, h, 2 * e + 1]
    a = net.tensor(f"{name}_a", (n, t, h, e), first * sp.cos(angle) - second * sp.sin(angle))
    b = net.tensor(f"{name}_b", (n, t, h, e), first * sp.sin(angle) + second * sp.cos(angle))
    return a, b


@dataclass(frozen=True)
class LinearAttention(Layer):
    """o[n, t, f] = Sum(phi(q) S, d) / Sum(phi(q) z, d) with S = Sum(phi(k) v, u) and z = Sum(phi(k), u).

    phi(a) = elu(a) + 1 (Katharopoulos et al. 2020). causal: S and z are running sums over positions.
    """

    units: int
    causal: bool = False

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, t, i = axes(net, x, "n t i")
        d = net.index("d", self.units, *x.indices)
        f = net.index("f", self.units, *x.indices)
        Q, K = (net.parameter(name, (i, d), init="xavier") for name in "QK")
        V = net.parameter("V", (i, f), init="xavier")
        q, k = (net.tensor(a, (n, t, d), FUNCTIONS["elu"](Sum(x * W, i)) + 1) for a, W in (("q", Q), ("k", K)))
        v = net.tensor("v", (n, t, f), Sum(x * V, i))
        if not self.causal:
            S = net.tensor("S", (n, d, f), Sum(k * v, t))
            z = net.tensor("z", (n, d), Sum(k, t))
            return net.tensor("o", (n, t, f), Sum(q * S, d) / Sum(q * z, d))
        S, z = net.unknown("S", (n, t, d, f)), net.unknown("z", (n, t, d))
        net.equate(S, piecewise(0, Eq(t, 0), S.base[n, t - 1, d, f]) + k * v)
        net.equate(z, piecewise(0, Eq(t, 0), z.base[n, t - 1, d]) + k)
        return net.tensor("o", (n, t, f), Sum(q * S, d) / Sum(q * z, d))
