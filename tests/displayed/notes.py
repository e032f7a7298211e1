"""What the notes say of functions: what they are, and what their derivatives are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from displayed import tree as t
from displayed.functions import BRACKETED, PREFIX, WITH_PARAMETER
from displayed.legend import Legend, Row
from displayed.meaning import Meaning
from displayed.reader import read, sides

KINDS = ("note_function", "note_definition", "note_derivative")
VARIABLE = "the variable of a note"
WELL_KNOWN = {r"\exp", r"\log", r"\sin", r"\cos", r"\operatorname{sign}", r"\max", r"\min"}
_NAMES = sorted((*PREFIX, *BRACKETED, *WITH_PARAMETER), key=len, reverse=True)
_OF_ONE = re.compile(r"(.+?)(?:\((\\?[a-z]+)\)| (\\?[a-z]+))")
_POINTS = (-2.3, -0.7, 0.4, 0.9, 1.6)  # away from where a function has a kink
_STEP = 1e-3
_WEIGHTS = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}  # of a difference that is exact up to the fourth power


@dataclass(frozen=True)
class Told:
    """f(u) = formula, and its derivative. formula, derivative: empty where a note doesn't say."""

    where: str
    function: str
    formula: str
    derivative: str

    @property
    def variable(self) -> str:
        m = _OF_ONE.fullmatch(self.function)
        if m is None:
            raise t.Unreadable(f"no function of one variable: {self.function}")
        return m[2] or m[3]


def told(notes: Any, words: dict[str, str]) -> Iterator[Told]:
    """The functions that are explained, in either language."""
    for k, note in enumerate(notes):
        for kind in KINDS:
            frame = re.escape(words[kind]).replace(r"\{0\}", r"\$([^$]+)\$").replace(r"\{1\}", r"\$([^$]+)\$")
            found = re.fullmatch(frame, note.latex)
            if found:
                equal = [side.strip() for side in sides(found[1])]
                formula = equal[1] if len(equal) > 1 else ""
                yield Told(f"note {k}", equal[0], formula, found[2] if kind != "note_definition" else "")
                break


def with_variable(legend: Legend, letter: str) -> Legend:
    """The same symbols and one more. Raises Unreadable if it is one of them already."""
    symbols = {nucleus: dict(rows) for nucleus, rows in legend.symbols.items()}
    out = replace(legend, symbols=symbols)
    if letter in symbols or legend.range_of(letter):
        raise t.Unreadable(f"{letter} is a symbol of the table or an index")
    out.add(Row(VARIABLE, letter, "", "", 0, ()))
    return out


def faults(said: Told, legend: Legend) -> list[str]:
    """What isn't so of the function that `displayed.functions` has, at some points; a derivative is a difference."""
    try:
        known = with_variable(legend, said.variable)
        texts = (said.function, said.formula, said.derivative)
        function, *rest = [read(text, known) if text else None for text in texts]
        out = []
        for x in _POINTS:
            exact = value(function, known, x)[0]
            slope = sum(weight * value(function, known, x + k * _STEP)[0] for k, weight in _WEIGHTS.items()) / _STEP
            for tree, wanted in zip(rest, (exact, slope), strict=True):
                found, slack = value(tree, known, x) if tree else (wanted, 0.0)
                if not abs(found - wanted) <= (1e-9 + 4 * slack) * max(1, abs(wanted)):
                    out.append(f"{said.where}: of {said.function} at {x}: {found}, not {wanted}")
        return out
    except (t.Unreadable, ValueError, LookupError, TypeError, AttributeError) as error:
        return [f"{said.where}: {type(error).__name__}: {error}"]


def value(tree: Any, legend: Legend, x: float) -> tuple[float, float]:
    """At a point, with how exact it is as far as digits are cut off. A note has nothing but its variable."""
    meaning = Meaning(legend, {VARIABLE: x}.__getitem__, lambda of, wrt: None)
    return float(meaning.value(tree)), meaning.slack


def functions(texts: Iterable[str]) -> set[str]:
    """Those that a reader has to be told of."""
    out = set()
    for text in texts:
        for name in _NAMES:  # GELU with tanh below isn't tanh
            if name in text:
                out.add(name)
                text = text.replace(name, "")
    return out - WELL_KNOWN


def unexplained(said: list[Told], texts: Iterable[str]) -> list[str]:
    """What the network has, or another function is explained by, and what nothing needs."""
    needed = functions([*texts, *(text for one in said for text in (one.formula, one.derivative))])
    explained = functions(one.function for one in said)
    return [f"nothing is said of {name}" for name in sorted(needed - explained)] + [
        f"{name} is explained, and nowhere to be seen" for name in sorted(explained - needed)
    ]
