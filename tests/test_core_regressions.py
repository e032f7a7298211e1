"""Faults that the layer library brought to light in expressions, derivation, simplification and lowering."""

import numpy as np
import pytest
import sympy as sp
from layer_oracles import assert_exact, run

from symbp import expr as ex
from symbp.affine import settle
from symbp.check import random_values, relative_error
from symbp.declare import declare
from symbp.functions import TABLE
from symbp.language import sizes
from symbp.layers import GRU, LSTM, Dense, MultiHeadAttention, Quantile
from symbp.sequence import Sequential

B, T = sizes("B T")


def test_one_comparison_whichever_side_the_larger_stands_on():
    i, j = ex.index("i", 3), ex.index("j", 3)
    assert ex.compare(">=", i, j) is ex.compare("<=", j, i)


def test_what_is_zero_where_a_condition_holds_has_one_form():
    t, x = ex.index("t", 5), ex.access("x")
    assert ex.select(ex.compare("==", t, 0), 0, x) is ex.select(ex.compare("!=", t, 0), x, 0)


def test_a_sum_over_a_delta_with_an_affine_form_is_contracted():
    m, g, k = ex.index("m", 6), ex.index("g", 2), ex.index("k", 3)
    e = ex.sum_over(ex.delta(m, 3 * g + k) * ex.access("f", (m,)), [m])
    assert settle(e) is ex.access("f", (3 * g + k,))
    outside = settle(ex.sum_over(ex.delta(m, 3 * g + k + 1) * ex.access("f", (m,)), [m]))
    assert any(isinstance(node, ex.Select) for node in ex.walk(outside))  # 3 g + k + 1 = 6 has no value


def test_maximum_of_numbers_is_a_number():
    assert ex.call("maximum", 1, 0) is ex.ONE


def test_a_condition_deep_in_a_factor_is_not_decided_by_another_factor():
    t, x = ex.index("t", 5), ex.access("x", (ex.index("t", 5),))
    first = ex.compare("!=", t, 0)
    deep = ex.call("tanh", ex.select(first, x, 0))
    e = settle(ex.mul(ex.select(first, x, 0), deep))
    assert deep in ex.walk(e)


def test_reverse_of_recurrences_among_hoisted_sums():
    """The order of the equations and that of the groups differed, and weights missed contributions."""
    for layer in (LSTM(3), GRU(2)):
        assert_exact(Sequential(layer, Dense(2), shape=("T", 5), loss="mean_squared_error"))


@pytest.mark.parametrize("layer", [GRU(3), LSTM(2)], ids=["GRU", "LSTM"])
def test_second_order_through_a_recurrence(layer):
    net = Sequential(layer, shape=("T", 5), loss="mean_squared_error")
    name = net.parameters[0].name
    i, j = sp.Idx("i", 5), sp.Idx("j", layer.units)
    d, v, q = sp.IndexedBase(f"d_{name}"), sp.IndexedBase("v"), sp.Symbol("q")
    along = net.gradient([name]).extend([(q, sp.Sum(d[i, j] * v[i, j], i, j))], inputs=[v[i, j]], loss=q)
    values = random_values(along)
    found, _ = run(along.gradient([name]), values)
    moved = {**values, name: values[name] + 1e-30j * values["v"]}
    exact = np.imag(along.evaluate(moved)[f"d_{name}"]) / 1e-30
    assert relative_error(found[f"d2_{name}"], exact) < 1e-9


def test_the_loops_variable_keeps_clear_of_tensors():
    n, t, i = sp.Idx("n", B), sp.Idx("t", T), sp.Idx("i", 3)
    x, h, a, target = (sp.IndexedBase(name) for name in ("x", "h", "a", "t"))
    before = sp.Piecewise((0, sp.Eq(t, 0)), (h[n, t - 1, i], True))
    L = sp.Symbol("L")
    net = declare(
        [(h[n, t, i], sp.tanh(a[i] * before + x[n, t, i])), (L, sp.Sum((h[n, t, i] - target[n, t, i]) ** 2, n, t, i))],
        inputs=[x[n, t, i], target[n, t, i]], parameters=[a[i]], loss=L,
    )  # fmt: skip
    assert_exact(net)


def test_commas_inside_an_einsum_do_not_break_a_line():
    net = Sequential(MultiHeadAttention(2, bias=False), shape=("T", 6), loss="mean_squared_error")
    run(net.gradient(), random_values(net))


def test_negated_comparisons_as_numbers():
    assert_exact(Sequential(Dense(5), features=3, loss=Quantile(0.3)))


def test_the_error_function_of_a_complex_step_is_exact():
    x = np.linspace(-3, 3, 13)
    slope = np.imag(TABLE["erf"].evaluate(x + 1e-30j)) / 1e-30
    assert np.allclose(slope, 2 / np.sqrt(np.pi) * np.exp(-(x**2)), rtol=1e-15, atol=0)
