"""What layers and losses are, and what several definitions have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sympy as sp
from sympy import Sum

from symbp.builder import Builder

AT_LEAST_ZERO, ABOVE_ZERO = sp.Interval(0, sp.oo), sp.Interval.open(0, sp.oo)
SHARE, TO_ONE = sp.Interval.Ropen(0, 1), sp.Interval(0, 1)


class Layer:
    """A definition by equations. init: how the weights in front of this layer should start, where it matters.

    within: where the values of options that are numbers must lie.
    """

    init: ClassVar[str] = ""
    within: ClassVar[Mapping[str, sp.Interval]] = {}
    reads_integers: ClassVar[bool] = False  # as the first layer of a chain: the input holds integers

    def define(self, net: Builder, x: Any) -> Any:
        """Adds the layer's equations to the network; returns the access to what it computes from x."""
        raise NotImplementedError


class Loss:
    """A scalar L of the prediction and a target that it declares.

    task: what the prediction is for. within: as for a layer.
    """

    within: ClassVar[Mapping[str, sp.Interval]] = {}
    task: ClassVar[str] = "regression"
    takes_scores: ClassVar[bool] = False  # the network's last layer then has no activation

    def define(self, net: Builder, y: Any) -> Any:
        """The value of L; net.target or net.labels declares what y is compared with."""
        raise NotImplementedError


def size_of(*indices: Any) -> Any:
    """The number of values that an index takes, that several take together."""
    return sp.Mul(*(i.upper + 1 for i in indices))


def piecewise(value: Any, condition: Any, otherwise: Any) -> Any:
    """The value where the condition holds, elsewhere the other one."""
    return sp.Piecewise((value, condition), (otherwise, True), evaluate=False)


def axes(net: Builder, x: Any, names: str) -> Sequence[Any]:
    """The indices of x, which must be those named, as in "n c h w"; "... i" one or more axes before the last."""
    wanted = names.split()
    have, least = len(x.indices), len(wanted)
    if have < least or (have > least and wanted[0] != "..."):
        shape = ", ".join(str(size_of(i)) for i in x.indices)
        fix = "shape=(channels, height, width), say, or another layer before this one"
        raise net.fail(f"its input must have the axes [{', '.join(wanted)}], and has shape ({shape}): give {fix}")
    return x.indices


def merge(net: Builder, x: Any, first: int, count: int) -> Any:
    """Several neighbouring axes written as one, the last running fastest: f[n, m] = x[n, c, h] at m = c H + h."""
    before, merged, after = x.indices[:first], x.indices[first : first + count], x.indices[first + count :]
    place = merged[0]
    for i in merged[1:]:
        place = place * size_of(i) + i
    m = net.index("m", size_of(*merged), *x.indices)
    delta = sp.KroneckerDelta(m, sp.expand(place), evaluate=False)
    return net.tensor("f", (*before, m, *after), Sum(delta * x, *merged))
