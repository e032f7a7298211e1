"""Blocks that repeat are shown once: what is left out is what is shown, with the numbers that are said."""

import re

import pytest

from symbp.architectures import load
from symbp.show.derivation import derivation
from symbp.show.fold.folded import Folded
from symbp.show.fold.folds import Pattern, folds

DEEP = "mlp:8-8-8-8-8-8-8-8-3,relu,cross_entropy"
BLOCKS = "gpt:layers=3,heads=2,width=8,vocabulary=5,context=4"
SPAN = re.compile(r"(\d+)(?:–(\d+))?")


def unsaid(folded, size):
    """(source, new places) and by how much layers move, of each copy, read off the sentence alone."""
    said = folded.said[0].text
    plain = said.replace("(", "").replace(")", "")
    whole, source = (re.findall(SPAN, part)[0] for part in re.split("repeat|the same as", plain))
    first, last = (int(n or whole[0]) for n in whole)
    start, stop = (int(n or source[0]) for n in source)
    shift = re.search(r"every layer number (raised|lowered) by ([\d, …and]+)", said)
    assert shift, said
    sign = 1 if shift[1] == "raised" else -1
    count = (last - first + 1) // (stop - start + 1)
    step = int(re.findall(r"\d+", shift[2])[0])
    assert first - 1 == folded.start and last == folded.stop <= size
    return [(range(start - 1, stop), first - 1 + k * (stop - start + 1), sign * step * (k + 1)) for k in range(count)]


def moved(text, shift):
    """The text with other layer numbers, and the letters of indices left out."""
    return re.sub(r"\^\{(\\prime)?\((\d+)\)", lambda m: f"^{{{m[1] or ''}({int(m[2]) + shift})", text)


def without_letters(text):
    """LaTeX whose subscripts are numbered in the order in which their letters appear."""
    seen = {}

    def renamed(m):
        return "_{" + re.sub(r"[a-z]'*(_\{\d+\})?", lambda i: f"<{seen.setdefault(i[0], len(seen))}>", m[1]) + "}"

    return re.sub(r"_\{((?:[^{}]|\{\d+\})*)\}", renamed, text)


def bag(text):
    """What the text is made of: summands and factors stand in the order of their letters."""
    return sorted(re.findall(r"\\[a-zA-Z]+|\^\{[^}]*\}|[A-Za-z]|\d+", re.sub(r"_\{[^}]*\}+", "", text)))


@pytest.mark.parametrize("text", [DEEP, BLOCKS])
@pytest.mark.parametrize("what", ["steps", "definitions"])
def test_what_is_left_out_is_what_is_said(text, what):
    d = derivation(load(text), fold=True)
    items = [s.formulas if what == "steps" else (s,) for s in getattr(d, what)]
    found = d.folded if what == "steps" else d.folded_definitions
    assert found
    left_out = 0
    for folded in found:
        for source, start, shift in unsaid(folded, len(items)):
            for k, place in enumerate(source):
                for old, new in zip(items[place], items[start + k], strict=True):
                    for a, b in zip(old.sides, new.sides, strict=True):
                        expected, got = moved(a.latex, shift), b.latex
                        exact = text == DEEP and "n" not in got
                        same = expected == got if exact else bag(expected) == bag(got)
                        assert same, (expected, got)
                        left_out += 1
    assert left_out >= 20


def test_pages_show_the_rest_and_name_every_gradient():
    net = load(DEEP)
    d = derivation(net)
    whole = derivation(net, fold=False)
    assert d.steps == whole.steps and not whole.folded
    page = d.text()
    shown = [s.number for s in d.shown_steps if not isinstance(s, Folded)]
    assert shown == [int(n) for n in re.findall(r"^Step (\d+):", page, re.MULTILINE)] and len(shown) < len(d.steps) / 2
    for p in net.parameters:
        symbol = whole.formula(f"d_{p.name}").sides[0].text
        assert symbol in page, symbol
    assert "W⁽¹⁾, …, W⁽⁷⁾" in page and "read the same, with the numbers of their own layers" in " ".join(page.split())
    assert "Equations (4)–(13) repeat (2)–(3) 5 times" in page
    assert "repeat steps" in d.markdown() and "repeat steps" in d.latex()


def test_small_networks_and_neurons_are_never_folded():
    assert not derivation(load("mlp:2-3-2-1,sigmoid,half_squared_error")).folded
    assert not derivation(load("mlp:2-2-2-2-2-2-2-2-1,sigmoid,half_squared_error"), level="neuron").folded


def test_a_layer_that_differs_is_not_folded():
    texts = {f: derivation(load(f"mlp:8-8-8-8-8-8-8-8-3,{f},cross_entropy")) for f in ("relu", "tanh")}
    assert texts["relu"].folded and texts["tanh"].folded
    p = [Pattern(shape, (str(k),), ()) for k, shape in enumerate("ABCABCABDABC")]
    assert [(f.start, f.stop, f.source, f.shift) for f in folds(p)] == [(3, 6, 0, 3), (9, 12, 0, 9)]
    q = [Pattern("A", (str(k),), ()) for k in (1, 2, 3, 5, 8)]
    assert [(f.start, f.stop, f.shift) for f in folds(q)] == [(1, 2, 1), (2, 3, 2), (3, 4, 4), (4, 5, 7)]
    assert not folds([Pattern(s, ("1", "2"), ()) for s in "ABAB"]), "too little to be worth it"
    crossed = [Pattern("A", ("1", "1"), ()), *(Pattern("A", ("2", str(k)), ()) for k in (3, 4, 5))]
    assert all(f.source == 1 for f in folds([*crossed, *(Pattern("A", ("7", str(k)), ()) for k in (6, 8, 9))]))


def test_large_networks_stay_readable():
    """What is shown of networks with a hundred steps and more; test_show_latex counts the pages."""
    for text, most in ((BLOCKS, 46), ("resnet18:3x32x32,classes=10", 32)):
        d = derivation(load(text))
        shown = [s for s in d.shown_steps if not isinstance(s, Folded)]
        assert len(d.steps) > 90 and len(shown) <= most, (text, len(d.steps), len(shown))
