"""What stands beside the formulas: the table of symbols, what a reader is told first, and the conventions used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from symbp.expr import Access, Expr, Index, substitute, walk
from symbp.program import Program, Tensor
from symbp.show.pieces import Said, SymbolRow, Writer
from symbp.show.style import Style
from symbp.show.symbols import Symbol

_MATRIX = ("slices", "ring", "ring_power", "entrywise", "row_repeated", "column_repeated", "ones", "norm")
CONVENTIONS = (*_MATRIX, "iverson", "kronecker", "index")


def symbols(writer: Writer, tensors: Iterable[Tensor], sizes: Mapping[Expr, Expr]) -> tuple[SymbolRow, ...]:
    """One row a tensor; sizes: numbers for symbolic sizes."""
    rows = []
    for t in tensors:
        role = writer.say("labels" if t.role == "input" and t.dtype == "int" else t.role)
        derivative = writer.names.derivatives.get(t.name)
        if derivative is not None:
            role = writer.say("adjoint", writer.name(derivative.wrt))
        rows.append(SymbolRow(writer.name(t.name), t.name, _shape(writer, t, sizes), role))
    return tuple(rows)


def grouped_symbols(writer: Writer, tensors: Iterable[Tensor], sizes: Mapping[Expr, Expr]) -> tuple[SymbolRow, ...]:
    """One row for all tensors of a letter that differ in their layers only."""
    rows: dict[object, list[SymbolRow]] = {}
    for t in tensors:
        row = symbols(writer, [t], sizes)[0]
        plain = [_LAYER.sub("", text) for text in (row.symbol.latex, row.shape.latex, row.role.latex)]
        rows.setdefault(tuple(plain), []).append(row)
    return tuple(_one_row(writer, found) for found in rows.values())


def _one_row(writer: Writer, rows: list[SymbolRow]) -> SymbolRow:
    if len(rows) == 1:
        return rows[0]
    first, last = rows[0], rows[-1]
    gap = Said(r", ", ", ") if len(rows) == 2 else Said(r", $\ldots$, ", ", …, ")
    symbol = Said(
        *(f"{a}{g}{b}" for a, g, b in zip(*(vars(s).values() for s in (first.symbol, gap, last.symbol)), strict=True))
    )
    role = first.role if first.role == last.role else writer.say("adjoint_each")
    return SymbolRow(symbol, f"{first.name}{', ' if len(rows) == 2 else ', ..., '}{last.name}", first.shape, role)


_LAYER = re.compile(r"\(\d+\)")


def _shape(writer: Writer, t: Tensor, sizes: Mapping[Expr, Expr]) -> Said:
    if not t.indices:
        return writer.say("scalar")
    lengths = [writer.expr(substitute(s, sizes)) for s in t.shape]
    if writer.columns and len(lengths) == 2:
        lengths.reverse()
    return Said("$" + r" \times ".join(s.latex for s in lengths) + "$", " × ".join(s.text for s in lengths))


def intro(writer: Writer, base: Program, method: str) -> tuple[Said, ...]:
    """The idea in a sentence, and what delta means where the literature disagrees."""
    if method == "forward":
        return (writer.say("note_forward"),)
    out = [writer.say("note_chain")]
    names = writer.names
    lettered = [(n, d) for n, d in names.derivatives.items() if names.tensors[n].symbol and n not in base.tensors]
    inner = [(n, d) for n, d in lettered if d.wrt != base.prediction] or lettered
    if inner:
        name, d = inner[0]
        side = writer.both(lambda p: f"{p.name(name)} = {p.name(name, spelled=True)}")
        out.append(writer.say("note_delta", writer.math(side), writer.name(d.wrt)))
    return tuple(out)


def notes(
    writer: Writer, base: Program, conventions: set[str], indexed: bool, forward: bool, neuron: bool
) -> tuple[Said, ...]:
    """A sentence for each convention that was made use of."""
    examples = {
        "kronecker": writer.both(lambda p: p.style.delta("i", "j")),
        "iverson": writer.both(lambda p: p.style.iverson("A")),
        "slices": writer.both(lambda p: p.style.symbol(Symbol("A"), ["n"])),
        "ring": writer.both(lambda p: p.style.hadamard().strip()),
        "ring_power": writer.both(lambda p: p.style.elementwise_power("A", "k")),
        "ones": writer.both(lambda p: p.style.ones()),
        "norm": writer.both(lambda p: p.style.squared_norm("A")),
    }
    out: list[Said] = []
    letter = Said("$A$", "A")
    for key in CONVENTIONS:
        if key in conventions:
            parts = [writer.math(examples[key])] if key in examples else []
            if key == "slices":
                parts.append(Said("$n$", "n"))
            if key == "ones":
                parts.append(writer.math(writer.both(lambda p: _all_added(p.style, writer.columns))))
            turned = writer.columns and f"note_{key}_columns" in writer.words
            out.append(writer.say(f"note_{key}_columns" if turned else f"note_{key}", *parts, letter))
    if writer.columns and not neuron:
        out.append(writer.say("note_columns"))
    if indexed and any(t.indices for t in base.tensors.values()):
        out.append(_ranges(writer, base))
    if neuron and any(t.dtype == "int" and t.indices for t in base.tensors.values()):
        out.append(writer.say("note_integers"))
    if forward and neuron:
        out.append(writer.say("note_zero_tangents"))
    return tuple(out)


def _all_added(style: Style, columns: bool) -> str:
    """The sum over the samples of a matrix A."""
    return f"A {style.ones()}" if columns else f"{style.ones(transposed=True)} A"


def _ranges(writer: Writer, base: Program) -> Said:
    """What each index runs over: from 1 as in books, from 0 where an index is computed with."""
    found = dict.fromkeys(i for t in base.tensors.values() for i in t.indices)
    accesses = [n for e in base.equations for n in walk(e.value) if isinstance(n, Access)]
    first = int(all(isinstance(a, (Index, Access)) for n in accesses for a in n.args))
    parts = []
    for i in found:
        last = i.size if first else i.size - 1
        latex, text = (f"{p.index(i)} = {first}, {p.style.dots}, {p.write(last)}" for p in (writer.latex, writer.text))
        parts.append(writer.math(Said(latex, text)))
    return writer.say("indices", writer.listed(parts, "range_comma", "range_and"))
