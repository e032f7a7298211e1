"""The gradient of a gradient: Hessian-vector products, and the largest learning rate that works.

A gradient is a Program like any other, so it can be extended by an equation and differentiated again. With
q = (gradient . v), dq/d(parameters) is H v: the Hessian's product with v, at the price of a few passes and without the
Hessian itself. Power iteration on it finds the largest curvature, and gradient descent is stable below the rate
2 / curvature, while above it the weights swing ever wider: tried at the end, next to a minimum.

    python examples/hessian.py
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from sympy import IndexedBase, Sum, Symbol

from symbp import Dense, Program, Sequential, Tanh, generate
from symbp.emit.run import load_module
from symbp.language import to_sympy

net = Sequential(Dense(3), Tanh(), Dense(1), features=2, loss="half_squared_error", title="hessian")

NAMES = tuple(p.name for p in net.parameters)

Arrays = dict[str, np.ndarray]


def hessian_vector_product() -> Program:
    """A Program with inputs v_<parameter> whose outputs d_<parameter> are H v."""
    gradient = net.gradient()
    inputs, terms = [], []
    for p in net.parameters:
        indices = tuple(to_sympy(i) for i in p.indices)
        v = IndexedBase(f"v_{p.name}")[indices]
        inputs.append(v)
        terms.append(Sum(IndexedBase(f"d_{p.name}")[indices] * v, *indices))
    q = Symbol("q")
    return gradient.extend([(q, sum(terms))], inputs=inputs, loss=q).gradient(NAMES)


def problem() -> Arrays:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((20, 2))
    return {"x": x, "t": np.tanh(x[:, :1] - 2 * x[:, 1:]) + 0.3 * rng.standard_normal((20, 1))}


def random_like(values: Arrays, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(value.shape) for name, value in values.items()}


def dot(a: Arrays, b: Arrays) -> float:
    return sum(float(np.vdot(a[name], b[name])) for name in a)


class Curvature:
    """H v of `net` on data."""

    def __init__(self, data: Arrays) -> None:
        self.program, self.data = hessian_vector_product(), data
        self.outputs = dict(zip(NAMES, self.program.outputs[-len(NAMES) :], strict=True))

    def times(self, params: Arrays, v: Arrays) -> Arrays:
        found = self.program.evaluate(self.data | params | {f"v_{name}": value for name, value in v.items()})
        return {name: found[output] for name, output in self.outputs.items()}

    def largest(self, params: Arrays, steps: int = 60) -> float:
        """The largest eigenvalue of H, by power iteration."""
        v, value = random_like(params, 0), 0.0
        for _ in range(steps):
            size = dot(v, v) ** 0.5
            v = {name: a / size for name, a in v.items()}
            Hv = self.times(params, v)
            value, v = dot(v, Hv), Hv
        return value


def main() -> None:
    data, curvature = problem(), Curvature(problem())
    module = load_module(generate(net))
    print("H v as equations, derived twice\n")
    print(curvature.program)

    params = module.init_params(0)
    u, v = random_like(params, 1), random_like(params, 2)
    Hv, Hu = curvature.times(params, v), curvature.times(params, u)
    print(f"\nH is symmetric:   u.(H v) = {dot(u, Hv):.12f}\n                  v.(H u) = {dot(v, Hu):.12f}")
    error = difference(module, data, v, Hv)
    print(f"\nAgainst differences of the emitted module's gradients: relative error {error:.0e}")

    params, _ = module.train(params, data["x"], data["t"], epochs=4000, lr=0.01, batch_size=20, quiet=True)
    top = curvature.largest(params)
    print(f"\nAfter training, the largest curvature is {top:.4f}, so the limit for the rate is {2 / top:.4f}")
    print("300 steps of gradient descent from a point close by\n")
    for factor in (0.5, 0.95, 1.05, 1.2):
        print(f"  {factor:.2f} times the limit: loss {descend(module, params, data, factor * 2 / top)}")


def difference(module: ModuleType, data: Arrays, v: Arrays, Hv: Arrays, step: float = 1e-5) -> float:
    """|H v - (g(p + s v) - g(p - s v)) / 2s| / |H v| at the initial parameters."""
    params = module.init_params(0)
    above, below = (
        module.loss_and_grads({name: p + s * v[name] for name, p in params.items()}, data["x"], data["t"])[1]
        for s in (step, -step)
    )
    off = {name: Hv[name] - (above[name] - below[name]) / (2 * step) for name in Hv}
    return (dot(off, off) / dot(Hv, Hv)) ** 0.5


def descend(module: ModuleType, params: Arrays, data: Arrays, rate: float, steps: int = 300) -> str:
    """The losses at the start, pushed a little off the minimum, and after steps of gradient descent."""
    rng = np.random.default_rng(0)
    params = {name: p + 1e-3 * rng.standard_normal(p.shape) for name, p in params.items()}
    first = module.loss(params, data["x"], data["t"])
    for _ in range(steps):
        _, grads = module.loss_and_grads(params, data["x"], data["t"])
        params = {name: p - rate * grads[name] for name, p in params.items()}
    return f"{first:.6f} -> {module.loss(params, data['x'], data['t']):.6f}"


if __name__ == "__main__":
    main()
