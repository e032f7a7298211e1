"""A derivation as an object that prints itself."""

from __future__ import annotations

from dataclasses import dataclass

from symbp.program import Program
from symbp.show.page_latex import notebook
from symbp.show.page_latex import page as latex_page
from symbp.show.page_text import page as text_page
from symbp.show.pieces import Formula, Said, Step, SymbolRow


@dataclass(frozen=True)
class Derivation:
    """A derivation, ready to be printed.

    program: the equations that are shown, the forward ones included. definitions: the network; updates: of its state.
    steps: in the order of computation. summary: one formula a gradient, as (left, right). intro: sentences in front,
    notes: conventions behind the definitions. point: the values that numbers are worked out at, if any.
    """

    title: str
    level: str
    method: str
    program: Program
    symbols: tuple[SymbolRow, ...]
    definitions: tuple[Formula, ...]
    updates: tuple[Formula, ...]
    steps: tuple[Step, ...]
    summary: tuple[Formula, ...]
    intro: tuple[Said, ...]
    notes: tuple[Said, ...]
    language: str = "en"
    point: tuple[Formula, ...] = ()

    def latex(self, document: bool = False) -> str:
        """LaTeX: a fragment for \\input (it needs amsmath and amssymb), or a document that compiles by itself."""
        return latex_page(self, document)

    def text(self, columns: int = 100) -> str:
        """Unicode text for a terminal of so many columns."""
        return text_page(self, columns)

    def formula(self, name: str) -> Formula:
        """The formula of a quantity such as d_W1 or d_W1_0_1. Raises KeyError if it isn't shown."""
        for step in self.steps:
            for f in step.formulas:
                if f.name == name:
                    return f
        raise KeyError(name)

    def __str__(self) -> str:
        return self.text()

    def _repr_latex_(self) -> str:
        return notebook(self)
