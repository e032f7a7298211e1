"""Convolutions (cross-correlations, as everybody's deep learning library writes them), channels first.

A window's place is an affine access, x[n, c, s h + d p - P]; padding is a Piecewise around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import KroneckerDelta, Sum

from symbp.builder import Builder
from symbp.layers.layer import Layer, axes, merge, piecewise, size_of


@dataclass(frozen=True)
class Window:
    """One axis under a kernel. out, tap: the indices of windows and of places in one; at: what is read, if `inside`."""

    out: Any
    tap: Any
    at: Any
    inside: Any


def window(net: Builder, i: Any, kernel: int, stride: int, padding: int, dilation: int, name: str) -> Window:
    """The windows that a kernel takes along the axis of an index."""
    reach, length = dilation * (kernel - 1), size_of(i)
    for value, what in ((kernel, "kernel"), (stride, "stride"), (dilation, "dilation")):
        if value < 1:
            raise net.fail(f"the {what} is {value}: it must be at least 1")
    if length.is_Integer:
        if reach >= length + 2 * padding:
            raise net.fail(
                f"the kernel spans {reach + 1} along {i.name}, more than the {length + 2 * padding} of the padded "
                f"input: use a smaller kernel or dilation, or padding={(reach + 1) // 2}"
            )
        length = (length + 2 * padding - reach - 1) // stride + 1
    elif stride != 1 or 2 * padding < reach:
        raise net.fail(f"the length {length} along {i.name} is not a number: this needs stride 1 and padding "
                       f"{(reach + 1) // 2} or more, so that there is a window for every length")  # fmt: skip
    else:
        length = length + 2 * padding - reach
    out = net.index(i.name.rstrip("0123456789"), length, i)
    tap = net.index(name, kernel, i, out)
    at = stride * out + dilation * tap - padding
    inside = [] if padding == 0 else [at >= 0, at < size_of(i)]
    return Window(out, tap, at, sp.And(*inside))


def windows_of(x: Any, places: list[Window], channel: Any) -> Any:
    """x at the windows' places, zero in the padding."""
    inside = sp.And(*(w.inside for w in places))
    value = x.base[(x.indices[0], channel, *(w.at for w in places))]
    return value if inside == sp.true else piecewise(value, inside, 0)


@dataclass(frozen=True)
class Convolution(Layer):
    """z[n, k, h, w] = Sum(x[n, c, s h + d p - P, s w + d q - P] W[k, c, p, q], c, p, q) + b[k], 1-D or 2-D.

    groups: input and output channels in that many groups, each convolved for itself: W[g, k, c, p, q].
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    names: str = "n c h w"

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, c, *space = axes(net, x, self.names)
        places = [
            window(net, i, self.kernel, self.stride, self.padding, self.dilation, tap)
            for i, tap in zip(space, "pq", strict=False)
        ]
        out, taps = [w.out for w in places], [w.tap for w in places]
        groups = self.groups
        if size_of(c) % groups or self.channels % groups:
            raise net.fail(f"{groups} groups don't divide {size_of(c)} input and {self.channels} output channels: "
                           f"choose a common divisor of both")  # fmt: skip
        init = net.init_of_next or "xavier"
        k = net.index("k", self.channels // groups, n, c, *out, *taps)
        of_bias = k if groups == 1 else net.index("k", self.channels)
        b = net.parameter("b", (of_bias,), init="zeros") if self.bias else None
        if groups == 1:
            W = net.parameter("W", (k, c, *taps), init=init)
            z = Sum(windows_of(x, places, c) * W, c, *taps)
            return net.tensor("z", (n, k, *out), z + b if self.bias else z, adjoint=r"\delta")
        g, e = net.index("g", groups), net.index("e", size_of(c) // groups)
        W = net.parameter("W", (g, k, e, *taps), init=init)
        z = net.tensor("z", (n, g, k, *out), Sum(windows_of(x, places, g * size_of(e) + e) * W, e, *taps))
        f = merge(net, z, 1, 2)
        return net.tensor("u", f.indices, f + b.base[f.indices[1]]) if b is not None else f


@dataclass(frozen=True)
class Conv1D(Convolution):
    """A convolution over x[n, c, t]; t may be of symbolic length."""

    names: str = "n c t"


@dataclass(frozen=True)
class Conv2D(Convolution):
    """A convolution over x[n, c, h, w]."""


@dataclass(frozen=True)
class DepthwiseConv2D(Layer):
    """z[n, c, h, w] = Sum(x[n, c, s h + d p - P, s w + d q - P] W[c, p, q], p, q) + b[c]: each channel for itself."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, c, h, w = axes(net, x, "n c h w")
        places = [
            window(net, i, self.kernel, self.stride, self.padding, self.dilation, tap)
            for i, tap in ((h, "p"), (w, "q"))
        ]
        out, taps = [w.out for w in places], [w.tap for w in places]
        W = net.parameter("W", (c, *taps), init=net.init_of_next or "xavier")
        b = net.parameter("b", (c,), init="zeros")
        return net.tensor("z", (n, c, *out), Sum(windows_of(x, places, c) * W, *taps) + b, adjoint=r"\delta")


@dataclass(frozen=True)
class TransposedConvolution(Layer):
    """z[n, k, H, W] = Sum(x[n, c, h, w] V[c, k, p, q] [H = s h + p - P] [W = s w + q - P], c, h, w, p, q) + b[k]."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    names: str = "n c h w"

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, c, *space = axes(net, x, self.names)
        k = net.index("k", self.channels, *x.indices)
        taps = [net.index(name, self.kernel, *x.indices) for name in "pq"[: len(space)]]
        out, deltas = [], []
        for i, p in zip(space, taps, strict=True):
            length = (size_of(i) - 1) * self.stride + self.kernel - 2 * self.padding
            if length.is_Integer and length < 1:
                raise net.fail(f"padding {self.padding} leaves nothing of axis {i.name}: use a smaller one")
            out.append(net.index(i.name.rstrip("0123456789").upper(), length, *x.indices))
            deltas.append(KroneckerDelta(out[-1], self.stride * i + p - self.padding, evaluate=False))
        V = net.parameter("V", (c, k, *taps), init=net.init_of_next or "xavier")
        b = net.parameter("b", (k,), init="zeros")
        z = Sum(sp.Mul(x * V, *deltas), c, *space, *taps)
        return net.tensor("z", (n, k, *out), z + b, adjoint=r"\delta")


@dataclass(frozen=True)
class ConvTranspose1D(TransposedConvolution):
    """A transposed convolution over x[n, c, t]."""

    names: str = "n c t"


@dataclass(frozen=True)
class ConvTranspose2D(TransposedConvolution):
    """A transposed convolution over x[n, c, h, w]."""
