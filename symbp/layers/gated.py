"""Units that multiply: gates, feature-wise modulation, mixtures of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.language import FUNCTIONS
from symbp.layers.layer import Layer, axes, size_of


@dataclass(frozen=True)
class GLU(Layer):
    """h[n, j] = (Sum(x W, i) + b[j]) sigmoid(Sum(x V, i) + c[j]) (Dauphin et al. 2017, eq. 1)."""

    units: int
    gate: str = "sigmoid"

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        j = net.feature(self.units)
        W, V = (net.parameter(name, (i, j), init="xavier") for name in "WV")
        b, c = (net.parameter(name, (j,), init="zeros") for name in "bc")
        z = net.tensor("z", (*lead, j), Sum(x * W, i) + b)
        g = net.tensor("g", (*lead, j), FUNCTIONS[self.gate](Sum(x * V, i) + c))
        return net.tensor("h", (*lead, j), z * g)


@dataclass(frozen=True)
class SwiGLU(Layer):
    """y = (silu(x W) * (x V)) U without biases (Shazeer 2020, eq. 6); hidden: the width in between."""

    hidden: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        h, j = net.feature(self.hidden), net.feature(size_of(i))
        W, V = (net.parameter(name, (i, h), init="xavier") for name in "WV")
        U = net.parameter("U", (h, j), init="xavier")
        gated = net.tensor("h", (*lead, h), FUNCTIONS["silu"](Sum(x * W, i)) * Sum(x * V, i))
        return net.tensor("z", (*lead, j), Sum(gated * U, h))


@dataclass(frozen=True)
class SqueezeExcite(Layer):
    """u[n, c, h, w] = x[n, c, h, w] g[n, c], the gate computed from the channels' means (Hu et al. 2018)."""

    hidden: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, c, *space = axes(net, x, "... c h")
        r, c2 = net.feature(self.hidden), net.like(c, *x.indices)
        W, V = net.parameter("W", (c, r), init="he"), net.parameter("V", (r, c2), init="xavier")
        b, d = net.parameter("b", (r,), init="zeros"), net.parameter("c", (c2,), init="zeros")
        s = net.tensor("s", (n, c), Sum(x, *space) / size_of(*space))
        e = net.tensor("e", (n, r), FUNCTIONS["relu"](Sum(s * W, c) + b))
        g = net.tensor("g", (n, c2), FUNCTIONS["sigmoid"](Sum(e * V, r) + d))
        return net.tensor("u", x.indices, x * g.base[n, c])


@dataclass(frozen=True)
class FiLM(Layer):
    """u[n, j] = (1 + gamma[n, j]) x[n, j] + beta[n, j], both affine in a condition c[n, k] (Perez et al. 2018).

    condition: the size of that input. Channels lie along `axis`.
    """

    condition: int
    axis: int = 1

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        if not 0 < self.axis < len(x.indices):
            raise net.fail(f"its input has axes 1 to {len(x.indices) - 1} behind the batch, and no axis {self.axis}")
        n, j = x.indices[0], x.indices[self.axis]
        k = net.feature(self.condition)
        c = net.input("condition", (n, k), symbol="c")
        W, V = (net.parameter(name, (k, j), init="xavier") for name in "WV")
        b, d = (net.parameter(name, (j,), init="zeros") for name in "bc")
        gamma = net.tensor("gamma", (n, j), Sum(c * W, k) + b, symbol=r"\gamma")
        beta = net.tensor("beta", (n, j), Sum(c * V, k) + d, symbol=r"\beta")
        return net.tensor("u", x.indices, (1 + gamma) * x + beta)


@dataclass(frozen=True)
class MixtureOfExperts(Layer):
    """z[n, j] = Sum(g[n, e] y[n, e, j], e), y = relu(x W[e] + b[e]) V[e] + c[e], g = softmax(x G) (Jacobs 1991)."""

    experts: int
    hidden: int
    units: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        e, k, j = net.index("e", self.experts, *x.indices), net.feature(self.hidden), net.feature(self.units)
        e2 = net.like(e)
        G = net.parameter("G", (i, e), init="xavier")
        W, V = net.parameter("W", (e, i, k), init="he"), net.parameter("V", (e, k, j), init="xavier")
        b, c = net.parameter("b", (e, k), init="zeros"), net.parameter("c", (e, j), init="zeros")
        s = net.tensor("s", (*lead, e), Sum(x * G, i))
        g = net.tensor("g", (*lead, e), sp.exp(s) / Sum(sp.exp(s.base[(*lead, e2)]), e2))
        h = net.tensor("h", (*lead, e, k), FUNCTIONS["relu"](Sum(x * W, i) + b))
        y = net.tensor("expert", (*lead, e, j), Sum(h * V, k) + c)
        return net.tensor("z", (*lead, j), Sum(g * y, e))
