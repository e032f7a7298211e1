"""Elementwise activations, and softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.errors import SymbpError, nearest
from symbp.functions import TABLE
from symbp.language import FUNCTIONS
from symbp.layers.layer import Layer, axes, piecewise


@dataclass(frozen=True)
class Activation(Layer):
    """h[n, j] = f(x[n, j]) with an elementary function of the table; arguments: its further arguments."""

    function: str
    arguments: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        elementwise = [name for name, row in TABLE.items() if row.arity - len(row.defaults) == 1]
        if self.function not in elementwise:
            raise SymbpError(f"unknown activation {self.function!r}: {nearest(self.function, elementwise)}")
        if len(self.arguments) >= TABLE[self.function].arity:
            raise SymbpError(f"{self.function} takes {TABLE[self.function].arity - 1} arguments, not {self.arguments}")

    @property
    def init(self) -> str:  # type: ignore[override]
        rectified = {"relu", "leaky_relu", "elu", "selu", "silu", "gelu", "gelu_tanh", "mish", "softplus"}
        return "he" if self.function in rectified else "xavier"

    def define(self, net: Builder, x: Any) -> Any:
        return net.tensor("h", x.indices, FUNCTIONS[self.function](x, *self.arguments))


@dataclass(frozen=True)
class PReLU(Layer):
    """h = x where x > 0, a x elsewhere, the slope a being learned (He et al. 2015)."""

    init = "he"

    def define(self, net: Builder, x: Any) -> Any:
        a = net.parameter("a", (), init="zeros")
        return net.tensor("h", x.indices, piecewise(x, x > 0, a * x))


@dataclass(frozen=True)
class Softmax(Layer):
    """p[n, k] = exp(x[n, k]) / Sum(exp(x[n, j]), j), over the last axis."""

    def define(self, net: Builder, x: Any) -> Any:
        *lead, k = axes(net, x, "... k")
        j = net.like(k)
        p = net.tensor("p", (*lead, k), sp.exp(x) / Sum(sp.exp(x.base[(*lead, j)]), j))
        return net.mark_softmax(p)


def _activation(name: str) -> Any:
    def make(*arguments: Any) -> Activation:
        return Activation(name, tuple(map(sp.nsimplify, arguments)))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"The activation {name}, elementwise; further arguments as in symbp.functions.TABLE."
    return make


Sigmoid, Tanh, ReLU, LeakyReLU, ELU, SELU = map(_activation, ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu"))
Softplus, SiLU, GELU, GELUTanh, Mish = map(_activation, ("softplus", "silu", "gelu", "gelu_tanh", "mish"))
Softsign, HardTanh, Exp, Sin = map(_activation, ("softsign", "hard_tanh", "exp", "sin"))
