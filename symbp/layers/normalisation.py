"""Normalisation: by statistics of the batch, of one sample, of groups of its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.layers.layer import AT_LEAST_ZERO, TO_ONE, Layer, axes, merge, size_of

_EPSILON, _MOMENTUM = sp.Rational(1, 100_000), sp.Rational(1, 10)


def normalised(net: Builder, x: Any, over: Sequence[Any], epsilon: Any) -> Any:
    """(x - mean) / sqrt(var + epsilon), mean and variance being taken over the given axes."""
    left = tuple(i for i in x.indices if i not in over)
    mean = net.tensor("mu", left, Sum(x, *over) / size_of(*over), symbol=r"\mu")
    var = net.tensor("var", left, Sum((x - mean) ** 2, *over) / size_of(*over), symbol="v")
    return net.tensor("xhat", x.indices, (x - mean) / sp.sqrt(var + epsilon), symbol=r"\hat x")


def scaled(net: Builder, x: Any, features: Sequence[Any]) -> Any:
    """gamma x + beta with a scale and a shift for each feature."""
    gamma = net.parameter("gamma", features, init="ones", symbol=r"\gamma")
    beta = net.parameter("beta", features, init="zeros", symbol=r"\beta")
    return net.tensor("u", x.indices, gamma * x + beta)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalises every feature over the batch (Ioffe & Szegedy 2015, algorithm 1), then scales and shifts it.

    Features lie along `axis`; statistics are taken over all the others. The running mean and variance are state with
    their own update equations; prediction uses them instead.
    """

    epsilon: Any = _EPSILON
    momentum: Any = _MOMENTUM
    axis: int = 1
    within: ClassVar = {"epsilon": AT_LEAST_ZERO, "momentum": TO_ONE}

    def define(self, net: Builder, x: Any) -> Any:
        if not 0 < self.axis < len(x.indices):
            raise net.fail(f"its input has axes 1 to {len(x.indices) - 1} behind the batch, and no axis {self.axis}")
        j = x.indices[self.axis]
        over = [i for i in x.indices if i != j]
        gamma = net.parameter("gamma", (j,), init="ones", symbol=r"\gamma")
        beta = net.parameter("beta", (j,), init="zeros", symbol=r"\beta")
        running_mean = net.state("running_mean", (j,), init="zeros", symbol=r"\tilde\mu")
        running_var = net.state("running_var", (j,), init="ones", symbol=r"\tilde v")
        mean, var = running_mean, running_var
        if net.training:
            mean = net.tensor("mu", (j,), Sum(x, *over) / size_of(*over), symbol=r"\mu")
            var = net.tensor("var", (j,), Sum((x - mean) ** 2, *over) / size_of(*over), symbol="v")
            net.update(running_mean, (1 - self.momentum) * running_mean + self.momentum * mean)
            net.update(running_var, (1 - self.momentum) * running_var + self.momentum * var)
        normal = net.tensor("xhat", x.indices, (x - mean) / sp.sqrt(var + self.epsilon), symbol=r"\hat x")
        return net.tensor("u", x.indices, gamma * normal + beta)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Normalises every sample over its last `axes` axes (Ba et al. 2016), then scales and shifts it."""

    axes: int = 1
    epsilon: Any = _EPSILON
    within: ClassVar = {"epsilon": AT_LEAST_ZERO}

    def define(self, net: Builder, x: Any) -> Any:
        if len(x.indices) <= self.axes:
            raise net.fail(f"it normalises over {self.axes} axes, not {len(x.indices) - 1}")
        over = x.indices[-self.axes :]
        return scaled(net, normalised(net, x, over, self.epsilon), over)


@dataclass(frozen=True)
class RMSNorm(Layer):
    """u[n, j] = gamma[j] x[n, j] / sqrt(Sum(x[n, i]^2, i) / J + epsilon) (Zhang & Sennrich 2019, eq. 4)."""

    epsilon: Any = _EPSILON
    within: ClassVar = {"epsilon": AT_LEAST_ZERO}

    def define(self, net: Builder, x: Any) -> Any:
        *lead, j = axes(net, x, "... j")
        gamma = net.parameter("gamma", (j,), init="ones", symbol=r"\gamma")
        rms = net.tensor("rms", lead, sp.sqrt(Sum(x**2, j) / size_of(j) + self.epsilon))
        return net.tensor("u", x.indices, gamma * x / rms)


@dataclass(frozen=True)
class InstanceNorm(Layer):
    """Normalises every channel of every sample over its space (Ulyanov et al. 2016), then scales and shifts it."""

    epsilon: Any = _EPSILON
    within: ClassVar = {"epsilon": AT_LEAST_ZERO}

    def define(self, net: Builder, x: Any) -> Any:
        _, c, *space = axes(net, x, "... c h")
        return scaled(net, normalised(net, x, space, self.epsilon), (c,))


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Normalises groups of channels of every sample (Wu & He 2018), then scales and shifts each channel."""

    groups: int
    epsilon: Any = _EPSILON
    within: ClassVar = {"epsilon": AT_LEAST_ZERO}

    def define(self, net: Builder, x: Any) -> Any:
        n, c, *space = axes(net, x, "... c h")
        if size_of(c) % self.groups:
            raise net.fail(f"{self.groups} groups don't divide {size_of(c)} channels: choose a divisor")
        g, e = net.index("g", self.groups), net.index("e", size_of(c) // self.groups)
        split = net.tensor("s", (n, g, e, *space), x.base[(n, g * size_of(e) + e, *space)])
        merged = merge(net, normalised(net, split, (e, *space), self.epsilon), 1, 2)
        return scaled(net, merged, (merged.indices[1],))
