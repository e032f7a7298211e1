"""The formulas of HTML pages, which are MathML, say what the LaTeX says that test_displayed evaluates.

They are put back into LaTeX by a translator of the tests' own, and read by the same reader: its trees must be equal.
"""

import random
import re
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
from displayed.account import free_indices
from displayed.from_mathml import formulas, latex, math, sides_of, tables, tokens
from displayed.legend import MATH
from displayed.reader import read
from displayed.tree import Unreadable
from test_displayed import BUILT_IN, FEW_NEURONS, FILES, NETS, TEXTBOOK, network, neurons

from symbp.report import page
from symbp.show.page_html import derivation_html

DOCUMENT = Path(__file__).parents[1] / "docs" / "checked_formulas.md"


def same(account, written, found):
    """Whether the sides of two formulas have one meaning each."""
    if [*map(tokens, written)] == [*map(tokens, found)]:
        return True
    try:
        return trees(account, written) == trees(account, found)
    except Unreadable:
        return False


def trees(account, sides):
    if account.entries:
        return [read(side, account.entries) for side in sides]
    left = read(sides[0], account.arrays, None)
    free = frozenset(free_indices(left))
    return [left, *(read(side, account.arrays, free) for side in sides[1:])]


def shown(d):
    """The sides of each formula of a derivation."""
    steps = [f for step in d.steps for f in step.formulas]
    return [[side.latex for side in f.sides] for f in (*d.definitions, *d.updates, *steps)]


def differing(account, html):
    """(LaTeX, what the page says) wherever that isn't the same. html: of all formulas in their order."""
    written, found = shown(account.d), [sides for table in tables(html) for sides in formulas(table)]
    out = [(a, b) for a, b in zip(written, found, strict=True) if not same(account, a, b)]
    written = [f for s in account.d.steps for words in (s.title, *s.prose) for f in MATH.findall(words.latex)]
    found = [latex(e) for e in math(html)]
    return out + [(a, b) for a, b in zip(written, found, strict=True) if spelled(a) != spelled(b)]


def spelled(text):
    r"""The tokens, x^{\prime(1)} as x'^{(1)}: formulas in sentences may be parts that the reader doesn't read."""
    primed = re.sub(r"\^\{((?:\\prime\s*)+)", lambda m: "'" * m[1].count("p") + "^{", text)
    return tokens(primed.replace("^{}", ""))


@pytest.mark.parametrize("name", [*NETS, *BUILT_IN, *FILES])
def test_pages_say_what_the_latex_says(name):
    for level in ("index", "matrix"):
        account = network(name).account(level)
        assert differing(account, derivation_html(account.d)) == []


@pytest.mark.parametrize("name", FEW_NEURONS)
def test_pages_of_neurons_say_what_the_latex_says(name):
    account = neurons(name).account("neuron")
    assert differing(account, derivation_html(account.d)) == []


@pytest.mark.parametrize("name", [TEXTBOOK, "BatchNorm", "GRU", BUILT_IN[7]])
def test_the_page_to_click_through_shows_these_formulas(name):
    """It has more: sums of entries, everything written out."""
    for level in ("index", "neuron") if name == TEXTBOOK else ("index",):
        account = (neurons if level == "neuron" else network)(name).account(level)
        html = page(account.d.network, account.d)
        found = [sides for table in tables(html) for sides in formulas(table)]
        missing = [a for a in shown(account.d) if not any(same(account, a, b) for b in found if len(a) == len(b))]
        assert missing == []


# ------------------------------------------------------------------------------------- checking the check


def _text(tag, choose):
    """The text of one element becomes another."""

    def mutate(root, rng):
        places = [e for e in root.iter(tag) if choose(e, root, rng) not in (None, e.text)]
        if not places:
            return False
        e = rng.choice(places)
        e.text = choose(e, root, rng)
        return True

    return mutate


def _letter(e, root, rng):
    others = sorted({i.text for i in root.iter("mi") if len(i.text) == 1} - {e.text})
    return rng.choice(others) if others and len(e.text) == 1 else None


def _elements(test, change):
    """One element is changed."""

    def mutate(root, rng):
        places = [e for e in root.iter() if test(e)]
        if places:
            change(rng.choice(places), rng)
        return bool(places)

    return mutate


def _leave_out(e, rng):
    e.remove(rng.choice([c for c in e if c.tag not in ("mspace", "mtr", "mtd") and c.text != "\u2061"]))


def _swap(e, rng):
    e[-1], e[-2] = e[-2], e[-1]


def _differ(e):
    return len(e) > 1 and latex(e[-1]) != latex(e[-2])


MISTAKES = {
    "sign": _text("mo", lambda e, *_: {"+": "−", "−": "+"}.get(e.text)),
    "relation": _text("mo", lambda e, *_: {"≤": "<", "<": "≤", "≥": ">", ">": "≥", "≠": "="}.get(e.text)),
    "letter": _text("mi", _letter),
    "number": _text("mn", lambda e, *_: str(int(e.text) + 1) if e.text.isdigit() else None),
    "fraction": _elements(lambda e: e.tag == "mfrac" and _differ(e), _swap),
    "scripts": _elements(lambda e: e.tag == "msubsup" and _differ(e), _swap),
    "script raised": _elements(lambda e: e.tag == "msub", lambda e, _: setattr(e, "tag", "msup")),
    "script on the line": _elements(lambda e: e.tag in ("msub", "msup"), lambda e, _: setattr(e, "tag", "mrow")),
    "left out": _elements(lambda e: e.tag in ("mrow", "math") and len(e) > 1, _leave_out),
    "root": _elements(lambda e: e.tag == "msqrt", lambda e, _: setattr(e, "tag", "mrow")),
    "order": _elements(lambda e: e.tag == "mrow" and _differ(e), _swap),
}


def test_a_mistake_in_mathml_is_found():
    rng = random.Random(1)
    made, missed = Counter(), []
    for name in (TEXTBOOK, "BatchNorm", "Softmax", "GRU", "Huber", "MultiHeadAttention rotary"):
        for level in ("matrix", "index", "neuron"):
            account = (neurons if level == "neuron" else network)(name).account(level)
            lines = [e for table in tables(derivation_html(account.d)) for e in sides_of(table)]
            for e in rng.sample(lines, min(12, len(lines))):
                for kind, mistake in MISTAKES.items():
                    wrong = deepcopy(e)
                    if not mistake(wrong, rng):
                        continue
                    made[kind] += 1
                    if reads_as(account, e, wrong):
                        missed.append((name, level, kind, latex(e), latex(wrong)))
    assert set(made) == set(MISTAKES), made
    assert len(missed) == 0, (made, missed)
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"{made.total():,} mistakes in MathML" in said, made.total()


def reads_as(account, right, wrong):
    try:
        return same(account, [latex(right)], [latex(wrong)])
    except Unreadable:
        return False
