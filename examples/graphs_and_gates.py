"""The chain rule on graphs, gates and matrices: a dozen small derivations, each from its equations alone.

Everything that a course proves by hand about backpropagation is here as a list of SymPy equations, and what is printed
under it was derived. No gradient is written down in this file. Where a piece stands alone (a gate, a layer), the scalar
L = Sum(g * y) makes g the gradient that arrives from above.

    python examples/graphs_and_gates.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp
from sympy import Idx, IndexedBase, Sum, symbols

from symbp import Program, declare, relu, sizes

B, D, I, H, K, O = sizes("B D I H K O")
n, d = Idx("n", B), Idx("d", D)
i, i2, h, o = Idx("i", I), Idx("i2", I), Idx("h", H), Idx("o", O)
k, k2 = Idx("k", K), Idx("k2", K)
x, y, z, g, a, b, s, t, L = symbols("x y z g a b s t L")


def tensors(names: str) -> tuple[IndexedBase, ...]:
    """Arrays by name."""
    return tuple(map(IndexedBase, names.split()))


# ------------------------------------------------------------------------------------------ scalars and gates


def graph() -> Program:
    """f = (x + y) z, by way of a = x + y."""
    f = sp.Symbol("f")
    net = declare([(a, x + y), (f, a * z)], inputs=[x, y, z], loss=f, title="f = (x + y) z")
    return net.gradient(["a", "x", "y", "z"])


def gate(title: str, value: sp.Expr) -> Program:
    """One gate z = value of x and y, with g arriving from above."""
    return declare([(z, value), (L, g * z)], inputs=[x, y, g], loss=L, title=title).gradient(["x", "y"])


def add_gate() -> Program:
    """Add hands g on to both."""
    return gate("the add gate", x + y)


def multiply_gate() -> Program:
    """Multiply hands on g times the other one."""
    return gate("the multiply gate", x * y)


def max_gate() -> Program:
    """Max sends g to the larger one only."""
    return gate("the max gate", sp.Max(x, y))


def square() -> Program:
    """x used twice: what comes back along the two branches is added, before any simplification."""
    net = declare([(a, x), (b, x), (z, a * b)], inputs=[x], loss=z, title="x x by two branches")
    return net.gradient("x", simplify=False)


def square_in_one() -> Program:
    """The same without the branches."""
    return declare([(z, x * x)], inputs=[x], loss=z, title="x x at once").gradient("x")


def sum_of_powers() -> Program:
    """z = x^2 + y^3, an example for autograd libraries: 4 and 27 at (2, 3)."""
    return declare([(z, x**2 + y**3)], inputs=[x, y], loss=z, title="x² + y³").gradient(["x", "y"])


def sigmoid_slope() -> Program:
    """The sigmoid written out by hand: its derivative comes out through its own value a."""
    return declare([(a, 1 / (1 + sp.exp(-z)))], inputs=[z], loss=a, title="sigmoid").gradient("z")


# --------------------------------------------------------------------------------------- vectors and matrices


def linear() -> Program:
    """y = W x + b: the weight's gradient is the outer product of g and x, the input's is W transposed times g."""
    W, b, x, y, g = tensors("W b x y g")
    equations = [(y[h], Sum(W[h, i] * x[i], i) + b[h]), (L, Sum(g[h] * y[h], h))]
    net = declare(equations, inputs=[x[i], g[h]], parameters=[W[h, i], b[h]], loss=L, title="linear layer, one sample")
    return net.gradient(["W", "b", "x"])


def quadratic_form() -> Program:
    """L = x^T A x: (A + A^T) x."""
    A, x = tensors("A x")
    value = Sum(x[i] * A[i, i2] * x[i2], i, i2)
    return declare([(L, value)], inputs=[x[i], A[i, i2]], loss=L, title="quadratic form").gradient("x")


def trace() -> Program:
    """L = tr(A B): B^T."""
    A, B_ = tensors("A B")
    value = Sum(A[i, h] * B_[h, i], i, h)
    return declare([(L, value)], inputs=[A[i, h], B_[h, i]], loss=L, title="trace").gradient("A")


def two_layers() -> Program:
    """h = relu(W1 x + b1), o = W2 h + b2, L = |o - y|^2 / 2 for one sample: outer products for both weights."""
    W1, b1, z1, h1, W2, b2, out, x, y = tensors("W1 b1 z1 h1 W2 b2 out x y")
    equations = [
        (z1[h], Sum(W1[h, i] * x[i], i) + b1[h]),
        (h1[h], relu(z1[h])),
        (out[o], Sum(W2[o, h] * h1[h], h) + b2[o]),
        (L, Sum((out[o] - y[o]) ** 2, o) / 2),
    ]
    weights = [W1[h, i], b1[h], W2[o, h], b2[o]]
    net = declare(equations, inputs=[x[i], y[o]], parameters=weights, loss=L, title="two layers with ReLU, one sample")
    return net.gradient()


# ------------------------------------------------------------------------------------------------- layers


def softmax_cross_entropy() -> Program:
    """p = softmax(z), L = -Sum(y log p): p - y, given that the targets add up to one."""
    p, y, z = tensors("p y z")
    equations = [(p[k], sp.exp(z[k]) / Sum(sp.exp(z[k2]), k2)), (L, -Sum(y[k] * sp.log(p[k]), k))]
    facts = [(Sum(y[k], k), 1)]
    return declare(equations, inputs=[z[k], y[k]], loss=L, facts=facts, title="softmax, cross-entropy").gradient("z")


def leaky_relu() -> Program:
    """x where x > 0, alpha x elsewhere, with alpha a number that can be trained too."""
    alpha = sp.Symbol("alpha")
    g, x, y = tensors("g x y")
    value = sp.Piecewise((x[n], x[n] > 0), (alpha * x[n], True))
    net = declare([(y[n], value), (L, Sum(g[n] * y[n], n))], inputs=[x[n], g[n], alpha], loss=L, title="leaky ReLU")
    return net.gradient(["x", "alpha"])


def batch_norm() -> Program:
    """Normalise over the batch, scale by gamma, shift by beta: the gradients by x, gamma and beta."""
    x, mu, v, xhat, y, g, gamma, beta = tensors("x mu v xhat y g gamma beta")
    equations = [
        (mu[d], Sum(x[n, d], n) / B),
        (v[d], Sum((x[n, d] - mu[d]) ** 2, n) / B),
        (xhat[n, d], (x[n, d] - mu[d]) / sp.sqrt(v[d] + sp.Rational(1, 10**5))),
        (y[n, d], gamma[d] * xhat[n, d] + beta[d]),
        (L, Sum(g[n, d] * y[n, d], n, d)),
    ]
    net = declare(equations, inputs=[x[n, d], g[n, d]], parameters=[gamma[d], beta[d]], loss=L, title="batch norm")
    return net.gradient(["x", "gamma", "beta"])


DERIVATIONS: tuple[Callable[[], Program], ...] = (
    graph, add_gate, multiply_gate, max_gate, square, square_in_one, sum_of_powers, sigmoid_slope,
    linear, quadratic_form, trace, two_layers, softmax_cross_entropy, leaky_relu, batch_norm,
)  # fmt: skip

SHAPES = {"x": (3,), "y": (2,), "W1": (5, 3), "b1": (5,), "W2": (2, 5), "b2": (2,)}


def random_values(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def relative_error(program: Program, values: dict[str, np.ndarray], wrt: str, by: np.ndarray) -> float:
    """|by - n| / (|by| + |n|) with n the gradient of L by central differences, and | | the Euclidean norm."""
    step = 1e-5
    numeric = np.zeros_like(by)
    for at in np.ndindex(by.shape):
        moved = {sign: values[wrt].copy() for sign in (1, -1)}
        for sign, array in moved.items():
            array[at] += sign * step
        above, below = (program.evaluate(values | {wrt: moved[sign]})["L"] for sign in (1, -1))
        numeric[at] = (above - below) / (2 * step)
    return float(np.linalg.norm(by - numeric) / (np.linalg.norm(by) + np.linalg.norm(numeric)))


def gradient_check() -> dict[str, tuple[float, float]]:
    """By parameter of `two_layers`: the relative error of the derived gradient, and of one that is 1% too large."""
    program, values = two_layers(), random_values(SHAPES)
    found = program.evaluate(values)
    errors = {}
    for name in ("W1", "b1", "W2", "b2"):
        right = found[f"d_{name}"]
        errors[name] = tuple(relative_error(program, values, name, by) for by in (right, 1.01 * right))
    return errors


def main() -> None:
    for derive in DERIVATIONS:
        print(f"{derive.__doc__}\n\n{derive()}\n")

    values = graph().evaluate({"x": -2.0, "y": 5.0, "z": -4.0})
    print("f = (x + y) z at x = -2, y = 5, z = -4: " + ", ".join(
        f"{name} = {values[name]:g}" for name in ("f", "d_x", "d_y", "d_z")
    ))  # fmt: skip

    print("\nThe two-layer gradients against central differences, relative errors\n")
    for name, (right, spoiled) in gradient_check().items():
        print(f"  {name:<3} derived {right:.1e}    the same, 1% too large {spoiled:.1e}")


if __name__ == "__main__":
    main()
