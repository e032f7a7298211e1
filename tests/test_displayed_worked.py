"""Every number beside a formula is the value of its quantity, and formulas with numbers put in come to it.

The values are those of the reference interpreter, to the digits shown; `displayed.worked` reads the numbers.
SYMBP_DISPLAYED=all takes every network.
"""

import random
import re
from collections import Counter
from dataclasses import replace

import pytest
from displayed.from_mathml import formulas, tables
from displayed.worked import Worked, joined
from test_displayed import BUILT_IN, DOCUMENT, EVERYTHING, FILES, NETS, TEXTBOOK, network, neurons

from symbp.show.formulas.formula import Said
from symbp.show.pages.html import derivation_html

SOFTMAX = "mlp:4-5-3,tanh/softmax,soft_cross_entropy"
TENSORS = (
    (TEXTBOOK, "matrix"), ("BatchNorm", "column"), (SOFTMAX, "index"), ("CrossEntropy weighted", "column"),
    ("TransformerBlock", "batched"), ("GRU", "matrix"), ("cnn:1x6x6,2c3p1+relu+max2,3+relu,2,cross_entropy", "batched"),
)  # fmt: skip
NEURONS = (
    TEXTBOOK, "mlp:4-5-3,relu,cross_entropy", "BatchNorm", "Embedding of one", "Huber", "GELU", "Attention causal",
    "Conv2D", "RNN",
)  # fmt: skip
ALL = [(name, level) for name in (*NETS, *BUILT_IN[:-1], *FILES) for level in ("matrix", "column", "index", "batched")]


def worked(name, level):
    if level == "neuron":
        return Worked(neurons(name).worked(level))
    net = network(name)
    if level == "column":
        return Worked(net.worked("matrix"), net.derivation("matrix", at=net.given, convention="column"))
    return Worked(net.worked(level))


@pytest.mark.parametrize(("name", "level"), ALL if EVERYTHING else TENSORS)
def test_numbers_of_tensors(name, level):
    found = worked(name, level).faults()
    assert not found, "\n".join(found[:5])


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN[:6]] if EVERYTHING else NEURONS)
def test_numbers_of_neurons(name):
    found = worked(name, "neuron").faults()
    assert not found, "\n".join(found[:5])


@pytest.mark.parametrize(
    ("name", "level"), [(TEXTBOOK, "neuron"), (SOFTMAX, "matrix"), ("TransformerBlock", "batched")]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_outputs_show_these_numbers(name, level, language):
    """In their order, in LaTeX, Markdown and text; HTML has no summary and no list of what is put in."""
    net = (neurons if level == "neuron" else network)(name)
    d = net.derivation(level, at=net.given)
    if language == "zh":
        english, d = d, net.derivation(level, at=net.given, language="zh")
        assert [f.worked for s in d.steps for f in s.formulas] == [f.worked for s in english.steps for f in s.formulas]
    steps = [f for step in d.steps for f in step.formulas]
    for page, style in ((d.latex(document=True), "latex"), (d.markdown(), "latex"), (d.text(), "text")):
        shown = joined(page)
        for f in (*d.point, *d.summary):  # in LaTeX in columns
            whole = "".join([getattr(f.sides[0], style), *(s + getattr(side, style) for s, side in f.chain)])
            assert joined(whole) in shown, whole
        at = 0
        for f in (*d.definitions, *d.updates, *steps):
            for said in f.worked:
                at = shown.find("≈" + joined(getattr(said, style)), at)
                assert at >= 0, (f.name, said)
    found = [sides for table in tables(derivation_html(d)) for sides in formulas(table)]
    assert len(found) >= len([*d.definitions, *d.updates, *steps])
    numbers = joined("".join("=".join(sides) for sides in found))
    at = 0
    for f in (*d.definitions, *d.updates, *steps):
        for said in f.worked:
            at = numbers.find(joined(said.latex), at)
            assert at >= 0, (f.name, said)


# ------------------------------------------------------------------------------------- checking the check


def wrong_numbers(said, rng):
    """(kind, the same in both forms with another digit, sign, power of ten, or factor; what is only in one form)."""
    places = [(m.start(), m[0]) for m in re.finditer(r"\d", said.text)]
    at, digit = rng.choice(places)
    count = said.text[:at].count(digit)
    other = rng.choice([c for c in "123456789" if c != digit])
    text = said.text[:at] + other + said.text[at + 1 :]
    yield "digit of the text", Said(said.latex, text)
    ends = [m.start() for m in re.finditer(re.escape(digit), said.latex)]
    if len(ends) == said.text.count(digit):
        k = ends[count]
        latex = said.latex[:k] + other + said.latex[k + 1 :]
        yield "digit", Said(latex, text)
        yield "digit of the LaTeX", Said(latex, said.text)
    yield "sign", Said(*(t[1:] if t.startswith("-") else f"-{t}" for t in (said.latex, said.text)))
    if "." in said.text:
        yield "point", Said(*(re.sub(r"(\d)\.(\d)", r"\1\2.", t, count=1) for t in (said.latex, said.text)))
    if " · " in said.text:
        yield "factor left out", Said(*(re.sub(r" (?:·|\\cdot) \(?-?[\d.]+\)?", "", t, count=1)
                                        for t in (said.latex, said.text)))  # fmt: skip
    if " + " in said.text:
        yield "plus", Said(said.latex.replace(" + ", " - ", 1), said.text.replace(" + ", " - ", 1))


def test_a_wrong_number_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    cases = ((TEXTBOOK, "neuron"), ("BatchNorm", "neuron"), ("Huber", "neuron"), (SOFTMAX, "matrix"),
             ("CrossEntropy weighted", "column"), ("TransformerBlock", "batched"))  # fmt: skip
    for name, level in cases:
        checked = worked(name, level)
        d = checked.d
        shown = [f for f in (*d.definitions, *(f for s in d.steps for f in s.formulas)) if f.worked]
        for f in rng.sample(shown, min(20, len(shown))):
            k = rng.randrange(len(f.worked))
            for kind, wrong in wrong_numbers(f.worked[k], rng):
                if wrong == f.worked[k] or re.fullmatch("-?0", f.worked[k].text):
                    continue
                made[kind] += 1
                if not checked.refuses(replace(f, worked=(*f.worked[:k], wrong, *f.worked[k + 1 :]))):
                    missed.append((name, level, kind, f.worked[k], wrong))
    assert set(made) >= {"digit", "digit of the text", "sign", "point", "factor left out", "plus"}, made
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    found = f"{made.total() - len(missed):,} of {made.total():,} wrong numbers"
    assert found in said, (found, missed)
