"""Whether the formulas of an HTML page, which are MathML, say what the LaTeX of its derivation says."""

from __future__ import annotations

import re
from typing import Any

from displayed.account import Account, free_indices
from displayed.from_mathml import formulas, latex, math, tables, tokens
from displayed.legend import MATH
from displayed.reader import read
from displayed.tree import Unreadable
from symbp.show.pages.mathml import MathML


def same(account: Account, written: list[str], found: list[str]) -> bool:
    """Whether the sides of two formulas have one meaning each."""
    if [*map(tokens, written)] == [*map(tokens, found)]:
        return True
    try:
        return trees(account, written) == trees(account, found)
    except Unreadable:
        return False


def trees(account: Account, sides: list[str]) -> list[Any]:
    if account.entries:
        return [read(side, account.entries) for side in sides]
    left = read(sides[0], account.arrays, None)
    free = frozenset(free_indices(left))
    return [left, *(read(side, account.arrays, free) for side in sides[1:])]


def shown(d: Any) -> list[list[str]]:
    """The sides of each formula of a derivation."""
    steps = [f for step in d.every_step for f in step.formulas]
    return [[side.latex for side in f.sides] for f in (*d.definitions, *d.updates, *steps)]


def differing(account: Account, html: str) -> list[Any]:
    """(LaTeX, what the page says) wherever that isn't the same. html: of all formulas in their order."""
    found = [sides for table in tables(html) for sides in formulas(table)]
    out: list[Any] = [(a, b) for a, b in zip(shown(account.d), found, strict=True) if not same(account, a, b)]
    said = [f for s in account.d.every_step for words in (s.title, *s.prose) for f in MATH.findall(words.latex)]
    said += [f for note in account.d.notes for f in MATH.findall(note.latex)]
    written = MathML()
    found_said = [latex(e) for e in math(html + "".join(written.sentence(note.latex) for note in account.d.notes))]
    return out + [(a, b) for a, b in zip(said, found_said, strict=True) if spelled(a) != spelled(b)]


def spelled(text: str) -> list[str]:
    r"""The tokens, x^{\prime(1)} as x'^{(1)}: formulas in sentences may be parts that the reader doesn't read."""
    primed = re.sub(r"\^\{((?:\\prime\s*)+)", lambda m: "'" * m[1].count("p") + "^{", text)
    return tokens(primed.replace("^{}", ""))
