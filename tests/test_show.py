"""Derivations: the tutorial's thirteen formulas, the chain rule, matrix and index notation, names, requests."""

import pytest
import sympy as sp
from sympy import Idx, IndexedBase, Sum

from symbp.architectures import load
from symbp.declare import declare
from symbp.errors import SymbpError
from symbp.expr import Access, coefficient, mul, sum_over, terms, transform
from symbp.language import FUNCTIONS, sizes, to_sympy
from symbp.show.derivation import Derivation, derivation
from symbp.show.formulas.printer import Printer
from symbp.show.names.binders import clear_names, declared_indices
from symbp.show.names.symbols import Symbol, default_symbol, names_of, parse, plain, with_symbols
from symbp.show.pages.program import program_latex, program_text
from symbp.show.plan.equations import plan
from symbp.show.steps.chain_rule import contracted
from symbp.show.styles import breaks
from symbp.show.styles.latex import Latex

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"


@pytest.fixture(scope="module")
def net():
    return load(TEXTBOOK)


@pytest.fixture(scope="module")
def neurons(net):
    return derivation(net, level="neuron")


def sides(d, name, style="latex"):
    """The sides of a formula, on one line each."""
    return [breaks.unmarked(getattr(s, style)) for s in d.formula(name).sides]


# --------------------------------------------------------------------------------- the tutorial's network


def symbols(*names):
    return sp.symbols(" ".join(names), real=True)


def resolved(d, name):
    """A quantity's formula with every adjoint replaced by its own formula, down to values of the forward pass."""
    known = {f.name: f.value for step in d.steps for f in step.formulas}

    def rule(e):
        return transform(known[e.label], rule) if isinstance(e, Access) and e.label in known else e

    return to_sympy(transform(known[name], rule))


def tutorial():
    """The formulas of steps 1 to 13 of tutorials/003, its w_kj^(2) being our entry [j, k] (counted from 0)."""
    y, t = symbols("y_0_0", "t_0_0")
    h1 = symbols("h1_0_0", "h1_0_1", "h1_0_2")
    h2 = symbols("h2_0_0", "h2_0_1")
    v = symbols("W3_0_0", "W3_1_0")
    w2 = [[sp.Symbol(f"W2_{j}_{k}", real=True) for j in range(3)] for k in range(2)]
    x = symbols("x_0_0", "x_0_1")
    delta3 = y - t  # the tutorial's delta is dL/dy
    top = delta3 * y * (1 - y)
    g2 = [top * v[k] for k in range(2)]
    back2 = [g2[k] * h2[k] * (1 - h2[k]) for k in range(2)]
    g1 = [sum(back2[k] * w2[k][j] for k in range(2)) for j in range(3)]
    return {
        "d_y_0_0": delta3,  # 1
        "d_W3_0_0": top * h2[0],  # 2
        "d_W3_1_0": top * h2[1],  # 3
        "d_b3_0": top,  # 4
        "d_h2_0_0": top * v[0],  # 5
        "d_h2_0_1": top * v[1],  # 6
        "d_W2_0_0": back2[0] * h1[0],  # 7
        "d_W2_1_0": back2[0] * h1[1],  # 8
        "d_W2_2_0": back2[0] * h1[2],  # 9
        "d_h1_0_0": g1[0],  # 10
        "d_h1_0_1": g1[1],  # 11
        "d_h1_0_2": g1[2],  # 12
        "d_W1_0_0": g1[0] * h1[0] * (1 - h1[0]) * x[0],  # 13
    }


@pytest.mark.parametrize("name", tutorial())
def test_every_formula_of_the_tutorial_is_derived(neurons, name):
    assert sp.simplify(resolved(neurons, name) - tutorial()[name]) == 0


def test_all_twenty_gradients_are_written_out(neurons):
    names = {f.name for f in neurons.summary}
    expected = {f"d_W1_{i}_{j}" for i in range(2) for j in range(3)} | {f"d_b1_{j}" for j in range(3)}
    expected |= {f"d_W2_{j}_{k}" for j in range(3) for k in range(2)} | {"d_b2_0", "d_b2_1"}
    expected |= {"d_W3_0_0", "d_W3_1_0", "d_b3_0"}
    assert names == expected and len(expected) == 20
    assert names <= {f.name for s in neurons.steps for f in s.formulas}
    for symbol in ("w^{(1)}_{32}", "b^{(1)}_{3}", "w^{(2)}_{23}", "w^{(3)}_{12}"):
        assert rf"\frac{{\partial L}}{{\partial {symbol}}}" in neurons.latex()


def test_an_adjoint_used_by_two_paths_is_a_sum_of_two_terms(neurons):
    for j in range(3):
        f = neurons.formula(f"d_h1_0_{j}")
        assert len(terms(f.value)) == 2
        chain, value = (breaks.unmarked(s.text) for s in f.sides[1:])
        assert chain.count(" + ") == value.count(" + ") == 1
    assert sides(neurons, "d_h1_0_0", "text")[2] == "δ⁽²⁾₁ · w⁽²⁾₁₁ + δ⁽²⁾₂ · w⁽²⁾₂₁"


def test_the_chain_rule_stands_between_a_gradient_and_its_value(neurons):
    assert sides(neurons, "d_W3_0_0") == [
        r"\frac{\partial L}{\partial w^{(3)}_{11}}",
        r"\frac{\partial L}{\partial z^{(3)}}\,\frac{\partial z^{(3)}}{\partial w^{(3)}_{11}}",
        r"\delta^{(3)}\,h^{(2)}_{1}",
    ]
    assert sides(neurons, "d_z2_0_0", "text") == [
        "δ⁽²⁾₁", "∂L/∂z⁽²⁾₁", "∂L/∂h⁽²⁾₁ · ∂h⁽²⁾₁/∂z⁽²⁾₁", "∂L/∂h⁽²⁾₁ · h⁽²⁾₁ · (1 - h⁽²⁾₁)",
    ]  # fmt: skip
    assert sides(neurons, "d_z3_0_0", "text")[-1] == "(y - t) · y · (1 - y)"


def test_the_prose_says_what_is_reused_and_how_often(neurons):
    step = next(s for s in neurons.steps if s.quantity == "d_z3")
    assert step.used == 5
    assert "δ⁽³⁾ is computed once and used 5 times below." in " ".join(neurons.text().split())
    weights = next(s for s in neurons.steps if s.quantity == "d_W3")
    assert weights.reuses == (("d_z3", step.number),)
    assert "δ⁽³⁾ (step 2) is reused." in " ".join(p.text for p in weights.prose)
    hidden = next(s for s in neurons.steps if s.quantity == "d_h1")
    assert "along 2 paths, through z⁽²⁾₁ and z⁽²⁾₂" in " ".join(p.text for p in hidden.prose)


def test_forward_equations_have_textbook_names(neurons):
    text = neurons.text()
    assert "z⁽¹⁾₁ = w⁽¹⁾₁₁ · x₁ + w⁽¹⁾₁₂ · x₂ + b⁽¹⁾₁" in text
    assert "h⁽¹⁾₃ = σ(z⁽¹⁾₃)" in text and "L = 1/2 · (y - t)²" in text
    assert "some texts write it for the derivative by the layer's output" in " ".join(text.split())


def test_text_fits_a_terminal(net):
    for level in ("matrix", "index", "neuron"):
        lines = derivation(net, level=level).text().splitlines()
        assert max(map(len, lines)) <= 100
        assert not any("\ue000" <= c <= "\ue7ff" for line in lines for c in line), "a mark for line breaks was left"


# ------------------------------------------------------------------------------------ matrices, indices


def test_matrix_notation(net):
    d = derivation(net, level="matrix")
    assert sides(d, "d_z2") == [
        r"\delta^{(2)}",
        r"\frac{\partial L}{\partial z^{(2)}}",
        r"\frac{\partial L}{\partial h^{(2)}} \odot h^{(2)} \odot (1 - h^{(2)})",
        r"(\delta^{(3)} W^{(3)\top}) \odot h^{(2)} \odot (1 - h^{(2)})",
    ]
    assert sides(d, "d_W2")[-1] == r"h^{(1)\top} \delta^{(2)}"
    assert sides(d, "d_b2")[-1] == r"\mathbf{1}^{\top} \delta^{(2)}"
    assert sides(d, "d_W1", "text")[-1] == "xᵀ δ⁽¹⁾"
    assert [breaks.unmarked(f.sides[1].latex) for f in d.definitions][::6] == [
        "x W^{(1)} + b^{(1)}", r"\frac{1}{2B}\,\lVert y - t \rVert^{2}",
    ]  # fmt: skip


def test_index_notation_shows_the_sum_and_its_delta(net):
    d = derivation(net, level="index")
    assert sides(d, "d_W1", "text") == [
        "∂L/∂W⁽¹⁾ᵢⱼ",
        "Σₙⱼ′ ∂L/∂z⁽¹⁾ₙⱼ′ · ∂z⁽¹⁾ₙⱼ′/∂W⁽¹⁾ᵢⱼ",
        "Σₙⱼ′ δ⁽¹⁾ₙⱼ′ · xₙᵢ · δⱼⱼ′",
        "Σₙ δ⁽¹⁾ₙⱼ · xₙᵢ",
    ]
    assert sides(d, "d_W1")[-1] == r"\sum_{n} \delta^{(1)}_{nj}\,x_{ni}"
    assert sides(d, "d_h1")[-1] == r"\sum_{k} \delta^{(2)}_{nk}\,W^{(2)}_{jk}"
    assert "Kronecker" in d.text()


@pytest.mark.parametrize("text", [TEXTBOOK, "mlp:3-5-2,batch_norm+relu/linear,half_squared_error"])
def test_the_sum_with_deltas_equals_the_value(text):
    net = with_symbols(load(text))
    net = clear_names(net, declared_indices(net))
    found = plan(net, [p.name for p in net.parameters], "reverse", keep_adjoints=True).program
    names = names_of(found, net, {})
    adjoint_of = {e.reason.wrt: e.name for e in found.equations if e.reason and e.reason.kind == "adjoint"}
    compared = 0
    for p in net.parameters:
        equation = found.equation(f"d_{p.name}")
        (term,) = equation.reason.terms
        indices, parts = contracted(names, net, adjoint_of[term.through.label], term)
        assert sum_over(mul(*parts), indices) is equation.value
        compared += 1
    assert compared >= 6


@pytest.mark.parametrize("level", ["matrix", "index"])
def test_softmax_cross_entropy_is_p_minus_t(level):
    d = derivation(load("mlp:4-8-3,tanh/softmax,soft_cross_entropy"), level=level)
    indices = "_{nk}" if level == "index" else ""
    assert sides(d, "d_z2")[-1] == rf"\frac{{y{indices} - t{indices}}}{{B}}"
    assert "This uses Σₖ tₙₖ = 1." in " ".join(d.text().split())
    jacobian = "∂yₙₖ′/∂z⁽²⁾ₙₖ = yₙₖ′ · (δₖₖ′ - yₙₖ)"  # as Bishop, 4.106
    assert jacobian in " ".join(d.text().split())
    labels = derivation(load("mlp:4-8-3,tanh,cross_entropy"), level=level)
    assert sides(labels, "d_y", "text")[-1] == "(p⁽²⁾ₙₖ - δ[k,tₙ])/B"
    assert ("Equations without a matrix form" in labels.text()) == (level == "matrix")


def test_softmax_at_neuron_level():
    d = derivation(load("mlp:2-3,tanh/softmax,soft_cross_entropy"), level="neuron")
    assert sides(d, "d_z1_0_1", "text")[-1] == "y₂ - t₂"
    assert sides(d, "d_y_0_1", "text") == ["∂L/∂y₂", "-t₂/y₂"]


def test_batch_norm_is_legible():
    d = derivation(load("mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error"))
    assert [s for s in sides(d, "d_z3") if r"\gamma" in s] == [
        r"\biggl(\frac{\partial L}{\partial u^{(3)}} - \frac{1}{B}\,\Bigl(\frac{\partial L}{\partial \gamma^{(3)}} "
        r"\odot \hat x^{(3)} + \frac{\partial L}{\partial \beta^{(3)}}\Bigr)\biggr) "
        r"\odot \frac{\gamma^{(3)}}{\sqrt{v^{(3)} + 10^{-5}}}"
    ]
    assert [f.name for f in d.updates] == [f"new_running_{m}{k}" for k in (1, 2, 3) for m in ("mean", "var")]
    assert r"\tilde\mu^{\prime(1)}" in d.latex(), "a prime behind a superscript is a double superscript"


# ------------------------------------------------------------------------------- networks without symbols

B, I, H = sizes("B I H")
n, i, h = Idx("n", B), Idx("i", I), Idx("h", H)
x, W1, gamma, score, hid, w_out, out, t = map(IndexedBase, "x W1 gamma attn_score hid w_out out t".split())
L, bias = sp.symbols("L bias")


def custom():
    return declare(
        [
            (score[n, h], Sum(x[n, i] * W1[i, h], i) * gamma[h]),
            (hid[n, h], FUNCTIONS["tanh"](score[n, h])),
            (out[n], Sum(hid[n, h] * w_out[h], h) + bias),
            (L, Sum((out[n] - t[n]) ** 2, n) / B),
        ],
        inputs=[x[n, i], t[n]],
        parameters=[W1[i, h], gamma[h], w_out[h], bias],
        loss=L,
        title="custom & 50% of_it",
    )


def test_a_network_without_symbols_gets_names():
    net = custom()
    text = str(net)
    assert "γₕ · Σᵢ xₙᵢ · W⁽¹⁾ᵢₕ" in text and "attn_scoreₙₕ" in text and "w_out[h]" in text
    assert text == program_text(net) and r"\mathrm{attn\_score}_{nh}" in program_latex(net)
    for level in ("matrix", "index", "neuron"):
        d = derivation(net, level=level, sizes={"I": 2, "H": 3} if level == "neuron" else None)
        assert {s.quantity for s in d.steps} >= {"d_W1", "d_gamma", "d_w_out", "d_bias"}
    d = derivation(net)
    assert (
        sides(d, "d_gamma")[-1]
        == r"\mathbf{1}^{\top} \Bigl(\frac{\partial L}{\partial \mathrm{attn\_score}} \odot s\Bigr)"
    )
    assert any(f.name == "attn_score_sum" for f in d.definitions), "the sum that has an adjoint is defined"


def test_names_make_symbols():
    expected = {
        "z1": "z^{(1)}", "W12": "W^{(12)}", "x": "x", "gamma": r"\gamma", "gamma2": r"\gamma^{(2)}", "L": "L",
        "W_q": "W_{q}", "b_out": r"b_{\mathrm{out}}", "attn_score": r"\mathrm{attn\_score}", "lambda_": r"\lambda",
    }  # fmt: skip
    assert {name: default_symbol(name) for name in expected} == expected
    assert plain(r"\tilde\mu") == "μ\u0303" and plain(r"\mathrm{attn\_score}") == "attn_score"
    assert parse(r"\hat x^{(1)}'_{q}") == Symbol(r"\hat x", ("(1)",), ("q",), 1)


def test_a_summed_index_never_reads_as_a_free_one():
    """alpha[n, s] reads z[n, s] both outside of the sum and, under the same letter, inside of it."""
    s = Idx("s", 5)
    z, w, alpha = map(IndexedBase, "z w alpha".split())
    net = declare(
        [
            (z[n, s], x[n, s] * w[s]),
            (alpha[n, s], sp.exp(z[n, s]) / Sum(sp.exp(z[n, s]), s)),
            (L, Sum(alpha[n, s] ** 2, n, s)),
        ],
        inputs=[x[n, s]],
        parameters=[w[s]],
        loss=L,
    )
    d = derivation(net, level="index")
    assert sides(d, "d_z", "text")[1] == "Σₛ′ ∂L/∂αₙₛ′ · ∂αₙₛ′/∂zₙₛ"
    assert "exp(zₙₛ)/(Σₛ′ exp(zₙₛ′))" in d.text() and "exp(zₙₛ)/(Σₛ′ exp(zₙₛ′))" in str(net)


def test_gathers_and_derivatives_of_derivatives_print():
    d, v = Idx("d", 3), Idx("v", 7)
    E, ids = IndexedBase("E"), IndexedBase("ids")
    net = declare(
        [(out[n], Sum(E[ids[n], d] ** 2, d)), (L, Sum((out[n] - t[n]) ** 2, n) / B)],
        inputs=[t[n]], integers=[ids[n]], parameters=[E[v, d]], loss=L,
    )  # fmt: skip
    shown = sides(derivation(net), "d_E", "text")
    assert shown[-1].count("δ[v,idsₙ]") == 1
    first = load("mlp:2-2-1,tanh/linear,half_squared_error").gradient(["W2"])
    j, k, q = Idx("j", 2), Idx("k", 1), sp.Symbol("q")
    second = first.extend([(q, Sum(IndexedBase("d_W2")[j, k] ** 2, j, k))], loss=q)
    d2 = derivation(second, "W1", level="index")
    assert sides(d2, "d2_d_W2", "text") == ["∂q/∂(∂L/∂W⁽²⁾ⱼₖ)", "2 · ∂L/∂W⁽²⁾ⱼₖ"]
    assert len(terms(d2.formula("d2_h1").value)) == 2, "through the prediction and through the gradient"


# ---------------------------------------------------------------------------------------- how signs are


def written(net, e):
    named = with_symbols(net)
    return breaks.unmarked(Printer(names_of(named, named, {}), Latex()).write(e))


def test_signs_and_orders_read_well(net):
    y, t = net.tensors["y"].access, net.tensors["t"].access
    b = net.tensors["x"].shape[0]
    assert written(net, y - t) == "y_{nl} - t_{nl}"
    assert written(net, (t - y) / b) == r"\frac{t_{nl} - y_{nl}}{B}"
    assert written(net, (y - t) / b * -1) == r"\frac{t_{nl} - y_{nl}}{B}"
    assert written(net, (1 - y) * y * (y - t)) == r"(y_{nl} - t_{nl})\,y_{nl}\,(1 - y_{nl})"
    assert written(net, -(y + t)) == "-(y_{nl} + t_{nl})" or coefficient(-(y + t))[0] == -1
    assert written(net, b - 1) == "B - 1"
    assert written(net, y**-1 * t * -1) == r"-\frac{t_{nl}}{y_{nl}}"


# -------------------------------------------------------------------------------------------- requests


def test_wrt_selects_tensors_and_entries(net):
    only = derivation(net, "W2", level="index")
    assert {f.name for f in only.summary} == {"d_W2"}
    assert "d_W1" not in {s.quantity for s in only.steps}
    entry = derivation(net, "W1_0_1", level="neuron")
    assert [f.name for f in entry.summary] == ["d_W1_0_1"]
    shown = {f.name for s in entry.steps for f in s.formulas}
    assert "d_z1_0_1" in shown and "d_z1_0_0" not in shown and "d_W1_0_0" not in shown
    both = derivation(net, ["W1_0_1", "b3"], level="neuron")
    assert {f.name for f in both.summary} == {"d_W1_0_1", "d_b3_0"}


def test_forward_carries_tangents(net):
    d = derivation(net, "b1", level="neuron", method="forward")
    assert sides(d, "h1_by_b1_0_0_0", "text") == [
        "∂h⁽¹⁾₁/∂b⁽¹⁾₁",
        "∂h⁽¹⁾₁/∂z⁽¹⁾₁ · ∂z⁽¹⁾₁/∂b⁽¹⁾₁",
        "∂z⁽¹⁾₁/∂b⁽¹⁾₁ · h⁽¹⁾₁ · (1 - h⁽¹⁾₁)",
    ]
    assert "Tangents that are zero are left out." in d.text()
    with pytest.raises(KeyError):
        d.formula("h1_by_b1_0_0_1")
    assert derivation(net, "b1", method="forward").formula("d_b1")


def test_naive_is_expanded_and_says_what_is_left_out(net):
    d = derivation(net, level="neuron", method="naive")
    assert [s.quantity for s in d.steps] == ["L", "d_W1_0_0", "d_W1_1_0"]
    assert "2 of 20 gradient entries are shown" in " ".join(d.text().split())
    assert d.formula("d_W1_0_0").value.tensors <= {t for t in d.program.tensors if t[0] in "xWbt"}
    assert max(map(len, d.text().splitlines())) <= 100
    entry = derivation(net, "W3_1_0", level="neuron", method="naive")
    assert [s.quantity for s in entry.steps] == ["L", "d_W3_1_0"]


def test_a_batch_of_two_has_sample_subscripts(net):
    d = derivation(net, "b3", level="neuron", sizes={"B": 2})
    assert sides(d, "d_b3_0", "text")[-1] == "δ⁽³⁾₁₁ + δ⁽³⁾₂₁"


def test_a_derivation_prints_itself(net):
    d = derivation(net)
    assert isinstance(d, Derivation) and str(d) == d.text()
    assert d._repr_latex_().startswith("$$\\begin{aligned}") and d._repr_latex_().endswith("\\end{aligned}$$")
    assert net.derivation(level="matrix") == d
    assert d.latex() in d.latex(document=True) or "\\documentclass" not in d.latex()


@pytest.mark.parametrize(
    ("wrt", "options", "message"),
    [
        (None, {"level": "tensor"}, "unknown level 'tensor': use one of matrix, batched, index, both, neuron"),
        (None, {"method": "backward"}, "unknown method 'backward': use one of reverse, forward, naive"),
        (None, {"method": "naive"}, "the naive form exists at neuron level only"),
        ("W9", {}, "there is no tensor W9 to differentiate by: known are W1, b1"),
        ("hh1", {}, "there is no tensor hh1 to differentiate by: did you mean h1"),
        ("W1_0_1", {}, "W1_0_1 is one entry of W1, and entries exist at neuron level only"),
        ("W1_7_0", {"level": "neuron"}, r"W1 has no entry W1_7_0: its shape is \(2, 3\)"),
        ("W1_0", {"level": "neuron"}, "W1 has no entry W1_0"),
        (None, {"sizes": {"C": 3}}, "has no size C"),
    ],
)
def test_bad_requests(net, wrt, options, message):
    with pytest.raises(SymbpError, match=message):
        derivation(net, wrt, **options)


def test_a_program_without_a_loss():
    net = declare([(out[n], Sum(x[n, i], i))], inputs=[x[n, i]], title="no loss")
    with pytest.raises(SymbpError, match="no loss has no loss, so there is nothing to derive"):
        derivation(net)
