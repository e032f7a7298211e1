"""Layers and losses: each is a few SymPy equations and nothing else.

A layer is handed an access such as x[n, i] and returns the access that it computes; what stands in `define` is the
mathematics that a textbook prints. No layer has a backward pass. To add one, write a class of a dozen lines like those
below: `net` gives fresh indices, parameters and tensors named after the layer's place in the chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import sympy as sp
from sympy import Sum

from symbp.builder import Builder
from symbp.errors import SymbpError, nearest
from symbp.functions import TABLE
from symbp.language import FUNCTIONS


def size_of(i: Any) -> Any:
    """The number of values that an index takes."""
    return i.upper + 1


class Layer:
    """A definition by equations. init: how the weights in front of this layer should start, where it matters."""

    init: ClassVar[str] = ""

    def define(self, net: Builder, x: Any) -> Any:
        """Adds the layer's equations to the network; returns the access to what it computes from x."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dense(Layer):
    """z[n, j] = Sum(x[n, i] W[i, j], i) + b[j]."""

    units: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, i = x.indices
        j = net.feature(self.units)
        W = net.parameter("W", (i, j), init=net.init_of_next or "xavier", subscripts=(1, 0))
        b = net.parameter("b", (j,), init="zeros")
        return net.tensor("z", (n, j), Sum(x * W, i) + b, adjoint=r"\delta")


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
class Softmax(Layer):
    """p[n, k] = exp(x[n, k]) / Sum(exp(x[n, j]), j)."""

    def define(self, net: Builder, x: Any) -> Any:
        n, k = x.indices
        j = net.like(k)
        return net.tensor("p", (n, k), sp.exp(x) / Sum(sp.exp(x.base[n, j]), j))


_EPSILON, _MOMENTUM = sp.Rational(1, 100_000), sp.Rational(1, 10)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalises every feature over the batch (Ioffe & Szegedy 2015, algorithm 1), then scales and shifts it.

    The running mean and variance are state with their own update equations; prediction uses them instead.
    """

    epsilon: Any = _EPSILON
    momentum: Any = _MOMENTUM

    def define(self, net: Builder, x: Any) -> Any:
        n, j = x.indices
        gamma = net.parameter("gamma", (j,), init="ones", symbol=r"\gamma")
        beta = net.parameter("beta", (j,), init="zeros", symbol=r"\beta")
        running_mean = net.state("running_mean", (j,), init="zeros", symbol=r"\tilde\mu")
        running_var = net.state("running_var", (j,), init="ones", symbol=r"\tilde v")
        mean, var = running_mean, running_var
        if net.training:
            mean = net.tensor("mu", (j,), Sum(x, n) / size_of(n), symbol=r"\mu")
            var = net.tensor("var", (j,), Sum((x - mean) ** 2, n) / size_of(n), symbol="v")
            net.update(running_mean, (1 - self.momentum) * running_mean + self.momentum * mean)
            net.update(running_var, (1 - self.momentum) * running_var + self.momentum * var)
        normal = net.tensor("xhat", (n, j), (x - mean) / sp.sqrt(var + self.epsilon), symbol=r"\hat x")
        return net.tensor("u", (n, j), gamma * normal + beta)


def _activation(name: str) -> Any:
    def make(*arguments: Any) -> Activation:
        return Activation(name, tuple(map(sp.nsimplify, arguments)))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"The activation {name}, elementwise; further arguments as in symbp.functions.TABLE."
    return make


Sigmoid, Tanh, ReLU, LeakyReLU, ELU, SELU = map(_activation, ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu"))
Softplus, SiLU, GELU, GELUTanh, Mish = map(_activation, ("softplus", "silu", "gelu", "gelu_tanh", "mish"))
Softsign, HardTanh, Exp, Sin = map(_activation, ("softsign", "hard_tanh", "exp", "sin"))


# ------------------------------------------------------------------------------------------------ losses


class Loss:
    """A scalar L of the prediction and a target that it declares. task: what the prediction is for."""

    task: ClassVar[str] = "regression"
    takes_scores: ClassVar[bool] = False  # the network's last layer then has no activation

    def define(self, net: Builder, y: Any) -> Any:
        """The value of L; net.target or net.labels declares what y is compared with."""
        raise NotImplementedError


@dataclass(frozen=True)
class HalfSquaredError(Loss):
    """L = Sum((y - t)^2) / (2 B): the sum over outputs, the mean over the batch."""

    def define(self, net: Builder, y: Any) -> Any:
        n, k = y.indices
        t = net.target("t", y.indices)
        return Sum((y - t) ** 2, n, k) / (2 * size_of(n))


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """L = Sum((y - t)^2) / (B K): the mean over outputs and batch."""

    def define(self, net: Builder, y: Any) -> Any:
        n, k = y.indices
        t = net.target("t", y.indices)
        return Sum((y - t) ** 2, n, k) / (size_of(n) * size_of(k))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """L = -Sum(t log p) / B with p the softmax of the scores y, or y itself behind a Softmax layer.

    targets: "integer" labels t[n], or "soft" targets t[n, k] that add up to one over k.
    """

    targets: str = "integer"
    task: ClassVar[str] = "classification"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        n, k = y.indices
        p = y if net.is_softmax(y) else Softmax().define(net, y)
        if self.targets == "soft":
            t = net.target("t", y.indices)
            net.fact(Sum(t, k), 1)
        else:
            t = sp.KroneckerDelta(k, net.labels("t", (n,)), evaluate=False)
        return -Sum(t * sp.log(p), n, k) / size_of(n)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """L = -Sum(t log p + (1 - t) log(1 - p)) / B with p = sigmoid(y), from logits y."""

    task: ClassVar[str] = "binary"
    takes_scores: ClassVar[bool] = True

    def define(self, net: Builder, y: Any) -> Any:
        n, k = y.indices
        t = net.target("t", y.indices)
        p = net.tensor("p", y.indices, FUNCTIONS["sigmoid"](y))
        return -Sum(t * sp.log(p) + (1 - t) * sp.log(1 - p), n, k) / size_of(n)


LOSSES: dict[str, Loss] = {
    "half_squared_error": HalfSquaredError(),
    "mean_squared_error": MeanSquaredError(),
    "cross_entropy": CrossEntropy(),
    "soft_cross_entropy": CrossEntropy("soft"),
    "binary_cross_entropy": BinaryCrossEntropy(),
}
