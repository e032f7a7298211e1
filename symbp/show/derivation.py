"""The step-by-step derivation of the gradients, made of the record that differentiation leaves.

Works for any Program: nothing here knows a layer. Three levels: matrices, indices, or single neurons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from symbp.errors import SymbpError
from symbp.expr import ZERO, Expr, num, size, substitute
from symbp.gradient import METHODS
from symbp.program import Equation, Program
from symbp.show.fold.folded import Folded, sayings
from symbp.show.fold.folds import LONG, folds, pattern
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.writer import Writer
from symbp.show.naive import expanded
from symbp.show.names.binders import clear_names, declared_indices
from symbp.show.names.symbols import Names, names_of, with_helper_letters, with_symbols
from symbp.show.plan.equations import derived, plan, with_helpers, written_out
from symbp.show.plan.request import Request, request
from symbp.show.result import Derivation
from symbp.show.steps import legend
from symbp.show.steps.step import Step
from symbp.show.steps.stepper import MATRICES, Stepper
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
    return _Maker(base, wanted, level, method, sizes, language, convention == "column", at).derivation(fold)


def _sized(program: Program, sizes: Mapping[str, int] | None) -> Program:
    """The program with the sizes that are given; others stay symbols."""
    if not sizes:
        return program
    concrete_sizes(program, {**dict.fromkeys(program.size_names, 1), **sizes})
    return fix_sizes(program, sizes)


class _Maker:
    """Puts a derivation together."""

    def __init__(
        self, base: Program, wanted: Request, level: str, method: str, sizes: Mapping[str, int] | None,
        language: str, columns: bool, at: Mapping[str, Any] | None,
    ) -> None:  # fmt: skip
        self.base, self.wanted, self.level, self.method = base, wanted, level, method
        self.plan = plan(
            base, wanted.tensors, method, level not in ("matrix", "batched"), closed=level in ("index", "both")
        )
        ranks = {t.name: len(t.indices) for t in base.tensors.values()}
        self.wide = Writer(names_of(self.plan.program, base, ranks), language, columns, level == "batched")
        self.sizes: dict[Expr, Expr] = {}
        self.index_forms: list[Expr] = []
        if level == "neuron":
            self.sizes = {size(n): num(v) for n, v in concrete_sizes(base, sizes).items()}
            self.forward = base.unroll(sizes)
            self.shown_program = self.plan.program.unroll(sizes)
            self.writer = Writer(names_of(self.shown_program, self.forward, ranks), language)
            self.before = self.unrolled_before(sizes)
        else:
            self.forward, self.shown_program, self.writer = base, self.plan.program, self.wide
            lines = self.plan.before
            self.before = {e.name: tuple(f.value for f in lines if f.name == e.name) for e in lines}
        self.point = None if at is None else Point(self.plan.program, at, self.writer, level in MATRICES)

    def unrolled_before(self, sizes: Mapping[str, int] | None) -> dict[str, tuple[Expr, ...]]:
        """What each entry was before, line by line."""
        found: dict[str, tuple[Expr, ...]] = {}
        rest = list(self.plan.before)
        while rest:
            old = {e.name: e for e in reversed(rest)}  # the first line of each
            rest = [e for e in rest if e is not old[e.name]]
            program = self.plan.program
            other = program.with_(old.get(e.name, e) for e in program.equations).unroll(sizes)
            for e in other.equations:
                if self.group(e.name) in old:
                    found[e.name] = (*found.get(e.name, ()), e.value)
        return found

    def group(self, name: str) -> str:
        entry = self.shown_program.tensors[name].entry
        return entry[0] if entry else name

    def derivation(self, fold: bool | None) -> Derivation:
        definitions, updates, numbers = self.definitions()
        shown = self.shown()
        stepper = Stepper(
            self.base,
            self.plan,
            self.level,
            shown,
            self.forward,
            self.before,
            self.writer,
            self.wide,
            numbers,
            self.point,
        )
        steps = stepper.steps()
        fold = self.level != "neuron" and len(steps) >= LONG if fold is None else fold
        conventions = stepper.notes()
        for value in self.index_forms:
            conventions |= stepper.conventions(value)
        if self.index_forms and self.level in ("matrix", "batched"):
            conventions.add("index")
        indexed = (
            self.level in ("index", "both")
            or "index" in conventions
            or (self.level in ("matrix", "batched") and bool(self.index_forms))
        )
        forward, neuron = self.method == "forward", self.level == "neuron"
        letters = {self.group(e.name) for e in shown}
        program = self.plan.program
        lettered = [t for name, t in program.tensors.items() if name in letters and t.symbol]
        tensors = [*self.base.tensors.values(), *lettered]
        return Derivation(
            self.base.title, self.level, self.method, self.shown_program,
            legend.symbols(self.wide, tensors, self.sizes),
            definitions, updates, steps, self.summary(steps), legend.intro(self.wide, self.base, self.method),
            legend.notes(
                self.wide, self.base, conventions | self.definition_notes, indexed, forward, neuron, self.sizes,
                self.plan.program.equations,
            ),
            self.writer.language, self.given(),
            self.folded_steps(steps) if fold else (), self.folded_definitions(definitions, 1) if fold else (),
            self.folded_definitions(updates, len(definitions) + 1) if fold else (),
            legend.grouped_symbols(self.wide, tensors, self.sizes) if fold else (),
            names=self.names(), network=self.base, values=self.point.entries if self.point else {},
        )  # fmt: skip

    def names(self) -> Names:
        """Of tensors and, at neuron level, of their entries."""
        tensors, entries = self.wide.names, self.writer.names
        return replace(
            entries, tensors={**tensors.tensors, **entries.tensors}, meaning={**tensors.meaning, **entries.meaning},
            derivatives={**tensors.derivatives, **entries.derivatives},
            position={**tensors.position, **entries.position},
        )  # fmt: skip

    def folded_steps(self, steps: tuple[Step, ...]) -> tuple[Folded, ...]:
        """The runs of steps that repeat one in front of them."""
        names = self.writer.names
        patterns = [
            pattern(
                names, [e for f in s.formulas for e in (f.target, f.value, *self.before.get(f.name, ()))],
                s.rule, s.used, len(s.prose), tuple(len(f.sides) for f in s.formulas),
                lettered=any(self.is_indexed(f) for f in s.formulas),
            )
            for s in steps
        ]  # fmt: skip
        outputs = self.plan.program.outputs

        def gains(start: int, stop: int) -> list[Said]:
            return [self.wide.name(s.quantity) for s in steps[start:stop] if s.quantity in outputs]

        return sayings(self.wide, folds(patterns), "steps", gains)

    def folded_definitions(self, definitions: tuple[Formula, ...], first: int) -> tuple[Folded, ...]:
        """The runs of definitions that repeat one in front of them; first: the number of the first."""
        names = self.writer.names
        patterns = [pattern(names, [f.target, f.value], len(f.sides), lettered=self.is_indexed(f)) for f in definitions]
        return sayings(self.wide, folds(patterns), "equations", lambda start, stop: [], first)

    def is_indexed(self, f: Formula) -> bool:
        """Whether the formula is written with indices."""
        return bool(f.target.args) and f.sides[0].latex != self.writer.latex.name(f.name)

    def given(self) -> tuple[Formula, ...]:
        """The point that numbers are worked out at."""
        tensors = [t.name for t in self.base.tensors.values() if t.role != "computed"]
        return () if self.point is None else self.point.given(self.forward, tensors)

    # ---------------------------------------------------------------------------------- what is shown

    def shown(self) -> list[Equation]:
        """The derived equations in question, without tangents that are zero."""
        known = {e.name for e in self.forward.equations}
        new = [e for e in self.shown_program.equations if e.name not in known and not self.is_forward_helper(e)]
        zeros: dict[Expr, Expr] = {}
        kept: list[Equation] = []
        for e in new:
            value = substitute(e.value, zeros)
            if value is ZERO and self.method == "forward" and self.group(e.name) not in self.plan.program.outputs:
                zeros[e.target] = ZERO
            else:
                kept.append(replace(e, value=value))
        return self.wanted.needed(kept, self.group, self.plan.asides)

    def is_forward_helper(self, e: Equation) -> bool:
        """Whether only forward equations read this name for a common subexpression."""
        name = self.group(e.name)
        if e.reason and e.reason.kind not in ("shared", "normalised"):
            return False
        readers = {name}
        for other in self.plan.program.equations:
            if other.value.tensors & readers:
                if other in derived(self.plan.program, self.base):
                    return False
                if other.name not in self.base.tensors:
                    readers.add(other.name)
        return True

    def definitions(self) -> tuple[tuple[Formula, ...], tuple[Formula, ...], dict[str, tuple[int, int]]]:
        """The network's equations, those that update its state, and the numbers of each tensor's."""
        assert self.base.loss is not None
        updates = set(self.base.updates.values())
        main = [e for e in self.forward.equations if self.forward_group(e.name) not in updates]
        rest = [e for e in self.forward.equations if self.forward_group(e.name) in updates]
        numbers: dict[str, tuple[int, int]] = {}
        formulas = []
        for n, e in enumerate((*main, *rest), 1):
            first, _ = numbers.get(self.forward_group(e.name), (n, n))
            numbers[self.forward_group(e.name)] = (first, n)
            formulas.append(self.definition(e, n))
        self.definition_notes = set(self.wide.matrix_latex.notes) if self.level in MATRICES else set()
        return tuple(formulas[: len(main)]), tuple(formulas[len(main) :]), numbers

    def forward_group(self, name: str) -> str:
        entry = self.forward.tensors[name].entry
        return entry[0] if entry else name

    def definition(self, e: Equation, number: int) -> Formula:
        found = self.written(e, number)
        if self.point is None:
            return found
        return self.point.added(found, e.value, self.level == "neuron")

    def written(self, e: Equation, number: int) -> Formula:
        writer = self.writer
        matrix: tuple[Said, ...] = ()
        if self.level in MATRICES:
            side = writer.matrix(lambda m: m.side(e.target, e.value))
            matrix = () if side is None else (writer.left(e.target), side)
        if self.level != "both" and matrix:
            return Formula(e.target, e.value, matrix, number)
        self.index_forms.append(e.value)
        return Formula(e.target, e.value, (writer.expr(e.target), writer.expr(e.value)), number, matrix)

    def summary(self, steps: tuple[Step, ...]) -> tuple[Formula, ...]:
        """The wanted gradients, each with its last form."""
        outputs = {f"{d}" for d in self.plan.program.outputs[1:]}
        found = [
            f
            for s in steps
            for f in s.formulas
            if self.group(f.name) in outputs and self.wanted.includes(f.name, self.group)
        ]
        position = {name: k for k, name in enumerate(self.plan.program.outputs)}
        found.sort(key=lambda f: position[self.group(f.name)])
        return tuple(replace(f, sides=_ends(f.sides), beside=_ends(f.beside), worked=f.worked[-1:]) for f in found)


def _ends(sides: tuple[Said, ...]) -> tuple[Said, ...]:
    """The first and the last side."""
    return (sides[0], sides[-1]) if sides else ()
