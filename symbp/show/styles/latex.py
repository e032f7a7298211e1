"""LaTeX: how each piece of mathematics is written, how wide it gets, and whole programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from symbp.functions import TABLE
from symbp.show.names.symbols import GREEK, Symbol, group
from symbp.show.styles import breaks
from symbp.show.styles.decimals import as_decimal
from symbp.show.styles.latex_width import width
from symbp.show.styles.style import POWER
from symbp.show.words import LANGUAGES

_RELATIONS = {
    "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne",
    "and": r"\wedge", "or": r"\vee", "not": r"\neg",
}  # fmt: skip
CONDITION = 12.0  # em of a line of a condition beside a brace
_SIZES = ("", r"\bigl", r"\Bigl", r"\biggl", r"\Biggl")


class Latex:
    """LaTeX for amsmath and amssymb; formulas can be broken anywhere, so brackets have sizes and no \\left."""

    stacked = True
    space = r"\,"
    top = r"\top"
    dots = r"\ldots"
    matmul = " "
    times = r"\cdot "

    def __init__(self, language: str = "en") -> None:
        self.words = LANGUAGES[language]

    def symbol(self, symbol: Symbol, indices: Sequence[str] = (), transposed: bool = False) -> str:
        above = r"\prime" * symbol.primes + "".join(symbol.superscripts) + (self.top if transposed else "")
        below = ",".join([*symbol.subscripts, *([_subscripts(indices)] if indices else [])])
        return symbol.nucleus + (f"^{{{above}}}" if above else "") + (f"_{{{below}}}" if below else "")

    def index(self, stem: str, primes: int, number: str) -> str:
        if len(stem) == 1 and stem.isalpha():
            letter = stem
        else:
            letter = f"\\{stem}" if stem in GREEK else rf"\mathit{{{stem}}}".replace("_", r"\_")
        return letter + "'" * primes + (f"_{{{number}}}" if number else "")

    def number(self, value: Fraction) -> str:
        if value.denominator == 1:
            return str(value.numerator)
        decimal = as_decimal(value)
        if decimal is None:
            return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        mantissa, exponent, exact = decimal
        if exponent is not None:
            return f"10^{{{exponent}}}" if mantissa == "1" else rf"{mantissa}\cdot 10^{{{exponent}}}"
        return mantissa + ("" if exact else r"\ldots")

    def size(self, name: str) -> str:
        return name if len(name) == 1 else rf"\mathrm{{{name}}}".replace("_", r"\_")

    def constant(self, name: str) -> str:
        return r"\infty" if name == "oo" else f"\\{name}"

    def partial(self, of: str, wrt: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {wrt}}}"

    def fraction(self, top: str, bottom: str) -> str:
        return rf"\frac{{{top}}}{{{bottom}}}"

    def brackets(self, inside: str, left: str = "(", right: str = ")") -> str:
        size = _SIZES[min(height(inside), len(_SIZES) - 1)]
        return f"{size}{left}{inside}{size.replace('l', 'r') if size else ''}{right}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def elementwise_power(self, base: str, exponent: str) -> str:
        return rf"{base}^{{\odot {exponent}}}"

    def root(self, inside: str) -> str:
        return rf"\sqrt{{{inside}}}"

    def reduction(self, kind: str, indices: Sequence[str]) -> str:
        return rf"\{kind}_{{{','.join(indices)}}} "

    def call(self, function: str, arguments: Sequence[str], binding: Sequence[int]) -> str:
        template = TABLE[function].latex
        if function == "exp":
            short = height(arguments[0]) == 0 and len(breaks.unbroken(arguments[0])) < 60
            return (
                f"e^{{{breaks.unbroken(arguments[0])}}}"
                if short
                else rf"\exp{self.brackets(breaks.deeper(arguments[0]))}"
            )
        if "({0})" in template:
            named = template.partition("(")[0].replace("{{", "{").replace("}}", "}")
            given = f"_{{{','.join(breaks.unmarked(a) for a in arguments[1:])}}}" if arguments[1:] else ""
            return named + given + self.brackets(breaks.deeper(arguments[0]))
        if template.count("{0}") and re.search(r"[A-Za-z}] \{0\}$", template):
            held = [
                a if b >= POWER else self.brackets(breaks.deeper(a)) for a, b in zip(arguments, binding, strict=True)
            ]
            return template.format(*held)
        return template.format(*(breaks.deeper(a) for a in arguments))

    def iverson(self, condition: str) -> str:
        return f"[{condition}]"

    def cases(self, condition: str, then: str, otherwise: str) -> str:
        gap = "" if self.words["between"] else r"\;"  # TeX takes a blank behind a Chinese character away
        when, other = rf"\text{{{self.words['if']} }}{gap}", self.words["else"]
        where = (r" \wedge{}" + "\\\\ & ").join(_rows(condition))
        return rf"\begin{{cases}}{then} & {when} {where}\\ {otherwise} & \text{{{other}}}\end{{cases}}"

    def relation(self, operator: str) -> str:
        return _RELATIONS[operator]

    def delta(self, a: str, b: str) -> str:
        return rf"\delta_{{{a}{',' if len((a + b).replace(chr(39), '')) > 2 else ''}{b}}}"

    def hadamard(self) -> str:
        return r" \odot "

    def transpose(self, inside: str) -> str:
        return f"{self.brackets(inside)}^{{{self.top}}}"

    def ones(self, transposed: bool = False) -> str:
        return r"\mathbf{1}^{\top}" if transposed else r"\mathbf{1}"

    def identity(self) -> str:
        return r"\mathbf{I}"

    def squared_norm(self, inside: str) -> str:
        return rf"\lVert {inside} \rVert^{{2}}"

    def matrix(self, rows: Sequence[Sequence[str]], transposed: bool = False) -> str:
        inside = r" \\ ".join(" & ".join(row) for row in rows)
        return rf"\begin{{bmatrix}}{inside}\end{{bmatrix}}" + (f"^{{{self.top}}}" if transposed else "")

    def math(self, inside: str) -> str:
        return f"${_slashed(breaks.unmarked(inside))}$"


def _slashed(latex: str) -> str:
    """Derivatives on one line: \\partial L/\\partial z, as they read best within a sentence."""
    head, found, rest = latex.partition(r"\frac{\partial ")
    if not found:
        return latex
    above, at = group(r"{\partial " + rest, 0)
    below, end = group(r"{\partial " + rest, at)
    return f"{head}{_slashed(above)}/{_slashed(below)}" + _slashed((r"{\partial " + rest)[end:])


def _rows(condition: str) -> list[str]:
    """A long "and" in parts that stand below each other."""
    if "(" in condition or r"\vee" in condition:
        return [condition]
    rows: list[str] = []
    for part in condition.split(r" \wedge "):
        longer = rf"{rows[-1]} \wedge {part}" if rows else part
        if rows and width(longer) <= CONDITION:
            rows[-1] = longer
        else:
            rows.append(part)
    return rows


def _subscripts(indices: Sequence[str]) -> str:
    single = all(len(i.replace("'", "").lstrip("\\")) == 1 or i.lstrip("\\").rstrip("'") in GREEK for i in indices)
    return "".join(_spaced(indices)) if single else ",".join(indices)


def _spaced(indices: Sequence[str]) -> list[str]:
    """A blank behind a command, so that \\alpha i is not read as \\alphai."""
    return [f"{i} " if i.startswith("\\") and k < len(indices) - 1 else i for k, i in enumerate(indices)]


def height(latex: str) -> int:
    """How tall the brackets around it must be: 0 for a line, more for fractions, sums and brackets inside."""
    tallest = max((_SIZES.index(s) + 1 for s in re.findall(r"\\(?:b|B)igg?l", latex)), default=0)
    if re.search(r"\\(frac|begin)", latex):
        return max(2, tallest)
    if re.search(r"\\(sum|max|sqrt)(?![a-z(])", latex):
        return max(1 if "sqrt" in latex and "sum" not in latex else 2, tallest)
    return tallest
