"""Derived backward passes cost no more operations than the textbook's, and give the same numbers.

Each test declares a forward pass with the loss Sum(g*output), so that g is the upstream gradient, and beside it the
backward pass that the named source or a careful programmer writes by hand over the same forward values. Operations are
those of `symbp.operations.cost` at fixed sizes, all distinct primes: of every equation that the forward output
doesn't need, without the loss itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
from sympy import Idx, IndexedBase, Rational, Sum, Symbol, exp, pi, sqrt

from symbp import Program, declare
from symbp.check import random_values, relative_error
from symbp.expr import Index, Num
from symbp.language import FUNCTIONS
from symbp.operations import cost

BATCH, FEATURES, UNITS, QUERIES, KEYS, WIDTH, HEADS = 7, 11, 13, 17, 19, 23, 5
EPSILON = Rational(1, 100_000)
L = Symbol("L")
n, j, k = Idx("n", BATCH), Idx("j", FEATURES), Idx("k", FEATURES)
sigmoid, tanh = FUNCTIONS["sigmoid"], sp.tanh


def tensors(names: str) -> list[IndexedBase]:
    return [IndexedBase(name) for name in names.split()]


def length(i: Index) -> int:
    assert isinstance(i.size, Num)
    return int(i.size.value)


def needed(program: Program, name: str) -> set[str]:
    """The tensors that this one is computed from, and itself."""
    values = {e.name: e.value for e in program.equations}
    found, stack = set(), [name]
    while stack:
        at = stack.pop()
        if at not in found:
            found.add(at)
            stack.extend(values[at].tensors if at in values else ())
    return found


def operations(program: Program, output: str) -> tuple[int, int]:
    """(those of the forward output, those of what follows it), without the loss."""
    forward = needed(program, output)
    costs = {e.name: cost(e.value, length) for e in program.equations if e.name != "L"}
    before = sum(c for name, c in costs.items() if name in forward)
    return before, sum(costs.values()) - before


def compare(
    source: str,
    forward: Sequence[Any],
    backward: Sequence[Any],
    *,
    inputs: Sequence[Any],
    parameters: Sequence[Any] = (),
    wrt: str,
) -> None:
    """Derived against written: operations before and after the output (the last equation of forward), and numbers."""
    output = forward[-1][0]
    name, axes = str(output.base.label), output.indices
    upstream = IndexedBase("g")[axes]
    equations = [*forward, (L, Sum(upstream * output, *axes))]
    given = {"inputs": [upstream, *inputs], "parameters": parameters, "loss": L}
    gradients = [f"d_{w}" for w in wrt.split()]
    derived = declare(equations, **given).gradient(wrt.split())
    outputs = [target for target, _ in backward if str(target.base.label) in gradients]
    written = declare([*equations, *backward], outputs=outputs, **given)
    ours, theirs = operations(derived, name), operations(written, name)
    message = f"{source}: backward derived {ours[1]}, textbook {theirs[1]} (forward {ours[0]}, {theirs[0]})\n{derived}"
    assert ours[1] <= theirs[1] and sum(ours) <= sum(theirs), message
    values = random_values(derived, 1, {})
    found, expected = derived.evaluate(values), written.evaluate(values)
    for gradient in gradients:
        assert np.shape(found[gradient]) == np.shape(expected[gradient])
        assert relative_error(found[gradient], expected[gradient]) < 1e-12, gradient


def normalisation(over: Idx, other: Idx) -> list[Any]:
    x, mu, var, inv, xhat = tensors("x mu var inv xhat")
    count = over.upper + 1
    return [
        (mu[other], Sum(x[n, j], over) / count),
        (var[other], Sum((x[n, j] - mu[other]) ** 2, over) / count),
        (inv[other], 1 / sqrt(var[other] + EPSILON)),
        (xhat[n, j], (x[n, j] - mu[other]) * inv[other]),
    ]


def test_batch_norm() -> None:
    """Ioffe & Szegedy 2015, section 3, their chain of partial derivatives in its closed form with two means."""
    x, y, g, gamma, beta, xhat, inv = tensors("x y g gamma beta xhat inv")
    dx, dgamma, dbeta = tensors("d_x d_gamma d_beta")
    forward = [*normalisation(n, j), (y[n, j], gamma[j] * xhat[n, j] + beta[j])]
    backward = [
        (dbeta[j], Sum(g[n, j], n)),
        (dgamma[j], Sum(g[n, j] * xhat[n, j], n)),
        (dx[n, j], gamma[j] * inv[j] * (g[n, j] - dbeta[j] / BATCH - xhat[n, j] * (dgamma[j] / BATCH))),
    ]
    given = {"inputs": [x[n, j]], "parameters": [gamma[j], beta[j]]}
    compare("Ioffe & Szegedy 2015", forward, backward, **given, wrt="x gamma beta")


def test_normalisation_without_scale() -> None:
    """inv (g - mean(g) - xhat mean(g xhat)): Ioffe & Szegedy 2015 and Ba et al. 2016, before gamma and beta."""
    x, g, xhat, inv, m1, m2, dx = tensors("x g xhat inv m1 m2 d_x")
    for over, other in ((n, j), (j, n)):
        backward = [
            (m1[other], Sum(g[n, j], over) / (over.upper + 1)),
            (m2[other], Sum(g[n, j] * xhat[n, j], over) / (over.upper + 1)),
            (dx[n, j], inv[other] * (g[n, j] - m1[other] - xhat[n, j] * m2[other])),
        ]
        compare("two means", normalisation(over, other), backward, inputs=[x[n, j]], wrt="x")


def test_layer_norm() -> None:
    """Ba et al. 2016, the closed form with two means; the scaled upstream g*gamma is computed once."""
    x, y, g, gamma, beta, xhat, inv = tensors("x y g gamma beta xhat inv")
    dx, dgamma, dbeta, dxhat, m1, m2 = tensors("d_x d_gamma d_beta d_xhat m1 m2")
    forward = [*normalisation(j, n), (y[n, j], gamma[j] * xhat[n, j] + beta[j])]
    backward = [
        (dbeta[j], Sum(g[n, j], n)),
        (dgamma[j], Sum(g[n, j] * xhat[n, j], n)),
        (dxhat[n, j], g[n, j] * gamma[j]),
        (m1[n], Sum(dxhat[n, j], j) / FEATURES),
        (m2[n], Sum(dxhat[n, j] * xhat[n, j], j) / FEATURES),
        (dx[n, j], inv[n] * (dxhat[n, j] - m1[n] - xhat[n, j] * m2[n])),
    ]
    given = {"inputs": [x[n, j]], "parameters": [gamma[j], beta[j]]}
    compare("Ba et al. 2016", forward, backward, **given, wrt="x gamma beta")


def test_rms_norm() -> None:
    """Zhang & Sennrich 2019, section 4: with xhat = x/rms, dx = (d - xhat mean(d xhat))/rms, d = g gamma."""
    x, y, g, gamma, inv, xhat = tensors("x y g gamma inv xhat")
    dx, dgamma, dxhat, m = tensors("d_x d_gamma d_xhat m")
    forward = [
        (inv[n], 1 / sqrt(Sum(x[n, j] ** 2, j) / FEATURES + EPSILON)),
        (xhat[n, j], x[n, j] * inv[n]),
        (y[n, j], gamma[j] * xhat[n, j]),
    ]
    backward = [
        (dgamma[j], Sum(g[n, j] * xhat[n, j], n)),
        (dxhat[n, j], g[n, j] * gamma[j]),
        (m[n], Sum(dxhat[n, j] * xhat[n, j], j) / FEATURES),
        (dx[n, j], inv[n] * (dxhat[n, j] - xhat[n, j] * m[n])),
    ]
    compare("Zhang & Sennrich 2019", forward, backward, inputs=[x[n, j]], parameters=[gamma[j]], wrt="x gamma")


def test_softmax() -> None:
    """Goodfellow, Bengio & Courville 2016, section 6.2.2.3: the vector-Jacobian product s (g - Sum(g s))."""
    x, s, g, dx, m = tensors("x s g d_x m")
    forward = [(s[n, j], exp(x[n, j]) / Sum(exp(x[n, k]), k))]
    backward = [
        (m[n], Sum(g[n, j] * s[n, j], j)),
        (dx[n, j], s[n, j] * (g[n, j] - m[n])),
    ]
    compare("s (g - Sum(g s))", forward, backward, inputs=[x[n, j]], wrt="x")


def test_gelu() -> None:
    """Hendrycks & Gimpel 2016, section 2: Phi(x) + x phi(x), with Phi saved by the forward pass."""
    x, y, g, dx, phi = tensors("x y g d_x phi")
    forward = [
        (phi[n, j], (1 + sp.erf(x[n, j] / sqrt(2))) / 2),
        (y[n, j], x[n, j] * phi[n, j]),
    ]
    backward = [(dx[n, j], g[n, j] * (phi[n, j] + x[n, j] * (exp(-(x[n, j] ** 2) / 2) / sqrt(2 * pi))))]
    compare("Hendrycks & Gimpel 2016", forward, backward, inputs=[x[n, j]], wrt="x")


def test_gelu_as_one_function() -> None:
    """The same, the layer's own formula: the simplifier has to find that Phi is worth keeping."""
    x, y, g, dx, phi = tensors("x y g d_x phi")
    forward = [(y[n, j], FUNCTIONS["gelu"](x[n, j]))]
    density = exp(-(x[n, j] ** 2) / 2) / sqrt(2 * pi)
    backward = [
        (phi[n, j], (1 + sp.erf(x[n, j] / sqrt(2))) / 2),
        (dx[n, j], g[n, j] * (phi[n, j] + x[n, j] * density)),
    ]
    compare("Hendrycks & Gimpel 2016", forward, backward, inputs=[x[n, j]], wrt="x")


def test_silu() -> None:
    """Elfwing et al. 2018, eq. 6 (Hendrycks & Gimpel 2016, section 4): s (1 + x (1 - s)), s saved."""
    x, y, g, dx, s = tensors("x y g d_x s")
    forward = [(s[n, j], sigmoid(x[n, j])), (y[n, j], x[n, j] * s[n, j])]
    backward = [(dx[n, j], g[n, j] * (s[n, j] * (1 + x[n, j] * (1 - s[n, j]))))]
    compare("Elfwing et al. 2018", forward, backward, inputs=[x[n, j]], wrt="x")


def test_silu_from_its_output() -> None:
    """The same from the output y = x s: s + y (1 - s), one multiplication less than eq. 6."""
    x, y, g, dx, s = tensors("x y g d_x s")
    forward = [(s[n, j], sigmoid(x[n, j])), (y[n, j], x[n, j] * s[n, j])]
    backward = [(dx[n, j], g[n, j] * (s[n, j] + y[n, j] * (1 - s[n, j])))]
    compare("s + y (1 - s)", forward, backward, inputs=[x[n, j]], wrt="x")


def test_gru_cell() -> None:
    """Cho et al. 2014, eqs. 5 to 8, one step over a batch; the backward pass as everyone writes it by hand."""
    i, u, v = Idx("i", FEATURES), Idx("u", UNITS), Idx("v", UNITS)
    x, h, y, g, z, r, c, q, w = tensors("x h y g z r c q w")
    Wz, Wr, Wc, Uz, Ur, Uc, bz, br, bc = tensors("Wz Wr Wc Uz Ur Uc bz br bc")
    az, ar, ac, dq = tensors("az ar ac dq")

    def gate(W: Any, U: Any, b: Any, state: Any) -> Any:
        return Sum(x[n, i] * W[i, u], i) + Sum(state[n, v] * U[v, u], v) + b[u]

    forward = [
        (z[n, u], sigmoid(gate(Wz, Uz, bz, h))),
        (r[n, u], sigmoid(gate(Wr, Ur, br, h))),
        (q[n, u], r[n, u] * h[n, u]),
        (c[n, u], tanh(gate(Wc, Uc, bc, q))),
        (w[n, u], 1 - z[n, u]),
        (y[n, u], z[n, u] * h[n, u] + w[n, u] * c[n, u]),
    ]
    backward = [
        (az[n, u], g[n, u] * (h[n, u] - c[n, u]) * z[n, u] * w[n, u]),
        (ac[n, u], g[n, u] * w[n, u] * (1 - c[n, u] ** 2)),
        (dq[n, u], Sum(ac[n, v] * Uc[u, v], v)),
        (ar[n, u], dq[n, u] * q[n, u] * (1 - r[n, u])),
    ]
    d_x, d_h = tensors("d_x d_h")
    gates = ((az, "z", h, Wz, Uz), (ar, "r", h, Wr, Ur), (ac, "c", q, Wc, Uc))
    backward.append((d_x[n, i], sum(Sum(a[n, u] * W[i, u], u) for a, _, _, W, _ in gates)))
    through = sum(Sum(a[n, v] * U[u, v], v) for a, _, _, _, U in gates[:2])
    backward.append((d_h[n, u], g[n, u] * z[n, u] + dq[n, u] * r[n, u] + through))
    for a, name, state, _, _ in gates:
        backward.append((IndexedBase(f"d_W{name}")[i, u], Sum(x[n, i] * a[n, u], n)))
        backward.append((IndexedBase(f"d_U{name}")[v, u], Sum(state[n, v] * a[n, u], n)))
        backward.append((IndexedBase(f"d_b{name}")[u], Sum(a[n, u], n)))
    weights = [*(W[i, u] for W in (Wz, Wr, Wc)), *(U[v, u] for U in (Uz, Ur, Uc)), *(b[u] for b in (bz, br, bc))]
    wrt = "x h Wz Wr Wc Uz Ur Uc bz br bc"
    compare("Cho et al. 2014", forward, backward, inputs=[x[n, i], h[n, u]], parameters=weights, wrt=wrt)


def test_attention() -> None:
    """Dao et al. 2022, FlashAttention, appendix B.2: dV, dP, dS = P (dP - D), dQ, dK; D = rowsum(P dP)."""
    m, t, u, d, e = Idx("m", HEADS), Idx("t", QUERIES), Idx("u", KEYS), Idx("d", WIDTH), Idx("w", KEYS)
    q, kk, v, s, p, o, g = tensors("q k v s p o g")
    dP, dS, D, dQ, dK, dV = tensors("dP dS D d_q d_k d_v")
    scale = 1 / sqrt(sp.Integer(WIDTH))
    forward = [
        (s[m, t, u], Sum(q[m, t, d] * kk[m, u, d], d) * scale),
        (p[m, t, u], exp(s[m, t, u]) / Sum(exp(s[m, t, e]), e)),
        (o[m, t, d], Sum(p[m, t, u] * v[m, u, d], u)),
    ]
    backward = [
        (dV[m, u, d], Sum(p[m, t, u] * g[m, t, d], t)),
        (dP[m, t, u], Sum(g[m, t, d] * v[m, u, d], d)),
        (D[m, t], Sum(p[m, t, u] * dP[m, t, u], u)),
        (dS[m, t, u], p[m, t, u] * (dP[m, t, u] - D[m, t])),
        (dQ[m, t, d], Sum(dS[m, t, u] * kk[m, u, d], u) * scale),
        (dK[m, u, d], Sum(dS[m, t, u] * q[m, t, d], t) * scale),
    ]
    inputs = [q[m, t, d], kk[m, u, d], v[m, u, d]]
    compare("Dao et al. 2022", forward, backward, inputs=inputs, wrt="q k v")
