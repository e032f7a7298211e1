"""Every displayed formula says the same in plain text as in LaTeX, which `test_displayed` evaluates.

Index and matrix notation take turns from network to network; SYMBP_DISPLAYED=all compares all networks in all forms.
"""

import random
import re
from collections import Counter
from functools import cache

import pytest
from displayed.same import Pairs
from test_displayed import BUILT_IN, DOCUMENT, EVERYTHING, FEW_NEURONS, FILES, NETS, TEXTBOOK, network, neurons

FORMS = [(name, level) for name in (*NETS, *BUILT_IN, *FILES) for level in ("index", "matrix")]
TURNS = [form for k, form in enumerate(FORMS) if k % 4 in (0, 3)]


@cache
def pairs(name, level, method="reverse"):
    of = (neurons if level == "neuron" else network)(name)
    return Pairs(of.derivation(level, method), of.lengths)


def assert_same(*of):
    found = pairs(*of).faults()
    assert not found, "\n".join([f"{len(found)} formulas of {of}:", *found[:5]])


@pytest.mark.parametrize(("name", "level"), FORMS if EVERYTHING else TURNS)
def test_formulas_of_tensors(name, level):
    assert_same(name, level)


@pytest.mark.parametrize("name", NETS if EVERYTHING else FEW_NEURONS)
def test_formulas_of_neurons(name):
    assert_same(name, "neuron")


@pytest.mark.parametrize("name", NETS if EVERYTHING else (TEXTBOOK, "RNN"))
def test_formulas_of_forward_accumulation(name):
    for level in ("index", "matrix"):
        assert_same(name, level, "forward")


def test_formulas_written_out():
    assert_same(TEXTBOOK, "neuron", "naive")


@pytest.mark.parametrize("name", [TEXTBOOK, "GRU"])
def test_a_page_displays_the_formulas_that_were_compared(name):
    """Apart from the blanks where lines are broken."""
    for level in ("matrix", "index", "neuron"):
        compared = pairs(name, level)
        page = re.sub(r"\s", "", compared.d.text())
        for pair in compared.shown():
            assert re.sub(r"\s", "", "=".join(pair.text)) in page


# ------------------------------------------------------------------------------------- checking the check

MUTATED = (TEXTBOOK, "BatchNorm", "Softmax", "GRU", "Conv2D", "Huber", "MultiHeadAttention rotary")
KINDS = ("another character", "left out", "twice", "swapped", "brackets")
BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")


def mutate(text, kind, alphabet, rng):
    """The text with one character that isn't right, or without two brackets; None where that can't be."""
    if kind == "brackets":
        found = [*BRACKETS.finditer(text)]
        m = rng.choice(found) if found else None
        return m and text[: m.start()] + m[1] + text[m.end() :]
    places = [k for k, c in enumerate(text) if c != " "]
    k = rng.choice(places)
    if kind == "another character":
        return text[:k] + rng.choice([c for c in alphabet if c != text[k]]) + text[k + 1 :]
    if kind == "left out":
        return text[:k] + text[k + 1 :]
    if kind == "twice":
        return text[:k] + text[k] + text[k:]
    other = text[k + 1 : k + 2]
    return text[:k] + other + text[k] + text[k + 2 :] if other not in ("", " ", text[k]) else None


def test_a_wrong_character_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    for name in MUTATED:
        for level in ("matrix", "index", "neuron"):
            compared = pairs(name, level)
            formulas = [*compared.shown(), *compared.said()]
            alphabet = sorted({c for pair in formulas for side in pair.text for c in side} - {" "})
            for pair in rng.sample(formulas, min(15, len(formulas))):
                k = rng.randrange(len(pair.text))
                for kind in KINDS:
                    wrong = mutate(pair.text[k], kind, alphabet, rng)
                    if wrong is None:
                        continue
                    made[kind] += 1
                    if compared.same(pair, (*pair.text[:k], wrong, *pair.text[k + 1 :])):
                        missed.append((name, level, kind, pair.text[k], wrong))
    assert set(made) == set(KINDS) and min(made.values()) > 20, made
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"{made.total() - len(missed):,} of {made.total():,} wrong characters" in said, (missed, made.total())
