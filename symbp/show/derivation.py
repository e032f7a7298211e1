"""The step-by-step derivation of the gradients, made of the record that differentiation leaves.

Works for any Program: nothing here knows a layer. Three levels: matrices, indices, or single neurons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from symbp.errors import SymbpError
from symbp.expr import Expr, num, size
from symbp.gradient import METHODS
from symbp.program import Program
from symbp.show.fold.folds import LONG
from symbp.show.fold.runs import folded_definitions, folded_steps
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.writer import Writer
from symbp.show.naive import expanded
from symbp.show.names.binders import clear_names, declared_indices
from symbp.show.names.symbols import names_of, with_helper_letters, with_symbols
from symbp.show.plan.equations import plan, with_helpers, written_out
from symbp.show.plan.request import Request, request
from symbp.show.plan.selection import selection
from symbp.show.result import Derivation
from symbp.show.steps import legend
from symbp.show.steps.conventions import Conventions
from symbp.show.steps.definitions import definitions
from symbp.show.steps.shown import MATRICES, Shown
from symbp.show.steps.step import Step
from symbp.show.steps.stepper import steps
from symbp.show.steps.worked import Point, lengths
from symbp.show.words import LANGUAGES
from symbp.unroll import concrete_sizes, fix_sizes

__all__ = ["Derivation", "derivation"]

LEVELS = ("matrix", "batched", "index", "both", "neuron")
CONVENTIONS = ("row", "column")


def derivation(
    program: Program,
    wrt: str | Iterable[str] | None = None,
    *,
    level: str = "matrix",
    method: str = "reverse",
    sizes: Mapping[str, int] | None = None,
    language: str = "en",
    convention: str = "row",
    at: Mapping[str, Any] | None = None,
    fold: bool | None = None,
) -> Derivation:
    """The derivation of the loss's gradients.

    wrt: tensors, at neuron level also single entries such as "W1_0_1" (counted from 0, as in the array); default all
    parameters. level: "matrix", "batched" (matrices also for tensors of more than two indices, one a sample), "index",
    "both" (index and matrix form side by side) or "neuron". method: "reverse", "forward", or "naive" (neuron level
    only: each derivative written out down to inputs and parameters; by default the first two entries). sizes: values of
    symbolic sizes; at neuron level those of the batch are 1 unless given. language: "en" or "zh". convention: "row",
    where samples are rows as in the code, or "column", where every matrix is the transpose of that.
    at: values of all inputs, parameters and state, by name: every line is then followed by what it comes to.
    fold: whether pages show blocks that repeat once and refer to them; by default where there are many steps, never at
    neuron level.

    Raises SymbpError for an unknown level, method, language, tensor or entry.
    """
    if level not in LEVELS:
        raise SymbpError(f"unknown level {level!r}: use one of {', '.join(LEVELS)}")
    if method not in METHODS:
        raise SymbpError(f"unknown method {method!r}: use one of {', '.join(METHODS)}")
    if method == "naive" and level != "neuron":
        raise SymbpError(f"the naive form exists at neuron level only, not at level {level!r}: say level='neuron'")
    if convention not in CONVENTIONS:
        raise SymbpError(f"unknown convention {convention!r}: use one of {', '.join(CONVENTIONS)}")
    if convention == "column" and level == "neuron":
        raise SymbpError("the column convention is one of matrices; at neuron level there are none: leave it out")
    if language not in LANGUAGES:
        raise SymbpError(f"unknown language {language!r}: use one of {', '.join(LANGUAGES)}")
    if program.loss is None:
        raise SymbpError(f"{program.title} has no loss, so there is nothing to derive: declare it with loss=...")
    if at is not None and method == "naive":
        raise SymbpError(
            "numbers are put into derivations with reuse; the naive form is for reading: leave out the point"
        )
    if at is not None:
        sizes = {**(sizes or {}), **lengths(program, at)}
    base = with_symbols(with_helper_letters(written_out(_sized(program, sizes) if level != "neuron" else program)))
    wanted = request(base, wrt, level, sizes)
    if method == "naive":
        return expanded(base, wanted, sizes, language, lambda entries: derivation(
            program, entries, level="neuron", sizes=sizes, language=language
        ))  # fmt: skip
    base = with_helpers(clear_names(base, declared_indices(base)), wanted.tensors, method)
    return _made(base, wanted, level, method, sizes, language, convention == "column", at, fold)


def _sized(program: Program, sizes: Mapping[str, int] | None) -> Program:
    """The program with the sizes that are given; others stay symbols."""
    if not sizes:
        return program
    concrete_sizes(program, {**dict.fromkeys(program.size_names, 1), **sizes})
    return fix_sizes(program, sizes)


def _made(
    base: Program, wanted: Request, level: str, method: str, sizes: Mapping[str, int] | None, language: str,
    columns: bool, at: Mapping[str, Any] | None, fold: bool | None,
) -> Derivation:  # fmt: skip
    """The way through the rooms: what is shown, what it is called, how it is written, why, what repeats."""
    neuron, matrices = level == "neuron", level in ("matrix", "batched")
    planned = plan(base, wanted.tensors, method, keep_adjoints=not matrices, closed=level in ("index", "both"))
    program = planned.program
    selected = selection(base, planned, wanted, method, neuron, sizes)

    ranks = {t.name: len(t.indices) for t in base.tensors.values()}
    wide = writer = Writer(names_of(program, base, ranks), language, columns, level == "batched")
    if neuron:
        writer = Writer(names_of(selected.program, selected.forward, ranks), language)
    point = None if at is None else Point(program, at, writer, level in MATRICES)

    conventions = Conventions()
    network, updates, numbers = definitions(base, selected.forward, level, writer, conventions, point)
    shown = Shown(base, planned, level, selected.equations, selected.forward, selected.before, writer, wide, numbers)
    found = steps(shown, conventions, point)
    used = conventions.found | (writer.matrix_latex.notes if level in MATRICES else set())

    values: dict[Expr, Expr] = {size(n): num(v) for n, v in concrete_sizes(base, sizes).items()} if neuron else {}
    letters = {shown.group(e.name) for e in selected.equations}
    lettered = [t for name, t in program.tensors.items() if name in letters and t.symbol]
    tensors = [*base.tensors.values(), *lettered]
    given = [t.name for t in base.tensors.values() if t.role != "computed"]
    fold = not neuron and len(found) >= LONG if fold is None else fold
    return Derivation(
        base.title, level, method, selected.program, legend.symbols(wide, tensors, values), network, updates, found,
        _summary(found, shown, wanted), legend.intro(wide, base, method),
        legend.notes(
            wide, base, used, level in ("index", "both") or "index" in used, method == "forward", neuron, values,
            program.equations,
        ),
        language, () if point is None else point.given(selected.forward, given),
        folded_steps(shown, found) if fold else (),
        folded_definitions(shown, network, 1) if fold else (),
        folded_definitions(shown, updates, len(network) + 1) if fold else (),
        legend.grouped_symbols(wide, tensors, values) if fold else (),
        names=wide.names.with_entries(writer.names), network=base, values=point.entries if point else {},
    )  # fmt: skip


def _summary(found: tuple[Step, ...], shown: Shown, wanted: Request) -> tuple[Formula, ...]:
    """The wanted gradients, each with its last form."""
    position = {name: k for k, name in enumerate(shown.plan.program.outputs) if k}  # behind the loss
    gradients = [
        f for s in found for f in s.formulas if shown.group(f.name) in position and wanted.includes(f.name, shown.group)
    ]
    gradients.sort(key=lambda f: position[shown.group(f.name)])
    return tuple(replace(f, sides=_ends(f.sides), beside=_ends(f.beside), worked=f.worked[-1:]) for f in gradients)


def _ends(sides: tuple[Said, ...]) -> tuple[Said, ...]:
    """The first and the last side."""
    return (sides[0], sides[-1]) if sides else ()
