"""One dense neuron, ReLU, half the squared error: backpropagation in numbers.

    z = x W + b,    y = relu(z),    L = (y - t)^2 / 2

Three equations in SymPy are the whole network. Its gradient is another list of equations, derived from these; putting
in x = 2, W = 3, b = 1, t = 5 gives every number that one would write down by hand. The second part runs ReLU backward
on an array, and shows what goes wrong where a ReLU layer writes its result into the array that it was handed.

    python examples/dense_relu.py
"""

from __future__ import annotations

import numpy as np
from sympy import Idx, IndexedBase, Sum, symbols

from symbp import Program, declare, relu, sizes

x, W, b, t, z, y, L = symbols("x W b t z y L")

net = declare(
    [(z, x * W + b), (y, relu(z)), (L, (y - t) ** 2 / 2)],
    inputs=[x, t],
    parameters=[W, b],
    prediction=y,
    loss=L,
    title="dense, ReLU, half squared error",
)

START = {"x": 2.0, "W": 3.0, "b": 1.0, "t": 5.0}


def gradient_step(rate: float = 0.1) -> tuple[dict[str, float], dict[str, float]]:
    """All values and gradients at START, and those after one step downhill."""
    gradient = net.gradient(["y", "z", "W", "b", "x"])
    before = gradient.evaluate(START)
    moved = START | {name: START[name] - rate * before[f"d_{name}"] for name in ("W", "b")}
    return before, gradient.evaluate(moved)


def relu_layer(skip: bool = False) -> Program:
    """ReLU of an array; L = Sum(g y) makes g the upstream gradient. skip: y = relu(x) + x, a skip connection."""
    B = sizes("B")
    i = Idx("i", B)
    x, g, y = IndexedBase("x"), IndexedBase("g"), IndexedBase("y")
    value = relu(x[i]) + x[i] if skip else relu(x[i])
    return declare([(y[i], value), (L, Sum(g[i] * y[i], i))], inputs=[x[i], g[i]], loss=L, title="ReLU")


def overwriting_backward(x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """WRONG, as tutorials print it: it zeroes entries of the array that belongs to the caller."""
    upstream[x <= 0] = 0
    return upstream


def main() -> None:
    print("The network\n")
    print(net)
    print("\nIts gradient, derived\n")
    print(net.gradient(["y", "z", "W", "b", "x"]))

    before, after = gradient_step()
    print("\nAt x = 2, W = 3, b = 1, t = 5\n")
    for name in ("z", "y", "L", "d_y", "d_z", "d_W", "d_b", "d_x"):
        print(f"  {name.replace('d_', 'dL/d'):<6} = {before[name]:g}")
    print("\nA step of 0.1 against the gradient\n")
    for name in ("W", "b", "z", "y", "L"):
        print(f"  {name:<6} = {after[name]:g}")

    xs = np.array([3.0, -2.0, 0.0, 5.0, -1.5])
    upstream = np.array([0.5, 1.2, 0.8, 0.3, 0.7])
    handed_over = upstream.copy()
    out = relu_layer().gradient("x").evaluate({"x": xs, "g": handed_over})
    print("\nReLU on an array\n")
    print(f"  x             {xs}")
    print(f"  relu(x)       {out['y']}")
    print(f"  upstream      {upstream}")
    print(f"  dL/dx         {out['d_x']}")
    print(f"  upstream after the backward pass: {handed_over}  (left alone)")

    print("\nWhy that matters: y = relu(x) + x, where two branches read the same upstream array\n")
    right = relu_layer(skip=True).gradient("x").evaluate({"x": xs, "g": upstream})["d_x"]
    shared = upstream.copy()
    wrong = overwriting_backward(xs, shared) + shared
    print(f"  derived       {right}")
    print(f"  overwriting   {wrong}  (wrong wherever x <= 0: the skip branch found zeros)")


if __name__ == "__main__":
    main()
