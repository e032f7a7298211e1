"""Gradients of networks: random ones in every way, classic ones against autograd, gradients of gradients."""

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import close
from sympy import Eq, Idx, IndexedBase, KroneckerDelta, Max, Min, Piecewise, Sum, Symbol

from symbp.architectures import load
from symbp.check import central_differences, check, complex_step, random_values, taylor_slope
from symbp.declare import declare
from symbp.errors import UnusedParameterWarning
from symbp.expr import Delta, walk
from symbp.functions import TABLE
from symbp.language import FUNCTIONS, Maximum, sizes
from symbp.layers import Activation, BatchNorm, Dense, Softmax
from symbp.sequence import Sequential
from symbp.simplify import PASSES, simplify
from symbp.verify import verify

B, H, K = sizes("B H K")
n, i, j, k = Idx("n", B), Idx("i", H), Idx("j", H), Idx("k", K)
x, y, t, a, W, A, C, m, v = map(IndexedBase, "x y t a W A C m v".split())
L = Symbol("L")

# ------------------------------------------------------------------------------------- random networks

# log needs positive arguments, sign has no gradient.
ACTIVATIONS = [
    name for name, row in TABLE.items() if row.arity - len(row.defaults) == 1 and name not in ("log", "sign")
]
activations = st.sampled_from(ACTIVATIONS).map(Activation)
hidden = st.lists(st.one_of(activations, activations, st.just(BatchNorm())), max_size=2)


LOSSES = [
    "half_squared_error", "mean_squared_error", "huber", "cross_entropy", "soft_cross_entropy", "binary_cross_entropy",
]  # fmt: skip


@st.composite
def networks(draw):
    layers = []
    for _ in range(draw(st.integers(0, 2))):
        layers += [Dense(draw(st.integers(1, 4))), *draw(hidden)]
    loss = draw(st.sampled_from(LOSSES))
    classes = loss.endswith("cross_entropy")  # of one class, the loss and all gradients are 0 but for rounding
    layers += [Dense(draw(st.integers(1 + classes, 3)))]
    layers += draw(st.sampled_from([[], [Softmax()], [Activation("sigmoid")]]))
    return Sequential(*layers, features=draw(st.integers(1, 4)), loss=loss, title=f"{layers}, {loss}")


@settings(max_examples=20)
@given(networks(), st.sampled_from([3, 5, 7]), st.integers(0, 10_000))
def test_random_networks(net, batch, seed):
    """reverse = simplified = forward = naive = complex step = central differences, and the remainder has slope 2."""
    values = random_values(net, seed, {"B": batch})
    report = check(net, values)
    assert report.passed, str(report)
    got = net.gradient().evaluate(values)
    slope = taylor_slope(net, values, {p.name: got[f"d_{p.name}"] for p in net.parameters})
    smooth = not any(TABLE[e.label].kinks for q in net.equations for e in walk(q.value) if e.label in TABLE)
    assert not smooth or slope > 1.5, "2 in the limit, and 1 for a wrong gradient"


@settings(max_examples=30)
@given(networks(), st.integers(0, 10_000))
def test_every_pass_keeps_the_values(net, seed):
    """Each simplification is proved on random numbers, before and after."""
    values = random_values(net, seed, {"B": 3})
    program = net.gradient(simplify=False)
    before = program.evaluate(values)
    scale = max(1.0, *(np.abs(before[name]).max(initial=0) for name in program.outputs))
    for step in PASSES:
        program = verify(step(program), step.__name__)
        after = program.evaluate(values)
        for name in program.outputs:
            assert np.isfinite(after[name]).all(), step.__name__
            assert np.allclose(after[name], before[name], rtol=1e-9, atol=1e-12 * scale), f"{step.__name__}: {name}"


@settings(max_examples=15)
@given(networks())
def test_simplification_never_costs_and_is_deterministic(net):
    raw = net.gradient(simplify=False)
    report = []
    once, again = simplify(raw, report=report), simplify(raw)
    assert once == again
    assert [s.name for s in report] == [p.__name__ for p in PASSES]
    assert report[-1].operations <= report[0].operations


@pytest.mark.parametrize(
    "text", ["mlp:2-3-2-1,sigmoid,half_squared_error", "mlp:3-4-2,gelu/softmax,soft_cross_entropy"]
)
def test_keeping_adjoints_keeps_the_values(text):
    net = load(text)
    values = random_values(net)
    kept = simplify(net.gradient(simplify=False), keep_adjoints=True)
    assert "d_h1" in kept.tensors
    expected = net.gradient().evaluate(values)
    got = kept.evaluate(values)
    assert all(close(got[o], expected[o]) for o in kept.outputs)


def test_inference_program_of_batch_norm_uses_the_running_statistics():
    net = load("mlp:2-3-1,batch_norm+relu,half_squared_error")
    values = random_values(net)
    h = values["x"] @ values["W1"] + values["b1"]
    normal = (h - values["running_mean1"]) / np.sqrt(values["running_var1"] + 1e-5)
    u = np.maximum(values["gamma1"] * normal + values["beta1"], 0)
    assert close(net.inference.evaluate(values)["y"], u @ values["W2"] + values["b2"])
    trained = net.evaluate(values)
    assert close(trained["new_running_mean1"], 0.9 * values["running_mean1"] + 0.1 * h.mean(0))
    assert close(trained["new_running_var1"], 0.9 * values["running_var1"] + 0.1 * h.var(0))


# -------------------------------------------------------------------------- autograd, an independent oracle


def relu_cross_entropy(p, x, t):
    h = anp.maximum(anp.dot(x, p["W1"]) + p["b1"], 0)
    h = anp.maximum(anp.dot(h, p["W2"]) + p["b2"], 0)
    s = anp.dot(h, p["W3"]) + p["b3"]
    log_p = s - anp.log(anp.sum(anp.exp(s), axis=1, keepdims=True))
    return -anp.mean(log_p[anp.arange(len(t)), t])


def batch_norm_tanh(p, x, t):
    z = anp.dot(x, p["W1"]) + p["b1"]
    z = (z - anp.mean(z, axis=0)) / anp.sqrt(anp.var(z, axis=0) + 1e-5) * p["gamma1"] + p["beta1"]
    y = anp.dot(anp.tanh(z), p["W2"]) + p["b2"]
    return anp.sum((y - t) ** 2) / (2 * len(x))


def gelu_softmax(p, x, t):
    z = anp.dot(x, p["W1"]) + p["b1"]
    h = 0.5 * z * (1 + anp.tanh(anp.sqrt(2 / anp.pi) * (z + 0.044715 * z**3)))
    z = anp.dot(h, p["W2"]) + p["b2"]
    e = anp.exp(z)
    return -anp.sum(t * anp.log(e / anp.sum(e, axis=1, keepdims=True))) / len(x)


def selu_binary(p, x, t):
    z = anp.dot(x, p["W1"]) + p["b1"]
    h = 1.0507009873554805 * anp.where(z > 0, z, 1.6732632423543772 * (anp.exp(z) - 1))
    q = 1 / (1 + anp.exp(-(anp.dot(h, p["W2"]) + p["b2"])))
    return -anp.sum(t * anp.log(q) + (1 - t) * anp.log(1 - q)) / len(x)


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("mlp:5-7-6-4,relu,cross_entropy", relu_cross_entropy),
        ("mlp:3-4-2,batch_norm+tanh,half_squared_error", batch_norm_tanh),
        ("mlp:4-6-3,selu,binary_cross_entropy", selu_binary),
        ("mlp:4-6-3,gelu_tanh/softmax,soft_cross_entropy", gelu_softmax),
    ],
)
def test_autograd_agrees(text, loss):
    net = load(text)
    values = random_values(net, sizes={"B": 11})
    params = {p.name: values[p.name] for p in net.parameters}
    got = net.gradient().evaluate(values)
    assert close(got["L"], loss(params, values["x"], values["t"]))
    for name, expected in grad(loss)(params, values["x"], values["t"]).items():
        scale = max(np.abs(expected).max(), 1e-3)
        assert np.abs(got[f"d_{name}"] - expected).max() < 1e-9 * scale, name


# ------------------------------------------------------------------------------- one equation at a time


def holds(equations, wrt, **declared):
    """Declares, checks in every way, and gives back the gradient program."""
    net = declare(equations, loss=L, **declared)
    report = check(net, wrt=wrt)
    assert report.passed, str(report)
    assert {"naive", "forward"} <= {c.method for c in report.comparisons}
    return net.gradient(wrt)


def test_a_variable_used_twice_accumulates():
    """x x gives 2x, from two branches."""
    g = holds([(L, Sum(x[n] * x[n], n))], ["x"], inputs=[x[n]])
    assert g.sympy()[-1] == (IndexedBase("d_x", real=True)[n], 2 * IndexedBase("x", real=True)[n])
    two = holds([(a[n], x[n]), (y[n], a[n] * x[n] + a[n]), (L, Sum(y[n], n))], ["x"], inputs=[x[n]])
    at = {"x": np.array([1.0, 2.0])}
    assert close(two.evaluate(at)["d_x"], 2 * at["x"] + 1)


def test_quadratic_form():
    """x^T A x -> (A + A^T) x."""
    net = declare([(L, Sum(x[i] * A[i, j] * x[j], i, j))], inputs=[x[i], A[i, j]], loss=L)
    values = random_values(net)
    got = net.gradient(["x", "A"]).evaluate(values)
    assert close(got["d_x"], (values["A"] + values["A"].T) @ values["x"])
    assert close(got["d_A"], np.outer(values["x"], values["x"]))


def test_trace_of_a_product():
    """tr(A C) -> C^T."""
    net = declare([(L, Sum(A[i, k] * C[k, i], i, k))], inputs=[A[i, k], C[k, i]], loss=L)
    values = random_values(net)
    g = net.gradient(["A", "C"])
    got = g.evaluate(values)
    assert close(got["d_A"], values["C"].T)
    assert close(got["d_C"], values["A"].T)
    assert g.equation("d_A").value.label == "C", "one read, no sum left"


def test_trace_over_one_index():
    """L = sum of A[i, i]: the adjoint is a delta."""
    g = holds([(L, Sum(A[i, i] ** 2, i))], ["A"], inputs=[A[i, j]])
    assert any(isinstance(node, Delta) for node in walk(g.equation("d_A").value))
    values = {"A": np.arange(9.0).reshape(3, 3)}
    assert close(g.evaluate(values)["d_A"], 2 * np.diag(np.diag(values["A"])))


def test_linear_map():
    """y = W x: dW = d_y x^T, dx = W^T d_y."""
    net = declare([(y[i], Sum(W[i, k] * x[k], k)), (L, Sum(y[i] * t[i], i))], inputs=[x[k], t[i], W[i, k]], loss=L)
    values = random_values(net)
    got = net.gradient(["W", "x"]).evaluate(values)
    assert close(got["d_W"], np.outer(values["t"], values["x"]))
    assert close(got["d_x"], values["W"].T @ values["t"])


@pytest.mark.parametrize("method", ["reverse", "forward"])
def test_the_summed_index_has_the_targets_name(method):
    """a[i] = x[i] + sum over i of x[i]^2: two different i."""
    net = declare([(a[i], x[i] + Sum(x[i] ** 2, i)), (L, Sum(a[i] ** 2 * t[i], i))], inputs=[x[i], t[i]], loss=L)
    values = random_values(net)
    got = net.gradient(["x"], method=method).evaluate(values)
    assert close(got["d_x"], complex_step(net, values, ["x"])["x"])


def test_maximum_over_an_index():
    declared = {"inputs": [x[n, k], t[n]]}
    holds([(m[n], Maximum(x[n, k], k)), (L, Sum(m[n] ** 2 * t[n], n))], ["x", "t"], **declared)
    holds([(m[n], Maximum(sp.sin(x[n, k]) * t[n], k)), (L, Sum(m[n] ** 2, n))], ["x", "t"], **declared)
    holds([(L, Sum(Maximum(x[n, k] * t[n], k) ** 3, n) + Maximum(x[n, k], n, k))], ["x", "t"], **declared)


def test_a_tied_maximum_is_shared_equally():
    g = declare([(L, Maximum(x[n], n) * 6)], inputs=[x[n]], loss=L).gradient("x")
    assert close(g.evaluate({"x": np.array([2.0, 1.0, 2.0, 2.0])})["d_x"], [2, 0, 2, 2])


def test_gates():
    """Add, multiply, max, min and where; the tutorial's are in test_tutorials.py."""
    declared = {"inputs": [x[n], t[n], v[n]]}
    wrt = ["x", "t", "v"]
    holds([(L, Sum(Max(x[n], t[n]) * v[n] + Min(x[n], t[n], v[n]), n))], wrt, **declared)
    holds([(L, Sum(Piecewise((x[n] * t[n], x[n] > v[n]), (t[n] ** 2, v[n] > 0), (v[n], True)), n))], wrt, **declared)
    both = sp.And(x[n] > -1, x[n] < 1)
    holds([(L, Sum(Piecewise((x[n] ** 3, both), (v[n] * t[n], True)), n))], wrt, **declared)
    holds([(L, Sum(FUNCTIONS["hard_tanh"](x[n] * t[n]) * sp.Abs(v[n]), n))], wrt, **declared)


def test_powers_with_a_variable_exponent():
    declared = {"inputs": [x[n], t[n]]}
    net = declare([(L, Sum(x[n] ** t[n], n))], loss=L, **declared)
    values = {"x": np.array([0.5, 1.7, 2.2]), "t": np.array([1.5, -0.7, 3.0])}
    report = check(net, values, wrt=["x", "t"])
    assert report.passed, str(report)


def test_labels_and_deltas():
    c = IndexedBase("c")
    g = declare([(L, Sum(x[n, c[n]] ** 2, n))], inputs=[x[n, k]], integers=[c[n]], loss=L).gradient("x")
    values = {"x": np.arange(6.0).reshape(3, 2) + 1, "c": np.array([1, 0, 1])}
    assert close(g.evaluate(values)["d_x"], [[0, 4], [6, 0], [0, 12]])
    one_hot = declare(
        [(L, Sum(KroneckerDelta(k, c[n]) * x[n, k] ** 2, n, k))], inputs=[x[n, k]], integers=[c[n]], loss=L
    )
    assert close(one_hot.gradient("x").evaluate(values)["d_x"], [[0, 4], [6, 0], [0, 12]])


def test_gradient_by_an_intermediate_and_of_another_scalar():
    other = Symbol("other")
    net = declare(
        [(a[n], x[n] ** 2), (L, Sum(a[n] ** 2, n)), (other, Sum(a[n] * x[n], n))],
        inputs=[x[n]], loss=L, outputs=[L, other],
    )  # fmt: skip
    at = {"x": np.array([1.0, 2.0, 3.0])}
    assert close(net.gradient("a").evaluate(at)["d_a"], 2 * at["x"] ** 2)
    assert close(net.gradient("x", of="other").evaluate(at)["d_x"], 3 * at["x"] ** 2)


def test_concrete_sizes_and_symbolic_ones_mix():
    net = load("mlp:3-2,tanh,half_squared_error")
    assert net.size_names == ("B",)
    fixed = Sequential(Dense(2), features=3, loss="half_squared_error", batch=5)
    assert fixed.size_names == ()
    assert check(fixed).passed


def test_an_unused_parameter_has_a_zero_gradient_in_every_way():
    net = declare([(L, Sum(W[i] ** 2, i))], parameters=[W[i], v[i]], loss=L)
    at = {"W": np.ones(3), "v": np.ones(3)}
    for method in ("reverse", "forward"):
        with pytest.warns(UnusedParameterWarning, match="L does not depend on v: its gradient is zero"):
            g = net.gradient(method=method)
        assert close(g.evaluate(at)["d_v"], np.zeros(3))
    with pytest.warns(UnusedParameterWarning, match="L does not depend on v"):
        g = net.gradient(method="naive", sizes={"H": 3})
    assert g.equation("d_v_2").value.label == "0"


# -------------------------------------------------------------------------------- gradients of gradients


def along_a_vector(net):
    """The program of q = gradient . v, with a vector v_<parameter> for each parameter."""
    g = net.gradient()
    vectors, products = [], []
    for p in net.parameters:
        at = [Idx(e.label, int(e.size.label)) for e in p.indices]
        vectors.append(IndexedBase(f"v_{p.name}")[at])
        products.append(Sum(IndexedBase(f"d_{p.name}")[at] * vectors[-1], *at))
    q = Symbol("q")
    return g.extend([(q, sum(products))], inputs=vectors, loss=q)


@pytest.mark.parametrize(
    "text",
    [
        "mlp:2-3-1,tanh/linear,half_squared_error",
        "mlp:3-4-2,gelu_tanh,cross_entropy",
        "mlp:2-3-2,batch_norm+softplus,half_squared_error",
    ],
)
def test_hessian_vector_product(text):
    """The gradient of (gradient . v) against central differences of the gradient along v."""
    net = load(text)
    q = along_a_vector(net)
    names = [p.name for p in net.parameters]
    values = random_values(q)
    got = q.gradient(names).evaluate(values)
    g = net.gradient()
    h = 1e-4

    def gradient_at(step):
        moved = {**values, **{name: values[name] + step * values[f"v_{name}"] for name in names}}
        return g.evaluate(moved)

    ends = [gradient_at(s * h) for s in (2, 1, -1, -2)]
    for name in names:
        e2, e1, f1, f2 = (e[f"d_{name}"] for e in ends)
        expected = (8 * (e1 - f1) - (e2 - f2)) / (12 * h)
        scale = max(np.abs(expected).max(), 1e-2)
        assert np.abs(got[f"d2_{name}"] - expected).max() < 1e-8 * scale, name
    report = check(q, values, wrt=names)
    assert report.passed, str(report)


def test_hessian_of_a_small_network():
    """Column by column from unit vectors: symmetric, and equal to differences of the gradient."""
    net = load("mlp:2-2-1,sigmoid/linear,half_squared_error")
    q = along_a_vector(net)
    hv = q.gradient([p.name for p in net.parameters])
    names = [p.name for p in net.parameters]
    values = random_values(q)
    places = [(name, at) for name in names for at in np.ndindex(values[name].shape)]
    zero = {f"v_{name}": np.zeros_like(values[name]) for name in names}
    columns = []
    for name, at in places:
        unit = {key: array.copy() for key, array in zero.items()}
        unit[f"v_{name}"][at] = 1
        got = hv.evaluate({**values, **unit})
        columns.append(np.concatenate([got[f"d2_{p}"].ravel() for p in names]))
    hessian = np.array(columns)
    assert np.allclose(hessian, hessian.T, rtol=0, atol=1e-14)
    for row, (name, at) in enumerate(places):
        unit = {key: array.copy() for key, array in zero.items()}
        unit[f"v_{name}"][at] = 1
        differences = central_differences(q, {**values, **unit}, names)
        assert close(hessian[row], np.concatenate([differences[p].ravel() for p in names]), 1e-6)


def test_second_and_third_derivative_of_a_scalar():
    """L = x^5: 5x^4, 20x^3, 60x^2, by three gradients on top of each other."""
    s = Symbol("s")
    program = declare([(L, s**5)], inputs=[s], loss=L)
    at = {"s": np.array(1.5)}
    first = program.gradient("s")
    second = first.gradient("s", of="d_s")
    third = second.gradient("s", of="d2_s")
    assert third.outputs == ("d2_s", "d3_s")
    got = [p.evaluate(at)[p.outputs[1]] for p in (first, second, third)]
    assert close(got, [5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2], 1e-14)


def test_gradient_penalty():
    """A loss that holds the gradient by the input: L + |dL/dx|^2, differentiated by the weights."""
    net = load("mlp:3-4-1,tanh/linear,half_squared_error")
    g = net.gradient(["x"])
    at = [Idx("n", Symbol("B", integer=True, positive=True)), Idx("i", 3)]
    total = Symbol("total")
    penalised = g.extend([(total, L + Sum(IndexedBase("d_x")[at] ** 2, *at))], loss=total)
    report = check(penalised)
    assert report.passed, str(report)
    assert {c.parameter for c in report.comparisons} == {"W1", "b1", "W2", "b2", "total"}


def test_extending_keeps_and_adds():
    net = load("mlp:2-1,tanh,half_squared_error")
    extra = Symbol("extra")
    more = net.extend([Eq(extra, 2 * L)])
    assert more.loss == "L" and more.outputs == ("L",)
    more = net.extend([Eq(extra, 2 * L)], outputs=[extra])
    assert more.outputs == ("L", "extra")
    more = net.extend([Eq(extra, 2 * L)], loss=extra)
    values = random_values(net)
    doubled, plain = more.gradient().evaluate(values), net.gradient().evaluate(values)
    assert close(doubled["d_W1"], 2 * plain["d_W1"])
