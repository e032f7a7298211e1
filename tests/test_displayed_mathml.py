"""The formulas of HTML pages, which are MathML: test_displayed compares them with the LaTeX that it evaluates.

They are put back into LaTeX by a translator of the tests' own, and read by the same reader: its trees must be equal.
Here are the page to click through, and whether mistakes are found.
"""

import random
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
from displayed.from_mathml import formulas, latex, sides_of, tables
from displayed.pages import same, shown
from displayed.tree import Unreadable
from test_displayed import TEXTBOOK, network, neurons

from symbp.report import page
from symbp.show.pages.html import derivation_html

DOCUMENT = Path(__file__).parents[1] / "docs" / "checked_formulas.md"


@pytest.mark.parametrize("name", [TEXTBOOK, "BatchNorm", "GRU"])
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
    texts = ["".join(c.itertext()) for c in e[-2:]]
    return len(set(texts)) == 2 and all(texts) and "\u2061" not in texts


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
    assert not missed, (made, missed)
    said = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"{made.total():,} mistakes in MathML" in said, made.total()


def reads_as(account, right, wrong):
    try:
        return same(account, [latex(right)], [latex(wrong)])
    except Unreadable:
        return False
