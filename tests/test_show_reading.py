"""What a reader stumbles over: names, the order of terms, lines that are missing, functions that nobody explains."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from symbp import Sequential, derivation, load
from symbp.cli import main
from symbp.evaluate import evaluate
from symbp.expr import access, call, num
from symbp.functions import TABLE, definition
from symbp.layers import BatchNorm, Dense, LayerNorm, ReLU
from symbp.notation import read
from symbp.program import Equation, Program, Tensor
from symbp.report import page
from symbp.report.paper import costs, document, fragment
from symbp.show.graph import graph
from symbp.show.steps.legend import WELL_KNOWN

LSTM, CNN = "lstm:4-3-2,cross_entropy", "cnn:1x8x8,2c3+relu+max2,3,cross_entropy"


def sides(d, name, how="text"):
    return [getattr(s, how) for s in d.formula(name).sides]


def normalised(layer):
    return Sequential(Dense(4), layer, ReLU(), Dense(3), features=5, loss="cross_entropy")


def test_indices_are_written_as_books_write_them():
    text = derivation(load(LSTM), level="index").text()
    assert "[t + 1 < T]" in text and "1 + t" not in text
    text = derivation(load(CNN), level="index").text()
    assert "x⁽¹⁾" not in text and "h' + p" in text and "9 · k + 3 · h'' + w''" in text


def test_gates_have_names():
    d = derivation(load(LSTM), level="index")
    assert {f"d_s_{gate}1" for gate in "ifgo"} <= {s.quantity for s in d.steps}
    assert "_sum" not in d.text()
    lines = sides(d, "d_c1")
    assert "∂L/∂h⁽¹⁾ₙₜⱼ · o⁽¹⁾ₙₜⱼ · (1 - (tanh(c⁽¹⁾ₙₜⱼ))²)" in "".join(c for c in lines[-2] if c < "\ue000")
    later = next(s for s in d.steps if s.quantity == "d_h1")
    said = "Read at the time step that backpropagation has just done: ∂L/∂s"
    assert any(p.text.startswith(said) for p in later.prose)


def test_batch_norm_with_the_lines_of_its_paper_and_the_closed_form():
    d = derivation(normalised(BatchNorm()), level="index")
    found = {n: [re.sub("[\ue000-\uf8ff]", "", s) for s in sides(d, n)] for n in ("d_var1", "d_mu1", "d_z1")}
    assert found["d_var1"][2] == "-1/(2 · (v⁽¹⁾ⱼ + 10⁻⁵)^(3/2)) · Σₙ ∂L/∂x̂⁽¹⁾ₙⱼ · (z⁽¹⁾ₙⱼ - μ⁽¹⁾ⱼ)"
    assert "-2/B · ∂L/∂v⁽¹⁾ⱼ · Σₙ (z⁽¹⁾ₙⱼ - μ⁽¹⁾ⱼ) - 1/√(v⁽¹⁾ⱼ + 10⁻⁵) · Σₙ ∂L/∂x̂⁽¹⁾ₙⱼ" in found["d_mu1"]
    assert found["d_z1"][-1] == ("γ⁽¹⁾ⱼ/√(v⁽¹⁾ⱼ + 10⁻⁵) · (∂L/∂u⁽¹⁾ₙⱼ - 1/B · (∂L/∂γ⁽¹⁾ⱼ · x̂⁽¹⁾ₙⱼ + ∂L/∂β⁽¹⁾ⱼ))")
    d = derivation(normalised(LayerNorm()), level="index")
    assert "^(3/2)" in sides(d, "d_var1")[2]


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if row.textbook or row.definition])
def test_what_is_said_of_a_function_is_true(name):
    """The formula in the notes is the function that the program computes."""
    row = TABLE[name]
    x, y, z = (Tensor(n, (), role) for n, role in (("x", "input"), ("y", "computed"), ("z", "computed")))
    f = call(name, access("x"), *map(num, row.defaults))
    formula = row.textbook(f.args) if row.textbook else definition(f)
    program = Program("f", {t.name: t for t in (x, y, z)},
                      (Equation(access("y"), f), Equation(access("z"), formula)), ("y", "z"))  # fmt: skip
    for value in (-1.7, -0.3, 0.4, 2.1):
        found = evaluate(program, {"x": np.array(value)})
        np.testing.assert_allclose(found["y"], found["z"], rtol=1e-12)


def test_functions_are_explained():
    said = " ".join(derivation(load("mlp:2-3-1,sigmoid,half_squared_error")).text().split())
    assert "σ(u) = 1/(1 + exp(-u)), and its derivative is σ(u) · (1 - σ(u))." in said
    said = " ".join(derivation(load("mlp:2-3-2,gelu,cross_entropy"), language="zh").text().split())
    assert "erf(u) 的导数为 2/√π · exp(-u²)" in said
    for name in WELL_KNOWN:
        assert name in TABLE


def test_every_occurrence_of_a_repeated_value_is_coloured():
    d = derivation(load("mlp:2-1-1,sigmoid,half_squared_error"), level="neuron", method="naive")
    shown = "".join(s.latex for step in d.steps[1:3] for f in step.formulas for s in f.sides)
    assert "10 times" in d.text() and shown.count("\ue600") == 10 and shown.count("\ue601") == 6


def test_the_other_methods_have_pages_and_pictures():
    net = load("mlp:2-1-1,sigmoid,half_squared_error")
    for method in ("naive", "forward"):
        d = derivation(net, level="neuron", method=method)
        html = page(net, d)
        assert html.count('<article id="step-') == len(d.steps) and "<script" not in html
        assert not re.search("[\ue000-\uf8ff]", html)
        drawn = graph(d)
        assert {"x_0_0", "z1_0_0", "L"} <= set(drawn.nodes) and not any(n.adjoint for n in drawn.nodes.values())
    assert page(net, derivation(net, level="neuron", method="naive")).count('<span class="mark r0">') == 1
    options = ["--method", "forward", "--format", "svg"]
    run = CliRunner().invoke(main, ["derive", "mlp:2-1-1,tanh,half_squared_error", *options])
    assert run.exit_code == 0 and run.output.startswith("<svg")


def test_of_a_single_sample_batch_norm_says_little():
    net = normalised(BatchNorm())
    assert "B is 1 here" in " ".join(derivation(net, level="neuron").text().split())
    assert "B is 1 here" not in derivation(net, level="neuron", sizes={"B": 2}, wrt="b2").text()
    assert "Operations at $B = 32$" in document(net, derivation(net))
    assert costs(net).rows != costs(net, {"B": 1}).rows
    plain = load("mlp:2-3-1,tanh,half_squared_error")
    assert costs(plain).rows == costs(plain, {"B": 1}).rows


def test_an_algorithm_computes_nothing_in_vain():
    net = load("mlp:2-3-2-1,sigmoid,half_squared_error")
    made = fragment("algorithm", net, derivation(net))
    backward = made[made.index("Backward") : made.index("Update")]
    assert backward.count(r"\gets") == 9 and r"\partial L/\partial h" not in backward


def test_two_letters_are_a_letter_with_a_subscript():
    text = "sizes B\ninput x[b,i<3], t[b,{0}<2]\nparam Wq[i<3,{0}<2]\npredict y[b,{0}] = sum[i] x[b,i]*Wq[i,{0}]\n"
    text += "loss = mean[b] sum[{0}] (y[b,{0}] - t[b,{0}])^2\n"
    assert "W_{q}" in derivation(read(text.format("o")), level="index").latex()
    assert r"\mathrm{Wq}" in derivation(read(text.format("q")), level="index").latex()
