"""Unicode for terminals: how each piece of mathematics is written on one line, and whole programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from symbp.functions import TABLE
from symbp.show.names.symbols import GREEK, Symbol, plain
from symbp.show.styles import breaks
from symbp.show.styles.decimals import as_decimal
from symbp.show.words import LANGUAGES

_SUBSCRIPTS = str.maketrans("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ")
_SUPERSCRIPTS = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
_PIECES = re.compile(
    r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]\s*|[^\s\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+\s*|\s+"
)
_NEVER_FIRST = "。，、：；）"
_RELATIONS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠", "and": "∧", "or": "∨", "not": "¬"}


class Text:
    """Plain Unicode text."""

    stacked = False
    space = " · "
    top = "ᵀ"
    dots = "…"
    matmul = " "
    times = "·"

    def __init__(self, language: str = "en") -> None:
        self.words = LANGUAGES[language]

    def symbol(self, symbol: Symbol, indices: Sequence[str] = (), transposed: bool = False) -> str:
        above = "".join(symbol.superscripts)
        raised = raise_(above) if above else ""
        text = plain(symbol.nucleus) + "′" * symbol.primes + raised
        below = [plain(s) for s in symbol.subscripts]
        small = lower(below, indices)
        return text + small + (self.top if transposed else "")

    def index(self, stem: str, primes: int, number: str) -> str:
        return GREEK.get(stem, stem) + "'" * primes + number

    def number(self, value: Fraction) -> str:
        if value.denominator == 1:
            return str(value.numerator)
        decimal = as_decimal(value)
        if decimal is None:
            return f"{value.numerator}/{value.denominator}"
        mantissa, exponent, exact = decimal
        if exponent is not None:
            power = "10" + str(exponent).translate(_SUPERSCRIPTS)
            return power if mantissa == "1" else f"{mantissa}·{power}"
        return mantissa + ("" if exact else "…")

    def size(self, name: str) -> str:
        return name

    def constant(self, name: str) -> str:
        return "∞" if name == "oo" else GREEK.get(name, name)

    def partial(self, of: str, wrt: str) -> str:
        return f"∂{of}/∂{wrt}"

    def fraction(self, top: str, bottom: str) -> str:
        return f"{top}/{bottom}"

    def brackets(self, inside: str) -> str:
        return f"({inside})"

    def power(self, base: str, exponent: str) -> str:
        return base + raise_(exponent)

    def elementwise_power(self, base: str, exponent: str) -> str:
        return base + raise_(exponent)

    def root(self, inside: str) -> str:
        return f"√({inside})" if len(inside) > 1 else f"√{inside}"

    def reduction(self, kind: str, indices: Sequence[str]) -> str:
        sign = "Σ" if kind == "sum" else "max"
        small = lower([], indices)
        return f"{sign}{small} "

    def call(self, function: str, arguments: Sequence[str], binding: Sequence[int]) -> str:
        if function == "abs":
            return f"|{arguments[0]}|"
        return f"{function_name(function)}({', '.join(breaks.deeper(a) for a in arguments)})"

    def iverson(self, condition: str) -> str:
        return f"[{condition}]"

    def cases(self, condition: str, then: str, otherwise: str) -> str:
        line = breaks.deeper(breaks.mark(breaks.SIGN))
        return f"{{{then}{line} {self.words['if']} {condition},{line} {self.words['else']} {otherwise}}}"

    def relation(self, operator: str) -> str:
        return _RELATIONS[operator]

    def delta(self, a: str, b: str) -> str:
        return "δ" + lower([], (a, b))

    def hadamard(self) -> str:
        return " ⊙ "

    def transpose(self, inside: str) -> str:
        return f"({inside}){self.top}"

    def ones(self, transposed: bool = False) -> str:
        return "𝟏ᵀ" if transposed else "𝟏"

    def identity(self) -> str:
        return "I"

    def squared_norm(self, inside: str) -> str:
        return f"‖{inside}‖²"

    def matrix(self, rows: Sequence[Sequence[str]], transposed: bool = False) -> str:
        inside = [f"[{', '.join(row)}]" for row in rows]
        return (inside[0] if len(inside) == 1 else f"[{', '.join(inside)}]") + (self.top if transposed else "")

    def math(self, inside: str) -> str:
        return breaks.unmarked(inside)


def function_name(function: str) -> str:
    """σ for the sigmoid, ReLU, tanh, ...: the LaTeX name without its commands."""
    template = TABLE[function].latex.replace("{{", "{").replace("}}", "}")
    return (
        "exp"
        if function == "exp"
        else plain(template.replace("({0}, {1})", "").replace("({0})", "").replace("{0}", "")).strip()
    )


def lower(base: Sequence[str], indices: Sequence[str]) -> str:
    """Subscripts as such where Unicode has them all, else in square brackets, as is k5, which looks like k and 5."""
    if not base and not indices:
        return ""
    single = all(len(i.rstrip("'")) == 1 for i in indices)
    joined = ("" if single else ",").join(indices)
    whole = ",".join([*base, *([joined] if joined else [])])
    tidy = whole.replace("'", "")
    small = tidy.translate(_SUBSCRIPTS)
    numbered = any(re.fullmatch("[^0-9]+[0-9]+", i.rstrip("'")) for i in indices)
    if not numbered and "," not in tidy and all(a != b for a, b in zip(tidy, small, strict=True)):
        return whole.translate(_SUBSCRIPTS).replace("'", "′")
    return (f"_{','.join(base)}" if base else "") + (f"[{','.join(indices)}]" if indices else "")


def raise_(text: str) -> str:
    """A superscript where Unicode has it, else ^(...)."""
    small = text.translate(_SUPERSCRIPTS)
    return (
        small
        if all(a != b for a, b in zip(text, small, strict=True))
        else f"^({text})"
        if len(text) > 1
        else f"^{text}"
    )


def width(text: str) -> float:
    """Columns in a terminal: Chinese characters take two."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in breaks.unmarked(text)
        if not unicodedata.combining(c)
    )


def filled(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns, broken at blanks and between Chinese characters."""
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if line and width(line + piece.rstrip()) > columns and piece[0] not in _NEVER_FIRST:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines
