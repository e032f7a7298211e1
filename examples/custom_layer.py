"""Layers of one's own: equations in SymPy, nothing else.

`Ripple` is a made-up activation, x + a sin(x)^2, with a learned amplitude a for each feature. `BilinearPooling`
multiplies two low-rank projections of its input and pools the products (the idea of Kim et al. 2017, "Hadamard product
for low-rank bilinear pooling"). Neither has a backward pass anywhere: it is derived, printed, counted, emitted and
checked like that of any layer in symbp.

    python examples/custom_layer.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy import Sum

from symbp import Dense, Layer, Sequential, check, compare, generate
from symbp.builder import Builder
from symbp.emit.run import load_module, module_gradients


class Ripple(Layer):
    """h[n, j] = x[n, j] + a[j] sin(x[n, j])^2."""

    def define(self, net: Builder, x: Any) -> Any:
        n, j = x.indices
        a = net.parameter("a", (j,), init="ones")
        return net.tensor("h", (n, j), x + a * sp.sin(x) ** 2)


@dataclass(frozen=True)
class BilinearPooling(Layer):
    """z[n, j] = Sum(P[r, j] (x U)[n, r] (x V)[n, r], r) + b[j], with few r."""

    units: int
    rank: int

    def define(self, net: Builder, x: Any) -> Any:
        net.begin_layer()
        n, i = x.indices
        r, j = net.feature(self.rank), net.feature(self.units)
        U, V = (net.parameter(name, (i, r), init="xavier") for name in "UV")
        P, b = net.parameter("P", (r, j), init="xavier"), net.parameter("b", (j,), init="zeros")
        left, right = (net.tensor(f"x{name}", (n, r), Sum(x * W, i)) for name, W in (("U", U), ("V", V)))
        return net.tensor("z", (n, j), Sum(P * left * right, r) + b)


net = Sequential(
    BilinearPooling(5, rank=3), Ripple(), Dense(2),
    features=4, loss="half_squared_error", title="pooled products",
)  # fmt: skip


def products(count: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Targets that are products of inputs: x1 x2 and x3 x4."""
    x = np.random.default_rng(0).uniform(-1, 1, (count, 4))
    return x, np.stack([x[:, 0] * x[:, 1], x[:, 2] * x[:, 3]], axis=1)


def learn(epochs: int = 300) -> list[float]:
    """The loss by epoch of the emitted module."""
    module = load_module(generate(net))
    _, state = module.train(module.init_params(0), *products(), epochs=epochs, lr=0.01, batch_size=32, quiet=True)
    return [row["loss"] for row in state["history"]]


def main() -> None:
    print("The network\n")
    print(net)
    print("\nIts gradient, derived: by the amplitudes a, the projections U and V, the pooling P, ...\n")
    print(net.gradient())

    print("\nWhat each way to it costs, for one sample\n")
    print(compare(net).table())

    print("\nAll ways against each other, the emitted module included, on random numbers\n")
    print(check(net, others={"emitted": module_gradients}))

    losses = learn()
    print(f"\nLearning x1 x2 and x3 x4 from 256 samples: loss {losses[0]:.4f} -> {losses[-1]:.6f}")


if __name__ == "__main__":
    main()
