"""What pages say in words is so, in both languages, and each page says it in one language.

Who reads a quantity, by which equations, in which step it was found and how often it is used are held against the
program; the formulas within sentences are `test_displayed`'s. SYMBP_DISPLAYED=all takes every network.
"""

import random
import re
from collections import Counter
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from displayed.legend import MATH
from displayed.sentences import CHINESE, Sentences
from test_displayed import BUILT_IN, DOCUMENT, EVERYTHING, FEW_NEURONS, FILES, NETS, TEXTBOOK, network, neurons

from symbp.architectures import load
from symbp.proofread import words as proofread_words
from symbp.report import page, paper
from symbp.report.words import WORDS
from symbp.show.derivation import derivation
from symbp.show.formulas.formula import Said
from symbp.show.pages.html import derivation_html
from symbp.show.words import LANGUAGES

GPT = "gpt:layers=1,heads=2,width=4,context=3,vocabulary=5"
FEW = (TEXTBOOK, "BatchNorm", "GRU", "TransformerBlock", "InfoNCE", GPT, "examples/custom_layer.py", "FiLM")
FORMS = [(name, "index") for name in FEW] + [("Attention", "batched")]
ALL = [(name, level) for name in (*NETS, *BUILT_IN, *FILES) for level in ("index", "matrix", "batched")]


def of(name, level, language="en"):
    return (neurons if level == "neuron" else network)(name).derivation(level, language=language)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "level"), ALL if EVERYTHING else FORMS)
def test_what_is_said_of_steps_is_so(name, level, language):
    assert Sentences(of(name, level, language)).faults() == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", FEW_NEURONS if EVERYTHING else FEW_NEURONS[:6])
def test_what_is_said_of_neurons_is_so(name, language):
    assert Sentences(of(name, "neuron", language)).faults() == []


@pytest.mark.parametrize(("name", "level"), ALL if EVERYTHING else FORMS)
def test_the_table_of_symbols_is_that_of_the_program(name, level):
    account = network(name).account(level)
    for language in ("en", "zh"):
        d, words = of(name, level, language), LANGUAGES[language]
        for r in d.symbols:
            found = MATH.fullmatch(r.shape.latex)
            sizes = found[1].split(r" \times ") if found else []
            plain = [re.sub(r"\\mathrm\{(.*)\}", r"\1", size) for size in sizes]
            lengths = [account.arrays.lengths.get(size) or int(size) for size in plain]
            assert lengths == list(np.shape(account.tensor(r.name))), r
            assert r.shape.text == (" × ".join(plain) or words["scalar"])
            t = account.d.names.tensors[r.name]
            role = "labels" if t.role == "input" and t.dtype == "int" else t.role
            p = account.d.names.derivatives.get(r.name)
            symbols = {q.name: q.symbol.latex for q in d.symbols}
            assert r.role.latex == (words["adjoint"].format(symbols[p.wrt]) if p else words[role]), r


def said(d):
    """Every sentence of a derivation."""
    folded = [s for f in (*d.folded, *d.folded_definitions, *d.folded_updates) for s in f.said]
    return [*d.intro, *d.notes, *folded, *(s for step in d.steps for s in (step.title, *step.prose))]


@pytest.mark.parametrize(("name", "level"), [(TEXTBOOK, "neuron"), *FORMS])
def test_both_languages_say_the_same(name, level):
    """Sentence by sentence: the same formulas and numbers, if in another order."""
    for english, chinese in zip(said(of(name, level)), said(of(name, level, "zh")), strict=True):
        for a, b in ((english.latex, chinese.latex), (english.text, chinese.text)):
            assert Counter(MATH.findall(a)) == Counter(MATH.findall(b)), (a, b)
            assert Counter(re.findall(r"\d+", a)) <= Counter(re.findall(r"\d+", b)), (a, b)


# --------------------------------------------------------------------------------------------- one language

LATIN = re.compile(r"[A-Za-z]{2,}")
KNOWN = {  # names of functions and of options, as they stand in Chinese texts, too
    "softmax", "ReLU", "wrt", "sigmoid", "tanh", "gelu", "silu", "softplus", "exp", "log", "relu", "gelu tanh", "symbp",
    "count", "expanded", "reverse", "CSE", "Home", "End", "Enter", "Esc", "mlp",
}  # fmt: skip
FORMULA = re.compile(r"\$`.*?`\$|\$[^$]*\$|```math.*?```|<math\b.*?</math>|<code>.*?</code>|`[^`]*`", re.DOTALL)
TAGS = re.compile(
    r"<(style|script|svg|pre|td class=\"name\")\b.*?</(style|script|svg|pre|td)>|<[^>]*>"
    r"|\\begin\{(align\*?|alignat\*?|tabular|longtable|algorithmic)\}.*?\\end\{\3\}"
    r"|\\(?:begin|end|color|title|texttt|usepackage|documentclass|setlength|setcounter|definecolor)"
    r"(?:\[[^\]]*\])?(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})*|\\[A-Za-z@]+|\d(?:em|pt)\b", re.DOTALL,
)  # fmt: skip


def prose(text, d):
    """A page without formulas, names of tensors, code and commands."""
    body = text.partition(r"\begin{document}")[2] or text
    names = {part for r in d.symbols for part in LATIN.findall(r.name)} | set(LATIN.findall(d.title))
    spoken = unescape(TAGS.sub(" ", FORMULA.sub(" ", body)))
    return spoken, set(LATIN.findall(spoken)) - names - KNOWN


def pages(name, level, language, method="reverse"):
    net = load(name)
    d = derivation(net, level=level, language=language, method=method)
    yield d, d.markdown()
    yield d, derivation_html(d)
    if method == "reverse":
        yield d, paper.document(net, d)
        yield d, page(net, d)
    else:
        yield d, d.latex(document=True)


@pytest.mark.parametrize(("name", "level", "method"), [
    (TEXTBOOK, "neuron", "reverse"), (GPT, "batched", "reverse"), ("mlp:4-5-3,relu,cross_entropy", "both", "forward"),
    ("mlp:2-2-1,tanh,half_squared_error", "neuron", "naive"),
])  # fmt: skip
def test_pages_hold_one_language(name, level, method):
    for d, text in pages(name, level, "zh", method):
        spoken, words = prose(text, d)
        assert not words, (sorted(words), text[:60])
        assert CHINESE.search(spoken)
    for _, text in pages(name, level, "en", method):
        assert not CHINESE.search(text)


@pytest.mark.parametrize(("english", "chinese"), [
    (LANGUAGES["en"], LANGUAGES["zh"]), (WORDS["en"], WORDS["zh"]),
    (proofread_words.LANGUAGES["en"], proofread_words.LANGUAGES["zh"]),
])  # fmt: skip
def test_every_sentence_is_in_its_own_language(english, chinese):
    """One that was left in English has no Chinese character in it."""
    assert english.keys() <= chinese.keys()
    for key, sentence in english.items():
        assert not CHINESE.search(sentence), sentence
        spoken = re.sub(r"\{\d\}|\W|\d|_", "", sentence)
        assert bool(spoken) <= bool(CHINESE.search(chinese[key])), (sentence, chinese[key])
        assert set(re.findall(r"\{\d\}", sentence)) == set(re.findall(r"\{\d\}", chinese[key])), key


# ------------------------------------------------------------------------------------- checking the check


def mutated(s, rng):
    """(kind, title, prose) of a step with one thing in its sentences that isn't so."""
    numbered = [k for k, p in enumerate(s.prose) if re.search(r"\d", MATH.sub("", p.latex))]
    for k in numbered[:2]:
        text = s.prose[k].latex
        places = list(re.finditer(r"\d+", re.sub(MATH, lambda m: " " * len(m[0]), text)))
        m = rng.choice(places)
        yield "number", s.title, changed(s.prose, k, f"{text[: m.start()]}{int(m[0]) + 1}{text[m.end() :]}")
    if s.prose:
        k = rng.randrange(len(s.prose))
        if not re.search("put in|This uses|Rules", s.prose[k].latex):
            yield "left out", s.title, (*s.prose[:k], *s.prose[k + 1 :])
    named = [k for k, p in enumerate(s.prose) if re.search("through|reused|[Rr]ead|put in|itself|computed", p.latex)]
    for k in named[:2]:
        places = list(MATH.finditer(s.prose[k].latex))
        if places:
            m = rng.choice(places)
            text = s.prose[k].latex
            yield "symbol", s.title, changed(s.prose, k, f"{text[: m.start()]}$q^{{(9)}}${text[m.end() :]}")
    yield "title", Said(MATH.sub("$q^{(9)}$", s.title.latex), s.title.text), s.prose


def changed(sentences, k, latex):
    return (*sentences[:k], replace(sentences[k], latex=latex), *sentences[k + 1 :])


def test_a_wrong_sentence_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    for name, level in ((TEXTBOOK, "neuron"), *FORMS):
        checked = Sentences(of(name, level))
        for s in rng.sample(checked.d.steps, min(12, len(checked.d.steps))):
            for kind, title, sentences in mutated(s, rng):
                made[kind] += 1
                if not any(checked.step(s, title, sentences)):
                    missed.append((name, level, kind, title.latex, [p.latex for p in sentences]))
    assert set(made) == {"number", "left out", "symbol", "title"}, made
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    found = f"{made.total() - len(missed):,} of {made.total():,} wrong sentences"
    assert found in text, (found, missed[:6])
