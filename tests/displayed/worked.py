"""Numbers beside formulas: what each quantity comes to, to the digits shown, and formulas with numbers put in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from displayed import tree as t
from displayed.account import Account
from displayed.matrices import Matrices
from displayed.meaning import Meaning
from displayed.plain_text import Spelling, read_plain
from displayed.reader import END, LAYOUT, Reader, read
from displayed.same import normal
from displayed.slices import Slices
from symbp.show.styles import breaks

DIGITS = 5  # as the pages say
LARGE, WIDE = 24, 8  # arrays of more entries, or with longer rows, aren't written out
ROUNDING = 1e-13
_NUMBER = re.compile(r"(-?)(\d+(?:\.\d+)?)(?:\s*\\cdot 10\^\{(-?\d+)\})?")
_ROWS = re.compile(r"\\begin\{bmatrix\}(.*)\\end\{bmatrix\}(\^\{\\top\})?")


class Worked:
    """The numbers of an account whose derivation was asked for at a point. columns: the same, samples as columns."""

    def __init__(self, account: Account, columns: Any = None) -> None:
        self.account, self.d, self.turned = account, columns or account.d, columns is not None
        self.spelling = Spelling(self.d, account.entries or account.arrays)

    def faults(self) -> list[str]:
        d = self.d
        out = [fault for f in d.point for fault in self.given(f)]
        for f in (*d.definitions, *d.updates, *d.summary, *(f for step in d.steps for f in step.formulas)):
            out += self.check(f)
        return out

    def refuses(self, f: Any) -> bool:
        """Whether anything is wrong with the numbers of a formula."""
        try:
            return any(True for _ in self.check(f))
        except t.Unreadable:
            return True

    def given(self, f: Any) -> Iterator[str]:
        """What is put in: "=" where these are all the digits that there are."""
        exact, shown = self.exact(f), f.worked[0] if f.worked else f.sides[1]
        yield from self.shows(f.name, shown, exact)
        whole = np.array_equal(numbers(shown.latex)[0].reshape(np.shape(exact)), exact)
        if whole != (not f.worked):
            yield f"{f.name}: {'=' if not f.worked else '≈'} before {shown.latex}"

    def check(self, f: Any) -> Iterator[str]:
        """The value, in front of which is the last side with numbers put in where that says more."""
        exact = self.exact(f)
        if not f.worked:
            long = np.size(exact) if 1 in np.shape(exact) else np.shape(exact)[-1]
            if np.ndim(exact) <= 2 and np.size(exact) <= LARGE and long <= WIDE:
                yield f"{f.name} has no number"
            return
        yield from self.shows(f.name, f.worked[-1], exact)
        if len(f.worked) > 1:
            yield from self.plugged(f.name, f.sides[-1].latex, f.worked[0], exact)

    def exact(self, f: Any) -> Any:
        """The value as it is written: a matrix, a vector as a row or a column, a number."""
        account = self.account
        value = np.asarray(account.expected(f.name) if f.name not in account.places else account.entry(f.name))
        if account.entries or self.d.level == "index" or value.ndim == 0:
            return value
        if value.ndim == 1:
            left = account.trees(((f.beside or f.sides)[0].latex,), account.arrays)[1][0]
            kind = Slices if account.arrays.sliced else Matrices
            value = kind(account.arrays, account.tensor, account.derivative).value(whole(left))
        return value.T if self.turned else value

    def shows(self, name: str, said: Any, exact: Any) -> Iterator[str]:
        """Whether this is the value, rounded to the digits that are asked for, in both forms."""
        for text in (said.latex, from_text(said.text)):
            found, digits = numbers(text)
            if np.ndim(exact) < 2:
                found = found.reshape(np.shape(exact)) if found.size == np.size(exact) else found
            if found.shape != np.shape(exact):
                yield f"{name}: {text} for an array of {np.shape(exact)}"
            elif digits > DIGITS or not np.all(within(found, exact)):
                yield f"{name}: {text} is not {np.ravel(exact)[:6]}"

    def plugged(self, name: str, side: str, said: Any, exact: Any) -> Iterator[str]:
        """Whether these are the numbers of the side's symbols, and come to the value as far as rounding lets them."""
        account = self.account
        assert account.entries is not None
        meaning = Meaning(account.entries, account.entry, account.entry_derivative)
        leaves: list[tuple[float, float]] = []

        def put_in(leaf: Any) -> Any:
            value = float(meaning.value(leaf))
            leaves.append((rounded(value), value))
            return constant(rounded(value))

        wanted = signed(replaced(read(side, account.entries), put_in))
        for reading in (lambda: read_worked(said.latex, account), lambda: read_plain(plain(said.text), self.spelling)):
            try:
                tree = reading()
            except t.Unreadable as error:
                yield f"{name}: {error}"
                continue
            if normal(signed(tree)) != normal(wanted):
                yield f"{name}: {said.latex} is not {side}"
                continue
        of = read(side, account.entries)
        at_shown = value_with(of, meaning, [a for a, _ in leaves])
        slack = half_unit(float(exact))
        for k, (_, true) in enumerate(leaves):
            moved = value_with(of, meaning, [true if j == k else a for j, (a, _) in enumerate(leaves)])
            slack += 2 * abs(moved - at_shown)
        if not abs(at_shown - exact) <= slack + 1e-12:
            yield f"{name}: {said.latex} comes to {at_shown}, not {exact}"


_SPACING = re.compile(r"\\approx|\\(?:hspace|tag|qquad)(?:\{[^{}]*\})?|\\,|[\s&]|\{\}|\\\\|\[t\]")
_SIZED = re.compile(r"\\[bB]igg?[lr]")


def joined(text: str) -> str:
    """A page, or a part of one, without what only arranges it."""
    text = breaks.unmarked(text).replace(r"\approx", "≈").replace(r"\cdot", "·")
    return _SIZED.sub("", _SPACING.sub("", text))


def whole(left: Any) -> Any:
    """The tensor without its indices."""
    if isinstance(left, t.Derivative):
        return replace(left, wrt=replace(left.wrt, indices=()))
    return replace(left, indices=())


def rounded(value: float) -> float:
    if abs(value) < ROUNDING:
        return 0.0
    return float(f"{value:.{DIGITS}g}")


def half_unit(value: float) -> float:
    """Of the last digit that is shown."""
    return 0.5000001 * 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1) if value else 0.0


def within(found: Any, exact: Any) -> Any:
    return abs(found - exact) <= np.maximum(np.vectorize(half_unit, otypes=[float])(exact), ROUNDING)


def numbers(latex: str) -> tuple[Any, int]:
    """A number or the numbers of a matrix, and how many digits the longest has."""
    table = _ROWS.fullmatch(latex)
    cells = [row.split(" & ") for row in table[1].split(r" \\ ")] if table else [[latex]]
    found = [[_NUMBER.fullmatch(cell) for cell in row] for row in cells]
    if not all(m for row in found for m in row):
        raise t.Unreadable(f"no numbers: {latex}")
    values = [[float(f"{m[1]}{m[2]}e{m[3] or 0}") for m in row] for row in found]  # type: ignore[index]
    digits = max(len(m[2].replace(".", "").lstrip("0").rstrip("0")) for row in found for m in row)  # type: ignore[index]
    if len({len(row) for row in values}) > 1:
        raise t.Unreadable(f"rows of several lengths: {latex}")
    array = np.array(values)
    if table:
        return (array.T if table[2] else array), digits
    return array.reshape(()), digits


_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def plain(text: str) -> str:
    return breaks.unmarked(text)


def from_text(text: str) -> str:
    """Numbers of plain text as LaTeX has them."""
    text = re.sub("·10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: rf"\cdot 10^{{{m[1].translate(_RAISED)}}}", text)
    turned = text.endswith("ᵀ")
    text = text.removesuffix("ᵀ")
    if not text.startswith("["):
        return text
    rows = text[2:-2].split("], [") if text.startswith("[[") else [text[1:-1]]
    inside = r" \\ ".join(row.replace(", ", " & ") for row in rows)
    return rf"\begin{{bmatrix}}{inside}\end{{bmatrix}}" + (r"^{\top}" if turned else "")


class _WorkedReader(Reader):
    """Reads factors with dots between them."""

    def within(self, text: str) -> Reader:
        return _WorkedReader(text, self.legend, None if self.declaring else self.bound)

    def number(self) -> t.Number:
        m = re.compile(r"(\d+(?:\.\d+)?)\s*\\cdot\s*10\^\{(-?\d+)\}").match(self.text, self.at)
        if m:
            self.at = m.end()
            return t.Number(float(f"{m[1]}e{m[2]}"))
        m = re.compile(r"\d+(?:\.\d+)?").match(self.text, self.at)
        assert m is not None
        if self.text.startswith((r"\ldots", "^{-"), m.end()):
            return super().number()
        self.at = m.end()
        return t.Number(float(m[0]) if "." in m[0] else int(m[0]))

    def product(self) -> Any:
        parts = [self.factor()]
        while self.accept(r"\cdot") or not (self.done() or END.match(self.text, self.at) or self.sees_digit()):
            parts.append(self.factor())
        return parts[0] if len(parts) == 1 else t.Product(tuple(parts))

    def sees_digit(self) -> bool:
        return self.text[self.at : self.at + 1].isdigit()


def read_worked(latex: str, account: Account) -> Any:
    assert account.entries is not None
    reader = _WorkedReader(LAYOUT.sub("", latex), account.entries, frozenset())
    tree = reader.sum()
    if not reader.done():
        raise reader.fail("more text than formula")
    return tree


def replaced(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The tree with all its symbols changed."""
    if isinstance(tree, (t.Name, t.Derivative)):
        return change(tree)
    if isinstance(tree, tuple):
        return tuple(replaced(part, change) for part in tree)
    if not hasattr(tree, "__dataclass_fields__"):
        return tree
    return replace(tree, **{name: replaced(getattr(tree, name), change) for name in tree.__dataclass_fields__})


def constant(value: float) -> Any:
    number = t.Number(abs(value))
    return t.Sum(((-1, number),)) if value < 0 else number


def value_with(tree: Any, meaning: Meaning, values: list[float]) -> float:
    left = iter(values)
    return float(meaning.value(replaced(tree, lambda leaf: t.Number(next(left)))))


def signed(tree: Any) -> Any:
    """Minus signs of numbers in a sum are signs of its terms; numbers as decimals."""
    if isinstance(tree, tuple):
        return tuple(map(signed, tree))
    if isinstance(tree, t.Number):
        return t.Number(float(tree.value), tree.slack)
    if not hasattr(tree, "__dataclass_fields__"):
        return tree
    tree = replace(tree, **{name: signed(getattr(tree, name)) for name in tree.__dataclass_fields__})
    if isinstance(tree, t.Sum):
        terms = [
            (-sign, part.terms[0][1]) if _is_minus(part) else (sign, part) for sign, part in tree.terms
        ]  # fmt: skip
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else t.Sum(tuple(terms))
    return tree


def _is_minus(tree: Any) -> bool:
    """Whether this is a number with a minus."""
    if not isinstance(tree, t.Sum) or len(tree.terms) != 1:
        return False
    return tree.terms[0][0] == -1 and isinstance(tree.terms[0][1], t.Number)
