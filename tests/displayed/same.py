"""Whether a formula says the same in plain text as in LaTeX, for all that a derivation displays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from displayed import notes
from displayed import tree as t
from displayed.account import free_indices
from displayed.legend import MATH, legend
from displayed.plain_text import Spelling, read_plain
from displayed.reader import read, sides
from symbp.show.formulas.formula import Said
from symbp.show.styles import breaks
from symbp.show.words import LANGUAGES

_CIRCLED = re.compile("[①-⑳] ")  # marks of formulas that are written out, which LaTeX has as boxes


@dataclass(frozen=True)
class Pair:
    """A formula in both forms, side by side. said: within a sentence. variable: of a function that a note explains."""

    where: str
    latex: tuple[str, ...]
    text: tuple[str, ...]
    said: bool = False
    variable: str = ""


class Pairs:
    """The formulas of a derivation in both forms. lengths: numbers for the names of sizes."""

    def __init__(self, derivation: Any, lengths: dict[str, int]) -> None:
        self.d = derivation
        self.arrays = legend(derivation, lengths)
        legends = [self.arrays, *([legend(derivation, lengths, True)] if derivation.level == "neuron" else [])]
        self.spellings = [Spelling(derivation, known) for known in legends]
        self.known: dict[Pair, tuple[Spelling, list[Any]]] = {}

    def shown(self) -> Iterator[Pair]:
        d = self.d
        for f in (*d.definitions, *d.updates, *d.summary, *(f for step in d.every_step for f in step.formulas)):
            yield Pair(f.name, tuple(s.latex for s in f.sides), tuple(breaks.unmarked(s.text) for s in f.sides))

    def said(self) -> Iterator[Pair]:
        """The formulas within sentences, found in the text by the words between them."""
        for sentence in (*self.d.intro, *(s for step in self.d.every_step for s in (step.title, *step.prose))):
            yield from self.within(sentence)
        words = LANGUAGES[self.d.language]
        for note in self.d.notes:
            for function in notes.told([note], words):
                for pair in self.within(note):
                    yield replace(pair, variable=function.variable)

    def within(self, sentence: Said) -> Iterator[Pair]:
        sentence = Said(breaks.unmarked(sentence.latex), _CIRCLED.sub("", breaks.unmarked(sentence.text)))
        words = re.split(MATH, sentence.latex.replace("--", "–"))[::2]
        found = re.fullmatch("(.+?)".join(map(re.escape, words)), sentence.text)
        if found is None:
            raise t.Unreadable(f"other words: {sentence.latex} and {sentence.text}")
        for latex, text in zip(MATH.findall(sentence.latex), found.groups(), strict=True):
            yield Pair(sentence.text, tuple(sides(latex)), tuple(sides(text)), True)

    def faults(self) -> list[str]:
        """Where text and LaTeX differ."""
        return [f"{p.where}: {p.text} for {p.latex}" for p in (*self.shown(), *self.said()) if not self.same(p, p.text)]

    def same(self, pair: Pair, text: tuple[str, ...]) -> bool:
        """Whether the text can be read, and as what the LaTeX of the pair says."""
        if pair not in self.known:
            self.known[pair] = self.read(pair)
        spelling, trees = self.known[pair]
        try:
            return len(text) == len(trees) and all(
                normal(read_plain(side, spelling, bound)) == tree
                for side, (tree, bound) in zip(text, trees, strict=True)
            )
        except t.Unreadable:
            return False

    def read(self, pair: Pair) -> tuple[Spelling, list[Any]]:
        """Each side in LaTeX, with the indices that are free in it; words at neuron level may be of arrays, too."""
        if pair.variable:
            spelling = Spelling(self.d, notes.with_variable(self.arrays, pair.variable))
            return spelling, [(normal(read(side, spelling.legend)), frozenset()) for side in pair.latex]
        for spelling in self.spellings if pair.said else self.spellings[-1:]:
            bound = None if spelling.legend is self.arrays else frozenset()
            try:
                left = read(pair.latex[0], spelling.legend, bound)
                free = frozenset(free_indices(left))
                rest = [(normal(read(side, spelling.legend, free)), free) for side in pair.latex[1:]]
                return spelling, [(normal(left), bound), *rest]
            except t.Unreadable as error:
                reason = error
        raise reason


def normal(tree: Any) -> Any:
    """The tree with factors in one row above and one below the line: a (b / c) is a b / c, and so for a ⊙ b / c.

    Text has no sign for powers entry by entry: those of arrays are.
    """
    if isinstance(tree, tuple):
        return tuple(map(normal, tree))
    if isinstance(tree, (t.Product, t.Fraction, t.Ring)):
        above, below = _factors(tree)
        product = above[0] if len(above) == 1 else t.Product(tuple(above))
        return t.Fraction(product, tuple(sorted(below, key=repr))) if below else product
    if not hasattr(tree, "__dataclass_fields__"):
        return tree
    changed = {name: normal(getattr(tree, name)) for name in tree.__dataclass_fields__}
    return replace(tree, **{**changed, "entrywise": False} if isinstance(tree, t.Power) else changed)


def _factors(tree: Any) -> tuple[list[Any], list[Any]]:
    """The factors above the line and below it."""
    if isinstance(tree, t.Product):
        pairs = [_factors(f) for f in tree.factors]
        return [f for above, _ in pairs for f in above], [f for _, below in pairs for f in below]
    if isinstance(tree, t.Fraction):
        (above, under), (below, over) = _factors(tree.top), _factors(tree.bottom)
        return above + over, under + below
    if isinstance(tree, t.Ring):
        pairs = [_factors(f) for f in tree.factors]
        numbers = [f for above, _ in pairs for f in above if isinstance(f, (t.Number, t.Size))]
        rows = [tuple(f for f in above if not isinstance(f, (t.Number, t.Size))) for above, _ in pairs]
        parts = tuple(row[0] if len(row) == 1 else t.Product(row) for row in rows if row)
        return [*numbers, *([t.Ring(parts)] if len(parts) > 1 else parts)], [f for _, below in pairs for f in below]
    return ([], []) if tree == t.Number(1) else ([normal(tree)], [])
