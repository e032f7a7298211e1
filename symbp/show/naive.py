"""The naive form: each derivative written out down to inputs and parameters, beside the same with reuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from symbp.derive.repeated import outermost, written_values
from symbp.expr import Expr, num, occurrences, size, walk
from symbp.operations import tree_operations
from symbp.program import Program
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.marked import Marking, circle, marked
from symbp.show.formulas.writer import Writer
from symbp.show.names.symbols import Names, names_of
from symbp.show.plan.request import Request
from symbp.show.plan.selection import tensor_of
from symbp.show.result import Derivation
from symbp.show.steps.legend import notes
from symbp.show.steps.step import Step
from symbp.unroll import concrete_sizes

SHOWN = 2  # entries by default
MARKED = 8  # values that get a mark of their own, the most repeated ones
Reverse = Callable[[list[str]], Derivation]


def expanded(
    base: Program, wanted: Request, sizes: Mapping[str, int] | None, language: str, reverse: Reverse
) -> Derivation:
    """The naive derivation at neuron level. By default the first SHOWN entries, and a note says of how many.

    reverse: the derivation with reuse of some entries.
    """
    tensors = wanted.tensors[:1] if wanted.default else wanted.tensors
    program = base.gradient(tensors, method="naive", sizes=sizes)
    ranks = {t.name: len(t.indices) for t in base.tensors.values()}
    forward = base.unroll(sizes)
    writer = Writer(names_of(program, forward, ranks), language)
    plain = Writer(names_of(forward, forward, ranks), language)

    def group(name: str) -> str:
        return tensor_of(program.tensors, name)

    loss, *rest = program.equations
    gradients = [e for e in rest if wanted.includes(e.name, group)]
    gradients = gradients[:SHOWN] if wanted.default else gradients
    total = sum(1 for t in forward.tensors.values() if t.role == "parameter")
    definitions = tuple(
        Formula(e.target, e.value, (plain.expr(e.target), plain.expr(e.value)), n)
        for n, e in enumerate(forward.equations, 1)
    )
    repeats = Repeats(forward, [e.value for e in gradients])
    write = repeats.writer(writer)
    steps = []
    for n, e in enumerate((loss, *gradients), 1):
        left = writer.both(lambda p, e=e: p.name(e.name))  # type: ignore[misc]
        formula = Formula(e.target, e.value, (left, write(e.value)))
        rule = "title_expanded" if n > 1 else "title_loss"
        title = writer.say(rule, writer.math(left)) if n > 1 else writer.say(rule)
        wrt = e.reason.wrt if e.reason else ""
        prose = (writer.say("operations", operations([e.value])),)
        steps.append(Step(n, e.name, wrt, rule, title, prose, (formula,), (), 0))
    found = reverse([e.reason.wrt for e in gradients if e.reason])
    reuse = _with_reuse(len(steps) + 1, repeats, forward, found, writer)
    numbers: dict[Expr, Expr] = {size(name): num(value) for name, value in concrete_sizes(base, sizes).items()}
    wide = Writer(names_of(base, base, ranks), language)
    remarks = notes(wide, base, set(), False, False, True, numbers)
    delta = found.intro[1:]  # what it stands for
    intro = (writer.say("note_naive", len(gradients), total), *repeats.legend(writer), *delta)
    return Derivation(
        base.title,
        "neuron",
        "naive",
        program,
        found.symbols,
        definitions,
        (),
        tuple(steps),
        (),
        intro,
        remarks,
        language,
        reuse=reuse,
        names=wide.names.with_entries(writer.names),
        network=base,
    )


def operations(values: Sequence[Expr]) -> int:
    """How many operations the expressions cost as they stand."""
    return sum(sum(tree_operations(v).values()) for v in values)


class Repeats:
    """The values of the forward pass that expressions compute more than once, each with its number.

    numbers: by the expression written out down to inputs and parameters. tensors: by name.
    """

    def __init__(self, forward: Program, shown: Sequence[Expr]) -> None:
        times = occurrences(shown)
        found: dict[str, tuple[Expr, int]] = {}
        values: dict[Expr, str] = {}
        for name, value in written_values(forward.equations, forward.tensors).items():
            if times.get(value, 0) > 1 and value.args and values.setdefault(value, name) == name:
                found[name] = value, times[value]
        # what occurs only inside of a marked value says nothing new
        seen = outermost(found, lambda value: set(walk(value)))
        chosen = sorted(seen, key=lambda n: -found[n][1])[:MARKED]
        self.times = {n: times for n, (_, times) in found.items() if n in chosen}
        self.tensors = {name: k for k, name in enumerate(self.times)}
        self.numbers = {found[name][0]: k for name, k in self.tensors.items()}

    def printers(self, names: Names, writer: Writer) -> tuple[Marking, Marking]:
        """Printers that mark, for names that may go beyond the writer's."""
        return (
            Marking(names, writer.latex.style, self.numbers, self.tensors),
            Marking(names, writer.text.style, self.numbers, self.tensors),
        )

    def writer(self, writer: Writer) -> Callable[[Expr], Said]:
        """What writes an expression with marks."""
        latex, text = self.printers(writer.names, writer)
        return lambda e: Said(latex.write(e), text.write(e))

    def legend(self, writer: Writer) -> tuple[Said, ...]:
        """Which mark stands for which value, and how often it is computed."""
        if not self.times:
            return ()
        names = []
        for name, k in self.tensors.items():
            plain = writer.both(lambda p, n=name: p.name(n))  # type: ignore[misc]
            sample = Said(marked(writer.latex.style.math(plain.latex), k), f"{circle(k)} {plain.text}")
            names.append(writer.say("repeated_value", sample, self.times[name]))
        return (writer.say("repeated", writer.listed(names)),)


def _with_reuse(number: int, repeats: Repeats, forward: Program, found: Derivation, writer: Writer) -> Step:
    """The same gradients from values and adjoints that are computed once, in the same colours."""
    shown = [f for s in found.steps for f in s.formulas]
    needed = {n for f in shown for n in f.value.tensors}
    for e in reversed(forward.equations):
        if e.name in needed:
            needed |= e.value.tensors
    values = [e for e in forward.equations if e.name in needed]
    ranks = {t.name: len(t.indices) for t in forward.tensors.values()}
    latex, text = repeats.printers(names_of(found.program, forward, ranks), writer)
    formulas = [
        Formula(e.target, e.value, tuple(Said(latex.write(x), text.write(x)) for x in (e.target, e.value)))
        for e in values
    ]
    formulas += [
        replace(f, sides=(f.sides[0], Said(latex.write(f.value), text.write(f.value))), number=None) for f in shown
    ]
    prose = (writer.say("operations_reuse", operations([e.value for e in values] + [f.value for f in shown])),)
    return Step(number, "", "", "title_reuse", writer.say("title_reuse"), prose, tuple(formulas), (), 0)
