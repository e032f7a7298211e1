"""Expressions and sentences in LaTeX and in plain text at once."""

from __future__ import annotations

from collections.abc import Callable

from symbp.expr import Access, Expr
from symbp.show.formulas.formula import Said
from symbp.show.formulas.matrix import MatrixPrinter
from symbp.show.formulas.printer import Printer
from symbp.show.names.symbols import Names
from symbp.show.styles.latex import Latex
from symbp.show.styles.text import Text
from symbp.show.words import LANGUAGES


class Writer:
    """Two printers, one a style, for the same program.

    columns: samples are columns, and matrices stand transposed. batched: tensors of more than two indices have a matrix
    form, with the leading ones kept.
    """

    def __init__(self, names: Names, language: str = "en", columns: bool = False, batched: bool = False) -> None:
        self.names, self.language, self.columns, self.words = names, language, columns, LANGUAGES[language]
        self.latex, self.text = Printer(names, Latex(language), columns), Printer(names, Text(language), columns)
        self.matrix_latex, self.matrix_text = MatrixPrinter(self.latex, batched), MatrixPrinter(self.text, batched)

    def both(self, write: Callable[[Printer], str]) -> Said:
        """What a function makes of each printer."""
        return Said(write(self.latex), write(self.text))

    def matrix(self, write: Callable[[MatrixPrinter], str | None]) -> Said | None:
        """What a function makes of each matrix printer, None where there is no matrix form."""
        latex, text = write(self.matrix_latex), write(self.matrix_text)
        return None if latex is None or text is None else Said(latex, text)

    def left(self, target: Access, spelled: bool = False) -> Said:
        """The left side that belongs to the right side which `matrix` has just written."""
        return Said(*(m.left(target, spelled=spelled) for m in (self.matrix_latex, self.matrix_text)))

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
