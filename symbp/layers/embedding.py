"""Tokens and positions as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.layers.layer import Layer, axes, piecewise, size_of


@dataclass(frozen=True)
class Embedding(Layer):
    """e[n, t, j] = E[x[n, t], j]: a row for each token."""

    vocabulary: int
    units: int
    reads_integers = True

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        v, j = net.index("v", self.vocabulary), net.feature(self.units)
        E = net.table = net.parameter("E", (v, j), init="xavier")
        return net.tensor("e", (*x.indices, j), E.base[x, j])


@dataclass(frozen=True)
class TiedHead(Layer):
    """y[n, t, v] = Sum(x[n, t, j] E[v, j], j): a score a token, by the Embedding's own table (Press & Wolf 2017)."""

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        if net.table is None:
            raise net.fail("there is no Embedding in front of it to be tied to")
        *lead, j = x.indices
        v, k = net.table.indices
        if size_of(j) != size_of(k):
            raise net.fail(f"its input has {size_of(j)} features, the Embedding's rows {size_of(k)}")
        return net.tensor("z", (*lead, v), Sum(x * net.table.base[v, j], j), adjoint=r"\delta")


@dataclass(frozen=True)
class LearnedPositions(Layer):
    """u[n, t, j] = x[n, t, j] + P[t, j]; the table has a row for each of the sequence's positions.

    A module needs their number; over sequences of any length T the network can be derived and counted.
    """

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        *_, t, j = axes(net, x, "n t j")
        return net.tensor("u", x.indices, x + net.parameter("P", (t, j), init="zeros"))


@dataclass(frozen=True)
class SinusoidalPositions(Layer):
    """u[n, t, j] = x[n, t, j] + sin(t / 10000^(j/J)), for odd j cos(t / 10000^((j-1)/J)) (Vaswani et al. 2017, 3.5)."""

    def define(self, net: Builder, x: Any) -> Any:
        *_, t, j = axes(net, x, "n t j")
        # 1 for odd j, 0 for even j: the language's indices are affine, and know no remainder
        odd = (1 - sp.cos(sp.pi * j)) / 2
        angle = t * sp.Integer(10000) ** ((odd - j) / size_of(j))
        return net.tensor("u", x.indices, x + piecewise(sp.sin(angle), odd < sp.Rational(1, 2), sp.cos(angle)))
