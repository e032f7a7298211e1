"""The naive form: each derivative written out down to inputs and parameters, to show what backpropagation saves."""

from __future__ import annotations

from collections.abc import Mapping

from symbp.expr import Expr, num, size
from symbp.program import Program
from symbp.show.legend import symbols
from symbp.show.pieces import Formula, Step, Writer
from symbp.show.request import Request
from symbp.show.result import Derivation
from symbp.show.symbols import names_of
from symbp.unroll import concrete_sizes

SHOWN = 2  # entries by default


def expanded(base: Program, wanted: Request, sizes: Mapping[str, int] | None, language: str) -> Derivation:
    """The naive derivation at neuron level. By default the first SHOWN entries, and a note says of how many."""
    tensors = wanted.tensors[:1] if wanted.default else wanted.tensors
    program = base.gradient(tensors, method="naive", sizes=sizes)
    ranks = {t.name: len(t.indices) for t in base.tensors.values()}
    forward = base.unroll(sizes)
    writer = Writer(names_of(program, forward, ranks), language)
    plain = Writer(names_of(forward, forward, ranks), language)

    def group(name: str) -> str:
        entry = program.tensors[name].entry
        return entry[0] if entry else name

    loss, *rest = program.equations
    gradients = [e for e in rest if wanted.includes(e.name, group)]
    gradients = gradients[:SHOWN] if wanted.default else gradients
    total = sum(1 for t in forward.tensors.values() if t.role == "parameter")
    definitions = tuple(
        Formula(e.target, e.value, (plain.expr(e.target), plain.expr(e.value)), n)
        for n, e in enumerate(forward.equations, 1)
    )
    steps = []
    for n, e in enumerate((loss, *gradients), 1):
        formula = Formula(e.target, e.value, (writer.both(lambda p, e=e: p.name(e.name)), writer.expr(e.value)))  # type: ignore[misc]
        rule = "title_expanded" if n > 1 else "title_loss"
        title = writer.say(rule, writer.math(formula.sides[0])) if n > 1 else writer.say(rule)
        wrt = e.reason.wrt if e.reason else ""
        steps.append(Step(n, e.name, wrt, rule, title, (), (formula,), (), 0))
    numbers: dict[Expr, Expr] = {size(name): num(value) for name, value in concrete_sizes(base, sizes).items()}
    rows = symbols(Writer(names_of(base, base, ranks), language), base.tensors.values(), numbers)
    intro = (writer.say("note_naive", len(gradients), total),)
    return Derivation(base.title, "neuron", "naive", program, rows, definitions, (), tuple(steps), (), intro, (), language)
