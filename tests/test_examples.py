"""The examples run, say what they should, and hold the numbers of the tutorials that they came out of."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sympy as sp

from symbp.errors import SymbpError
from symbp.program import Program

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
TOOLS = {"pictures", "regenerate"}
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in TOOLS)

PICTURES = {
    "one_hidden_neuron": ["learning_rates"],
    "vanishing_gradients": ["vanishing_gradients"],
    "xor": ["xor"],
    "circle": ["circle"],
    "digits": ["digits_history", "digits_predictions"],
}


@cache
def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[f"example_{name}"] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As when run as a script, where the example's folder is on the path; away from the source tree."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)


def exactly(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


# ------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", NAMES)
def test_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = example(name).main
    if "out" in inspect.signature(main).parameters:
        main(tmp_path / "out")
    else:
        main()
    assert len(capsys.readouterr().out.splitlines()) > 10
    for picture in PICTURES.get(name, []):
        assert (tmp_path / "out" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_teaches(name: str) -> None:
    module = example(name)
    assert module.__doc__ and f"python examples/{name}.py" in module.__doc__
    assert len(module.__doc__.splitlines()) > 5


def test_readme_names_all_of_them() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `python examples/(\w+)\.py`", text, re.MULTILINE)) == NAMES
    assert all(f"{tool}.py" in text for tool in TOOLS)


def test_without_matplotlib_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    example("vanishing_gradients").main(tmp_path / "out")
    assert "no matplotlib here: vanishing_gradients.png is not drawn" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------- dense + ReLU, one number each


def test_dense_relu_numbers() -> None:
    before, after = example("dense_relu").gradient_step(0.1)
    assert {name: float(before[name]) for name in ("z", "y", "L", "d_y", "d_z", "d_W", "d_b", "d_x")} == {
        "z": 7, "y": 7, "L": 2, "d_y": 2, "d_z": 2, "d_W": 4, "d_b": 2, "d_x": 6,
    }  # fmt: skip
    assert after["W"] == exactly(2.6) and after["b"] == exactly(0.8) and after["L"] == exactly(0.5)


def test_relu_leaves_its_upstream_alone() -> None:
    dense = example("dense_relu")
    xs, upstream = np.array([3.0, -2.0, 0.0, 5.0, -1.5]), np.array([0.5, 1.2, 0.8, 0.3, 0.7])
    kept = upstream.copy()
    values = dense.relu_layer().gradient("x").evaluate({"x": xs, "g": upstream})
    assert values["y"].tolist() == [3, 0, 0, 5, 0]
    assert values["d_x"].tolist() == [0.5, 0, 0, 0.3, 0]
    assert upstream.tolist() == kept.tolist()
    assert dense.overwriting_backward(xs, upstream) is upstream  # what the tutorial's class does
    assert upstream.tolist() == [0.5, 0, 0, 0.3, 0]


# ------------------------------------------------------------------------------------------- 1-1-1 sigmoid


def test_one_hidden_neuron_numbers() -> None:
    neuron = example("one_hidden_neuron")
    found = neuron.one_step(0.1)
    golden = {
        "y": 1.989960723613573, "L": 0.2601400634567901, "dL/dW2": -1.0132513190880852,
        "dL/db2": -1.020078552772854, "dL/dh1": -1.530117829159281, "dL/dW1": -0.030516930123711365,
        "dL/db1": -0.010172310041237122, "new y": 2.1927233065350116, "new L": 0.09441896634677646,
    }  # fmt: skip
    assert {name: found[name] for name in golden} == exactly(golden)
    assert set(neuron.misprints(found)) == set(neuron.PRINTED) - {"z1", "h1", "new b1", "new W2", "new b2"}


def test_exercises_of_one_hidden_neuron() -> None:
    neuron = example("one_hidden_neuron")
    bump = neuron.two_units()
    assert bump[1] > 0.09 and bump[2] < 1e-3
    kinds = neuron.relu_or_sigmoid()
    assert kinds["relu"][9] < kinds["sigmoid"][9] / 3  # faster at first
    assert max(curve[-1] for curve in kinds.values()) < 0.02  # the noise has a variance of 0.01
    rates = neuron.learning_rates()
    assert list(rates) == [0.01, 0.1, 0.5, 1.0]
    assert rates[0.01][-1] > rates[0.1][-1] > rates[0.5][-1]
    assert rates[0.5][-1] < 0.03 and rates[1.0][-1] > rates[1.0][0]
    for rate in (0.01, 0.1, 0.5):
        assert (np.diff(rates[rate]) < 0).all()


# ------------------------------------------------------------------------------------------ graphs and gates


def derived(name: str, wrt: str) -> object:
    """The derived equation for d_<wrt> of one of the small derivations, as SymPy writes it."""
    program: Program = getattr(example("graphs_and_gates"), name)()
    found = {str(getattr(target, "base", target)): value for target, value in program.sympy()}
    return found[f"d_{wrt}"]


def test_graph() -> None:
    values = example("graphs_and_gates").graph().evaluate({"x": -2.0, "y": 5.0, "z": -4.0})
    assert [values[name] for name in ("a", "f", "d_x", "d_y", "d_z")] == [3, -12, -4, -4, 3]


@pytest.mark.parametrize(
    ("gate", "expected"), [("add_gate", (7, 7)), ("multiply_gate", (35, 21)), ("max_gate", (0, 7))]
)
def test_gates(gate: str, expected: tuple[float, float]) -> None:
    values = getattr(example("graphs_and_gates"), gate)().evaluate({"x": 3.0, "y": 5.0, "g": 7.0})
    assert (values["d_x"], values["d_y"]) == expected


def test_branches_accumulate() -> None:
    graphs = example("graphs_and_gates")
    assert str(derived("square", "x")) == "d_a + d_b"
    assert graphs.square().evaluate({"x": 3.0})["d_x"] == 6
    assert str(derived("square_in_one", "x")) == "2*x"
    values = graphs.sum_of_powers().evaluate({"x": 2.0, "y": 3.0})
    assert (values["d_x"], values["d_y"]) == (4, 27)


def test_sigmoid_slope() -> None:
    a = sp.Symbol("a", real=True)
    assert sp.expand(derived("sigmoid_slope", "z") - a * (1 - a)) == 0


def test_matrix_calculus() -> None:
    graphs = example("graphs_and_gates")
    values = graphs.linear().evaluate(graphs.random_values({"W": (3, 5), "b": (3,), "x": (5,), "g": (3,)}))
    np.testing.assert_allclose(values["d_W"], np.outer(values["g"], values["x"]), rtol=1e-14)
    np.testing.assert_allclose(values["d_x"], values["W"].T @ values["g"], rtol=1e-14)
    values = graphs.quadratic_form().evaluate(graphs.random_values({"A": (5, 5), "x": (5,)}))
    np.testing.assert_allclose(values["d_x"], (values["A"] + values["A"].T) @ values["x"], rtol=1e-13)
    values = graphs.trace().evaluate(graphs.random_values({"A": (3, 5), "B": (5, 3)}))
    assert (values["d_A"] == values["B"].T).all()


def test_two_layers() -> None:
    graphs = example("graphs_and_gates")
    v = graphs.two_layers().evaluate(graphs.random_values(graphs.SHAPES))
    d_out = v["out"] - v["y"]
    d_z1 = v["W2"].T @ d_out * (v["z1"] > 0)
    assert 0 < (v["z1"] > 0).sum() < 5  # both sides of the kink
    for name, right in (("W2", np.outer(d_out, v["h1"])), ("b2", d_out), ("W1", np.outer(d_z1, v["x"])), ("b1", d_z1)):
        np.testing.assert_allclose(v[f"d_{name}"], right, rtol=1e-13)


def test_softmax_cross_entropy() -> None:
    assert str(derived("softmax_cross_entropy", "z")) == "p[k] - y[k]"


def test_leaky_relu() -> None:
    values = {"x": np.array([2.0, -3.0, 0.0]), "g": np.array([5.0, 7.0, 11.0]), "alpha": 0.01}
    found = example("graphs_and_gates").leaky_relu().evaluate(values)
    assert found["d_x"] == pytest.approx([5, 0.07, 0.11], rel=1e-14)
    assert found["d_alpha"] == pytest.approx(-21, rel=1e-14)


def test_batch_norm() -> None:
    graphs = example("graphs_and_gates")
    v = graphs.batch_norm().evaluate(graphs.random_values({"x": (7, 3), "g": (7, 3), "gamma": (3,), "beta": (3,)}))
    # Ioffe & Szegedy 2015, section 3, as they print it
    root = np.sqrt(v["v"] + 1e-5)
    d_xhat = v["g"] * v["gamma"]
    d_v = (d_xhat * (v["x"] - v["mu"])).sum(axis=0) * -0.5 / root**3
    d_mu = -d_xhat.sum(axis=0) / root - 2 * d_v * (v["x"] - v["mu"]).mean(axis=0)
    np.testing.assert_allclose(v["d_x"], d_xhat / root + 2 * d_v * (v["x"] - v["mu"]) / 7 + d_mu / 7, atol=1e-14)
    np.testing.assert_allclose(v["d_gamma"], (v["g"] * v["xhat"]).sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(v["d_beta"], v["g"].sum(axis=0), rtol=1e-13)


def test_gradient_check_tells_right_from_wrong() -> None:
    for right, spoiled in example("graphs_and_gates").gradient_check().values():
        assert right < 1e-9
        assert spoiled == pytest.approx(0.01 / 2.01, rel=1e-3)


# --------------------------------------------------------------------------------------------- 2-3-2-1


def test_textbook_formulas_are_what_is_derived() -> None:
    """Steps 1 to 13 of the tutorial and those that it leaves as "similar".

    Its w_ji is our W[i, j]; names of entries count from 0, and the batch is one sample, n = 0.
    """
    net: Program = example("textbook_2_3_2_1").net
    assert sum(int(np.prod([s.value for s in p.shape])) for p in net.parameters) == 20
    entries = net.gradient([*(p.name for p in net.parameters), "y", "h1", "h2"]).unroll()
    derived: dict[sp.Symbol, sp.Expr] = {}
    for target, value in entries.sympy():
        if target.name.startswith(("d_", "y_minus_t")):  # written in values of the forward pass only
            derived[target] = value.xreplace(derived)

    def forward(name: str) -> sp.Symbol:
        return sp.Symbol(name, real=True)

    def gradient(name: str) -> sp.Expr:
        return derived[forward(f"d_{name}")]

    y, t = forward("y_0_0"), forward("t_0_0")
    x = [forward(f"x_0_{i}") for i in range(2)]
    h1, h2 = ([forward(f"h{layer}_0_{i}") for i in range(n)] for layer, n in ((1, 3), (2, 2)))
    w2, v = [[forward(f"W2_{i}_{j}") for i in range(3)] for j in range(2)], [forward(f"W3_{j}_0") for j in range(2)]

    delta = y - t  # the tutorial's delta^(3) is dL/dy, and its dL/dh are the values of earlier steps
    by_h1, by_h2 = ([gradient(f"h{layer}_0_{i}") for i in range(n)] for layer, n in ((1, 3), (2, 2)))
    into_1, into_2 = ([g * h * (1 - h) for g, h in zip(gs, hs, strict=True)] for gs, hs in ((by_h1, h1), (by_h2, h2)))
    formulas = {"y_0_0": delta, "b3_0": delta * y * (1 - y)}
    for j in range(2):
        formulas[f"W3_{j}_0"] = delta * y * (1 - y) * h2[j]
        formulas[f"h2_0_{j}"] = delta * y * (1 - y) * v[j]
        formulas[f"b2_{j}"] = into_2[j]
        formulas |= {f"W2_{i}_{j}": into_2[j] * h1[i] for i in range(3)}
    for i in range(3):
        formulas[f"h1_0_{i}"] = into_2[0] * w2[0][i] + into_2[1] * w2[1][i]
        formulas[f"b1_{i}"] = into_1[i]
        formulas |= {f"W1_{k}_{i}": into_1[i] * x[k] for k in range(2)}
    assert len(formulas) == 20 + len(("y", *h2, *h1))
    for name, formula in formulas.items():
        assert sp.expand(gradient(name) - formula) == 0, name


def test_textbook_prints_both_levels_and_the_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("textbook_2_3_2_1").main(tmp_path)
    text = capsys.readouterr().out
    assert "∂L/∂h⁽¹⁾₃" in text and "δ⁽²⁾₁ · w⁽²⁾₁₃ + δ⁽²⁾₂ · w⁽²⁾₂₃" in text
    assert "(δ⁽³⁾ W⁽³⁾ᵀ) ⊙ h⁽²⁾ ⊙ (1 - h⁽²⁾)" in text and "reverse + CSE" in text
    for level in ("neuron", "matrix"):
        assert (tmp_path / f"textbook_{level}.tex").read_text(encoding="utf-8").startswith("\\documentclass")


# ----------------------------------------------------------------------------------------- training


def test_gradients_vanish_within_the_bound() -> None:
    vanishing = example("vanishing_gradients")
    factors = vanishing.factors()
    assert len(factors) == vanishing.DEPTH
    assert all(factor <= bound for factor, bound in factors)
    sigmoid, advice = vanishing.gradient_norms(vanishing.net)
    relu, relu_advice = vanishing.gradient_norms(vanishing.deep(vanishing.ReLU()))
    assert sigmoid[1] < 1e-6 * sigmoid[11] and "gradients vanish" in advice
    assert 0.1 < relu[1] / relu[11] < 10 and not relu_advice


def test_xor_ours_and_theirs() -> None:
    xor = example("xor")
    assert xor.ours().losses[-1] < 0.01
    for seed in range(5):
        theirs = xor.tutorial_script(seed)
        assert f"{theirs.losses[-1]:.3f}" == "0.125" and theirs.losses[0] < 0.126
        assert np.abs(theirs.outputs - 0.5).max() < 0.01
    assert xor.gradients_differ() < 1e-15


def test_xor_is_a_matter_of_start_and_patience() -> None:
    xor = example("xor")
    assert xor.epochs_to_leave(xor.tutorial_script()) is None
    assert xor.epochs_to_leave(xor.tutorial_script(scale=0.3, epochs=5000)) > 2000
    assert xor.epochs_to_leave(xor.tutorial_script(scale=1.0)) < 1000
    assert xor.tutorial_script(epochs=40_000).losses[-1] < 0.001
    assert xor.ours(xor.small_weights()).losses[-1] < 0.001


def test_circle_ours_and_theirs() -> None:
    circle = example("circle")
    problem = circle.problem()
    theirs, ours = circle.tutorial(problem), circle.ours(problem)
    assert theirs.accuracy == 0.255 == problem.t.mean()  # everything is called inside
    assert theirs.losses[-1] > 0.4
    assert ours.accuracy >= 0.945
    assert theirs.losses[0] == pytest.approx(ours.losses[0], rel=1e-12)  # the same start
    assert circle.ours(problem, "adam").accuracy >= 0.99
    for wrong, right in circle.gradient_errors(problem).values():
        assert wrong > 0.5 and right < 1e-6


def test_digits() -> None:
    from symbp.demo import digits_file, held_out_fifth

    data = held_out_fifth(digits_file())
    assert [len(part) for part in data] == [1437, 1437, 360, 360]
    module, params, history = example("digits").train(data)
    assert np.mean(module.predict(params, data[2]) == data[3]) >= 0.96
    assert history[-1]["val_accuracy"] >= 0.96


# ---------------------------------------------------------------------------------- further than layers


def test_custom_layers_are_short_and_learn() -> None:
    custom = example("custom_layer")
    for layer in (custom.Ripple, custom.BilinearPooling):
        assert len(inspect.getsource(layer).splitlines()) < 17  # its docstring and blank lines too
        assert "backward" not in inspect.getsource(layer)
    losses = custom.learn()
    assert losses[-1] < 1e-4 < 0.1 < losses[0]


def test_custom_layer_gradients() -> None:
    custom = example("custom_layer")
    rng = np.random.default_rng(0)
    v = {"x": rng.standard_normal((7, 4)), "t": rng.standard_normal((7, 2))}
    v |= {p.name: rng.standard_normal([s.value for s in p.shape]) for p in custom.net.parameters}
    v = custom.net.gradient().evaluate(v)
    d_y = (v["y"] - v["t"]) / 7
    d_h = d_y @ v["W2"].T
    d_z = d_h * (1 + v["a1"] * np.sin(2 * v["z1"]))  # 2 sin cos
    left, right = v["x"] @ v["U1"], v["x"] @ v["V1"]
    np.testing.assert_allclose(v["d_a1"], (d_h * np.sin(v["z1"]) ** 2).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(v["d_P1"], (left * right).T @ d_z, rtol=1e-11)
    np.testing.assert_allclose(v["d_U1"], v["x"].T @ (d_z @ v["P1"].T * right), rtol=1e-11)
    np.testing.assert_allclose(v["d_V1"], v["x"].T @ (d_z @ v["P1"].T * left), rtol=1e-11)


def test_hessian_vector_products() -> None:
    hessian = example("hessian")
    data = hessian.problem()
    curvature = hessian.Curvature(data)
    module = hessian.load_module(hessian.generate(hessian.net))
    params = module.init_params(0)
    u, v = hessian.random_like(params, 1), hessian.random_like(params, 2)
    Hv, Hu = curvature.times(params, v), curvature.times(params, u)
    assert hessian.dot(u, Hv) == pytest.approx(hessian.dot(v, Hu), rel=1e-12)
    assert hessian.difference(module, data, v, Hv) < 1e-8


def test_second_derivatives_have_names_of_their_own() -> None:
    program = example("hessian").hessian_vector_product()
    written = [line.partition(" = ")[0].strip() for line in str(program).splitlines() if " = " in line]
    assert len(written) == len(set(written)) == len(program.equations)
    symbols = [t.symbol for t in program.tensors.values() if t.symbol]
    assert len(symbols) == len(set(symbols))


def test_largest_curvature_is_the_largest_eigenvalue() -> None:
    hessian = example("hessian")
    curvature = hessian.Curvature(hessian.problem())
    params = hessian.load_module(hessian.generate(hessian.net)).init_params(0)
    shapes = {name: value.shape for name, value in params.items()}
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])

    def times(column: np.ndarray) -> np.ndarray:
        pieces = np.split(column, ends[:-1])
        v = {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        return np.concatenate([curvature.times(params, v)[name].ravel() for name in shapes])

    H = np.stack([times(column) for column in np.eye(ends[-1])])
    np.testing.assert_allclose(H, H.T, atol=1e-14)
    values = np.linalg.eigvalsh(H)
    assert max(values, key=abs) == pytest.approx(curvature.largest(params, 200), rel=1e-6)


def test_the_digits_are_found_where_symbp_is_installed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the checkout that a command runs in, too."""
    from symbp import demo

    monkeypatch.setattr(demo, "__file__", str(tmp_path / "site-packages" / "symbp" / "demo.py"))
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    assert demo.digits_file().is_file()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SymbpError, match=r"there is no examples/data/digits\.npz here: run this in a checkout"):
        demo.digits_file()
