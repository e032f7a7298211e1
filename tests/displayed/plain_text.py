"""Formulas in plain text: each is read by the reader of LaTeX and must say what its LaTeX says.

What Unicode has other characters for (scripts, roots, bars) is spelled as LaTeX first; fractions and braces are read as
they stand. Nothing here knows the printers: symbols are those of the table, which has each in both forms.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import Any

from displayed import functions
from displayed import tree as t
from displayed.legend import MATH, Legend, split
from displayed.reader import Reader

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ′"
_LETTER = r"(?:[A-Za-zΑ-ΡΤ-Ωα-ω][\u0300-\u036f\u20d7]*)"  # without the sum sign
_WORD = re.compile(rf"{_LETTER}(?:{_LETTER}|[0-9_])*")
_BELOW = re.compile(rf"_((?:{_LETTER}|\d)+(?:,(?:{_LETTER}|\d)+)*)")
_CARELESS = re.compile(r"  |(?<![\d.])0\d|[√^]$|^$")
_SIGNS = {
    " · ": " ", "⊙": r"\odot ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∧": r"\wedge ", "∨": r"\vee ",
    "¬": r"\neg ", "…": r"\ldots ", "∞": r"\infty ", "𝟏": r"\mathbf{1}", "∂": r"\partial ",
}  # fmt: skip
_PLAIN = " 0123456789.,()[]{}+-/<>="
_OPENS = " ([{/√-|"  # a bar behind one of these is the first of its two


def scripts(text: str) -> str:
    """Small characters as LaTeX has them in a script."""
    out = "".join("'" if c == "′" else unicodedata.normalize("NFKC", c).replace("−", "-") for c in text)
    return "".join(_greek(c) for c in out)


def _greek(word: str) -> str:
    """A Greek letter as a command; others as they are."""
    name = unicodedata.name(word, "") if len(word) == 1 else ""
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if not found:
        return word
    command = found[2].lower().replace("lamda", "lambda")
    return "\\" + (command if found[1] == "SMALL" else command.capitalize()) + " "


def _functions() -> dict[str, str]:
    known = (*functions.PREFIX, *functions.BRACKETED, *functions.WITH_PARAMETER)
    return {re.sub(r"\\operatorname|[\\{}]", "", name).replace("sigma", "σ"): name for name in known}


FUNCTIONS = _functions()


class Spelling:
    """How the symbols of an account's table are spelled in LaTeX."""

    def __init__(self, derivation: Any, legend: Legend) -> None:
        self.legend = legend
        self.parts: dict[str, dict[str, str]] = {"nucleus": {}, "above": {}, "below": {}}
        for r in derivation.symbols:
            latex = MATH.fullmatch(r.symbol.latex)[1]  # type: ignore[index]
            if not latex.startswith(r"\partial"):
                self.note(split(latex, r.name, ()), r.symbol.text)
        for text, latex in list(self.parts["nucleus"].items()):  # single entries have small letters
            small = latex[0].lower() + latex[1:]
            if small in legend.symbols:
                self.parts["nucleus"].setdefault(text[0].lower() + text[1:], small)
        self.parts["nucleus"].setdefault("I", r"\mathbf{I}")

    def note(self, row: Any, text: str) -> None:
        """The parts of a symbol, each in both forms."""
        below = rf"([{_LOWERED}]+|_.+)" if row.below else "()"
        m = re.fullmatch(rf"([^′{_RAISED}{_LOWERED}^]+?)(′*)([{_RAISED}]+|\^\(.*\)|\^.)?{below}", text)
        if m is None or len(m[2]) != row.primes:
            raise t.Unreadable(f"{text} is not {row.nucleus}^{row.above}_{row.below}")
        for part, short in (("nucleus", m[1]), ("above", _unwrapped(m[3] or "")), ("below", _unwrapped(m[4]))):
            latex = getattr(row, part)
            if self.parts[part].setdefault(short, latex) != latex:
                raise t.Unreadable(f"{short} stands for {latex} and for {self.parts[part][short]}")

    @cached_property
    def words(self) -> dict[str, str]:
        sizes = {s: s if len(s) == 1 else r"\mathrm{" + s.replace("_", r"\_") + "}" for s in self.legend.lengths}
        said = {"if": r"\text{if }", "else": r"\text{else}", "max": r"\max"}
        return {**FUNCTIONS, **said, **sizes, **self.parts["nucleus"]}

    def latex(self, text: str) -> str:
        """A formula in the characters of LaTeX."""
        if _CARELESS.search(text):
            raise t.Unreadable(f"two blanks, a zero in front of a number, or no end: {text}")
        out, at = "", 0
        while at < len(text):
            piece, at = self.piece(text, at)
            out += piece
        return out

    def piece(self, text: str, at: int) -> tuple[str, int]:
        """The first piece from `at` on, in LaTeX, and where it ends."""
        word = _WORD.match(text, at)
        if word:
            return self.named(text, at, word[0])
        for sign, latex in _SIGNS.items():
            if text.startswith(sign, at):
                return latex, at + len(sign)
        c = text[at]
        if c == "Σ":
            return self.reduction(r"\sum", text, at + 1)
        if c == "·" and text.startswith("10⁻", at + 1):
            return r"\cdot ", at + 1
        if c == "√":
            inside, end = _enclosed(text, at + 1) if text[at + 1] == "(" else (text[at + 1], at + 2)
            return rf"\sqrt{{{self.latex(inside)}}}", end
        if c in "|‖":
            side = "l" if at == 0 or text[at - 1] in _OPENS else "r"
            return rf"\{side}{'vert' if c == '|' else 'Vert'} ", at + 1
        if c == "ᵀ":
            return r"^{\top}", at + 1
        if c in _RAISED or c == "^":
            above, end = self.above(text, at)
            return f"^{{{self.latex(above)}}}", end
        if c in _PLAIN:
            return c, at + 1
        raise t.Unreadable(f"{c!r} in {text}")

    def named(self, text: str, at: int, word: str) -> tuple[str, int]:
        """A word: a symbol with its scripts, a function, a size, an index."""
        known = next((word[:n] for n in range(len(word), 0, -1) if word[:n] in self.words), None)
        if known is None or (len(known) < len(word) and known not in self.legend.lengths and word[len(known)] != "_"):
            index = re.fullmatch(r"(\D+)(\d*)", word)
            if index is None:
                raise t.Unreadable(f"{word} in {text}")
            stem = _greek(index[1]) if len(index[1]) == 1 else rf"\mathit{{{index[1]}}}"
            known, spelled = word, stem.strip() + (f"_{{{index[2]}}}" if index[2] else "")
        else:
            spelled = self.words[known]
        at += len(known)
        primes = re.compile("′+|'*").match(text, at)[0]  # type: ignore[index]
        at += len(primes)
        above = below = ""
        if known in self.parts["nucleus"]:
            found, end = self.above(text, at)
            if found in self.parts["above"] or found.startswith("("):
                above, at = self.parts["above"].get(found, found), end
        if known == "max" and text[at : at + 1] != "(":
            return self.reduction(r"\max", text, at)
        if known in self.parts["nucleus"] or known == "δ":
            below, at = self.below(text, at)
        if text.startswith("ᵀ", at):
            above, at = above + r"\top", at + 1
        return spelled + "'" * len(primes) + (f"^{{{above}}}" if above else "") + below + " ", at

    def reduction(self, command: str, text: str, at: int) -> tuple[str, int]:
        """A sum or a maximum over indices, with commas between them."""
        below, end = self.below(text, at)
        indices = re.findall(r"(?:\\\w+ |\w)(?:_\{\d+\})?'*", below[2:-1]) if "," not in below else [below[2:-1]]
        return f"{command}_{{{','.join(indices)}}} ", end

    def above(self, text: str, at: int) -> tuple[str, int]:
        """A superscript, in ordinary characters, and where it ends."""
        if text.startswith("^(", at):
            return _enclosed(text, at + 1)
        if text.startswith("^", at):
            return text[at + 1], at + 2
        end = at
        while end < len(text) and text[end] in _RAISED:
            end += 1
        return scripts(text[at:end]), end

    def below(self, text: str, at: int) -> tuple[str, int]:
        """A subscript as a group of LaTeX, empty if there is none, and where it ends."""
        end = at
        while end < len(text) and text[end] in _LOWERED:
            end += 1
        if end > at:
            small = scripts(text[at:end])
            return f"_{{{self.parts['below'].get(small, small)}}}", end
        parts = []
        found = _BELOW.match(text, at)
        if found:
            first, *rest = found[1].split(",")
            parts, end = [self.parts["below"].get(first, first), *rest], found.end()
        if text.startswith("[", end):
            inside, end = _enclosed(text, end)
            parts.append(self.latex(inside))
        return f"_{{{','.join(parts)}}}" if parts else "", end


def _unwrapped(script: str) -> str:
    """A script of a symbol in ordinary characters."""
    if script.startswith("^("):
        return script[2:-1]
    return script[1:] if script[:1] in ("^", "_") else scripts(script)


def _enclosed(text: str, at: int) -> tuple[str, int]:
    """What stands in the bracket that opens at `at`, and where it ends."""
    depth = 0
    for k in range(at, len(text)):
        depth += (text[k] in "([{") - (text[k] in ")]}")
        if depth == 0:
            return text[at + 1 : k], k + 1
    raise t.Unreadable(f"a bracket that does not end: {text[at:]}")


class PlainReader(Reader):
    """Reads fractions with a slash and braces on one line."""

    def within(self, text: str) -> Reader:
        return PlainReader(text, self.legend, None if self.declaring else self.bound)

    def factor(self) -> Any:
        tree = super().factor()
        while self.accept("/"):
            tree = t.Fraction(tree, super().factor())
        return tree

    def atom(self) -> Any:
        return self.cases() if self.sees("{") else super().atom()

    def cases(self) -> t.Cases:
        self.expect("{")
        then = self.sum()
        self.expect(r"\text{if }")
        condition = self.condition()
        self.expect(",")
        self.expect(r"\text{else}")
        otherwise = self.sum()
        self.expect("}")
        return t.Cases(condition, then, otherwise)

    def slashed(self) -> Any:
        spans = []
        for first in (True, False):
            if not first:
                self.expect("/")
            self.expect(r"\partial")
            start = self.at
            self.operand()
            spans.append(self.text[start : self.at].strip())
        return self.derivative(*spans)


def read_plain(text: str, spelling: Spelling, bound: frozenset[str] | None = frozenset()) -> Any:
    """The tree of a formula in plain text."""
    reader = PlainReader(spelling.latex(text), spelling.legend, bound)
    tree = reader.sum()
    if not reader.done():
        raise reader.fail("more text than formula")
    return tree
