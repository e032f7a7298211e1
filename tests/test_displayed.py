"""Every displayed formula means what the program computes: it is read from its LaTeX and evaluated at random points.

The MathML of a formula is put back into LaTeX and must be read as the same. `displayed` holds the reader.
SYMBP_DISPLAYED=all adds forward accumulation, and single neurons, for every network.
"""

import os
import random
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from displayed.account import Network, Shown
from displayed.legend import MATH
from displayed.mutants import KINDS, mutants
from displayed.pages import differing
from displayed.point import is_piecewise, tensor_sizes, values_for
from sympy import Idx, IndexedBase, Symbol
from sympy import Sum as SympySum
from whole_networks import NETS

from symbp.architectures import load
from symbp.show.pages.html import derivation_html
from symbp.show.pages.latex import PREAMBLE

EVERYTHING = os.environ.get("SYMBP_DISPLAYED") == "all"
TEXTBOOK = "mlp:2-3-2-1,sigmoid,half_squared_error"
BUILT_IN = (
    TEXTBOOK,
    "mlp:3-5-2,batch_norm+relu/linear,half_squared_error",
    "mlp:4-5-3,tanh/softmax,soft_cross_entropy",
    "mlp:4-5-3,relu,cross_entropy",
    "mlp:2-3-3,gelu_tanh/linear,binary_cross_entropy",
    "mlp:2-3-3,selu/linear,mean_squared_error",
    "cnn:1x6x6,2c3p1+relu+max2,3+relu,2,cross_entropy",
    "gpt:layers=1,heads=2,width=4,context=3,vocabulary=5",
    "lstm:2-3-2,cross_entropy",
    "gru:2-3-1,half_squared_error",
    "rnn:2-3-1,half_squared_error",
    "resnet18:1x4x3,classes=2,width=1",
)
LARGE = ("resnet34:1x4x3,classes=2,width=1",)
FILES = tuple(f"examples/{name}" for name in (
    "attention.net", "batch_norm.net", "classifier.net", "convolution.net", "gru.net", "language_model.net",
    "layers.net", "lstm.net", "mlp.net", "circle.py", "custom_layer.py", "dense_relu.py", "one_hidden_neuron.py",
    "hessian.py", "textbook_2_3_2_1.py", "vanishing_gradients.py", "xor.py",
))  # fmt: skip
DOCUMENT = Path(__file__).parents[1] / "docs" / "checked_formulas.md"
BATCH_STATISTICS = ("BatchNorm", "ResNetBlock", "InfoNCE")


@cache
def network(name, seed=0):
    """At sizes for tensors."""
    like = network(name) if seed else None
    net = like.net if like else NETS[name]() if name in NETS else load(name)
    sizes = tensor_sizes(net)
    return Network(net, values_for(net, sizes, seed, 1 + 2 * seed, name.startswith("resnet")), sizes, like)


@cache
def neurons(name, seed=0):
    """At sizes for single neurons: one sample where that makes sense."""
    net = network(name).net
    batch = 2 if name.startswith(BATCH_STATISTICS) or "batch_norm" in name else 1
    sizes = {size: batch if size == "B" else 2 for size in net.size_names}
    return Network(net, values_for(net, sizes, seed, 1 + 2 * seed), sizes, neurons(name) if seed else None)


def assert_true(account):
    found = account.faults()
    of = f"{account.d.title}, {account.d.level}, {account.d.method}"
    assert not found, "\n".join([f"{len(found)} formulas of {of}:", *found[:5]])
    assert differing(account, derivation_html(account.d)) == []


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN, *FILES, *(LARGE if EVERYTHING else ())])
def test_formulas_of_tensors(name):
    assert_true(network(name).account("index"))
    assert_true(network(name).account("matrix"))
    if is_piecewise(network(name).net):
        assert_true(network(name, 1).account("index"))


FEW_NEURONS = (
    TEXTBOOK, "BatchNorm", "Embedding of one", "CrossEntropy weighted", "MaxPool2D padded", "Attention", "RNN",
    "Conv2D", "FiLM", "MultiHeadAttention rotary", "mlp:4-5-3,relu,cross_entropy", "examples/custom_layer.py",
)  # fmt: skip


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN[:6]] if EVERYTHING else FEW_NEURONS)
def test_formulas_of_neurons(name):
    for seed in range(2 if is_piecewise(network(name).net) else 1):
        assert_true(neurons(name, seed).account("neuron"))


FEW_FORWARD = (TEXTBOOK, "Softmax", "RNN", "InfoNCE", "ConvTranspose1D")


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN[:6]] if EVERYTHING else FEW_FORWARD)
def test_formulas_of_forward_accumulation(name):
    assert_true(network(name).account("matrix", "forward"))
    assert_true(network(name).account("index", "forward"))
    if name == TEXTBOOK or EVERYTHING:
        assert_true(neurons(name).account("neuron", "forward"))


@pytest.mark.parametrize("name", [TEXTBOOK, *(BUILT_IN[1:6] if EVERYTHING else BUILT_IN[5:6])])
def test_formulas_written_out(name):
    assert_true(neurons(name).account("neuron", "naive"))


def test_formulas_of_second_derivatives():
    """The derivative of a squared gradient, which the table of symbols has under its own name."""
    first = load("mlp:2-2-1,tanh/linear,half_squared_error").gradient(["W2"])
    j, k, q = Idx("j", 2), Idx("k", 1), Symbol("q")
    second = first.extend([(q, SympySum(IndexedBase("d_W2")[j, k] ** 2, j, k))], loss=q)
    sizes = tensor_sizes(second)
    found = Network(second, values_for(second, sizes), sizes)
    assert r"\partial q}{\partial \Bigl(" in found.derivation("index").latex()
    for level in ("index", "matrix"):
        assert_true(found.account(level))


# ------------------------------------------------------------------------------------------- the pages

LAYOUT = re.compile(r"[\ue000-\ue7ff]|\\tag\{\d+\}|\\hspace\{[\d.]+em\}|&|\\\\|\{\}|\\cdot|\\,|\s")


@pytest.mark.parametrize("name", [TEXTBOOK, "BatchNorm", "GRU", "Conv2D", "TransformerBlock"])
def test_a_page_displays_the_formulas_that_were_checked_and_no_others(name):
    for level in ("matrix", "index", "neuron"):
        d = (neurons if level == "neuron" else network)(name).account(level).d
        formulas = [*d.definitions, *d.updates, *(f for step in d.steps for f in step.formulas)]
        checked = "".join("=".join(s.latex for s in f.sides) for f in formulas)
        displays = re.findall(r"\\begin\{(align(?:at)?\*)\}(?:\{\d+\})?(.*?)\\end\{\1\}", d.latex(), re.DOTALL)
        assert LAYOUT.sub("", "".join(text for _, text in displays)) == LAYOUT.sub("", checked)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_all_of_it_compiles(tmp_path):
    """Every network in matrix notation, and in index notation and neuron by neuron where that's checked above."""
    parts = [network(name).derivation("matrix").latex() for name in (*NETS, *BUILT_IN, *FILES)]
    parts += [network(name).derivation("index").latex() for name in FEW_NEURONS]
    parts += [neurons(name).derivation("neuron").latex() for name in FEW_NEURONS]
    document = PREAMBLE + r"\begin{document}" + "\n".join(parts) + r"\end{document}"
    (tmp_path / "all.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "all.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "all.log").read_text(encoding="latin-1")
    assert ran.returncode == 0 and not re.search(r"^!|Undefined control", log, re.MULTILINE), log[-3000:]
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)]
    assert max(too_wide, default=0) <= 10


# ------------------------------------------------------------------------------------- checking the check

MUTATED = (TEXTBOOK, "BatchNorm", "Softmax", "GRU", "Conv2D", "Huber", "MultiHeadAttention rotary")
# A mistake that leaves the value as it is at every point isn't one: j for i under delta_{ij}, say.
EQUIVALENT = 0.015  # of mistakes that change no value: see docs/checked_formulas.md
POINTS = 3  # a mistake in a branch shows where that branch is taken


@cache
def account(of, name, level, seed):
    return of(name, seed).account(level)


def wrong_formulas(account, rng, count):
    """(kind of mistake, formula with it, the check of such formulas) for some formulas of an account."""
    symbols = sorted({MATH.fullmatch(r.symbol.latex)[1] for r in account.d.symbols}, key=lambda s: (-len(s), s))
    shown = [s for s in account.shown() if len(s.sides) > 1]
    for s in rng.sample(shown, min(count, len(shown))):
        if np.max(np.abs(account.expected(s.name))) < 1e-9:
            continue  # a zero stays one: the gradient by a bias in front of batch norm, the first step of a recurrence
        k = rng.randrange(1, len(s.sides))
        for kind, wrong in mutants(s.sides[k], symbols, rng):
            yield kind, replace(s, sides=(*s.sides[:k], wrong, *s.sides[k + 1 :])), "check"
    for s in account.said():
        for kind, wrong in mutants(s.sides[1], symbols, rng) if len(s.sides) > 1 else ():
            yield kind, Shown(s.where, (s.sides[0], wrong)), "check_said"
    for said in account.told():
        for part in ("formula", "derivative"):
            for kind, wrong in mutants(getattr(said, part), symbols, rng) if getattr(said, part) else ():
                yield kind, replace(said, **{part: wrong}), "check_told"


def is_found(of, name, level, shown, check):
    """Whether one of the points shows that it isn't so; a wrong formula may be a number nowhere."""
    with np.errstate(all="ignore"):
        return any(getattr(account(of, name, level, seed), check)(shown) for seed in range(POINTS))


def test_a_mistake_in_a_displayed_formula_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    for name in MUTATED:
        for level in ("matrix", "index", "neuron"):
            of = neurons if level == "neuron" else network
            for kind, shown, check in wrong_formulas(of(name).account(level), rng, 10):
                made[kind] += 1
                if not is_found(of, name, level, shown, check):
                    missed.append((name, level, kind, shown))
    assert set(made) == {*KINDS, "symbol"} and min(made.values()) >= 3, made
    assert len(missed) <= EQUIVALENT * made.total(), missed
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"{made.total() - len(missed):,} of {made.total():,} mistakes" in said, (len(missed), made.total())


def test_the_document_counts_right():
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"{len(NETS)} of layers and losses, {len(BUILT_IN)} built-in ones and {len(FILES)} examples" in said
