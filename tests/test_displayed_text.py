"""Every displayed formula says the same in plain text as in LaTeX, which `test_displayed` evaluates.

SYMBP_DISPLAYED=all compares all networks in all forms.
"""

import random
import re
from collections import Counter
from functools import cache

import pytest
from displayed.same import Pairs
from test_displayed import BUILT_IN, DOCUMENT, EVERYTHING, FEW_NEURONS, FILES, NETS, TEXTBOOK, network, neurons

NAMES = (*NETS, *BUILT_IN, *FILES)


@cache
def pairs(name, level, method="reverse"):
    of = (neurons if level == "neuron" else network)(name)
    return Pairs(of.derivation(level, method), of.lengths)


def assert_same(*of):
    found = pairs(*of).faults()
    assert not found, "\n".join([f"{len(found)} formulas of {of}:", *found[:5]])


@pytest.mark.parametrize("level", ["index", "matrix"])
@pytest.mark.parametrize("name", NAMES)
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
