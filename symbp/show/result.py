"""A derivation as an object that prints itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symbp.program import Program
from symbp.show.fold.folded import Folded, unfolded
from symbp.show.formulas.formula import Formula, Said
from symbp.show.names.symbols import Names
from symbp.show.pages.html import derivation_html
from symbp.show.pages.latex import notebook
from symbp.show.pages.latex import page as latex_page
from symbp.show.pages.markdown import page as markdown_page
from symbp.show.pages.text import page as text_page
from symbp.show.steps.step import Step, SymbolRow


@dataclass(frozen=True)
class Derivation:
    """A derivation, ready to be printed.

    program: the equations that are shown, the forward ones included. definitions: the network; updates: of its state.
    steps: in the order of computation. summary: one formula a gradient, as (left, right). intro: sentences in front,
    notes: conventions behind the definitions. point: the values that numbers are worked out at, if any. folded: runs of
    steps, of definitions and of updates that pages don't show, and what they say instead; grouped_symbols: the table of
    symbols of such pages. reuse: beside a naive derivation, the same gradients by reverse accumulation.
    names: what everything is called on paper. network: what was derived from, at tensor level. values: of all entries
    at the point, by name.
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
    folded: tuple[Folded, ...] = ()
    folded_definitions: tuple[Folded, ...] = ()
    folded_updates: tuple[Folded, ...] = ()
    grouped_symbols: tuple[SymbolRow, ...] = ()
    reuse: Step | None = None
    names: Names | None = None
    network: Program | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    def latex(self, document: bool = False) -> str:
        """LaTeX: a fragment for \\input (it needs amsmath and amssymb), or a document that compiles by itself."""
        return latex_page(self, document)

    def text(self, columns: int = 100) -> str:
        """Unicode text for a terminal of so many columns."""
        return text_page(self, columns)

    @property
    def every_step(self) -> tuple[Step, ...]:
        """The steps, and behind those of a naive derivation the one with reuse."""
        return (*self.steps, self.reuse) if self.reuse else self.steps

    @property
    def shown_steps(self) -> list[Step | Folded]:
        """The steps in order, with a Folded for each run that is not shown."""
        return [*unfolded(self.steps, self.folded), *([self.reuse] if self.reuse else [])]

    @property
    def shown_definitions(self) -> list[Formula | Folded]:
        """The definitions in order, with a Folded for each run that is not shown."""
        return unfolded(self.definitions, self.folded_definitions)

    @property
    def shown_updates(self) -> list[Formula | Folded]:
        """The updates in order, with a Folded for each run that is not shown."""
        return unfolded(self.updates, self.folded_updates)

    @property
    def shown_symbols(self) -> tuple[SymbolRow, ...]:
        """The table of symbols, with one row for all layers of a kind where blocks are folded."""
        return self.grouped_symbols or self.symbols

    @property
    def shown_summary(self) -> tuple[Formula, ...]:
        """The summary without the gradients of steps that aren't shown."""
        hidden = {s.quantity for f in self.folded for s in self.steps[f.start : f.stop]}
        return tuple(f for f in self.summary if f.name not in hidden)

    def markdown(self) -> str:
        """Markdown with formulas, as GitHub renders it."""
        return markdown_page(self)

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

    def _repr_html_(self) -> str:
        return derivation_html(self)
