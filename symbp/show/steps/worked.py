"""Numbers put into formulas: what each line of a derivation comes to at a given point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symbp.evaluate import bind, evaluate
from symbp.expr import Access, Expr, Num
from symbp.program import Program
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.products import Piece
from symbp.show.formulas.writer import Writer
from symbp.show.styles import breaks
from symbp.show.styles.latex import Latex
from symbp.show.styles.style import ATOM, PRODUCT, SUM, Style
from symbp.show.styles.text import Text
from symbp.unroll import entry_name

DIGITS = 5  # significant ones that are shown
ENTRIES = 24  # arrays of more are not written out
ROW = 8  # nor those with longer rows
LAST_BITS = 2.0**-50
NOISE = 16  # how many times what moving the last bits does to an array may still be rounding


def lengths(program: Program, at: Mapping[str, Any]) -> dict[str, int]:
    """The symbolic sizes, read off the values' shapes. Raises SymbpError for a shape that doesn't fit."""
    sizes: dict[str, int] = {}
    for t in program.tensors.values():
        if t.role != "computed" and t.name in at:
            bind(t, at[t.name], sizes)
    return {name: sizes[name] for name in program.size_names if name in sizes}


class Point:
    """The values of all tensors of a derived program. Raises SymbpError if one is missing or has the wrong shape.

    matrices: whether formulas are written with matrices, among which a vector is a row or a column.
    """

    def __init__(self, program: Program, at: Mapping[str, Any], writer: Writer, matrices: bool = False) -> None:
        self.values = _without_noise(program, at)
        self.entries: dict[str, Any] = {}
        for name, array in self.values.items():
            for place, value in np.ndenumerate(array):
                self.entries[entry_name(name, place) if place else name] = value
        self.writer, self.matrices = writer, matrices
        self.printers = (
            _Plugged(writer.latex, _PluggedLatex(writer.language), self),
            _Plugged(writer.text, Text(writer.language), self),
        )

    def given(self, program: Program, tensors: Sequence[str]) -> tuple[Formula, ...]:
        """What is put in: name = value, an entry each where the program is unrolled. tensors: at tensor level."""
        out = []
        for name, t in program.tensors.items():
            if t.role != "computed" and (t.entry[0] if t.entry else name) in tensors:
                value = self.value(name)
                if value is not None:
                    left = self.writer.both(lambda p, n=name: p.name(n))  # type: ignore[misc]
                    sides, worked = ((left, value), ()) if self.exact(name) else ((left,), (value,))
                    out.append(Formula(t.access, t.access, sides, worked=worked))
        return tuple(out)

    def added(self, f: Formula, shown: Expr, unrolled: bool) -> Formula:
        """The formula with its value; unrolled: and, in front of that, the last side with numbers put in.

        The value of all entries is no side of a formula for one of them: that gets the whole tensor beside it.
        """
        value = self.value(f.name)
        if value is None:
            return f
        if unrolled:
            plugged = Said(*(p.write(shown) for p in self.printers))
            same = breaks.unmarked(plugged.text) == value.text
            return replace(f, worked=(value,) if same else (plugged, value))
        whole = self.writer.both(lambda p: p.name(f.name))
        one_of_many = not f.beside and f.target.args and whole != f.sides[0]
        return replace(f, worked=(value,), beside=(whole,) if one_of_many else f.beside)

    def exact(self, name: str) -> bool:
        """Whether the digits that are shown are all that there are."""
        values = np.ravel(self.entries[name] if name in self.entries else self.values[name])
        return all(v == float(f"{v:.{DIGITS}g}") for v in values)

    def value(self, name: str) -> Said | None:
        """A number or a small array; None for a large one."""
        if name in self.entries:
            return Said(*(number(p.style, self.entries[name])[0] for p in self.printers))
        array = self.values[name]
        rows = array.T if self.writer.columns and array.ndim == 2 else array
        if array.ndim > 2 or array.size > ENTRIES or rows.shape[-1] > ROW:
            return None
        vector = self.matrices and array.ndim == 1
        column = vector and self.writer.matrix_latex.orientation.is_column(name) != self.writer.columns
        return Said(*(_matrix(p.style, rows, column) for p in self.printers))


def _without_noise(program: Program, at: Mapping[str, Any]) -> dict[str, Any]:
    """All values, with 0 for those that nothing is left of but rounding: they change as much as they are when the last
    bits of what is given do.
    """
    rng = np.random.default_rng(0)
    moved = {n: _moved(np.asarray(v), rng) for n, v in at.items()}
    values = {name: np.asarray(v) for name, v in evaluate(program, at).items()}
    for name, other in evaluate(program, moved).items():
        found = values[name]
        if program.tensors[name].role == "computed":
            changed = np.abs(np.subtract(found, other, where=np.isfinite(found), out=np.zeros(found.shape)))
            values[name] = np.where(np.abs(found) <= NOISE * np.max(changed, initial=0.0), 0, found)
    return values


def _moved(array: Any, rng: np.random.Generator) -> Any:
    return array * (1 + rng.choice([-LAST_BITS, LAST_BITS], array.shape)) if array.dtype.kind == "f" else array


def number(style: Style, value: Any) -> Piece:
    """A number rounded to DIGITS significant digits, and how tightly it binds."""
    if isinstance(value, (int, np.integer)) or value == 0:
        text, binding = str(int(value)), ATOM
    else:
        text, _, exponent = f"{value:.{DIGITS}g}".partition("e")
        binding = ATOM
        if exponent:
            power = style.power("10", str(int(exponent)))
            text, binding = f"{text}{style.times}{power}", PRODUCT
    return (text, SUM) if text.startswith("-") else (text, binding)


def _matrix(style: Style, array: Any, column: bool) -> str:
    """A vector as a row, which is shorter; a column is its transpose."""

    def row(values: Any) -> list[str]:
        return [number(style, v)[0] for v in values]

    return style.matrix([row(array)] if array.ndim == 1 else [row(line) for line in array], column)


class _PluggedLatex(Latex):
    """LaTeX where factors are numbers, and need a dot between them."""

    space = r" \cdot "


class _Plugged(Printer):
    """Writes every access as its value."""

    def __init__(self, printer: Printer, style: Style, point: Point) -> None:
        super().__init__(printer.names, style, printer.columns)
        self.point = point

    def named(self, tensor: str, indices: Sequence[Expr], spelled: bool, transposed: bool) -> Piece:
        value = self.point.entries.get(tensor)
        if value is None:
            value = self.point.values[tensor][tuple(int(i.value) for i in indices if isinstance(i, Num))]
        return number(self.style, value)

    def signed(self, t: Expr) -> tuple[str, bool]:
        if isinstance(t, Access):
            text = self.write(t)
            return text.removeprefix("-"), text.startswith("-")
        return super().signed(t)

    def is_symbol(self, f: Expr) -> bool:
        return False

    def bare(self, a: Expr) -> bool:
        return number(self.style, self.point.entries.get(a.label, 0))[1] == ATOM
