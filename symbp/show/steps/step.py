"""What a derivation is made of beside its formulas: its steps, and the rows of its table of symbols."""

from __future__ import annotations

from dataclasses import dataclass

from symbp.show.formulas.formula import Formula, Said


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
