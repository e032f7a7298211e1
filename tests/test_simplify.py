"""What simplification makes of derived expressions, as formulas: nothing here is a rule for a pair of layers."""

import numpy as np
import pytest
import sympy as sp
from oracles import close
from sympy import Eq, Idx, IndexedBase, KroneckerDelta, Sum, Symbol, exp, log

from symbp.architectures import load
from symbp.check import check, random_values
from symbp.declare import declare
from symbp.expr import Reduce, walk
from symbp.language import FUNCTIONS, Maximum, from_sympy, sizes
from symbp.layers import BatchNorm, Dense
from symbp.program import Program
from symbp.sequence import Sequential

B, K = sizes("B K")
n, k, k2 = Idx("n", B), Idx("k", K), Idx("k2", K)
x, y, t, z, s, p, a, c, m = map(IndexedBase, "x y t z s p a c m".split())
L = Symbol("L")
e, total = IndexedBase("exp_s"), IndexedBase("L_sum")  # names that `share_terms` gives
sigmoid = FUNCTIONS["sigmoid"]
SOFTMAX = (p[n, k], exp(s[n, k]) / Sum(exp(s[n, k2]), k2))
SUMS_TO_ONE = Eq(Sum(t[n, k], k), 1)


def gradient(equations, wrt, **declared) -> Program:
    """The simplified gradient, checked on numbers first."""
    net = declare(equations, loss=L, **declared)
    report = check(net, wrt=wrt)
    assert report.passed, str(report)
    return net.gradient(wrt)


def is_formula(program, name, expected):
    """Whether an equation's right-hand side is this SymPy expression, in canonical form."""
    found = program.equation(name).value
    scalars = [tensor.name for tensor in program.tensors.values() if not tensor.indices]
    assert found is from_sympy(expected, scalars), f"{name} = {found!r}"


# ------------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("by_hand", [False, True], ids=["named", "by hand"])
def test_sigmoid(by_hand):
    """a(1 - a), also where the sigmoid is written as 1/(1 + exp(-z))."""
    formula = 1 / (1 + exp(-z[n])) if by_hand else sigmoid(z[n])
    g = gradient([(a[n], formula), (L, Sum(t[n] * a[n], n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "a", sigmoid(z[n]))
    is_formula(g, "d_z", t[n] * a[n] * (1 - a[n]))


@pytest.mark.parametrize("by_hand", [False, True], ids=["named", "by hand"])
def test_tanh(by_hand):
    """1 - a^2, also where it is written with exponentials."""
    formula = (exp(z[n]) - exp(-z[n])) / (exp(z[n]) + exp(-z[n])) if by_hand else sp.tanh(z[n])
    g = gradient([(a[n], formula), (L, Sum(t[n] * a[n], n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "a", sp.tanh(z[n]))
    is_formula(g, "d_z", t[n] * (1 - a[n] ** 2))


@pytest.mark.parametrize("formula", [exp(z[n]) / (1 + exp(z[n])), 1 - 1 / (1 + exp(z[n])), 1 / (1 + exp(-z[n]))])
def test_every_way_to_write_a_sigmoid(formula):
    g = gradient([(a[n], formula), (L, Sum(t[n] * a[n], n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "a", sigmoid(z[n]))
    is_formula(g, "d_z", t[n] * a[n] * (1 - a[n]))


def test_softplus_by_hand():
    g = gradient([(L, Sum(t[n] * log(1 + exp(z[n])), n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "d_z", t[n] * sigmoid(z[n]))


def test_exp_is_its_own_derivative():
    g = gradient([(a[n], exp(z[n])), (L, Sum(t[n] * a[n], n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "d_z", t[n] * a[n])


def test_square_root_reuses_the_root():
    """1 / (2 sqrt(z)) is half of 1 over the root computed before."""
    g = gradient([(a[n], sp.sqrt(z[n])), (L, Sum(t[n] * a[n], n))], "z", inputs=[z[n], t[n]])
    is_formula(g, "d_z", t[n] / (2 * a[n]))


# ------------------------------------------------------------------------------------ softmax, cross-entropy


def softmax_loss(targets):
    return -Sum(targets * log(p[n, k]), n, k) / B


def test_soft_targets_that_add_up_to_one():
    """(p - t) / B."""
    g = gradient([SOFTMAX, (L, softmax_loss(t[n, k]))], "s", inputs=[s[n, k], t[n, k]], facts=[SUMS_TO_ONE])
    is_formula(g, "d_s", (p[n, k] - t[n, k]) / B)


def test_soft_targets_without_the_fact_keep_their_sum():
    """(p Sum(t) - t) / B: only what was declared is used."""
    g = gradient([SOFTMAX, (L, softmax_loss(t[n, k]))], "s", inputs=[s[n, k], t[n, k]])
    is_formula(g, "d_s", (p[n, k] * Sum(t[n, k], k) - t[n, k]) / B)


def test_integer_labels():
    g = gradient([SOFTMAX, (L, softmax_loss(KroneckerDelta(k, c[n])))], "s", inputs=[s[n, k]], integers=[c[n]])
    is_formula(g, "d_s", (p[n, k] - KroneckerDelta(k, c[n])) / B)


def test_labels_as_an_access():
    g = gradient([SOFTMAX, (L, -Sum(log(p[n, c[n]]), n) / B)], "s", inputs=[s[n, k]], integers=[c[n]])
    is_formula(g, "d_s", (p[n, k] - KroneckerDelta(k, c[n])) / B)


def test_softmax_and_cross_entropy_in_one_equation():
    """The same with no tensor for p: exp(s) / Z - t, with the exponentials and Z shared with the loss."""
    together = -Sum(t[n, k] * log(exp(s[n, k]) / Sum(exp(s[n, k2]), k2)), n, k) / B
    g = gradient([(L, together)], "s", inputs=[s[n, k], t[n, k]], facts=[SUMS_TO_ONE])
    is_formula(g, "d_s", (e[n, k] / total[n] - t[n, k]) / B)


def test_log_sum_exp_form():
    g = gradient([(L, Sum(log(Sum(exp(s[n, k2]), k2)) - s[n, c[n]], n) / B)], "s", inputs=[s[n, k]], integers=[c[n]])
    is_formula(g, "d_s", (e[n, k] / total[n] - KroneckerDelta(k, c[n])) / B)


def test_the_shift_of_a_stable_softmax_cancels():
    """exp(s - m) / Sum(exp(s - m)) with m the maximum: nothing flows through m, and p - t comes out all the same."""
    shifted = (p[n, k], exp(s[n, k] - m[n]) / Sum(exp(s[n, k2] - m[n]), k2))
    g = gradient(
        [(m[n], Maximum(s[n, k], k)), shifted, (L, softmax_loss(t[n, k]))], "s",
        inputs=[s[n, k], t[n, k]], facts=[SUMS_TO_ONE],
    )  # fmt: skip
    is_formula(g, "d_s", (p[n, k] - t[n, k]) / B)


def test_softmax_as_a_layer_and_in_the_loss():
    """The layers' equations go the same way."""
    for text in ("mlp:4-3,linear/softmax,soft_cross_entropy", "mlp:4-3,linear,soft_cross_entropy"):
        g = load(text).gradient()
        name = "d_z1" if "d_z1" in g.tensors else "d_y"
        found = g.equation(name).value
        assert found.tensors <= {"y", "p1", "t"}, f"{text}: {found!r}"
        assert not any(isinstance(node, Reduce) for node in walk(found)), f"{text}: {found!r}"


@pytest.mark.parametrize("by_hand", [False, True], ids=["named", "by hand"])
def test_binary_cross_entropy_from_logits(by_hand):
    """sigmoid(z) - t, and a loss without a logarithm of a sigmoid."""
    formula = 1 / (1 + exp(-z[n])) if by_hand else sigmoid(z[n])
    loss = -Sum(t[n] * log(a[n]) + (1 - t[n]) * log(1 - a[n]), n) / B
    g = gradient([(a[n], formula), (L, loss)], "z", inputs=[z[n], t[n]])
    is_formula(g, "d_z", (a[n] - t[n]) / B)
    assert "log" not in {node.label for node in walk(g.equation("L").value)}


def test_a_logarithm_of_a_product_is_not_taken_apart_blindly():
    """log(exp(s) u v) with u, v < 0 has a value, log u has none."""
    u, v = IndexedBase("u"), IndexedBase("v")
    net = declare([(a[n], exp(s[n]) * u[n] * v[n]), (L, Sum(log(a[n]), n))], inputs=[s[n], u[n], v[n]], loss=L)
    values = {"s": np.array([0.3, -1.0]), "u": np.array([-0.5, -2.0]), "v": np.array([-1.5, -0.1])}
    got = net.gradient(["s", "u"]).evaluate(values)
    assert close(got["L"], np.log(np.exp(values["s"]) * values["u"] * values["v"]).sum())
    assert close(got["d_u"], 1 / values["u"])
    assert close(got["d_s"], np.ones(2))


# ------------------------------------------------------------------------------------------- batch norm


def test_batch_norm_has_two_means():
    """Ioffe & Szegedy 2015: d_x = gamma / sqrt(v + e) (d_y - mean(d_y) - xhat mean(d_y xhat)).

    The two means are d_beta / B and d_gamma / B, which are wanted anyway: no sum is left in d_x.
    """
    net = Sequential(Dense(3), BatchNorm(), features=2, loss="half_squared_error")
    report = check(net)
    assert report.passed, str(report)
    g = net.gradient()
    found = g.equation("d_z1").value
    assert not any(isinstance(node, Reduce) for node in walk(found)), repr(found)
    assert {"d_gamma1", "d_beta1", "xhat1"} <= found.tensors
    values = random_values(net)
    got = g.evaluate(values)
    batch = len(values["x"])
    d_y = (got["y"] - values["t"]) / batch
    normal = got["xhat1"]
    expected = values["gamma1"] / np.sqrt(got["var1"] + 1e-5) * (d_y - d_y.mean(0) - normal * (d_y * normal).mean(0))
    plain = net.gradient("z1").evaluate(values)
    assert close(plain["d_z1"], expected)


def test_no_work_is_done_twice():
    """The forward values that the backward pass needs are read, not computed again."""
    g = load("mlp:2-3-2-1,sigmoid,half_squared_error").gradient()
    labels = [node.label for e in g.equations for node in walk(e.value)]
    assert labels.count("sigmoid") == 3
    assert len(g.equations) == 17, "7 forward, y - t, 3 d_z and 6 gradients"


def test_copies_are_read_through():
    g = declare([(y[n], x[n]), (L, Sum(y[n] * t[n], n))], inputs=[x[n], t[n]], loss=L).gradient("x")
    is_formula(g, "d_x", t[n])
