"""The optimisers: a step of each as the lines that do it, the one source of the emitted code and of its count."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

KIND = {ast.Add: "add", ast.Sub: "add", ast.Mult: "mul", ast.Div: "div"}


@dataclass(frozen=True)
class Optimiser:
    """A step in place, entry by entry.

    lines: Python over arrays of one shape: p, a parameter, grad, its gradient, and those of `memory`, which the
    optimiser keeps from step to step; every other name is a number. numbers: those with their defaults, beside the
    learning rate lr. decay: a line in front of these, where weights decay apart from the gradient. steps: whether the
    number of the step is one of the numbers. overwriting: the same operations, where the gradient may be overwritten.
    """

    name: str
    about: str
    lines: tuple[str, ...]
    memory: tuple[str, ...] = ()
    numbers: Mapping[str, str] | None = None
    decay: str = ""
    steps: bool = False
    overwriting: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """lr and the numbers, as parameters of a function."""
        return ", ".join(["lr", *(f"{name}={value}" for name, value in (self.numbers or {}).items())])

    def code(self, overwriting: bool) -> tuple[str, ...]:
        """The lines with the parameter where modules keep it; overwriting: gradients may be, so no array is made."""
        return tuple(map(in_params, (self.overwriting if overwriting else ()) or self.lines))

    def decay_code(self, factor: str) -> str:
        """The line that decays weights; factor: what stands for `decay`."""
        return in_params(self.decay).replace("decay", factor)

    @property
    def operations(self) -> Counter[str]:
        """What a step executes for every number among the parameters, by kind as in `symbp.operations`.

        Arithmetic on numbers alone, as 1 - beta1, is the same for all of them and isn't counted.
        """
        found: Counter[str] = Counter()
        for line in (self.decay, *self.lines):
            for statement in ast.parse(line).body:
                assert isinstance(statement, ast.AugAssign), line
                found[KIND[type(statement.op)]] += 1
                self._is_array(statement.value, found)
        return found

    def _is_array(self, e: ast.expr, found: Counter[str]) -> bool:
        """Whether an expression is an array; what computing it takes goes to `found`."""
        match e:
            case ast.Name():
                return e.id in ("p", "grad", *self.memory)
            case ast.BinOp():
                both = [self._is_array(side, found) for side in (e.left, e.right)]
                if any(both):
                    found[KIND[type(e.op)]] += 1
                return any(both)
            case ast.Call(func=ast.Attribute(attr="sqrt")):
                assert self._is_array(e.args[0], found), ast.unparse(e)
                found["sqrt"] += 1
                return True
        assert isinstance(e, ast.Constant), ast.unparse(e)
        return False


def in_params(line: str) -> str:
    return re.sub(r"\bp\b", "params[name]", line)


_SGD = Optimiser(
    "sgd",
    "Gradient descent; it remembers nothing.",
    ("p -= lr * grad",),
    overwriting=("grad *= lr", "p -= grad"),
)
_MOMENTUM = Optimiser(
    "momentum",
    "Gradient descent with a heavy ball (Polyak 1964); memory: v.<name>.",
    ("v *= keep", "v += grad", "p -= lr * v"),
    ("v",),
    {"keep": "0.9"},
)
_NESTEROV = Optimiser(
    "nesterov",
    "Nesterov's momentum (Sutskever et al. 2013, seen from the point looked ahead to); memory: v.<name>.",
    ("v *= keep", "v += grad", "p -= lr * (grad + keep * v)"),
    ("v",),
    {"keep": "0.9"},
)
_RMSPROP = Optimiser(
    "rmsprop",
    "RMSProp (Hinton 2012, Neural Networks for Machine Learning, lecture 6e); memory: s.<name>.",
    ("s *= keep", "s += (1 - keep) * grad * grad", "p -= lr * grad / (np.sqrt(s) + eps)"),
    ("s",),
    {"keep": "0.9", "eps": "1e-8"},
)
_ADAM = Optimiser(
    "adam",
    "Adam (Kingma and Ba 2015, algorithm 1); memory: step, m.<name>, v.<name>.",
    (
        "m *= beta1",
        "m += (1 - beta1) * grad",
        "v *= beta2",
        "v += (1 - beta2) * grad * grad",
        "p -= lr / (1 - beta1**step) * m / (np.sqrt(v / (1 - beta2**step)) + eps)",
    ),
    ("m", "v"),
    {"beta1": "0.9", "beta2": "0.999", "eps": "1e-8"},
    steps=True,
)
_ADAMW = Optimiser(
    "adamw",
    "Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)",
    _ADAM.lines,
    _ADAM.memory,
    _ADAM.numbers,
    "p -= lr * decay * p",
    steps=True,
)
OPTIMISERS = {o.name: o for o in (_SGD, _MOMENTUM, _NESTEROV, _RMSPROP, _ADAM, _ADAMW)}
