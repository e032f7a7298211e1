"""What a derivation is made of: sayings in both styles, formulas, steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symbp.expr import Access, Expr
from symbp.show.latex import Latex
from symbp.show.matrix import MatrixPrinter
from symbp.show.printer import Printer
from symbp.show.symbols import Names
from symbp.show.text import Text
from symbp.show.words import LANGUAGES


@dataclass(frozen=True)
class Said:
    """The same in LaTeX and in plain text. Formulas carry invisible marks where they may be broken."""

    latex: str
    text: str


@dataclass(frozen=True)
class Formula:
    """target = value, and how that is written: sides[0] = sides[1] = ... number: of a definition, to refer to."""

    target: Access
    value: Expr
    sides: tuple[Said, ...]
    number: int | None = None

    @property
    def name(self) -> str:
        return self.target.label


@dataclass(frozen=True)
class Step:
    """One quantity (all its entries at neuron level), where it comes from, and who needs it.

    quantity: the tensor, as d_W1. wrt: what the loss is differentiated by. rule: key of the title in `words`.
    prose: sentences. formulas: asides first. reuses: (tensor, number of the step that defines it). used: by how many
    formulas each entry is read, the largest number where that differs.
    """

    number: int
    quantity: str
    wrt: str
    rule: str
    title: Said
    prose: tuple[Said, ...]
    formulas: tuple[Formula, ...]
    reuses: tuple[tuple[str, int], ...]
    used: int


@dataclass(frozen=True)
class SymbolRow:
    """A line of the table of symbols."""

    symbol: Said
    name: str
    shape: Said
    role: Said


class Writer:
    """Two printers, one a style, for the same program."""

    def __init__(self, names: Names, language: str = "en") -> None:
        self.names, self.language, self.words = names, language, LANGUAGES[language]
        self.latex, self.text = Printer(names, Latex(language)), Printer(names, Text(language))
        self.matrix_latex, self.matrix_text = MatrixPrinter(self.latex), MatrixPrinter(self.text)

    def both(self, write: Callable[[Printer], str]) -> Said:
        """What a function makes of each printer."""
        return Said(write(self.latex), write(self.text))

    def matrix(self, write: Callable[[MatrixPrinter], str | None]) -> Said | None:
        """What a function makes of each matrix printer, None where there is no matrix form."""
        latex, text = write(self.matrix_latex), write(self.matrix_text)
        return None if latex is None or text is None else Said(latex, text)

    def expr(self, e: Expr) -> Said:
        """An expression as a formula."""
        return self.both(lambda p: p.write(e))

    def math(self, said: Said) -> Said:
        """A formula as part of a sentence."""
        return Said(self.latex.style.math(said.latex), self.text.style.math(said.text))

    def name(self, tensor: str, spelled: bool = False) -> Said:
        """A tensor without indices, as part of a sentence."""
        return self.math(self.both(lambda p: p.name(tensor, (), spelled=spelled)))

    def say(self, key: str, *parts: Said | str | int) -> Said:
        """A sentence of the table with its parts put in."""
        latex = [p.latex if isinstance(p, Said) else str(p) for p in parts]
        text = [p.text if isinstance(p, Said) else str(p) for p in parts]
        return Said(escaped(self.words[key]).format(*latex), self.words[key].format(*text))

    def listed(self, parts: list[Said], comma: str = "comma", last: str = "and") -> Said:
        """a, b and c; comma, last: keys of what stands between."""
        out = parts[0]
        for k, p in enumerate(parts[1:], 2):
            if k == len(parts):
                return self.say(last, out, p)
            out = self.say(comma, out, p)
        return out


def escaped(words: str) -> str:
    """A sentence as LaTeX: typographic characters as commands."""
    return words.replace("–", "--").replace("…", r"\dots")
