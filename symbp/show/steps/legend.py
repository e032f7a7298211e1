"""What stands beside the formulas: the table of symbols, what a reader is told first, and the conventions used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from symbp.expr import (
    ONE,
    Access,
    Call,
    Condition,
    Delta,
    Expr,
    Index,
    Reduce,
    Select,
    access,
    call,
    num,
    size,
    substitute,
    walk,
)
from symbp.functions import TABLE, definition, partials
from symbp.program import Equation, Program, Tensor
from symbp.show.formulas.formula import Said
from symbp.show.formulas.writer import Writer
from symbp.show.names.binders import stem
from symbp.show.names.symbols import GREEK, Symbol, parse
from symbp.show.steps.step import SymbolRow
from symbp.show.styles.style import Style
from symbp.unroll import across_samples, small_letters

_MATRIX = ("slices", "ring", "ring_power", "entrywise", "row_repeated", "column_repeated", "ones", "norm")
CONVENTIONS = (*_MATRIX, "iverson", "kronecker", "index")
_REPEATED = {"row_repeated": "column_repeated", "column_repeated": "row_repeated"}  # in the transpose


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
    writer: Writer,
    base: Program,
    conventions: set[str],
    indexed: bool,
    forward: bool,
    neuron: bool,
    sizes: Mapping[Expr, Expr],
    derived: Iterable[Equation] = (),
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
    functions = explained(base)
    if any(isinstance(n, Select) for f in functions for part in f[1:] if part for n in walk(part)):
        conventions = conventions | {"iverson"}
    for key in CONVENTIONS:
        if key in conventions:
            parts = [writer.math(examples[key])] if key in examples else []
            if key == "slices":
                parts.append(Said("$n$", "n"))
            if key == "ones":
                parts.append(writer.math(writer.both(lambda p: _all_added(p.style, writer.columns))))
            out.append(writer.say(_worded(writer, key, "slices" in conventions), *parts, letter))
    out += _standing(writer)
    out += [_function(writer, *f) for f in functions]
    if writer.columns and not neuron:
        out.append(writer.say("note_columns"))
    if indexed and any(t.indices for t in base.tensors.values()):
        out.append(_ranges(writer, base, derived))
    if neuron:
        out += _entries(writer, base, sizes)
    if neuron and any(t.dtype == "int" and t.indices for t in base.tensors.values()):
        out.append(writer.say("note_integers"))
    if forward and neuron:
        out.append(writer.say("note_zero_tangents"))
    return tuple(out)


def _worded(writer: Writer, key: str, sliced: bool) -> str:
    """The key of the convention's sentence: samples are rows, or columns, or neither where matrices are slices."""
    if sliced and key in _REPEATED:
        key = _REPEATED[key] if writer.columns else key
        return f"note_{key}_slices"
    turned = writer.columns and f"note_{key}_columns" in writer.words
    return f"note_{key}_columns" if turned else f"note_{key}"


def _standing(writer: Writer) -> list[Said]:
    """Which vectors are columns where matrices are slices, which nobody can tell from their shapes."""
    standing = sorted(writer.matrix_latex.orientation.standing, key=writer.names.position.__getitem__)
    key = "note_standing_columns" if writer.columns else "note_standing"
    return [writer.say(key, writer.listed([writer.name(n) for n in standing]))] if standing else []


WELL_KNOWN = ("exp", "log", "sin", "cos", "abs", "sign", "maximum", "minimum")
_VARIABLE = "symbp variable"  # no tensor's name has a space
_VARIABLES = (*"uvwxyzabcsrqdfg", *(rf"\{name}" for name in GREEK))


def explained(base: Program) -> list[tuple[Expr, Expr | None, Expr | None]]:
    """(call, formula, derivative) of each function in a program that isn't as well known as exp; of one variable.

    A function that is defined by others is differentiated by the chain rule: its derivative isn't said.
    """
    u = access(_VARIABLE)
    labels = [n.label for e in base.equations for n in walk(e.value) if isinstance(n, Call)]
    out = []
    for label in (found := list(dict.fromkeys(labels))):  # grows while it is read
        row = TABLE[label]
        if label in WELL_KNOWN:
            continue
        f = call(label, u, *map(num, row.defaults))
        formula = definition(f) or (row.textbook(f.args) if row.textbook else None)
        derivative = partials(f)[0] if row.definition is None else None
        out.append((f, formula, derivative))
        said = [part for part in (formula if row.definition else None, derivative) if part is not None]
        more = dict.fromkeys(n.label for part in said for n in walk(part) if isinstance(n, Call))
        found += [other for other in more if other not in found]
    return out


def _function(writer: Writer, f: Expr, formula: Expr | None, derivative: Expr | None) -> Said:
    taken = {symbol.nucleus for symbol in writer.names.meaning.values() if isinstance(symbol, Symbol)}
    taken |= {label.rstrip("0123456789") for label in writer.names.labels}
    letter = next(c for c in _VARIABLES if c not in taken)
    names = replace(
        writer.names,
        tensors={**writer.names.tensors, _VARIABLE: Tensor(_VARIABLE, ())},
        meaning={**writer.names.meaning, _VARIABLE: Symbol(letter)},
        position={**writer.names.position, _VARIABLE: len(writer.names.position)},
    )
    variable = Writer(names, writer.language)
    math = [variable.math(variable.expr(e)) if e is not None else None for e in (f, derivative)]
    said = [m for m in math[1:] if m is not None]
    if formula is None:
        return writer.say("note_derivative", math[0] or "", *said)
    equal = variable.math(variable.both(lambda p: f"{p.write(f)} = {p.write(formula)}"))
    return writer.say("note_function" if said else "note_definition", equal, *said)


def indices_of(base: Program) -> set[Index]:
    """The indices of a program's tensors."""
    return {i for t in base.tensors.values() for i in t.indices}


def _all_added(style: Style, columns: bool) -> str:
    """The sum over the samples of a matrix A."""
    return f"A {style.ones()}" if columns else f"{style.ones(transposed=True)} A"


def _entries(writer: Writer, base: Program, sizes: Mapping[Expr, Expr]) -> list[Said]:
    """What the subscripts of single entries don't say themselves."""
    out, turned = [], []
    symbols = {t.symbol for t in base.tensors.values()}
    for t in base.tensors.values():
        if t.subscripts and t.subscripts != tuple(range(len(t.indices))) and t.role == "parameter":
            small, order = parse(small_letters(t, symbols)), [t.indices[k] for k in t.subscripts]
            shown = [
                f"{p.style.symbol(small, list(map(p.index, order)))} = {p.name(t.name, t.indices)}"
                for p in (writer.latex, writer.text)
            ]
            turned.append(writer.math(Said(*shown)))
    if turned:
        out.append(writer.say("note_weights", writer.listed(turned)))
    for name in across_samples(base):
        if substitute(size(name), sizes) is ONE:
            out.append(writer.say("note_alone", writer.math(writer.expr(size(name)))))
    lone = [t for t in base.tensors.values() if t.role != "parameter" and len(t.indices) > 1 and t.dtype == "real"]
    if any(substitute(t.shape[0], sizes) is ONE for t in lone):
        out.append(writer.say("note_single"))
    return out


def _ranges(writer: Writer, base: Program, derived: Iterable[Equation]) -> Said:
    """What each index runs over: from 1 as in books, from 0 where one is computed with or held by an input."""
    nodes = [n for e in base.equations for n in walk(e.value)]
    found = dict.fromkeys(i for t in base.tensors.values() for i in t.indices)
    found |= dict.fromkeys(sorted((n for n in nodes if isinstance(n, Index)), key=lambda i: (i.label, i.digest)))
    more = {n for e in derived for n in walk(e.value) if isinstance(n, Index)} - found.keys()
    for i in sorted(more, key=lambda i: (i.label, i.digest)):
        # j'' runs like j, unless j and j' run over different things
        if len({f.size for f in found if stem(f) == stem(i)}) > 1:
            found[i] = None
    first = 0 if any(map(_computes_with_indices, nodes)) else 1
    parts = []
    for i in found:
        last = i.size if first else i.size - 1
        latex, text = (
            f"{p.index(i)} = {first}" + ("" if i.size is ONE else f", {p.style.dots}, {p.write(last)}")
            for p in (writer.latex, writer.text)
        )
        parts.append(writer.math(Said(latex, text)))
    return writer.say("indices", writer.listed(parts, "range_comma", "range_and"))


def _computes_with_indices(node: Expr) -> bool:
    """Whether the value depends on what indices count from."""
    indices = [isinstance(a, Index) for a in node.args]
    match node:
        case Index() | Reduce():
            return False
        case Access():
            return not all(indices)
        case Delta() | Condition():
            return any(indices) and not all(indices)
    return any(indices)
