"""From the derived equations to steps: each formula with its chain rule, each step with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping

from symbp.program import Equation
from symbp.show.steps.conventions import Conventions
from symbp.show.steps.formulas import Formulas
from symbp.show.steps.prose import Prose
from symbp.show.steps.shown import Shown
from symbp.show.steps.step import Step
from symbp.show.steps.worked import Point


def steps(shown: Shown, conventions: Conventions, point: Point | None = None) -> tuple[Step, ...]:
    """The steps of a derivation, all entries of a tensor in one, asides with what they lead to.

    conventions: collects which ones they make use of. point: where numbers are asked for.
    """
    groups: list[list[Equation]] = []
    for e in shown.equations:
        group = shown.group(e.name)
        open_aside = groups and shown.is_aside(groups[-1][-1].name)
        if groups and (open_aside or shown.group(groups[-1][-1].name) == group):
            groups[-1].append(e)
        else:
            groups.append([e])
    where = {shown.group(e.name): n for n, group in enumerate(groups, 1) for e in group}
    formulas, prose = Formulas(shown, conventions, point), Prose(shown, conventions)
    return tuple(_step(shown, formulas, prose, n, group, where) for n, group in enumerate(groups, 1))


def _step(
    shown: Shown, formulas: Formulas, prose: Prose, number: int, equations: list[Equation], where: Mapping[str, int]
) -> Step:
    main = [e for e in equations if not shown.is_aside(e.name)] or equations
    quantity = shown.group(main[0].name)
    record = shown.records[quantity]
    read = [a for e in main for a in shown.in_order(e.value.tensors)]
    reused = dict.fromkeys(shown.group(a) for a in read if a in shown.writer.names.derivatives or shown.is_helper(a))
    reuses = tuple((name, where[name]) for name in reused if name in where and where[name] != number)
    counts = [shown.count(e.name) for e in main]
    rule, title = prose.title(record)
    said = prose.sentences(record, main, number, reuses, counts)
    written = tuple(formulas.formula(e) for e in equations)
    rules = prose.rules(record, main)
    if len(rules) > 1:  # one by itself is the chain rule through an equation that is named already
        said += (shown.wide.say("rules", shown.wide.listed(list(rules), "rule_comma", "rule_comma")),)
    wrt = record.reason.wrt if record.reason else ""
    return Step(number, quantity, wrt, rule, title, said, written, reuses, max(counts), rules)
