"""The oracles themselves: random inputs, tables, and what they must notice."""

import numpy as np
import pytest
import sympy as sp
from sympy import Eq, Idx, IndexedBase, Piecewise, Sum, Symbol

from symbp.architectures import load
from symbp.check import (
    central_differences,
    check,
    complex_step,
    prime_sizes,
    random_values,
    relative_error,
    taylor_slope,
)
from symbp.declare import declare
from symbp.errors import SymbpError, UnusedParameterWarning
from symbp.language import sizes

NET = "mlp:2-3-2-1,sigmoid,half_squared_error"
B, K = sizes("B K")
n, k = Idx("n", B), Idx("k", K)
x, t, w = IndexedBase("x"), IndexedBase("t"), IndexedBase("w")
L = Symbol("L")


def gradients(net, values):
    got = net.gradient().evaluate(values)
    return {p.name: got[f"d_{p.name}"] for p in net.parameters}


# ------------------------------------------------------------------------------------------ random inputs


def test_sizes_are_distinct_primes_that_no_axis_has():
    net = declare([(L, Sum(x[n, k] * w[k] * t[Idx("i", 3)], n, k, Idx("i", 3)))], inputs=[x[n, k], t[Idx("i", 3)]],
                  parameters=[w[k]], loss=L)  # fmt: skip
    assert prime_sizes(net) == {"B": 5, "K": 7}
    assert prime_sizes(net, {"B": 7}) == {"B": 7, "K": 5}
    with pytest.raises(SymbpError, match="has no size C: its sizes are B, K"):
        prime_sizes(net, {"C": 3})
    with pytest.raises(SymbpError, match="the size B must be a positive integer, not 0"):
        prime_sizes(net, {"B": 0})


def test_random_values_are_reproducible_and_finite():
    net = load(NET)
    first, again, other = random_values(net, 1), random_values(net, 1), random_values(net, 2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["W1"], other["W1"])
    assert first["x"].shape == (5, 2), "5 is the first prime that is no width of the net"


def test_labels_lie_in_range():
    net = load("mlp:4-7,relu,cross_entropy")
    labels = random_values(net, sizes={"B": 200})["t"]
    assert labels.shape == (200,)
    assert set(labels) == set(range(7))


def test_soft_targets_satisfy_the_declared_fact():
    values = random_values(load("mlp:4-8-3,tanh/softmax,soft_cross_entropy"))
    assert np.allclose(values["t"].sum(1), 1, rtol=1e-15)
    assert (values["t"] > 0).all()


def test_values_that_break_a_fact_are_refused():
    net = load("mlp:4-3,relu,soft_cross_entropy")
    values = random_values(net)
    with pytest.raises(SymbpError, match=r"break the declared fact sum\(t\[n, j\], j\) = 1"):
        check(net, {**values, "t": values["t"] * 1.01})


def test_logarithms_of_inputs_get_positive_ones():
    net = declare([(L, Sum(sp.log(x[n]) * sp.sqrt(w[n]), n))], inputs=[x[n]], parameters=[w[n]], loss=L)
    values = random_values(net)
    assert (values["x"] > 0).all() and (values["w"] > 0).all()
    assert check(net).passed


def test_a_program_that_is_never_finite():
    net = declare([(L, Sum(sp.log(-(x[n] ** 2)), n))], inputs=[x[n]], loss=L)
    with pytest.raises(SymbpError, match="L is not finite at random inputs"):
        random_values(net)


# ---------------------------------------------------------------------------------------------- oracles


def test_complex_step_and_central_differences_on_a_known_gradient():
    """L = sum of w^3 x: dL/dw = 3 w^2 x."""
    net = declare([(L, Sum(w[n] ** 3 * x[n], n))], inputs=[x[n]], parameters=[w[n]], loss=L)
    values = {"x": np.array([1.0, -2.0, 3.0]), "w": np.array([0.5, 2.0, -1.5])}
    exact = 3 * values["w"] ** 2 * values["x"]
    assert relative_error(complex_step(net, values)["w"], exact) < 1e-15
    assert relative_error(central_differences(net, values)["w"], exact) < 1e-9
    assert relative_error(complex_step(net, values, "x")["x"], values["w"] ** 3) < 1e-15


def test_central_differences_get_round_a_kink():
    """A ReLU whose argument is closer to 0 than the first step."""
    near = declare([(L, Sum(Piecewise((w[n], w[n] > 0), (0, True)) + w[n] ** 2, n))], parameters=[w[n]], loss=L)
    values = {"w": np.array([1e-5, -3e-6, 0.4])}
    assert relative_error(central_differences(near, values)["w"], complex_step(near, values)["w"]) < 1e-6


def test_taylor_slope_is_two_for_the_gradient_and_one_for_another():
    net = load(NET)
    values = random_values(net)
    right = gradients(net, values)
    assert taylor_slope(net, values, right) == pytest.approx(2, abs=0.02)
    assert taylor_slope(net, values, {name: g * 1.01 for name, g in right.items()}) < 1.9
    linear = declare([(L, Sum(w[n] * x[n], n))], inputs=[x[n]], parameters=[w[n]], loss=L)
    values = random_values(linear)
    assert taylor_slope(linear, values, {"w": values["x"]}) == float("inf")


def test_moving_something_that_is_computed():
    net = load(NET)
    with pytest.raises(SymbpError, match="z1 is not an input or parameter"):
        complex_step(net, random_values(net), "z1")


def test_a_program_without_loss():
    net = declare([(x[n], t[n] ** 2)], inputs=[t[n]])
    with pytest.raises(SymbpError, match="has no loss to differentiate"):
        check(net)


# ---------------------------------------------------------------------------------------------- reports


def test_report():
    report = check(load(NET), sizes={"B": 3})
    assert report.passed
    assert not report.failures
    assert {(c.parameter, c.method) for c in report.comparisons} >= {
        (p, m) for p in ("W1", "b1", "W3") for m in ("reverse", "simplified", "forward", "naive", "central")
    }
    text = str(report).splitlines()
    assert text[0] == f"{NET}, B = 3: worst relative error against the complex step"
    assert text[1].split() == ["reverse", "simplified", "forward", "naive", "central"]
    assert [line.split()[0] for line in text[2:]] == ["W1", "b1", "W2", "b2", "W3", "b3", "L", "passed"]


def test_other_columns_and_a_wrong_one():
    net = load(NET)

    def right(program, values):
        return program.gradient().evaluate(values)

    def slightly_wrong(program, values):
        got = right(program, values)
        return {**got, "d_W2": got["d_W2"] * 1.001}

    def transposed(program, values):
        got = right(program, values)
        return {**got, "d_W2": got["d_W2"].T}

    def not_finite(program, values):
        return {**right(program, values), "d_b1": np.full(3, np.nan)}

    def missing(program, values):
        got = dict(right(program, values))
        del got["d_b2"]
        return got

    def wrong_loss(program, values):
        got = right(program, values)
        return {**got, "L": got["L"] + 1e-6}

    def refuses(program, values):
        raise SymbpError("no such thing here")

    others = (right, slightly_wrong, transposed, not_finite, missing, wrong_loss, refuses)
    report = check(net, others={f.__name__: f for f in others})
    assert [(c.parameter, c.method) for c in report.failures] == [
        ("b1", "not_finite"),
        ("W2", "slightly_wrong"),
        ("W2", "transposed"),
        ("b2", "missing"),
        ("L", "wrong_loss"),
    ]
    assert not report.passed
    assert "FAILED: b1 by not_finite (nan > 1e-09), W2 by slightly_wrong (1.0e-03 > 1e-09)" in str(report)
    assert report.notes == ("refuses left out: no such thing here",)


def test_large_tensors_are_compared_along_random_directions_and_naive_is_left_out():
    report = check(load("mlp:64-32-10,relu,cross_entropy"))
    assert report.passed, str(report)
    assert any("naive left out: 2,410 parameters" in note for note in report.notes)
    assert "naive" not in {c.method for c in report.comparisons}


def test_gradient_that_is_zero_but_for_rounding():
    """The bias in front of batch norm: the mean takes it away again."""
    report = check(load("mlp:2-3-1,batch_norm+tanh,half_squared_error"))
    assert report.passed, str(report)


def test_an_unused_parameter_passes_and_warns_once():
    net = declare([(L, Sum(w[n] ** 2, n))], parameters=[w[n], t[n]], loss=L)
    with pytest.warns(UnusedParameterWarning, match="L does not depend on t") as caught:
        assert check(net).passed
    assert len(caught) == 1


def test_relative_error():
    """The tutorial's |a - n| / max(|a|, |n|), over whole arrays."""
    assert relative_error([1.0, 2.0], [1.0, 2.002]) == pytest.approx(0.002 / 2.002)
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1e-20], [0.0], floor=1.0) == 1e-20
    assert np.isnan(relative_error([np.inf], [np.inf]))
    assert np.isnan(relative_error([np.nan], [1.0]))
    assert np.isnan(relative_error([1.0, 2.0], [1.0]))


def test_integer_labels_at_neuron_level():
    """The naive way reads the score that the label picks as a sum with deltas."""
    report = check(load("mlp:2-3,relu,cross_entropy"), sizes={"B": 2})
    assert report.passed, str(report)
    assert "naive" in {c.method for c in report.comparisons}


def test_facts_of_another_form():
    """Weights that average to a given number."""
    fact = Eq(Sum(x[n, k], n) / B, 2)
    net = declare([(L, Sum(x[n, k] * w[k] ** 2, n, k))], inputs=[x[n, k]], parameters=[w[k]], loss=L, facts=[fact])
    assert np.allclose(random_values(net)["x"].mean(0), 2)
    assert check(net).passed
