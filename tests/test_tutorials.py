"""The numbers of the five tutorials that symbp grew out of, and where they are wrong.

Every network is declared by its equations, differentiated, and evaluated at the tutorial's numbers.
"""

import numpy as np
import pytest
import sympy as sp
from oracles import close
from sympy import Idx, IndexedBase, Max, Sum, Symbol

from symbp.architectures import load
from symbp.check import central_differences, check, complex_step, random_values, relative_error
from symbp.declare import declare
from symbp.expr import Access, transform
from symbp.language import FUNCTIONS, from_sympy, sizes, to_sympy
from symbp.layers import BatchNorm, Dense, LeakyReLU
from symbp.sequence import Sequential
from symbp.unroll import join, split

EXACT = 1e-12
relu, sigmoid = FUNCTIONS["relu"], FUNCTIONS["sigmoid"]
L = Symbol("L")


def at(program, **values):
    """All tensors of a program at plain numbers."""
    return program.evaluate({name: np.array(v, dtype=float) for name, v in values.items()})


def agree(got, **expected):
    for name, v in expected.items():
        assert got[name] == pytest.approx(v, rel=EXACT, abs=EXACT), name


# -------------------------------------------------------------------- tutorial 000: dense, ReLU, by numbers


def dense_relu():
    W, b, x, t, z, y = sp.symbols("W b x t z y")
    equations = [(z, W * x + b), (y, relu(z)), (L, (y - t) ** 2 / 2)]
    return declare(equations, inputs=[x, t], parameters=[W, b], loss=L)


def test_dense_and_relu():
    net = dense_relu()
    before = {"x": 2, "W": 3, "b": 1, "t": 5}
    got = at(net.gradient(["W", "b", "x", "y", "z"]), **before)
    agree(got, z=7, y=7, L=2, d_y=2, d_z=2, d_W=4, d_b=2, d_x=6)
    after = {**before, "W": 3 - 0.1 * got["d_W"], "b": 1 - 0.1 * got["d_b"]}
    agree(after, W=2.6, b=0.8)
    agree(at(net, **after), z=6, y=6, L=0.5)


def test_relu_on_an_array_leaves_the_upstream_gradient_alone():
    """The tutorial's class overwrites the array that it is handed (dout[mask] = 0)."""
    n = Idx("n", sizes("B"))
    x, y, u = map(IndexedBase, ("x", "y", "u"))
    net = declare([(y[n], relu(x[n])), (L, Sum(u[n] * y[n], n))], inputs=[x[n], u[n]], loss=L)
    points, upstream = np.array([3, -2, 0, 5, -1.5]), np.array([0.5, 1.2, 0.8, 0.3, 0.7])
    got = net.gradient("x").evaluate({"x": points, "u": upstream})
    assert np.array_equal(got["y"], [3, 0, 0, 5, 0])
    assert np.array_equal(got["d_x"], [0.5, 0, 0, 0.3, 0])
    assert np.array_equal(upstream, [0.5, 1.2, 0.8, 0.3, 0.7])
    assert np.array_equal(points, [3, -2, 0, 5, -1.5])


# -------------------------------------------------------------------------- tutorial 001: 1-1-1, by hand


def one_one_one(activation=sigmoid):
    w1, b1, w2, b2, x, t, z1, a1, y = sp.symbols("w1 b1 w2 b2 x t z1 a1 y")
    equations = [(z1, w1 * x + b1), (a1, activation(z1)), (y, w2 * a1 + b2), (L, (t - y) ** 2)]
    return declare(equations, inputs=[x, t], parameters=[w1, b1, w2, b2], loss=L)


AT_1 = {"w1": 2, "b1": -1, "w2": 1.5, "b2": 0.5, "x": 3, "t": 2.5}


def test_one_one_one_sigmoid():
    got = at(one_one_one().gradient(["w1", "b1", "w2", "b2", "a1"]), **AT_1)
    agree(
        got,
        y=1.989960723613573,
        L=0.2601400634567901,
        d_w2=-1.0132513190880852,
        d_b2=-1.020078552772854,
        d_a1=-1.530117829159281,
        d_w1=-0.030516930123711365,
        d_b1=-0.010172310041237122,
    )
    assert complex_step(one_one_one(), {k: np.array(float(v)) for k, v in AT_1.items()})["w1"] == pytest.approx(
        got["d_w1"], rel=EXACT
    )


def test_one_one_one_after_a_step():
    net = one_one_one()
    got = at(net.gradient(), **AT_1)
    stepped = {**AT_1, **{name: AT_1[name] - 0.1 * got[f"d_{name}"] for name in ("w1", "b1", "w2", "b2")}}
    agree(at(net, **stepped), y=2.1927233065350116, L=0.09441896634677646)


def test_what_tutorial_001_prints_is_wrong():
    """It prints dL/dw1 = -0.0304, dL/db1 = -0.0101, and after the step y = 2.1933, L = 0.0940.

    Its own code gives -0.0305, -0.0102, 2.1927 and 0.0944: the printed derivative of the sigmoid, 0.0066, was rounded
    before it was used, and y and L follow neither from the rounded nor from the exact gradients.
    """
    net = one_one_one()
    got = at(net.gradient(), **AT_1)
    assert f"{got['d_w1']:.4f}" == "-0.0305" != "-0.0304"
    assert f"{got['d_b1']:.4f}" == "-0.0102" != "-0.0101"
    stepped = at(net, **{**AT_1, **{k: AT_1[k] - 0.1 * got[f"d_{k}"] for k in ("w1", "b1", "w2", "b2")}})
    assert f"{stepped['y']:.4f}" == "2.1927" != "2.1933"
    assert f"{stepped['L']:.4f}" == "0.0944" != "0.0940"
    right = at(net, **AT_1)  # what it prints of the forward pass agrees
    assert abs(right["y"] - 1.9899) < 1e-4 and abs(right["L"] - 0.2602) < 1e-4


def test_exercises_of_tutorial_001():
    """Two hidden units, and ReLU in place of the sigmoid: the same equations, checked in every way."""
    assert check(load("mlp:1-2-1,sigmoid/linear,mean_squared_error")).passed
    relu_net = one_one_one(relu)
    agree(at(relu_net.gradient(), **AT_1), y=8, L=30.25, d_w2=55, d_b2=11, d_w1=49.5, d_b1=16.5)


# ---------------------------------------------------------------------- tutorial 002: graphs, gates, matrices


def test_graph_of_a_sum_times_z():
    """(x + y) z at (-2, 5, -4)."""
    x, y, z, q = sp.symbols("x y z q")
    net = declare([(q, x + y), (L, q * z)], inputs=[x, y, z], loss=L)
    got = at(net.gradient(["x", "y", "z", "q"]), x=-2, y=5, z=-4)
    agree(got, q=3, L=-12, d_x=-4, d_y=-4, d_z=3, d_q=-4)


def test_gates():
    """Add hands the gradient on, multiply swaps the inputs, max routes it to the larger one."""
    x, y, u, g = sp.symbols("x y u g")
    for gate, expected in ((x + y, (7, 7)), (x * y, (35, 21)), (Max(x, y), (0, 7)), (sp.Min(x, y), (7, 0))):
        net = declare([(g, gate), (L, u * g)], inputs=[x, y, u], loss=L)
        got = at(net.gradient(["x", "y"]), x=3, y=5, u=7)
        agree(got, d_x=expected[0], d_y=expected[1])


def test_two_branches_accumulate():
    """z = x x: dz/dx = x + x = 2x."""
    x = Symbol("x", real=True)
    g = declare([(L, x * x)], inputs=[x], loss=L).gradient("x")
    assert g.sympy()[-1] == (Symbol("d_x", real=True), 2 * x)


def test_two_layer_relu_network_has_outer_products():
    """One sample: dW2 = outer(d_o, h), dW1 = outer(d_z1, x), d_z1 = (W2^T d_o) where z1 > 0."""
    D, H, K = sizes("D H K")
    i, j, k = Idx("i", D), Idx("j", H), Idx("k", K)
    x, y, W1, W2, b1, b2, z1, h, o = map(IndexedBase, "x y W1 W2 b1 b2 z1 h o".split())
    net = declare(
        [
            (z1[j], Sum(W1[j, i] * x[i], i) + b1[j]),
            (h[j], Max(0, z1[j])),
            (o[k], Sum(W2[k, j] * h[j], j) + b2[k]),
            (L, Sum((o[k] - y[k]) ** 2, k) / 2),
        ],
        inputs=[x[i], y[k]], parameters=[W1[j, i], b1[j], W2[k, j], b2[k]], loss=L,
    )  # fmt: skip
    report = check(net)
    assert report.passed, str(report)
    v = random_values(net, sizes={"D": 5, "H": 7, "K": 3})
    pre = v["W1"] @ v["x"] + v["b1"]
    hidden = np.maximum(0, pre)
    d_o = v["W2"] @ hidden + v["b2"] - v["y"]
    d_z1 = (v["W2"].T @ d_o) * (pre > 0)
    assert 0 < (pre > 0).sum() < 7
    got = net.gradient().evaluate(v)
    loss = 0.5 * np.sum(d_o**2)
    by_hand = {"L": loss, "d_W2": np.outer(d_o, hidden), "d_b2": d_o, "d_W1": np.outer(d_z1, v["x"]), "d_b1": d_z1}
    for name, expected in by_hand.items():
        assert close(got[name], expected, EXACT), name


def test_matrix_calculus():
    """dL/dW = d_y x^T and dL/dx = W^T d_y for y = W x; x^T A x -> (A + A^T) x, 2 A x where A = A^T; tr(AB) -> B^T."""
    M, N = sizes("M N")
    i, j, i2 = Idx("i", M), Idx("j", N), Idx("i2", M)
    W, A, C, x, y, u, s = map(IndexedBase, "W A C x y u s".split())
    rng = np.random.default_rng(3)
    v = {"W": rng.normal(size=(2, 3)), "x": rng.normal(size=3), "u": rng.normal(size=2)}
    net = declare([(y[i], Sum(W[i, j] * x[j], j)), (L, Sum(u[i] * y[i] ** 2, i))], inputs=[W[i, j], x[j], u[i]], loss=L)
    got = net.gradient(["W", "x", "y"]).evaluate(v)
    assert close(got["d_W"], np.outer(got["d_y"], v["x"]), EXACT)
    assert close(got["d_x"], v["W"].T @ got["d_y"], EXACT)
    quadratic = declare([(L, Sum(s[i] * A[i, i2] * s[i2], i, i2))], inputs=[s[i], A[i, i2]], loss=L)
    v = {"A": rng.normal(size=(5, 5)), "s": rng.normal(size=5)}
    assert close(quadratic.gradient("s").evaluate(v)["d_s"], (v["A"] + v["A"].T) @ v["s"], EXACT)
    v["A"] = v["A"] + v["A"].T
    assert close(quadratic.gradient("s").evaluate(v)["d_s"], 2 * v["A"] @ v["s"], EXACT)
    trace = declare([(L, Sum(A[i, j] * C[j, i], i, j))], inputs=[A[i, j], C[j, i]], loss=L)
    v = {"A": rng.normal(size=(2, 3)), "C": rng.normal(size=(3, 2))}
    assert close(trace.gradient("A").evaluate(v)["d_A"], v["C"].T, EXACT)


def test_softmax_and_cross_entropy():
    """o = W h, softmax, L = -sum of y log: d_o = p - y. One sample, so nothing is divided by a batch."""
    H, K = sizes("H K")
    j, k, k2 = Idx("j", H), Idx("k", K), Idx("k2", K)
    W, h, o, p, y = map(IndexedBase, "W h o p y".split())
    net = declare(
        [
            (o[k], Sum(W[k, j] * h[j], j)),
            (p[k], sp.exp(o[k]) / Sum(sp.exp(o[k2]), k2)),
            (L, -Sum(y[k] * sp.log(p[k]), k)),
        ],
        inputs=[h[j], y[k]], parameters=[W[k, j]], loss=L, facts=[sp.Eq(Sum(y[k], k), 1)],
    )  # fmt: skip
    report = check(net)
    assert report.passed, str(report)
    g = net.gradient(["W", "o"])
    assert g.equation("d_o").value is from_sympy(p[k] - y[k])
    v = random_values(net)
    got = g.evaluate(v)
    assert close(got["d_W"], np.outer(got["p"] - v["y"], v["h"]), EXACT)


def test_batch_norm_has_three_gradients():
    """By x, gamma and beta, against the complex step; the tutorial leaves them as an exercise."""
    net = Sequential(Dense(3), BatchNorm(), features=2, loss="half_squared_error")
    values = random_values(net, seed=5, sizes={"B": 7})
    got = net.gradient(["x", "gamma1", "beta1"]).evaluate(values)
    for name, expected in complex_step(net, values, ["x", "gamma1", "beta1"]).items():
        assert close(got[f"d_{name}"], expected), name


def test_leaky_relu():
    """alpha = 0.01 unless given; the gradient is 1 or alpha."""
    n = Idx("n", sizes("B"))
    x, y = IndexedBase("x"), IndexedBase("y")
    points = {"x": np.array([2.0, -3.0, 0.5, -0.1])}
    for arguments, alpha in (((), 0.01), ((sp.Rational(1, 5),), 0.2)):
        net = declare([(y[n], FUNCTIONS["leaky_relu"](x[n], *arguments)), (L, Sum(y[n], n))], inputs=[x[n]], loss=L)
        got = net.gradient("x").evaluate(points)
        assert close(got["y"], [2, -3 * alpha, 0.5, -0.1 * alpha], EXACT)
        assert close(got["d_x"], [1, alpha, 1, alpha], EXACT)
        assert check(net, points).passed
    assert check(Sequential(Dense(4), LeakyReLU(0.2), Dense(1), features=3, loss="mean_squared_error")).passed


def test_relative_error_gradient_check():
    """The tutorial's gradient_check: numeric gradient by central differences, then the relative error.

    A right gradient passes its bound of 1e-7; a transposed, a doubled or a forgotten one doesn't.
    """
    net = load("mlp:3-3-2,tanh/linear,half_squared_error")
    values = random_values(net)
    numeric = central_differences(net, values)
    analytic = net.gradient().evaluate(values)
    for name, expected in numeric.items():
        assert relative_error(analytic[f"d_{name}"], expected) < 1e-7, name
    assert relative_error(analytic["d_W1"].T, numeric["W1"]) > 1e-2
    assert relative_error(2 * analytic["d_W1"], numeric["W1"]) > 1e-2
    assert relative_error(0 * analytic["d_W1"], numeric["W1"]) == 1


# ----------------------------------------------------------------- tutorial 003: 2-3-2-1, thirteen steps


def textbook_network():
    """The neuron level of 2-3-2-1 with half squared error, one sample, and the tutorial's names for its entries.

    The tutorial's delta^(3) is dL/dy, ours (as in most books) the gradient by z^(3): it is `d_y` here.
    """
    net = load("mlp:2-3-2-1,sigmoid,half_squared_error")
    names = {f"w1_{j}{i}": f"W1_{i - 1}_{j - 1}" for i in (1, 2) for j in (1, 2, 3)}
    names |= {f"w2_{k}{j}": f"W2_{j - 1}_{k - 1}" for j in (1, 2, 3) for k in (1, 2)}
    names |= {f"v{k}": f"W3_{k - 1}_0" for k in (1, 2)}
    names |= {f"b1_{j}": f"b1_{j - 1}" for j in (1, 2, 3)} | {f"b2_{k}": f"b2_{k - 1}" for k in (1, 2)} | {"b3": "b3_0"}
    names |= {f"h1_{j}": f"h1_0_{j - 1}" for j in (1, 2, 3)} | {f"h2_{k}": f"h2_0_{k - 1}" for k in (1, 2)}
    names |= {"y": "y_0_0", "t": "t_0_0", "x1": "x_0_0", "x2": "x_0_1"}
    return net, names


def test_all_thirteen_steps_of_the_textbook_network():
    """Each formula symbolically: the unrolled raw gradient, in terms of the values that the tutorial reuses."""
    net, names = textbook_network()
    g = net.gradient([*(p.name for p in net.parameters), "y", "h1", "h2"], simplify=False).unroll({"B": 1})
    s = {name: Symbol(entry, real=True) for name, entry in names.items()}
    known = {e.name: e.value for e in g.equations}

    def derived(name):
        """The gradient by a name, adjoints kept as symbols except those of the pre-activations z."""

        def rule(e):
            return write(e.label) if isinstance(e, Access) and e.label.startswith(("d_z", "d_y")) else e

        def write(label):
            return transform(known[label], rule)

        return to_sympy(write(f"d_{names[name]}"))

    def value_of(formula):
        """sigma(z) is h: both sides are compared in terms of the activations."""
        return sp.expand(formula.subs({sigmoid(Symbol(z, real=True)): Symbol(h, real=True) for z, h in pre}))

    pre = [*((f"z1_0_{j}", f"h1_0_{j}") for j in range(3)), *((f"z2_0_{k}", f"h2_0_{k}") for k in range(2))]
    pre += [("z3_0_0", "y_0_0")]
    delta = s["y"] - s["t"]  # step 1
    top = delta * s["y"] * (1 - s["y"])  # computed once, used ever after
    g_h2 = {k: Symbol(f"d_h2_0_{k - 1}", real=True) for k in (1, 2)}
    g_h1 = {j: Symbol(f"d_h1_0_{j - 1}", real=True) for j in (1, 2, 3)}
    through2 = {k: g_h2[k] * s[f"h2_{k}"] * (1 - s[f"h2_{k}"]) for k in (1, 2)}
    through1 = {j: g_h1[j] * s[f"h1_{j}"] * (1 - s[f"h1_{j}"]) for j in (1, 2, 3)}
    expected = {"y": delta, "v1": top * s["h2_1"], "v2": top * s["h2_2"], "b3": top}  # steps 1 to 4
    expected |= {f"h2_{k}": top * s[f"v{k}"] for k in (1, 2)}  # 5, 6
    expected |= {f"w2_{k}{j}": through2[k] * s[f"h1_{j}"] for k in (1, 2) for j in (1, 2, 3)}  # 7 to 9 and "similar"
    expected |= {f"b2_{k}": through2[k] for k in (1, 2)}
    expected |= {f"h1_{j}": sum(through2[k] * s[f"w2_{k}{j}"] for k in (1, 2)) for j in (1, 2, 3)}  # 10 to 12
    expected |= {f"w1_{j}{i}": through1[j] * s[f"x{i}"] for i in (1, 2) for j in (1, 2, 3)}  # 13, 14 and "similar"
    expected |= {f"b1_{j}": through1[j] for j in (1, 2, 3)}
    assert sum(1 for name in expected if name[0] in "wvb") == 20, "all 20 parameters; the tutorial shows 7"
    for name, formula in expected.items():
        assert sp.expand(value_of(derived(name)) - sp.expand(formula)) == 0, name


def test_the_expanded_loss_is_the_tutorials():
    """L = (sigma(v1 sigma(w11 sigma(...) + ...) + v2 sigma(...) + b) - y)^2 / 2, down to x1 and x2."""
    net, names = textbook_network()
    s = {name: Symbol(entry, real=True) for name, entry in names.items()}
    h1 = [sigmoid(s[f"w1_{j}1"] * s["x1"] + s[f"w1_{j}2"] * s["x2"] + s[f"b1_{j}"]) for j in (1, 2, 3)]
    h2 = [sigmoid(sum(s[f"w2_{k}{j}"] * h1[j - 1] for j in (1, 2, 3)) + s[f"b2_{k}"]) for k in (1, 2)]
    loss = (sigmoid(s["v1"] * h2[0] + s["v2"] * h2[1] + s["b3"]) - s["t"]) ** 2 / 2
    naive = net.gradient(method="naive", sizes={"B": 1})
    assert naive.equation("L").value is from_sympy(loss, [x.name for x in s.values()])


def test_naive_and_reverse_agree_on_the_textbook_network():
    net, _ = textbook_network()
    values = random_values(net, sizes={"B": 1})
    naive, reverse = net.gradient(method="naive", sizes={"B": 1}), net.gradient().evaluate(values)
    got = naive.evaluate(split(naive, values))
    for p in net.parameters:
        assert close(join(naive, got, f"d_{p.name}"), reverse[f"d_{p.name}"], EXACT), p.name


# ----------------------------------------------------------------------- tutorial 004: vanishing gradients


def adjoint_norms(activation, gain=1.0, depth=8, width=8):
    """|dL/dz| of each layer, the first one first; orthogonal weights times `gain` leave norms as they are."""
    net = load(f"mlp:{width}-{'-'.join([str(width)] * depth)},{activation}/{activation},half_squared_error")
    values = random_values(net, sizes={"B": 31})
    rng = np.random.default_rng(0)
    for p in net.parameters:
        if p.name.startswith("W"):
            values[p.name] = gain * np.linalg.qr(rng.normal(size=(width, width)))[0]
    layers = [f"z{k}" for k in range(1, depth + 1)]
    got = net.gradient(layers).evaluate(values)
    return np.array([np.linalg.norm(got[f"d_{z}"]) for z in layers])


def test_vanishing_gradients():
    """Sigmoid: at most 0.25 of the gradient are left a layer. ReLU (weights after He et al. 2015): most of it."""
    norms = adjoint_norms("sigmoid")
    assert (norms[:-1] / norms[1:] <= 0.25).all()
    assert norms[0] / norms[-1] < 0.25**7
    norms = adjoint_norms("relu", gain=np.sqrt(2))
    assert 0.1 < norms[0] / norms[-1] < 10


def test_the_tutorials_network_with_batch_norm_has_a_backward_pass():
    """2-8-8-4-1 with batch norm and ReLU. The tutorial's script leaves the normalisation out of its backward pass.

    The gradient that it takes for W of the first layer differs from the right one by far more than rounding.
    """
    net = load("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error")
    values = random_values(net, sizes={"B": 11})
    got = net.gradient().evaluate(values)
    assert close(got["d_W1"], complex_step(net, values, "W1")["W1"])
    h, batch = {0: values["x"]} | {k: got[f"h{k}"] for k in (1, 2, 3)}, len(values["x"])
    delta = (got["y"] - values["t"]) / batch
    for k in (3, 2, 1):
        delta = (delta @ values[f"W{k + 1}"].T) * (got[f"u{k}"] > 0)  # as printed: nothing for the normalisation
    assert relative_error(h[0].T @ delta, got["d_W1"]) > 0.1


def test_three_sigmoid_layers_leave_at_most_a_sixty_fourth():
    """The tutorial says 1.5 % of the gradient are left after three sigmoids: 0.25^3 = 1.5625 %, the best case."""
    z = Symbol("z", real=True)
    slope = sigmoid(z).diff(z)
    assert slope.subs(z, 0).subs(sigmoid(0), sp.Rational(1, 2)) == sp.Rational(1, 4)
    assert 0.25**3 == pytest.approx(0.015625)
