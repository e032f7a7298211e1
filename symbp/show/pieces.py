"""What a derivation is made of: sayings in both styles, formulas, steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
    """target = value, and how that is written: sides[0] = sides[1] = ... number: of a definition, to refer to.

    beside: the same in matrix notation, where both forms are asked for and it has one. worked: at a given point the
    last side with numbers put in (at neuron level), and what comes out; it follows `beside` if there is that.
    """

    target: Access
    value: Expr
    sides: tuple[Said, ...]
    number: int | None = None
    beside: tuple[Said, ...] = ()
    worked: tuple[Said, ...] = ()

    @property
    def name(self) -> str:
        return self.target.label

    @property
    def chain(self) -> tuple[tuple[str, Said], ...]:
        """The sides behind the first, each with the sign in front of it; what is worked out is rounded."""
        worked = () if self.beside else self.worked
        return (*(("=", s) for s in self.sides[1:]), *(("≈", s) for s in worked))

    @property
    def groups(self) -> list[list[tuple[str, Said]]]:
        """The chain in pieces for a line each: a letter's meaning goes with what follows, numbers go together."""
        out: list[list[tuple[str, Said]]] = []
        for k, (sign, side) in enumerate(self.chain):
            spelled = k == 1 and sign == "=" and self._is_spelled(self.sides[1])
            if out and (spelled or sign == out[-1][-1][0] == "≈"):
                out[-1].append((sign, side))
            else:
                out.append([(sign, side)])
        return out

    def _is_spelled(self, side: Said) -> bool:
        return side.text.startswith("∂") and " " not in side.text and not self.sides[0].text.startswith("∂")

    @property
    def in_matrices(self) -> Formula:
        """The matrix form by itself."""
        return replace(self, sides=self.beside, beside=(), number=None)


@dataclass(frozen=True)
class Step:
    """One quantity (all its entries at neuron level), where it comes from, and who needs it.

    quantity: the tensor, as d_W1. wrt: what the loss is differentiated by. rule: key of the title in `words`.
    prose: sentences. formulas: asides first. reuses: (tensor, number of the step that defines it). used: by how many
    formulas each entry is read, the largest number where that differs. rules: those of calculus that were made use of.
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
    rules: tuple[Said, ...] = ()


@dataclass(frozen=True)
class SymbolRow:
    """A line of the table of symbols."""

    symbol: Said
    name: str
    shape: Said
    role: Said


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
