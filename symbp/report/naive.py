"""One derivative with nothing shared, what is repeated in it marked, beside the same with every value computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from symbp.derive.naive import expand_values
from symbp.errors import SymbpError
from symbp.expr import Call, Expr, occurrences, walk
from symbp.operations import tree_operations
from symbp.program import Program
from symbp.show.derivation import Derivation, derivation
from symbp.show.formulas.formula import Formula
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.products import Piece
from symbp.show.names.symbols import Names, names_of
from symbp.show.styles.latex import Latex
from symbp.show.styles.latex_tree import CLOSE, OPEN
from symbp.unroll import across_samples, concrete_sizes, fix_sizes, shape

COLOURS = 8
LONGEST = 700  # operations of a derivative that is written out
ENTRIES = 100  # scalar equations of the network
LARGEST = 400  # operations of a loss, written out, that is differentiated


@dataclass(frozen=True)
class Naive:
    """wrt, left: the parameter's entry and the derivative by it, as LaTeX. written: that in terms of inputs and
    parameters, with marks of `latex_tree` around repeated values; operations: of the whole.

    repeated: (entry, how often it is written) by the number of its mark. reuse: the same derivation with reuse;
    definitions: the values of the forward pass that it takes; reuse_operations: of all its formulas and these.
    """

    wrt: str
    left: str
    written: str
    operations: int
    repeated: tuple[tuple[str, int], ...]
    reuse: Derivation
    definitions: tuple[Formula, ...]
    reuse_operations: int


def naive(program: Program, sizes: Mapping[str, int] | None = None) -> Naive | None:
    """The first parameter's derivative that isn't too long and gains by reuse; None if there is none."""
    sizes = {**dict.fromkeys(across_samples(program), 2), **(sizes or {})}  # of one sample, much would be zero
    fixed = fix_sizes(program, concrete_sizes(program, sizes))
    if sum(prod(shape(fixed.tensors[e.name])) for e in fixed.equations) > ENTRIES:
        return None
    forward = program.unroll(sizes)
    known = expand_values(forward.equations)
    if sum(tree_operations(known[str(program.loss)]).values()) > LARGEST:
        return None
    for entry in (n for n, t in forward.tensors.items() if t.role == "parameter" and t.entry and not any(t.entry[1])):
        try:
            found = derivation(program, entry, level="neuron", method="naive", sizes=sizes)
        except SymbpError:  # SymPy can't differentiate it
            return None
        value = found.steps[-1].formulas[-1].value
        operations = sum(tree_operations(value).values())
        if operations <= LONGEST:
            beside = _beside(program, entry, found, value, operations, known, sizes)
            if beside is not None and beside.reuse_operations < operations:
                return beside
    return None


def _beside(
    program: Program,
    entry: str,
    found: Derivation,
    value: Expr,
    operations: int,
    known: Mapping[str, Expr],
    sizes: Mapping[str, int] | None,
) -> Naive | None:
    reuse = derivation(program, entry, level="neuron", sizes=sizes)
    assert reuse.names is not None
    shown = [f for s in reuse.steps for f in s.formulas]
    if not shown:
        return None
    needed = {n for f in shown for n in f.value.tensors}
    for f in reversed(reuse.definitions):
        needed |= f.value.tensors if f.name in needed else set()
    definitions = tuple(f for f in reuse.definitions if f.name in needed)
    repeated = _repeated(value, {e: n for n, e in known.items() if n != program.loss})
    ranks = {t.name: len(t.indices) for t in reuse.names.tensors.values()}
    names = names_of(found.program, reuse.program, ranks)
    printer = _Marking(names, {known[name]: k for k, (name, _) in enumerate(repeated)})
    total = sum(n for f in (*definitions, *shown) for n in tree_operations(f.value).values())
    latex = Printer(reuse.names, Latex())
    return Naive(
        latex.name(entry), latex.name(shown[-1].name, spelled=True), printer.write(value), operations, tuple(repeated),
        reuse, definitions, total,
    )  # fmt: skip


def _repeated(value: Expr, names: Mapping[Expr, str]) -> list[tuple[str, int]]:
    """The network's values that are written more than once, and not only within another one; most often first."""
    times = occurrences([value])
    alone = occurrences([value], lambda e: () if e in names and e is not value else e.args)  # not within another one
    found = [(names[e], times[e]) for e in walk(value) if e in names and times[e] > 1 and e in alone and e.args]
    return sorted(found, key=lambda pair: -pair[1])[:COLOURS]


class _Marking(Printer):
    """Puts marks around what is repeated."""

    def __init__(self, names: Names, marks: Mapping[Expr, int]) -> None:
        super().__init__(names, Latex())
        self.marks = marks

    def piece(self, e: Expr) -> Piece:
        text, binding = super().piece(e)
        return self.marked(e, text), binding

    def enclosing(self, f: Call) -> str:
        return self.marked(f, super().enclosing(f))

    def marked(self, e: Expr, text: str) -> str:
        number = self.marks.get(e)
        if number is None or text.startswith("-"):
            return text
        return f"{chr(OPEN + number % COLOURS)}{text}{chr(CLOSE)}"
