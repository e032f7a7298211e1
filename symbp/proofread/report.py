"""What was found: a verdict a quantity, the first wrong one, and how it differs; as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbp.errors import SymbpError, nearest
from symbp.expr import ONE, Expr, Num, coefficient, factors, num
from symbp.program import shape_text
from symbp.proofread.diagnose import Finding
from symbp.proofread.given import NEGLIGIBLE, TOLERANCE, Given
from symbp.proofread.mutants import Mistake
from symbp.proofread.reference import POINTS, Reference
from symbp.proofread.shapes import array_shape
from symbp.proofread.words import LANGUAGES


@dataclass(frozen=True)
class Verdict:
    """Of one quantity. how: "algebra" or "numbers", which of the two decided."""

    given: Given
    right: bool
    how: str

    @property
    def name(self) -> str:
        return self.given.name


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """verdicts: in backward order. finding: about the first wrong one. missing: gradients that were not given.

    overwritten: arguments that the function changed. together: whether the quantities were computed by one function.
    """

    reference: Reference
    work: str
    verdicts: tuple[Verdict, ...]
    finding: Finding | None = None
    missing: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    together: bool = False
    seed: int = 0

    @property
    def right(self) -> bool:
        return all(v.right for v in self.verdicts)

    @property
    def first_wrong(self) -> str | None:
        """The name of the first quantity, going backward, that is wrong."""
        return next((v.name for v in self.verdicts if not v.right), None)

    def text(self, lang: str = "en") -> str:
        """The report as a few lines. lang: en or zh."""
        if lang not in LANGUAGES:
            raise SymbpError(f"there is no language {lang!r}: {nearest(lang, LANGUAGES)}")
        return "\n".join(_Page(self, LANGUAGES[lang]).lines())

    def __repr__(self) -> str:
        return self.text()


def number(value: Any) -> str:
    return f"{float(value):.6g}"


class _Page:
    def __init__(self, report: Report, words: Mapping[str, str]) -> None:
        self.report, self.reference, self.words = report, report.reference, words

    def say(self, key: str, *parts: str) -> str:
        return self.words[key].format(*parts)

    def listed(self, names: list[str]) -> str:
        head, last = names[:-1], names[-1]
        return self.words["list"].join(head) + self.words["and"] + last if head else last

    def lines(self) -> list[str]:
        report = self.report
        lines = [self.say("against", report.work, self.reference.program.title)]
        lines += [self.say("at", str(POINTS), str(report.seed), self.sizes(), f"{TOLERANCE:.0e}"), ""]
        width = max(len(v.name) for v in report.verdicts)
        for v in report.verdicts:
            word = "wrong" if not v.right else f"by_{v.how}"
            lines.append(f"  {v.name:<{width}}  {self.words[word]}")
        lines.append("")
        lines += [
            self.say("single", v.name, f"{v.given.tolerance:.0e}")
            for v in report.verdicts
            if v.given.tolerance > TOLERANCE
        ]
        lines += [self.say("overwritten", report.work, name) for name in report.overwritten]
        if report.missing:
            lines.append(self.say("not_given", self.words["list"].join(report.missing)))
        if report.right:
            count = len(report.verdicts)
            found = self.say("all_right", str(count)) if count > 1 else self.say("one_right", report.verdicts[0].name)
            return [*lines, found]
        return [*lines, *self.wrong()]

    def sizes(self) -> str:
        points = self.reference.points
        sizes = [f"{n} = {', '.join(dict.fromkeys(str(p.sizes[n]) for p in points))}" for n in points[0].sizes]
        return "".join(text + self.words["next"] for text in sizes)

    @property
    def lengths(self) -> dict[str, int]:
        """The symbolic sizes at the last point that no fixed axis has, too."""
        fixed = {getattr(s, "value", 0) for t in self.reference.program.tensors.values() for s in t.shape}
        return {name: n for name, n in self.reference.points[-1].sizes.items() if n not in fixed}

    # ------------------------------------------------------------------------------ the first wrong one

    def wrong(self) -> list[str]:
        report, reference, finding = self.report, self.reference, self.report.finding
        assert finding is not None
        wrong = [v for v in report.verdicts if not v.right]
        first = wrong[0].given
        right = reference.points[-1].values[first.name]
        key = "first" if first.name in reference.adjoints else "first_forward"
        lines = [self.say(key, reference.access(first.name), shape_text(reference.tensor(first.name)))]
        what = self.mistake(finding, first, right)
        if finding.inside != first.name:
            what = self.say("inside", reference.access(finding.inside), what)
        lines.append(f"  {what[:1].upper()}{what[1:]}")
        if finding.besides is not ONE:
            factor = Mistake("scaled", (finding.besides,))
            lines.append(f"  {self.say('besides', self.scaled(factor, [reference.text(finding.besides)]))}")
        if finding.mistake.kind in ("unknown", "scaled") and np.shape(first.arrays[-1]) == np.shape(right):
            lines += [f"  {line}" for line in self.example(first)]
        rest = [v.name for v in wrong[1:]]
        follows = [n for n in rest if n in finding.follows]
        further = [n for n in rest if n not in finding.follows]
        if report.together and follows:
            lines.append(f"  {self.say('follows', self.listed(follows))}")
        if report.together and further and finding.mistake.kind != "unknown":
            lines.append(f"  {self.say('further', self.listed(further))}")
        if not report.together and rest:
            lines.append(f"  {self.say('judged_alone', self.listed(rest))}")
        lines += ["", self.say("derivation"), *self.formulas(finding.inside)]
        if first.value is not None:
            lines += [self.say("yours"), f"    {reference.access(first.name)} = {reference.text(first.value)}"]
        return lines

    def formulas(self, name: str) -> list[str]:
        """The right formula of the quantity at fault, and the forward equations that it comes from."""
        reference = self.reference
        closed = reference.closed_form(name)
        if closed is not None:
            program = reference.program
            read = [e for e in program.equations if e.name in closed.tensors or e.name == program.loss]
            return [f"    {reference.access(name)} = {reference.text(closed)}", f"  {self.say('because')}",
                    *(f"    {reference.text(e.target)} = {reference.text(e.value)}" for e in read)]  # fmt: skip
        lines = [f"    {reference.access(name)} = {reference.text(reference.readable(name))}"]
        equation = reference.equation(name)
        throughs = dict.fromkeys(t.through.label for t in (equation.reason.terms if equation.reason else ()))
        if throughs:
            lines.append(f"  {self.say('because')}")
        for label in throughs:
            forward = reference.equation(label)
            lines.append(f"    {reference.text(forward.target)} = {reference.text(forward.value)}")
        return lines

    def example(self, given: Given) -> list[str]:
        """The entry that differs most, at the first point where one does."""
        tensor = self.reference.tensor(given.name)
        gaps = [np.abs(a - p.values[given.name]) for a, p in zip(given.arrays, self.reference.points, strict=True)]
        k = int(np.argmax([np.max(g, initial=0.0) for g in gaps]))
        mine, right, gap = given.arrays[k], self.reference.points[k].values[given.name], gaps[k]
        scale = max(float(np.max(np.abs(right), initial=0)), float(np.max(np.abs(mine), initial=0)), NEGLIGIBLE)
        error = f"{float(np.max(gap)) / scale:.1e}"
        if not tensor.indices:
            return [self.say("scalar_numbers", number(mine), number(right), error)]
        at = np.unravel_index(int(np.argmax(gap)), gap.shape)
        place = ", ".join(f"{i.label} = {n}" for i, n in zip(tensor.indices, at, strict=True))
        out = [self.say("numbers", place, number(mine[at]), number(right[at]), error)]
        differing = int(np.sum(gap > given.tolerance * scale))
        return [*out, self.say("where_entries", str(differing), str(gap.size))] if differing < gap.size else out

    def mistake(self, finding: Finding, first: Given, right: Any) -> str:
        """The sentence about what differs."""
        mistake, name = finding.mistake, finding.inside
        texts = [p if isinstance(p, str) else self.reference.text(p) for p in mistake.parts]
        own = self.reference.text(self.reference.tensor(name.removeprefix(f"{self.reference.prefix}_")).access)
        match mistake.kind:
            case "scaled" | "path_scaled":
                return self.scaled(mistake, texts)
            case "paths":
                return self.say("paths", self.listed(texts), own)
            case "steps":
                return self.say("steps", texts[0], own)
            case "factor":
                return self.factor(name, mistake, texts)
            case "step":
                return self.step(name, texts)
            case "transposed" | "axes" | "reshaped" | "unsummed" | "unaveraged" | "oversummed" | "shape":
                shapes = (array_shape(a, self.lengths) for a in (first.arrays[-1], right))
                return self.say(mistake.kind, *shapes, *texts)
        return self.say(mistake.kind, *texts)

    def step(self, name: str, texts: list[str]) -> str:
        """A whole equation that was skipped on the way back; with its derivative, if that is one factor."""
        equation = self.reference.equation(name)
        terms = equation.reason.terms if equation.reason else ()
        through = next(t.through for t in terms if self.reference.text(t.through) == texts[1])
        skipped = f"{texts[1]} = {self.reference.text(self.reference.equation(through.label).value)}"
        if len(terms) == 1:
            return self.say(
                "step_factor", texts[0], skipped, self.reference.text(self.reference.in_values(terms[0].local))
            )
        return self.say("step", texts[0], skipped)

    def scaled(self, mistake: Mistake, texts: list[str]) -> str:
        c = mistake.parts[-1]
        path = mistake.kind == "path_scaled"
        assert isinstance(c, Expr)
        if c is num(-1):
            return self.say("path_sign", texts[0]) if path else self.say("sign")
        if path:
            return self.say("path_scaled", *texts)
        if c is num(0):
            return self.say("zero")
        if not isinstance(c, Num) and coefficient(c)[0] == 1:
            inverse = c**-1
            if all(not self.divides(f) for f in factors(c)):
                return self.say("division_missing", texts[0])
            if all(self.divides(f) for f in factors(c)):
                return self.say("division_twice", self.reference.text(inverse))
        return self.say("scaled", texts[0])

    @staticmethod
    def divides(f: Expr) -> bool:
        return len(f.args) == 2 and isinstance(f.args[1], Num) and f.args[1].value < 0

    def factor(self, name: str, mistake: Mistake, texts: list[str]) -> str:
        """A missing factor, which may be the whole of a local derivative."""
        reason = self.reference.equation(name).reason
        for term in reason.terms if reason else ():
            if self.reference.in_values(term.local) is mistake.parts[0]:
                return self.say("local", texts[0], self.reference.text(term.through), self.reference.text(term.read))
        return self.say("factor", texts[0])
