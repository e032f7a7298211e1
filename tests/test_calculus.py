"""Derivatives that SymPy's own matrix and array calculus gets wrong; Jacobians, Hessians, Jacobian-vector products."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy import Idx, IndexedBase, KroneckerDelta, Sum, Symbol

from symbp import Program, declare, sizes
from symbp.check import central_differences, complex_step, random_values, relative_error
from symbp.language import FUNCTIONS, from_sympy

B = sizes("B")
n, i, j, k, k2 = Idx("n", B), Idx("i", 3), Idx("j", 5), Idx("k", 5), Idx("k2", 5)
A, C, E, W, s, t, u, v, x, y, z = map(IndexedBase, ("A", "C", "E", "W", "s", "t", "u", "v", "x", "y", "z"))
L = Symbol("L")


def formula(program: Program, name: str, expected: Any) -> None:
    """Whether a tensor's equation is this SymPy expression."""
    value = program.equation(name).value
    scalars = [tensor.name for tensor in program.tensors.values() if not tensor.indices]
    assert value is from_sympy(expected, scalars), f"{name} = {value!r}"


def right(program: Program, *wrt: str, batch: int = 3) -> None:
    """Reverse and forward mode against the complex step."""
    values = random_values(program, 1, {"B": batch} if program.size_names else {})
    steps = complex_step(program, values, wrt)
    for method in ("reverse", "forward"):
        found = program.gradient(wrt, method=method).evaluate(values)
        for name in wrt:
            assert relative_error(found[f"d_{name}"], steps[name]) < 1e-12


def test_trace_plus_one() -> None:
    square = E[j, k]
    net = declare([(L, Sum(E[j, j], j) + 1)], inputs=[square], loss=L)
    formula(net.gradient("E"), "d_E", KroneckerDelta(j, k))
    right(net, "E")


def test_two_traces() -> None:
    net = declare(
        [(L, Sum(A[i, j] * A[i, j], i, j) + Sum(C[i, j] * C[i, j], i, j))], inputs=[A[i, j], C[i, j]], loss=L
    )
    gradient = net.gradient(["A", "C"])
    formula(gradient, "d_A", 2 * A[i, j])
    formula(gradient, "d_C", 2 * C[i, j])
    right(net, "A", "C")


def softmax() -> Program:
    return declare([(s[k], sp.exp(z[k]) / Sum(sp.exp(z[j]), j))], inputs=[z[k]])


def test_jacobian_of_softmax() -> None:
    """diag(s) - s s^T."""
    found = softmax().jacobian("s", "z")
    formula(found, "s_by_z", s[k] * (KroneckerDelta(k, k2) - s[k2]))
    value = found.evaluate({"z": np.array([0.1, -2.0, 0.3, 1.0, 0.0])})
    p = value["s"]
    assert np.abs(value["s_by_z"] - (np.diag(p) - np.outer(p, p))).max() < 1e-16


def test_hessian_of_softmax_cross_entropy() -> None:
    """diag(p) - p p^T, by differentiating the gradient."""
    net = declare(
        [(s[k], sp.exp(z[k]) / Sum(sp.exp(z[j]), j)), (L, -Sum(t[k] * sp.log(s[k]), k))],
        inputs=[z[k], t[k]],
        loss=L,
        facts=[sp.Eq(Sum(t[k], k), 1)],
    )
    gradient = net.gradient("z")
    formula(gradient, "d_z", s[k] - t[k])
    formula(gradient.jacobian("d_z", "z"), "d_z_by_z", s[k] * (KroneckerDelta(k, k2) - s[k2]))


def test_batched_tanh() -> None:
    net = declare(
        [(y[n, k], FUNCTIONS["tanh"](Sum(x[n, i] * W[i, k], i))), (L, Sum(y[n, k] ** 2, n, k))],
        inputs=[x[n, i]],
        parameters=[W[i, k]],
        loss=L,
    )
    right(net, "W", "x")


def test_cross_entropy_over_a_batch() -> None:
    net = declare(
        [(s[n, k], sp.exp(z[n, k]) / Sum(sp.exp(z[n, j]), j)), (L, -Sum(t[n, k] * sp.log(s[n, k]), n, k) / B)],
        inputs=[z[n, k], t[n, k]],
        loss=L,
        facts=[sp.Eq(Sum(t[n, k], k), 1)],
    )
    formula(net.gradient("z"), "d_z", (s[n, k] - t[n, k]) / B)


def test_sum_over_one_axis() -> None:
    net = declare([(v[i], Sum(A[i, k], k)), (L, Sum(v[i] ** 3, i))], inputs=[A[i, k]], loss=L)
    gradient = net.gradient("A")
    formula(gradient, "d_A", 3 * v[i] ** 2)
    right(net, "A")


def test_kronecker_sum_and_broadcasting() -> None:
    """y[j, k] = a[j] + c[k] spreads two vectors over a matrix; each gradient adds up the other axis."""
    a, c = IndexedBase("a"), IndexedBase("c")
    net = declare([(y[j, k], a[j] + c[k]), (L, Sum(y[j, k] ** 3, j, k))], inputs=[a[j], c[k]], loss=L)
    right(net, "a", "c")
    delta = declare([(L, Sum(KroneckerDelta(j, k) * A[j, k] ** 2, j, k))], inputs=[A[j, k]], loss=L)
    right(delta, "A")


def net_of_two_layers() -> Program:
    return declare(
        [
            (z[n, k], FUNCTIONS["tanh"](Sum(x[n, i] * W[i, k], i))),
            (L, Sum((z[n, k] - t[n, k]) ** 2, n, k) / B),
        ],
        inputs=[x[n, i], t[n, k]],
        parameters=[W[i, k]],
        loss=L,
    )


def test_jacobian_vector_product() -> None:
    net = net_of_two_layers().extend([], inputs=[u[i, k]])
    values = random_values(net, 2, {"B": 3})
    along = net.jvp({"W": "u"}).evaluate(values)
    assert along["L_dot"] == np.float64(along["L_dot"])
    reverse = net.gradient("W").evaluate(values)["d_W"]
    assert relative_error(along["L_dot"], np.sum(reverse * values["u"])) < 1e-13


def test_forward_over_reverse_is_a_hessian_vector_product() -> None:
    net = net_of_two_layers().extend([], inputs=[u[i, k]])
    gradient = net.gradient("W")
    values = random_values(net, 3, {"B": 3})
    product = gradient.jvp({"W": "u"}, of="d_W").evaluate(values)["d_W_dot"]
    h = 1e-6
    up, down = ({**values, "W": values["W"] + sign * h * values["u"]} for sign in (1, -1))
    difference = (gradient.evaluate(up)["d_W"] - gradient.evaluate(down)["d_W"]) / (2 * h)
    assert relative_error(product, difference) < 1e-8
    q = Symbol("q")
    d_W = IndexedBase("d_W")
    reverse = gradient.extend([(q, Sum(d_W[i, k] * u[i, k], i, k))], loss=q).gradient("W")
    name = reverse.outputs[-1]
    assert relative_error(product, reverse.evaluate(values)[name]) < 1e-12


def test_a_loss_that_holds_a_derivative_by_the_input() -> None:
    """Physics-informed: f' = -f for f(x) = sum_k a_k tanh(b_k x), differentiated by a after f' was derived."""
    a, b, f, r = IndexedBase("a"), IndexedBase("b"), IndexedBase("f"), IndexedBase("r")
    total = Symbol("total")
    net = declare(
        [(f[n], Sum(a[k] * FUNCTIONS["tanh"](b[k] * x[n]), k)), (total, Sum(f[n], n))],
        inputs=[x[n]],
        parameters=[a[k], b[k]],
        loss=total,
    )
    slope = net.gradient("x")  # d_x[n] = f'(x[n]), since f[n] reads x[n] only
    d_x = IndexedBase("d_x")
    physics = slope.extend([(r[n], d_x[n] + f[n]), (L, Sum(r[n] ** 2, n))], loss=L)
    values = random_values(physics, 4, {"B": 4})
    found = physics.gradient().evaluate(values)
    differences = central_differences(physics, values, ("a", "b"))
    for name, expected in differences.items():
        assert relative_error(found[f"d2_{name}" if f"d2_{name}" in found else f"d_{name}"], expected) < 1e-7
