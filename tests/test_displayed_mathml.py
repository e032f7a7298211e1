"""The formulas of HTML pages, which are MathML, say what the LaTeX says that test_displayed evaluates.

They are put back into LaTeX by a translator of the tests' own, and read by the same reader: its trees must be equal.
"""

import re

import pytest
from displayed.from_mathml import formulas, sentences, tables, tokens
from displayed.legend import MATH
from displayed.reader import read
from displayed.tree import Unreadable
from test_displayed import BUILT_IN, EVERYTHING, FEW_NEURONS, FILES, NETS, TEXTBOOK, network, neurons

from symbp.show.page_html import derivation_html


def tree(account, text):
    return read(text, account.entries or account.arrays, None)


def same(account, latex, text):
    """Whether two texts have one meaning."""
    if tokens(latex) == tokens(text):
        return True
    try:
        return tree(account, latex) == tree(account, text)
    except Unreadable as e:
        print(e)
        return False


def differing(account, html):
    """(LaTeX, what the page says) wherever that isn't the same, formula by formula in the order of the page."""
    d = account.d
    shown = [[s.latex for s in f.sides] for f in (*d.definitions, *d.updates, *(f for s in d.steps for f in s.formulas))]
    found = [sides for table in tables(html) for sides in formulas(table)]
    said = [f for s in d.steps for words in (s.title, *s.prose) for f in MATH.findall(words.latex)]
    assert len(found) == len(shown)
    for latex, text in zip(shown, found, strict=True):
        if len(latex) != len(text):
            yield latex, text
        else:
            yield from ((a, b) for a, b in zip(latex, text, strict=True) if not same(account, a, b))


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN, *FILES])
def test_pages_say_what_the_latex_says(name):
    for level in ("index", "matrix"):
        account = network(name).account(level)
        assert not list(differing(account, derivation_html(account.d)))[:3]
