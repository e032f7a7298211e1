"""The forms of a derivation: side by side, columns, Chinese, Markdown, worked numbers, rules, the naive form."""

import math
import re
from string import Formatter

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Sum, Symbol
from test_show_numbers import Python, plain_names, random_values, value_of
from whole_networks import NETS

from symbp.architectures import load
from symbp.declare import declare
from symbp.errors import SymbpError
from symbp.expr import walk
from symbp.language import sizes
from symbp.show.derivation import derivation
from symbp.show.formulas.marked import circled, coloured
from symbp.show.formulas.matrix import MatrixPrinter
from symbp.show.formulas.printer import Printer
from symbp.show.styles import breaks
from symbp.show.words import LANGUAGES

TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
NORMED = "mlp:3-5-2,batch_norm+relu/linear,half_squared_error"
SOFTMAX = "mlp:4-5-3,tanh/softmax,soft_cross_entropy"


@pytest.fixture(scope="module")
def net():
    return load(TEXTBOOK)


# ----------------------------------------------------------------------------- index and matrix, rows and columns


def test_both_forms_are_those_of_each_level(net):
    both, index = derivation(net, level="both"), derivation(net, level="index")
    compared = 0
    for step in index.steps:
        for f in step.formulas:
            beside = both.formula(f.name)
            assert beside.sides == f.sides
            matrix = derivation(net, level="matrix").formula(f.name).sides if f.name == "d_W2" else None
            if matrix is not None:
                assert beside.beside == matrix
                compared += 1
    assert compared == 1
    line = next(li for li in both.text().splitlines() if "∂L/∂W⁽²⁾ⱼₖ = Σₙₖ′ ∂L" in li)
    assert line.endswith("| ∂L/∂W⁽²⁾ = h⁽¹⁾ᵀ δ⁽²⁾")
    assert max(map(len, both.text().splitlines())) <= 100


@pytest.mark.parametrize("text", [NORMED, SOFTMAX])
def test_columns_are_the_transposes(text):
    """Every printed matrix formula holds where each array with two axes is turned round."""
    net = load(text)
    d = derivation(net, convention="column")
    given = random_values(net, {"B": 7})
    exact = d.program.evaluate(given)
    printer = MatrixPrinter(Printer(plain_names(d.program), Python(), columns=True))
    assert printer.columns and derivation(net).formula("d_W1").sides != d.formula("d_W1").sides
    turned = {}
    for t in d.program.tensors.values():
        value = np.asarray(exact.get(t.name, given.get(t.name)))
        if value.ndim == 1:
            value = value[None, :] if t.indices[0].label in printer.orientation.row_labels else value[:, None]
        elif value.ndim == 2:
            value = value.T
        turned[t.name] = value
    printed = 0
    for step in d.steps:
        for f in step.formulas:
            side = printer.side(f.target, f.value)
            assert side is not None, f.name
            got = value_of(breaks.unmarked(side), turned, {"B": 7})
            np.testing.assert_allclose(got, turned[f.name], rtol=1e-9, atol=1e-12, err_msg=side)
            printed += 1
    assert printed > len(net.parameters)


def test_columns_read_as_in_books_with_columns(net):
    d = derivation(net, convention="column")
    text = d.text()
    assert "z⁽²⁾ = W⁽²⁾ h⁽¹⁾ + b⁽²⁾" in text and "∂L/∂W⁽²⁾ = δ⁽²⁾ h⁽¹⁾ᵀ" in text
    assert "W⁽¹⁾    W1    3 × 2" in text and "Vectors are columns" in text
    with pytest.raises(SymbpError, match="at neuron level there are none"):
        derivation(net, level="neuron", convention="column")
    with pytest.raises(SymbpError, match="unknown convention 'rows': use one of row, column"):
        derivation(net, convention="rows")


# ------------------------------------------------------------------------------------------- a matrix a sample


def test_a_matrix_a_sample_reads_well():
    """`test_displayed` has its values."""
    text = derivation(load("gpt:layers=1,heads=2,width=4,vocabulary=5,context=3"), level="batched").text()
    assert "z⁽⁴⁾ₙ = u′⁽³⁾ₙ W⁽⁴⁾ + b⁽⁴⁾" in text and "∂L/∂W⁽⁴⁾ = Σₙ u′⁽³⁾ₙᵀ δ⁽⁴⁾ₙ" in text
    assert "μ⁽²⁾ₙ = 1/4 · u⁽²⁾ₙ 𝟏" in text and "x̂⁽²⁾ₙ = (u⁽²⁾ₙ - μ⁽²⁾ₙ)/" in text
    assert "Aₙ is that of sample n" in text


# ------------------------------------------------------------------------------------------------------ Chinese


def test_every_sentence_exists_in_chinese():
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    assert english.keys() <= chinese.keys()
    for key, sentence in english.items():
        fields = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
        assert {name for _, name, _, _ in Formatter().parse(chinese[key]) if name is not None} == fields, key


@pytest.mark.parametrize(("text", "options"), [
    (TEXTBOOK, {"level": "neuron"}), (TEXTBOOK, {"level": "neuron", "method": "naive"}), (NORMED, {"level": "both"}),
    (TEXTBOOK, {"level": "index", "method": "forward"}), ("mlp:8-8-8-8-8-8-8-8-3,relu,cross_entropy", {}),
])  # fmt: skip
def test_chinese_derivations_hold_no_english(text, options):
    d = derivation(load(text), language="zh", **options)
    page = d.text().partition("\n")[2]  # without the network's name
    words = set(re.findall(r"[A-Za-z]{3,}", page)) - set(d.program.tensors) - {"exp", "tanh", "log"}
    names = {part for r in d.shown_symbols for part in re.findall(r"[A-Za-z]{3,}", r.name)}
    assert words - names <= {"ReLU", "softmax", "wrt", "sigmoid", "max"}, words
    assert sum("\u4e00" <= c <= "\u9fff" for c in page) > 150
    formulas = [f.sides for s in d.steps for f in s.formulas]
    assert formulas == [f.sides for s in derivation(load(text), **options).steps for f in s.formulas]


def test_an_unknown_language_is_refused(net):
    with pytest.raises(SymbpError, match="unknown language 'fr': use one of en, zh"):
        derivation(net, language="fr")


# ----------------------------------------------------------------------------------------------------- Markdown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_markdown_leaves_nothing_for_markdown_to_eat(language):
    page = derivation(load(SOFTMAX), level="both", language=language).markdown()
    fences = [line for line in page.splitlines() if line.startswith("```")]
    assert fences == ["```math", "```"] * (len(fences) // 2) and len(fences) >= 2 * 9
    outside = re.sub(r"```math\n.*?\n```", "", page, flags=re.DOTALL)
    inline = re.findall(r"\$([^$]+)\$", outside)
    assert len(inline) > 20 and outside.count("$") % 2 == 0
    assert not [f for f in inline if re.search(r"\\[^A-Za-z0-9\s]", f) and not f.startswith("`")]
    assert not re.search(r"[一-鿿，。]\$[^$]+\$|\$[^$]+\$[一-鿿]", re.sub(r" \$[^$]+\$ ", " ", outside))
    for block in re.findall(r"```math\n(.*?)\n```", page, flags=re.DOTALL):
        assert block.startswith(r"\begin{aligned}") and block.endswith(r"\end{aligned}") and r"\tag" not in block
        assert all(line.endswith(r" \\") for line in block.splitlines()[1:-2])
    assert "\\_" in page.splitlines()[0], "the network's name is no Markdown"


# ----------------------------------------------------------------------------------------------- worked numbers


def number(text):
    """The value of plugged-in text such as 0.2 · (1 - 0.2), or 1.5·10⁻⁵."""
    text = text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    text = re.sub(r"·10(-?\d+)", r"*10**(\1)", text).replace("·", "*").replace("σ(", "s(")
    text = re.sub(r"\)2(?!\d)", ")**2", text)
    return eval(text, {"s": lambda z: 1 / (1 + math.exp(-z)), "max": max})


def test_every_line_comes_to_what_it_says(net):
    at = {n: np.round(v, 2) for n, v in random_values(net, {"B": 1}).items()}
    d = derivation(net, level="neuron", at=at)
    exact = net.gradient().evaluate(at)
    flat = {"_".join((n, *map(str, k))): v for n, a in exact.items() for k, v in np.ndenumerate(np.asarray(a))}
    checked = 0
    for f in (*d.definitions, *(f for s in d.steps for f in s.formulas)):
        value = number(f.worked[-1].text)
        if f.name in flat:
            assert value == pytest.approx(flat[f.name], rel=1e-4)
        plugged = number(breaks.unmarked(f.worked[0].text))
        assert plugged == pytest.approx(value, rel=2e-3, abs=1e-7), f.worked[0].text
        checked += len(f.worked) == 2
    assert checked > 35
    assert {f.sides[0].text for f in d.point} >= {"x₁", "w⁽¹⁾₃₂", "b⁽³⁾", "t"}
    assert all(len(f.worked) == 1 for f in d.summary) and len(d.summary) == 20
    wrong = dict(at, b3=at["b3"] + 0.5)
    other = derivation(net, level="neuron", at=wrong)
    assert other.formula("d_W2_0_0").worked[-1] != d.formula("d_W2_0_0").worked[-1]


def test_arrays_are_written_out_where_they_are_small(net):
    at = random_values(net, {"B": 3})
    d = derivation(net, at=at, convention="column")
    assert d.formula("d_b2").worked and d.formula("d_W1").worked[-1].text.count("[") == 4  # 3 x 2, by rows
    index = derivation(net, level="index", at=at).formula("d_W2")
    assert [s.text for s in index.beside] == ["∂L/∂W⁽²⁾"] and index.worked
    large = load("mlp:30-30-3,tanh,cross_entropy")
    assert not derivation(large, at=random_labels(large)).formula("d_W1").worked


def random_labels(net):
    values = {t.name: np.zeros([int(s.value) if hasattr(s, "value") else 2 for s in t.shape], int) for t in net.inputs}
    rng = np.random.default_rng(0)
    real = {t.name: rng.normal(size=values[t.name].shape) for t in net.inputs if t.dtype == "real"}
    trained = {t.name: rng.normal(size=[int(s.value) for s in t.shape]) for t in net.parameters}
    return {**values, **real, **trained}


def test_a_point_must_be_whole(net):
    at = random_values(net, {"B": 1})
    with pytest.raises(SymbpError, match="no value for the parameter W1"):
        derivation(net, at={k: v for k, v in at.items() if k != "W1"})
    with pytest.raises(SymbpError, match="the naive form is for reading"):
        derivation(net, level="neuron", method="naive", at=at)
    with pytest.raises(SymbpError, match="W1 has shape"):
        derivation(net, at={**at, "W1": np.zeros(4)})


# -------------------------------------------------------------------------------------------------------- rules


def rules_of(d, quantity):
    return [r.text for s in d.steps if s.quantity == quantity for r in s.rules]


def test_rules_are_read_off_the_record(net):
    d = derivation(net, level="index")
    assert rules_of(d, "d_W2") == ["chain rule through (3)", "δₖₖ′ contracts one sum"]
    assert rules_of(d, "d_z1") == ["chain rule through (2)", "derivative of sigmoid", "reuse of a forward value"]
    assert "sum over 2 uses" in rules_of(derivation(net, level="neuron"), "d_h1")
    assert "softmax and logarithm combined" in rules_of(derivation(load(SOFTMAX)), "d_z2")
    assert "softmax and logarithm combined" not in rules_of(derivation(load(SOFTMAX)), "d_z1")
    assert "sum over 3 uses" in rules_of(derivation(load(NORMED)), "d_z1")


def test_sums_with_names_of_their_own_are_written_out_on_the_way():
    f = derivation(load(SOFTMAX), level="index").formula("d_z2")
    assert [breaks.unmarked(s.text) for s in f.sides[3:]] == ["(∂L/∂yₙₖ - Σₖ′ ∂L/∂yₙₖ′ · yₙₖ′) · yₙₖ", "(yₙₖ - tₙₖ)/B"]
    weighted = NETS["CrossEntropy weighted"]()  # its loss is over a sum that is read twice
    assert derivation(weighted).summary and derivation(NETS["SqueezeExcite"]()).summary


def test_product_and_quotient_rule():
    n = Idx("n", sizes("B"))
    x, p, q, r = map(IndexedBase, "x p q r".split())
    a, b, c, loss = (Symbol(s, real=True) for s in "a b c L".split())
    net = declare(
        [(p[n], a * (x[n] + a)), (q[n], p[n] * b / (1 + b)), (r[n], q[n] / (1 + c)), (loss, Sum(r[n], n))],
        inputs=[x[n]], parameters=[a, b, c], loss=loss,
    )  # fmt: skip
    d = derivation(net)
    assert "product rule" in rules_of(d, "d_a") and "quotient rule" not in rules_of(d, "d_a")
    assert "quotient rule" in rules_of(d, "d_b") and "product rule" not in rules_of(d, "d_b")
    assert "quotient rule" in rules_of(d, "d_c")


# ----------------------------------------------------------------------------------------------- the naive form


def test_the_naive_form_is_marked_and_the_same_stands_beside_it(net):
    d = derivation(net, "W1_0_0", level="neuron", method="naive")
    plain = Printer(plain_names(d.program), Python())
    (loss, step) = d.steps
    text = "\n".join(circled([step.formulas[0].sides[1].text]))
    assert text.count("①") == 14 and "⑥" in text and not re.search("[\ue600-\ue7ff]", text)
    tex = coloured([breaks.unbroken(step.formulas[0].sides[1].latex)])[0]
    assert tex.count(r"\color{reuse0}") == 14 and tex.count("{") == tex.count("}")
    split = breaks.split(step.formulas[0].sides[1].latex, 30, len, "")
    assert all(line.count("{") == line.count("}") for line in coloured([line for _, line in split]))
    assert d.reuse is not None and "72" not in loss.prose[0].text
    given = random_values(net, {"B": 1})
    flat = {"_".join((n, *map(str, k))): v for n, a in given.items() for k, v in np.ndenumerate(a)}
    for f in d.reuse.formulas:
        names = plain_names(derivation(net, "W1_0_0", level="neuron").program)
        flat[f.name] = value_of(breaks.unmarked(Printer(names, Python()).write(f.value)), flat, {})
    naive = value_of(breaks.unmarked(plain.write(step.formulas[0].value)), flat, {})
    assert flat["d_W1_0_0"] == pytest.approx(naive, rel=1e-12)
    fewer = int(re.search(r"\d+", d.reuse.prose[0].text)[0])
    assert fewer < int(re.search(r"\d+", step.prose[0].text)[0]) / 5
    assert sum(1 for _ in walk(step.formulas[0].value)) > 60
