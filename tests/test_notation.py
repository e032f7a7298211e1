"""The text form: what it means, that it is read back as written, and where it can be used."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner
from notation_programs import assert_reads_back, assert_same
from sympy import Idx, IndexedBase, Sum

from symbp.architectures import EXAMPLES, load
from symbp.check import check, complex_step, random_values
from symbp.cli import main
from symbp.declare import declare
from symbp.errors import SymbpError
from symbp.language import FUNCTIONS, Maximum, sizes
from symbp.layers import Dense, Residual, Tanh
from symbp.notation import read, write
from symbp.sequence import Sequential

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "examples").glob("*.net"))

CLASSIFIER = """
    # a classifier
    sizes B, I=64, H=32, K=10
    input x[b,i];  label t[b]
    param W1[i,h] ~ he, c1[h] ~ 0, W2[h,k] ~ xavier
    z[b,h] = sum[i] x[b,i]*W1[i,h] + c1[h]
    a[b,h] = relu(z[b,h])
    s[b,k] = sum[h] a[b,h]*W2[h,k]
    loss   = mean[b] (logsumexp[k] s[b,k] - s[b,t[b]])
"""


def value_of(formula, more=""):
    """The value of a formula over a few tensors."""
    text = f"""sizes B=2, I=3, J=4
        input x[b,i], y[b], q, r; label t[b]
        param W[i,j]
        {more}
        v = {formula}"""
    program = read(text)
    values = {
        "x": np.arange(6.0).reshape(2, 3) + 1, "y": np.array([0.5, -2.0]), "q": 3.0, "r": 5.0,
        "t": np.array([2, 0]), "W": np.arange(12.0).reshape(3, 4) / 10,
    }  # fmt: skip
    return values, program.evaluate(values)["v"]


def test_the_text_is_the_program_that_sympy_declares():
    (B,) = (sizes("B"),)
    b, i, h, k = Idx("b", B), Idx("i", 64), Idx("h", 32), Idx("k", 10)
    x, W1, c1, W2, z, a, s, t = map(IndexedBase, ("x", "W1", "c1", "W2", "z", "a", "s", "t"))
    L = sp.Symbol("L")
    declared = declare(
        [
            (z[b, h], Sum(x[b, i] * W1[i, h], i) + c1[h]),
            (a[b, h], FUNCTIONS["relu"](z[b, h])),
            (s[b, k], Sum(a[b, h] * W2[h, k], h)),
            (L, Sum(sp.log(Sum(sp.exp(s[b, k]), k)) - s[b, t[b]], b) / B),
        ],
        inputs=[x[b, i]],
        integers=[t[b]],
        parameters={W1[i, h]: "he", c1[h]: "zeros", W2[h, k]: "xavier"},
        loss=L,
    )
    assert_same(read(CLASSIFIER), declared)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("sum[i] x[0,i]*x[1,i] + q", lambda v: v["x"][0] @ v["x"][1] + 3),
        ("q + 2*sum[i] x[0,i]*x[1,i]/2 - r", lambda v: v["x"][0] @ v["x"][1] + 3 - 5),
        ("sum[i] x[0,i]^2 * sum[i] x[1,i]", lambda v: (v["x"][0] ** 2).sum() * v["x"][1].sum()),
        ("mean[b] sum[i] x[b,i]", lambda v: v["x"].sum() / 2),
        ("mean[b,i] x[b,i]", lambda v: v["x"].mean()),
        ("max[i] -x[1,i]", lambda v: -v["x"][1].min()),
        ("min[b,i] x[b,i] + 1", lambda v: v["x"].min() + 1),
        ("max[i : i < 2] x[0,i]", lambda v: v["x"][0, :2].max()),
        ("min[i : i >= 1] x[0,i]", lambda v: v["x"][0, 1:].min()),
        ("logsumexp[i] x[0,i]", lambda v: np.log(np.exp(v["x"][0]).sum())),
        ("logsumexp[i : i > 0] x[0,i] - 1", lambda v: np.log(np.exp(v["x"][0, 1:]).sum()) - 1),
        ("mean[i : i > 0] x[0,i]", lambda v: v["x"][0, 1:].mean()),
        ("sum[j] sum[i : i <= j] W[i,j]", lambda v: np.triu(v["W"]).sum()),
        ("sum[b] x[b,t[b]]", lambda v: v["x"][0, 2] + v["x"][1, 0]),
        ("sum[i,i2<I] x[0,i2]*delta(i, i2)*[i > 0]", lambda v: v["x"][0, 1:].sum()),
        ("sum[i<2] x[1,i]", lambda v: v["x"][1, :2].sum()),
        ("where(q > 4, 1, r > 4, 2, 3)", lambda v: 2),
        ("where(not (q == 3 or r < 0) and q <= 3, 1, 2)", lambda v: 2),
        ("[q < r <= 5]*7", lambda v: 7),
        ("[q ≤ r and q ≠ r]", lambda v: 1),
        ("-q^2", lambda v: -9),
        ("2^-q*8", lambda v: 1),
        ("2**q**2", lambda v: 512),
        ("q/r/2", lambda v: 0.3),
        ("q/(r*2)*10", lambda v: 3),
        ("q - r - 1", lambda v: -3),
        ("--q", lambda v: 3),
        ("max(q, r) + min(q, r)", lambda v: 8),
        ("abs(-q)*sqrt(r^2)*pi", lambda v: 15 * np.pi),
        ("leaky_relu(-q) + leaky_relu(-q, 1/3)", lambda v: -1.03),
        ("1e-2 + .5 + 2. + 1.5e1", lambda v: 17.51),
        ("B + J", lambda v: 6),
        ("sum[b, b2<B] y[b]*y[b2]*(b + 2*b2)", lambda v: 4.0 * 3 + -1.0 * 3),
        ("sum[i] softm[i]*i", lambda v: np.exp(v["x"][0]) @ np.arange(3) / np.exp(v["x"][0]).sum()),
    ],
)
def test_what_formulas_mean(formula, expected):
    values, found = value_of(formula, "softm[i] = softmax[i] x[0,i]")
    np.testing.assert_allclose(found, expected(values), rtol=1e-13)


def test_a_masked_softmax_leaves_out_what_the_condition_leaves_out():
    net = read("sizes I=4\nindex j=4\ninput s[i,j]\np[i,j] = softmax[j : j <= i] s[i,j]")
    s = np.random.default_rng(0).normal(size=(4, 4))
    e = np.tril(np.exp(s))
    np.testing.assert_allclose(net.evaluate({"s": s})["p"], e / e.sum(1, keepdims=True), rtol=1e-13)


def test_numbers_are_exact():
    net = read("input x\ny = 0.1*x + 1/3 + 1e-5 - 2.50")
    x, y = sp.Symbol("x", real=True), net.sympy()[0][1]
    assert y == x / 10 + sp.Rational(1, 3) + sp.Rational(1, 100000) - sp.Rational(5, 2)
    assert "1/3" not in write(read("input x\ny = 0.1*x")) and "0.1*x" in write(net)


def test_lines_and_statements():
    one = read("sizes B\ninput x[b]; param w\ny[b] = w*(x[b] + 1)\nloss = sum[b] y[b]^2\n")
    for text in (
        "sizes B;input x[b];param w;y[b]=w*(x[b]+1);loss=sum[b]y[b]^2",
        "\n\n# x\nsizes B # the batch\r\n  input x[b]\n;; param w\ny[b] = w*(x[b]\n# in\n + 1)\nloss = sum[b] y[b]^2",
        "sizes B\ninput x[b]\nparam w\ny[b] =\n  w *\n (x[b] + 1)\nloss = sum[\n b] y[b]^2",
        "sizes B\ninput x[b]\nparam w\nloss = sum[b] y[b]^2\ny[b] = w\n\n  # then\n  * (x[b]\n + 1)",
    ):
        assert_same(one, read(text))


def test_equations_come_in_any_order():
    lines = CLASSIFIER.strip().splitlines()
    assert [e.name for e in read("\n".join(reversed(lines))).equations] == ["z", "a", "s", "L"]


# --------------------------------------------------------------------------------------------- sizes


def test_an_index_has_its_size_from_the_nearest_source():
    net = read("""sizes I=4, J=2*I, B
        index m = J
        input x[b,i], y[b<3,j]
        u[c] = sum[m] y[c,m] + sum[q] x[0,q]       # c < 3 by y, q < 4 by x
        """)
    assert [i.size.label for i in net.tensors["y"].indices] == ["3", "8"]
    assert net.tensors["u"].indices[0].size.label == "3"


def test_sizes_are_inferred_through_later_equations():
    net = read("sizes B, I=4\ninput x[b,i]\nv[c] = u[c]*2\nu[p] = sum[b] x[b,p]")
    assert [t.indices[0].size.label for t in (net.tensors["u"], net.tensors["v"])] == ["4", "4"]


def test_an_index_that_says_its_size_may_run_over_a_part_of_an_axis():
    net = read("sizes B, I=4\ninput x[b,i]; param w\nloss = w*sum[b, i<2] x[b,i]")
    assert check(net, seed=1).passed
    assert_reads_back(net)


# --------------------------------------------------------------------------------------- recurrences


def test_a_start_guards_every_read_before_the_first_step():
    net = read("""sizes B, T, J=3
        input x[t,b,j]; param h0[j], U[k<J,j]
        h[-1,b,j] = h0[j]
        h[t,b,j] = tanh(x[t,b,j] + sum[k] h[t-1,b,k]*U[k,j])
        loss = mean[b] sum[t,j] h[t,b,j]^2""")
    guarded = read("""sizes B, T, J=3
        input x[t,b,j]; param h0[j], U[k<J,j]
        h[t,b,j] = tanh(x[t,b,j] + sum[k] where(t == 0, h0[k], h[t-1,b,k])*U[k,j])
        loss = mean[b] sum[t,j] h[t,b,j]^2""")
    assert_same(net, guarded)
    assert "h[-1,b,j] = h0[j]" in write(guarded)
    assert_reads_back(net.gradient())
    assert check(net).passed


def test_starts_may_leave_out_indices_reach_back_two_steps_and_run_backwards():
    net = read("""sizes B, T
        input x[t,b]; param a, c
        f[-1] = 1; f[-2,b] = c
        f[t,b] = a*f[t-1,b] + f[t-2,b] + x[t,b]
        g[T] = 0
        g[t,b] = a*g[t+1,b] + f[t,b]
        loss = sum[b] g[0,b]""")
    x = np.random.default_rng(1).normal(size=(4, 2))
    found = net.evaluate({"x": x, "a": 0.5, "c": 2.0})
    before, last, f = 2.0 * np.ones(2), np.ones(2), []
    for step in x:
        before, last = last, 0.5 * last + before + step
        f.append(last)
    np.testing.assert_allclose(found["f"], f, rtol=1e-13)
    np.testing.assert_allclose(found["L"], sum(0.5**k * v for k, v in enumerate(f)).sum(), rtol=1e-13)
    assert_reads_back(net)
    assert "g[T,b] = 0" in write(net)


def test_a_start_may_be_given_to_what_is_no_recurrence():
    net = read("sizes T\ninput x[t]\nx[-1] = 0\nd[t] = x[t] - x[t-1]")
    np.testing.assert_allclose(net.evaluate({"x": np.array([1.0, 4.0, 9.0])})["d"], [1, 3, 5])


# -------------------------------------------------------------------------------- what programs carry


def test_state_updates_and_the_form_for_prediction():
    net = load(str(ROOT / "examples" / "batch_norm.net"))
    assert dict(net.updates) == {"m": "new_m", "s": "new_s"}
    assert [e.name for e in net.inference.equations] == ["z", "mu", "var", "u", "y", "L"]
    assert not net.inference.updates
    values = random_values(net)
    once = net.evaluate(values)
    np.testing.assert_allclose(once["new_m"], 0.9 * values["m"] + 0.1 * once["mu"])
    np.testing.assert_allclose(net.inference.evaluate(values)["mu"], values["m"])


def test_marks_facts_and_notes_for_printers():
    net = read("""title "two ""words\"""; task classification
        sizes B, K=3
        input x[b,k], t[b,k]; state n ~ 0; param w[k] ~ 1
        fact sum[k] t[b,k] = 1
        predict y[b,k] = w[k]*x[b,k]
        loss q = -mean[b] sum[k] t[b,k]*log(softmax[k] y[b,k])
        output u[b] = sum[k] y[b,k]
        output q
        counted = n + 1
        update n = counted
        about w: symbol "\\omega", layer 2, subscripts (0); about u: adjoint "\\bar u", entry w (0, 1), int""")
    assert (net.title, net.task, net.loss, net.prediction) == ('two "words"', "classification", "q", "y")
    assert net.outputs == ("u", "q") and dict(net.updates) == {"n": "counted"} and len(net.facts) == 1
    w, u = net.tensors["w"], net.tensors["u"]
    assert (w.symbol, w.layer, w.subscripts, u.entry, u.dtype) == (r"\omega", 2, (0,), ("w", (0, 1)), "int")
    assert_reads_back(net)


def test_words_of_the_notation_are_names_in_backquotes():
    net = read("sizes B\ninput `mean`[b], `input`[b]\n`label`[b] = `mean`[b]*label2[b]; label2[b] = input[b]")
    assert set(net.tensors) == {"mean", "input", "label", "label2"}
    assert_reads_back(net)


def test_a_scalar_and_a_size_may_share_their_name_with_an_index():
    net = read("sizes B, T\ninput t, x[t,B<B]\ny[t,B<B] = x[t,B]*t[] + t + B/size(B)")
    found = net.evaluate({"t": 2.0, "x": np.ones((3, 4))})["y"]
    np.testing.assert_allclose(found, 2 + np.arange(3)[:, None] + np.arange(4) / 4)
    assert_reads_back(net)


# ------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_examples_read_back_with_their_gradients(path):
    net = load(str(path))
    assert_reads_back(net)
    for simplify in (False, True):
        assert_reads_back(net.gradient(simplify=simplify))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_examples_have_the_gradient_that_the_complex_step_finds(path):
    net = load(str(path))
    if path.stem not in ("lstm", "gru"):
        assert check(net).passed
        return
    values = random_values(net, sizes={"B": 2, "T": 4})
    wrt = [t.name for t in net.parameters if t.name in ("Wi", "Uf", "pf", "bc", "Ub", "Wz", "Un", "h0", "br")]
    found, exact = net.gradient(wrt).evaluate(values), complex_step(net, values, wrt)
    for name in wrt:
        np.testing.assert_allclose(found[f"d_{name}"], exact[name], rtol=1e-9, atol=1e-13)


DEEP = ("resnet", "gpt:gpt2")  # the blocks of others, more often


@pytest.mark.parametrize("name", [text for text in EXAMPLES if not text.startswith(DEEP)])
def test_built_in_networks_read_back_with_their_gradients(name):
    net = load(name)
    assert_reads_back(net)
    for simplify in (False, True):
        assert_reads_back(net.gradient(simplify=simplify))


def test_neuron_level_and_second_order_read_back():
    net = load("mlp:2-3-1,tanh/linear,half_squared_error")
    assert_reads_back(net.unroll())
    assert_reads_back(net.gradient(method="naive"))
    assert_reads_back(net.gradient(method="forward", simplify=False))
    d_W, v = IndexedBase("d_W1"), IndexedBase("v")
    i, j, q = Idx("i", 2), Idx("j", 3), sp.Symbol("q")
    along = net.gradient("W1").extend([(q, Sum(d_W[i, j] * v[i, j], i, j))], inputs=[v[i, j]], loss=q)
    assert_reads_back(along.gradient("W1"))


def test_maxima_read_back():
    (B,) = (sizes("B"),)
    b, i, x, y = Idx("b", B), Idx("i", 4), IndexedBase("x"), IndexedBase("y")
    assert_reads_back(declare([(y[b], Maximum(x[b, i], i) - Maximum(-x[b, i], i))], inputs=[x[b, i]]))


# ---------------------------------------------------------------------------------------------- layers


def test_layers_of_the_library_are_called_by_name():
    net = read("""sizes B, I=4, H=5, K=3
        input x[b,i]
        layer a = Dense(x, units=H)
        layer r = Residual(a, Dense(5, bias=false), Tanh())
        layer s[b,k] = Dense(r, K)
        layer L = CrossEntropy(s)""")
    assert [p.name for p in net.parameters] == ["W1", "b1", "W2", "W3", "b3"]
    assert (net.loss, net.task, net.tensors["s"].indices[1].label) == ("L", "classification", "k")
    chained = Sequential(
        Dense(5), Residual(Dense(5, bias=False), Tanh()), Dense(3), features=4, loss="cross_entropy"
    )  # fmt: skip
    values = random_values(chained, sizes={"B": 7})
    np.testing.assert_allclose(net.evaluate(values)["L"], chained.evaluate(values)["L"], rtol=1e-13)
    assert_reads_back(net)


def test_layers_that_differ_in_prediction_give_the_form_for_it():
    net = load(str(ROOT / "examples" / "layers.net"))
    values = random_values(net)
    found = net.inference.evaluate(values)
    assert "keep" not in net.inference.tensors and set(net.updates) == {"running_mean1", "running_var1"}
    scale = values["gamma1"] / np.sqrt(values["running_var1"] + 1e-5)
    shifted = (found["a"] - values["running_mean1"][:, None, None]) * scale[:, None, None]
    m = (shifted + values["beta1"][:, None, None]).mean((2, 3))
    np.testing.assert_allclose(found["s"], m @ values["W2"] + values["b2"], rtol=1e-12)


# ---------------------------------------------------------------------------------------- where it's used


def test_a_file_and_standard_input_name_a_network(tmp_path):
    (tmp_path / "a.net").write_text(CLASSIFIER)
    direct = CliRunner().invoke(main, ["check", str(tmp_path / "a.net")])
    piped = CliRunner().invoke(main, ["check", "-"], input=CLASSIFIER)
    assert direct.exit_code == piped.exit_code == 0
    assert "standard input" in piped.output


def test_an_error_in_a_file_is_one_message_with_its_place(tmp_path):
    path = tmp_path / "a.net"
    path.write_text("input x\ny = z")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert f"symbp: {path.as_posix()}:2:5: there is no z" in result.stderr
    with pytest.raises(SymbpError, match=r"there is no file nothing\.net"):
        load("nothing.net")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SymbpError, match="not a text in UTF-8"):
        load(str(path))


def test_reading_needs_no_sympy():
    use = f"from symbp.notation import read, write; write(read({CLASSIFIER!r}))"
    code = f"import sys; {use}; print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_documentation_parses():
    text = (ROOT / "docs" / "notation.md").read_text(encoding="utf-8")
    first, recurrences, layers = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    assert_same(read(first), read(CLASSIFIER))
    read("sizes B, T, J=3\nindex k=J\ninput z[t,b,j]; param h0[j], U[k,j], V[k,j]\n" + recurrences)
    assert read(layers).loss == "L"


RANDOM = """
sizes B, I=3, H=4
input x[b,i], t[b,h], keep[b,h] ~ bernoulli(4/5), noise[b,i] ~ normal(0.1)
param W[i,h] ~ orthogonal, c[h] ~ -0.5, V[h] ~ normal(0.02), U[h] ~ 1
z[b,h] = sum[i] (x[b,i] + noise[b,i])*W[i,h] + c[h]*V[h]*U[h]
y[b,h] = keep[b,h]*z[b,h]/0.8
predict y
loss = mean[b] (sum[h] (y[b,h] - t[b,h])^2)
inference
z[b,h] = sum[i] x[b,i]*W[i,h] + c[h]*V[h]*U[h]
y[b,h] = z[b,h]
"""


def test_how_tensors_start_and_what_is_drawn():
    net = read(RANDOM)
    assert {t.name: t.init for t in net.tensors.values() if t.init} == {
        "keep": "bernoulli(4/5)", "noise": "normal(0.1)", "W": "orthogonal", "c": "-0.5", "V": "normal(0.02)",
        "U": "ones",
    }  # fmt: skip
    text = write(net)
    assert "keep[b,h] ~ bernoulli(4/5)" in text and "c[h] ~ -0.5" in text
    assert read(text) == net


def test_a_comment_with_an_operator_ends_with_its_line() -> None:
    text = "input x[b<3]\n# half of it\n# x/2 - 1, not +1\ny[b] = x[b]\n# as in a/b\n  - x[b]/2\nloss = sum[b] y[b]"
    assert read(text).equations[0].value is read("input x[b<3]\ny[b] = x[b]/2\nloss = sum[b] y[b]").equations[0].value
