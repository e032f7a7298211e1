"""Layers that contract the last axes with a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.layers.layer import Layer, axes, merge, size_of


@dataclass(frozen=True)
class Dense(Layer):
    """z[n, j] = Sum(x[n, i] W[i, j], i) + b[j], over the last axis of x or over its last `axes` axes."""

    units: int
    axes: int = 1
    bias: bool = True

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        if len(x.indices) <= self.axes:
            raise net.fail(f"it sums over {self.axes} axes, and its input has {len(x.indices)}, batch included")
        lead, over = x.indices[: -self.axes], x.indices[-self.axes :]
        j = net.feature(self.units)
        order = (1, 0) if self.axes == 1 else None
        W = net.parameter("W", (*over, j), init=net.init_of_next or "xavier", subscripts=order)
        z = Sum(x * W, *over)
        if self.bias:
            z = z + net.parameter("b", (j,), init="zeros")
        return net.tensor("z", (*lead, j), z, adjoint=r"\delta")


@dataclass(frozen=True)
class Flatten(Layer):
    """f[n, m] = x[n, c, h, w] at m = (c H + h) W + w: all axes behind the batch become one."""

    def define(self, net: Builder, x: Any) -> Any:
        return x if len(x.indices) < 3 else merge(net, x, 1, len(x.indices) - 1)


@dataclass(frozen=True)
class Bilinear(Layer):
    """z[n, j] = Sum(x[n, i] W[i, j, k] x[n, k], i, k) + b[j]: a quadratic form for each output."""

    units: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        k, j = net.like(i), net.feature(self.units)
        W = net.parameter("W", (i, j, k), init="xavier")
        b = net.parameter("b", (j,), init="zeros")
        return net.tensor("z", (*lead, j), Sum(x * W * x.base[(*lead, k)], i, k) + b, adjoint=r"\delta")


@dataclass(frozen=True)
class LowRank(Layer):
    """z[n, j] = Sum(U[r, j] Sum(x[n, i] V[i, r], i), r) + b[j]: a matrix of rank `rank`."""

    units: int
    rank: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        r, j = net.feature(self.rank), net.feature(self.units)
        V = net.parameter("V", (i, r), init="xavier")
        U = net.parameter("U", (r, j), init=net.init_of_next or "xavier")
        b = net.parameter("b", (j,), init="zeros")
        s = net.tensor("s", (*lead, r), Sum(x * V, i))
        return net.tensor("z", (*lead, j), Sum(s * U, r) + b, adjoint=r"\delta")


@dataclass(frozen=True)
class LowRankBilinear(Layer):
    """z[n, j] = Sum(P[r, j] tanh(Sum(x[n, i] U[i, r], i) Sum(x[n, i] V[i, r], i)), r): Kim et al. 2017, eq. 10."""

    units: int
    rank: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        r, j = net.feature(self.rank), net.feature(self.units)
        U = net.parameter("U", (i, r), init="xavier")
        V = net.parameter("V", (i, r), init="xavier")
        P = net.parameter("P", (r, j), init="xavier")
        h = net.tensor("h", (*lead, r), sp.tanh(Sum(x * U, i) * Sum(x * V, i)))
        return net.tensor("z", (*lead, j), Sum(h * P, r), adjoint=r"\delta")


@dataclass(frozen=True)
class WeightNormDense(Layer):
    """Dense with W[i, j] = g[j] V[i, j] / |V[:, j]| (Salimans & Kingma 2016, eq. 2)."""

    units: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *lead, i = axes(net, x, "... i")
        i2, j = net.like(i), net.feature(self.units)
        V = net.parameter("V", (i, j), init=net.init_of_next or "xavier")
        g = net.parameter("g", (j,), init="ones")
        b = net.parameter("b", (j,), init="zeros")
        W = net.tensor("W", (i, j), g * V / sp.sqrt(Sum(V.base[i2, j] ** 2, i2)))
        return net.tensor("z", (*lead, j), Sum(x * W, i) + b, adjoint=r"\delta")


@dataclass(frozen=True)
class Last(Layer):
    """y[n, j] = x[n, T - 1, j]: the last step of a sequence."""

    def define(self, net: Builder, x: Any) -> Any:
        n, t, j = axes(net, x, "n t j")
        return net.tensor("last", (n, j), x.base[n, size_of(t) - 1, j])


@dataclass(frozen=True)
class MeanOver(Layer):
    """The mean over one axis (counted with the batch): y[n, j] = Sum(x[n, t, j], t) / T."""

    axis: int = 1

    def define(self, net: Builder, x: Any) -> Any:
        if not 0 < self.axis < len(x.indices):
            raise net.fail(f"its input has axes 1 to {len(x.indices) - 1} behind the batch, and no axis {self.axis}")
        t = x.indices[self.axis]
        return net.tensor("m", tuple(i for i in x.indices if i != t), Sum(x, t) / size_of(t))
