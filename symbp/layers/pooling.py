"""Pooling over windows, channels first; windows may overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.language import Maximum
from symbp.layers.convolution import window, windows_of
from symbp.layers.layer import Layer, axes, piecewise, size_of


@dataclass(frozen=True)
class AveragePooling(Layer):
    """a[n, c, h, w] = Sum(x[n, c, s h + p - P, s w + q - P], p, q) / K^2; the padding counts as zeros."""

    kernel: int
    stride: int = 0  # 0: as wide as the kernel, so that windows don't overlap
    padding: int = 0
    names: str = "n c h w"

    def define(self, net: Builder, x: Any) -> Any:
        n, c, *space = axes(net, x, self.names)
        places = [
            window(net, i, self.kernel, self.stride or self.kernel, self.padding, 1, tap)
            for i, tap in zip(space, "pq", strict=False)
        ]
        taps = [w.tap for w in places]
        mean = Sum(windows_of(x, places, c), *taps) / size_of(*taps)
        return net.tensor("a", (n, c, *(w.out for w in places)), mean)


@dataclass(frozen=True)
class MaxPooling(Layer):
    """m[n, c, h, w] = the largest x[n, c, s h + p - P, s w + q - P] over p, q; the padding counts as minus infinity."""

    kernel: int
    stride: int = 0
    padding: int = 0
    names: str = "n c h w"

    def define(self, net: Builder, x: Any) -> Any:
        n, c, *space = axes(net, x, self.names)
        if 2 * self.padding > self.kernel:
            raise net.fail(f"padding {self.padding} is more than half of the kernel {self.kernel}: use less")
        places = [
            window(net, i, self.kernel, self.stride or self.kernel, self.padding, 1, tap)
            for i, tap in zip(space, "pq", strict=False)
        ]
        inside = sp.And(*(w.inside for w in places))
        value = x.base[(n, c, *(w.at for w in places))]
        if inside != sp.true:
            value = piecewise(value, inside, -sp.oo)
        return net.tensor("m", (n, c, *(w.out for w in places)), Maximum(value, *(w.tap for w in places)))


@dataclass(frozen=True)
class AveragePool1D(AveragePooling):
    """Average pooling over x[n, c, t]."""

    names: str = "n c t"


@dataclass(frozen=True)
class AveragePool2D(AveragePooling):
    """Average pooling over x[n, c, h, w]."""


@dataclass(frozen=True)
class MaxPool1D(MaxPooling):
    """Max pooling over x[n, c, t]."""

    names: str = "n c t"


@dataclass(frozen=True)
class MaxPool2D(MaxPooling):
    """Max pooling over x[n, c, h, w]."""


@dataclass(frozen=True)
class GlobalAverage(Layer):
    """a[n, c] = Sum(x[n, c, h, w], h, w) / (H W): the mean over all axes behind the channels."""

    def define(self, net: Builder, x: Any) -> Any:
        n, c, *space = axes(net, x, "... c h")
        return net.tensor("a", (n, c), Sum(x, *space) / size_of(*space))
