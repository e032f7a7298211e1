"""Recurrent layers over x[n, t, i]: equations that read their own targets at t - 1, from a state of zero.

reverse: the steps run from the last to the first, reading t + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Eq, Sum

from symbp.builder import Builder
from symbp.language import FUNCTIONS
from symbp.layers.layer import Layer, axes, piecewise, size_of

sigmoid = FUNCTIONS["sigmoid"]


def before(h: Any, k: Any, reverse: bool = False) -> Any:
    """h[n, t - 1, k], zero at the first step; with reverse, h[n, t + 1, k], zero at the last."""
    n, t, _ = h.indices
    if reverse:
        return piecewise(0, Eq(t, size_of(t) - 1), h.base[n, t + 1, k])
    return piecewise(0, Eq(t, 0), h.base[n, t - 1, k])


class Gates:
    """What the gates of one recurrent layer share: its input, its state h and where they read it."""

    def __init__(self, net: Builder, x: Any, units: int, reverse: bool) -> None:
        net.begin_layer()
        self.n, self.t, self.i = axes(net, x, "n t i")
        self.net, self.x, self.j = net, x, net.feature(units)
        self.k = net.like(self.j)
        self.h = net.unknown("h", (self.n, self.t, self.j))
        self.previous = before(self.h, self.k, reverse)

    def projected(self, gate: str = "") -> Any:
        """Sum(x W, i)."""
        return Sum(self.x * self.net.parameter(f"W{gate}", (self.i, self.j), init="xavier"), self.i)

    def recurrent(self, gate: str = "", read: Any = None) -> Any:
        """Sum(h U, k) with h at the step before, or of something else at k."""
        U = self.net.parameter(f"U{gate}", (self.k, self.j), init="xavier")
        return Sum((self.previous if read is None else read) * U, self.k)

    def offset(self, gate: str = "") -> Any:
        return self.net.parameter(f"b{gate}", (self.j,), init="zeros")

    def all(self, gate: str = "") -> Any:
        """Sum(x W, i) + Sum(h U, k) + b."""
        return self.projected(gate) + self.recurrent(gate) + self.offset(gate)

    def gate(self, name: str, function: Any, total: Any) -> Any:
        """function(total), and the total under a name of its own, which is where derivations put an adjoint."""
        return self.tensor(name, function(self.tensor(f"s_{name}", total)))

    def tensor(self, name: str, value: Any) -> Any:
        return self.net.tensor(name, (self.n, self.t, self.j), value)


@dataclass(frozen=True)
class RNN(Layer):
    """h[n, t, j] = tanh(Sum(x[n, t, i] W[i, j], i) + Sum(h[n, t - 1, k] U[k, j], k) + b[j]) (Elman 1990)."""

    units: int
    function: str = "tanh"
    reverse: bool = False

    def define(self, net: Builder, x: Any) -> Any:
        cell = Gates(net, x, self.units, self.reverse)
        z = cell.tensor("z", cell.all())
        net.equate(cell.h, FUNCTIONS[self.function](z))
        return cell.h


@dataclass(frozen=True)
class LSTM(Layer):
    """h = o tanh(c), c[t] = f c[t - 1] + i g (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    peepholes: the gates i and f see c[t - 1], o sees c[t], each through a vector of weights (Gers et al. 2002).
    """

    units: int
    peepholes: bool = False
    reverse: bool = False

    def define(self, net: Builder, x: Any) -> Any:
        cell = Gates(net, x, self.units, self.reverse)
        c = net.unknown("c", cell.h.indices)
        c_before = before(c, cell.j, self.reverse)
        i = cell.gate("i", sigmoid, cell.all("_i") + self.peephole(cell, "_i", c_before))
        f = cell.gate("f", sigmoid, cell.all("_f") + self.peephole(cell, "_f", c_before))
        g = cell.gate("g", sp.tanh, cell.all("_g"))
        net.equate(c, f * c_before + i * g)
        o = cell.gate("o", sigmoid, cell.all("_o") + self.peephole(cell, "_o", c))
        net.equate(cell.h, o * sp.tanh(c))
        return cell.h

    def peephole(self, cell: Gates, gate: str, c: Any) -> Any:
        return cell.net.parameter(f"p{gate}", (cell.j,), init="zeros") * c if self.peepholes else 0


@dataclass(frozen=True)
class GRU(Layer):
    """h = (1 - z) g + z h[t - 1], g = tanh(x W + (r * h[t - 1]) U + b) (Cho et al. 2014, eq. 5 to 8).

    reset_after: g = tanh(x W + b + r * (h[t - 1] U + c)), the form that cuDNN and PyTorch run.
    """

    units: int
    reset_after: bool = False
    reverse: bool = False

    def define(self, net: Builder, x: Any) -> Any:
        cell = Gates(net, x, self.units, self.reverse)
        z = cell.gate("z", sigmoid, cell.all("_z"))
        r = cell.gate("r", sigmoid, cell.all("_r"))
        if self.reset_after:
            a = cell.tensor("a", cell.recurrent("_g") + net.parameter("b_a", (cell.j,), init="zeros"))
            total = cell.projected("_g") + cell.offset("_g") + r * a
        else:
            reset = r.base[cell.n, cell.t, cell.k] * cell.previous
            total = cell.projected("_g") + cell.recurrent("_g", reset) + cell.offset("_g")
        g = cell.gate("g", sp.tanh, total)
        net.equate(cell.h, (1 - z) * g + z * before(cell.h, cell.j, self.reverse))
        return cell.h


@dataclass(frozen=True)
class LinearScan(Layer):
    """z = c h + d x, h[n, t, j] = a[j] h[n, t - 1, j] + b[j] x[n, t, j]: a state space model, diagonal."""

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, t, j = axes(net, x, "n t j")
        a, b, c, d = (net.parameter(name, (j,), init="ones") for name in "abcd")
        h = net.unknown("h", (n, t, j))
        net.equate(h, a * before(h, j) + b * x)
        return net.tensor("z", (n, t, j), c * h + d * x)


@dataclass(frozen=True)
class Bidirectional(Layer):
    """y[n, t, :] = one layer's state and, behind it, that of the same layer run backwards (Schuster & Paliwal 1997)."""

    layer: Layer

    def define(self, net: Builder, x: Any) -> Any:
        if not hasattr(self.layer, "reverse"):
            raise net.fail(f"{type(self.layer).__name__} has no direction: give an RNN, a GRU or an LSTM")
        kind, options = type(self.layer), dict(vars(self.layer))
        ahead = kind(**{**options, "reverse": False}).define(net, x)
        back = kind(**{**options, "reverse": True}).define(net, x)
        n, t, j = ahead.indices
        m = net.feature(2 * size_of(j))
        y = piecewise(ahead.base[n, t, m], m < size_of(j), back.base[n, t, m - size_of(j)])
        return net.tensor("u", (n, t, m), y)
