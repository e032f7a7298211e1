"""The runs of steps and of definitions that pages don't show, because they repeat one in front of them."""

from __future__ import annotations

from collections.abc import Sequence

from symbp.show.fold.folded import Folded, sayings
from symbp.show.fold.folds import folds, pattern
from symbp.show.formulas.formula import Formula, Said
from symbp.show.steps.shown import Shown
from symbp.show.steps.step import Step


def folded_steps(shown: Shown, steps: Sequence[Step]) -> tuple[Folded, ...]:
    """What is said instead of steps, the gradients that they give included."""
    patterns = [
        pattern(
            shown.writer.names,
            [e for f in s.formulas for e in (f.target, f.value, *shown.before.get(f.name, ()))],
            s.rule, s.used, len(s.prose), tuple(len(f.sides) for f in s.formulas),
            lettered=any(_is_indexed(shown, f) for f in s.formulas),
        )
        for s in steps
    ]  # fmt: skip
    outputs = shown.plan.program.outputs

    def gains(start: int, stop: int) -> list[Said]:
        return [shown.wide.name(s.quantity) for s in steps[start:stop] if s.quantity in outputs]

    return sayings(shown.wide, folds(patterns), "steps", gains)


def folded_definitions(shown: Shown, definitions: Sequence[Formula], first: int) -> tuple[Folded, ...]:
    """What is said instead of definitions; first: the number of the first."""
    patterns = [
        pattern(shown.writer.names, [f.target, f.value], len(f.sides), lettered=_is_indexed(shown, f))
        for f in definitions
    ]
    return sayings(shown.wide, folds(patterns), "equations", lambda start, stop: [], first)


def _is_indexed(shown: Shown, f: Formula) -> bool:
    """Whether the formula is written with indices."""
    return bool(f.target.args) and f.sides[0].latex != shown.writer.latex.name(f.name)
