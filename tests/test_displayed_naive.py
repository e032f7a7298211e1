"""The naive form: its totals are the ledger's, and what has the same mark is the same expression, as often as is said.

`test_displayed` evaluates its formulas. A page to click through has one of them beside the same with reuse, and totals.
"""

import random
import re
from collections import Counter
from html import unescape

import pytest
from displayed import tree as t
from displayed.reader import read
from displayed.sentences import pattern
from test_displayed import DOCUMENT, TEXTBOOK, neurons

from symbp.count import Ledger
from symbp.operations import tree_operations
from symbp.report import page
from symbp.report.naive import naive
from symbp.show.formulas.marked import END, FIRST
from symbp.show.styles import breaks
from symbp.show.styles.latex_tree import CLOSE, OPEN
from symbp.show.words import LANGUAGES

NETWORKS = (TEXTBOOK, "mlp:2-1-1,sigmoid,half_squared_error", "mlp:2-2-1,tanh,half_squared_error")


def written_out(name, language="en"):
    """The account of all derivatives written out."""
    net = neurons(name)
    account = net.account("neuron", "naive")
    d = net.derivation("neuron", "naive", wrt=tuple(p.name for p in net.net.parameters), language=language)
    account.d = d
    return net, account, d


def operations(d, step, key):
    """The number that a step says."""
    return int(pattern(LANGUAGES[d.language][key]).fullmatch(step.prose[0].latex)["p0"])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NETWORKS)
def test_totals_are_those_of_the_ledger(name, language):
    net, account, d = written_out(name, language)
    ledger = Ledger(net.net, {"B": 1})
    gradients = d.steps[1:]
    assert len(gradients) == sum(account.point.values[p.name].size for p in net.net.parameters)
    assert sum(operations(d, s, "operations") for s in gradients) == ledger["expanded"].total.number
    alone = sum(tree_operations(next(f for f in d.definitions if f.name == "L").value).values())
    assert operations(d, d.reuse, "operations_reuse") + alone == ledger["reverse"].total.number
    (intro,) = [m for s in d.intro if (m := pattern(LANGUAGES[language]["note_naive"]).fullmatch(s.latex))]
    assert {int(intro["p0"]), int(intro["p1"])} == {len(gradients)}
    for s in d.steps:
        tree = read(breaks.unmarked(s.formulas[0].sides[-1].latex), account.entries)
        assert count(tree) == operations(d, s, "operations")


def count(tree):
    """Operations of a displayed formula: one less than a sum has terms, or a product factors; four of a sigmoid."""
    inner = sum(map(count, t.children(tree)))
    if isinstance(tree, t.Sum):
        return inner + max(len(tree.terms) - 1, 0) + (len(tree.terms) == 1)
    if isinstance(tree, t.Product):
        return inner + len(tree.factors) - 1
    if isinstance(tree, t.Fraction):  # 1/2 in front is a number
        return inner + (not isinstance(tree.top, t.Number) or not isinstance(tree.bottom, t.Number))
    if isinstance(tree, t.Call):
        return inner + {r"\sigma": 4, r"\tanh": 1}[tree.function]
    return inner + isinstance(tree, t.Power)


def marked(latex, first, end):
    """(number, what it stands around) of each marked part."""
    begun = []
    for k, c in enumerate(latex):
        if ord(c) == end:
            number, at = begun.pop()
            yield number, latex[at:k]
        elif first <= ord(c) < end:
            begun.append((ord(c) - first, k + 1))
    assert not begun


def plain(text):
    return re.sub("[\ue000-\uf0ff]", "", text)


def tree_of(account, latex, trees={}):  # noqa: B006
    """The tree of a text, read once."""
    key = account.d.title, plain(latex)
    if key not in trees:
        trees[key] = read(key[1], account.entries)
    return trees[key]


def faults(account, gradients, said, reuse):
    """Where the marks aren't as is said. gradients: formulas in LaTeX; said: (number, symbol, times)."""
    out = []
    parts = [part for latex in gradients for part in marked(latex, FIRST, END)]
    for number, symbol, times in said:
        found = [tree_of(account, text) for k, text in parts if k == number]
        value = account.entry(tree_of(account, symbol).tensor)
        if len(found) != times or len(set(found)) != 1:
            out.append(f"{symbol} {len(found)} times, as {len(set(found))} expressions")
        elif abs(account.scalar(found[0])[0] - value) > 1e-9:
            out.append(f"{symbol} marks something else")
        symbols = [text for latex in reuse for k, text in marked(latex, FIRST, END) if k == number]
        name, trees = tree_of(account, symbol), [tree_of(account, side) for side in reuse]
        uses = sum(occurs(name, tree) for tree in trees)
        if set(map(plain, symbols)) != {symbol} or len(symbols) != uses:
            out.append(f"{symbol} with reuse")
    if {k for k, _ in parts} != {k for k, *_ in said}:
        out.append("marks without a word")
    return out


def occurs(name, tree):
    """How often a value is used; what a derivative is by isn't."""
    if isinstance(tree, t.Derivative):
        return 0
    return (tree == name) + sum(occurs(name, part) for part in t.children(tree))


def legend(d):
    """(number of the mark, symbol, how often it's said to be computed)."""
    pieces = re.findall(r"(.)\$([^$]+)\$.[^\d$]*(\d+)", d.intro[1].latex, re.DOTALL)
    return [(ord(mark) - FIRST, symbol, int(times)) for mark, symbol, times in pieces]


def shown(d):
    return [s.formulas[0].sides[1].latex for s in d.steps[1:]], [x.latex for f in d.reuse.formulas for x in f.sides]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_has_one_mark_is_one_expression(name, language):
    _, account, d = written_out(name, language)
    gradients, reuse = shown(d)
    assert legend(d) and faults(account, gradients, legend(d), reuse) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_to_click_through_counts_right(name):
    net, account, d = written_out(name)
    ledger = Ledger(net.net, {"B": 1})
    found = naive(net.net)
    gradient = next(s for s in d.steps if s.formulas[0].name == found.reuse.steps[-1].formulas[-1].name)
    assert found.operations == operations(d, gradient, "operations")
    same = [plain(found.written), plain(gradient.formulas[0].sides[1].latex)]
    assert len({read(latex, account.entries) for latex in same}) == 1
    parts = list(marked(found.written, OPEN, CLOSE))
    for number, (entry, times) in enumerate(found.repeated):
        trees = [read(plain(text), account.entries) for k, text in parts if k == number]
        assert len(trees) == times and len(set(trees)) == 1
        assert abs(account.scalar(trees[0])[0] - account.expected(entry)) < 1e-9
    formulas = [*found.definitions, *(f for s in found.reuse.steps for f in s.formulas)]
    assert found.reuse_operations == sum(sum(tree_operations(f.value).values()) for f in formulas)
    html = page(net.net, net.derivation("neuron"))
    last = re.findall(r'data-reuse="([^"]*)" data-written="([^"]*)" data-ratio="([^"]*)"', html)[-1]
    best, expanded = ledger["reverse + CSE"].total.number, ledger["expanded"].total.number
    assert last == (f"{best:,}", f"{expanded:,}", f"{expanded / best:.1f} times as many")
    text = unescape(re.sub(r"<[^>]*>", " ", html))
    assert f"Everything written out: {found.operations:,} operations" in text
    assert f"Each value computed once: {found.reuse_operations:,} operations" in text
    assert re.findall(r"written (\d+) times", text) == [str(times) for _, times in found.repeated]
    pairs = re.findall(r'data-reuse="([\d,]*)" data-written="([\d,]*)"', html)
    rises = [[int(n.replace(",", "")) for n in pair] for pair in pairs]
    assert rises == sorted(rises) and rises[0][1] == 0


def test_a_wrong_mark_is_found():
    """Another number, a mark left out, a part too much or too little, another count."""
    rng = random.Random(1)
    made, missed = Counter(), []
    for name in NETWORKS:
        _, account, d = written_out(name)
        gradients, reuse = shown(d)
        said = legend(d)
        for _ in range(12):
            k = rng.randrange(len(gradients))
            text = gradients[k]
            opens = list(re.finditer("[\ue600-\ue7fe]", text))
            m = rng.choice(opens)
            end = closing(text, m.start())
            other = chr(FIRST + (ord(m[0]) - FIRST + 1) % len(said))
            wrong = {
                "another mark": text[: m.start()] + other + text[m.end() :],
                "no mark": text[: m.start()] + text[m.end() : end] + text[end + 1 :],
                "a letter less": text[: m.start()] + text[m.end()] + m[0] + text[m.end() + 1 :],
            }
            cases = [(kind, [*gradients[:k], w, *gradients[k + 1 :]], said) for kind, w in wrong.items()]
            number = rng.randrange(len(said))
            cases.append(("count", gradients, [(a, b, n + (a == number)) for a, b, n in said]))
            for kind, texts, legend_said in cases:
                made[kind] += 1
                try:
                    if not faults(account, texts, legend_said, reuse):
                        missed.append((name, kind))
                except t.Unreadable:
                    pass
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    found = f"{made.total() - len(missed):,} of {made.total():,} wrong marks"
    assert found in text, (found, missed[:6])


def closing(text, start):
    depth = 0
    for k in range(start, len(text)):
        depth += (FIRST <= ord(text[k]) < END) - (ord(text[k]) == END)
        if depth == 0:
            return k
    raise AssertionError(text)
