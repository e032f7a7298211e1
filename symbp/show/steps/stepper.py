"""From the derived equations to steps: each formula with its chain rule, each step with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbp.expr import Call, Delta, Expr, Index, Reduce, Select, walk
from symbp.program import Equation, Program
from symbp.show.formulas.formula import Formula, Said
from symbp.show.formulas.printer import Printer
from symbp.show.formulas.writer import Writer
from symbp.show.names.symbols import HELPERS, Partial
from symbp.show.plan.equations import SHORT, Plan
from symbp.show.steps.chain_rule import Uses, bare, chain, contracted, with_forward_values
from symbp.show.steps.jacobian import jacobian
from symbp.show.steps.rules import rules
from symbp.show.steps.step import Step
from symbp.show.steps.worked import Point
from symbp.simplify.inline import write_out

MATRICES = ("matrix", "batched", "both")  # levels that show matrices where there are any


class Stepper:
    """Writes the steps of one derivation.

    base, plan: at tensor level. shown: the derived equations as they are shown, entries at neuron level. forward: the
    program that they're derived from, at the same level. before: values of equations before simplification.
    writer: for `shown`; wide: for the tensor level. numbers: tensor -> (first, last) number of its definition. point:
    where numbers are asked for.
    """

    def __init__(
        self,
        base: Program,
        plan: Plan,
        level: str,
        shown: Sequence[Equation],
        forward: Program,
        before: Mapping[str, Sequence[Expr]],
        writer: Writer,
        wide: Writer,
        numbers: Mapping[str, tuple[int, int]],
        point: Point | None = None,
    ) -> None:
        assert base.loss is not None
        self.base, self.plan, self.level, self.shown, self.before = base, plan, level, list(shown), before
        self.writer, self.wide, self.numbers, self.loss = writer, wide, numbers, base.loss
        self.point = point
        self.uses, self.wide_uses = Uses(forward, base.loss), Uses(base, base.loss)
        self.values = {e.name: e.value for e in shown}
        self.records = {e.name: e for e in plan.program.equations}
        self.index_forms = False
        self.seen: list[Expr] = []

    # ---------------------------------------------------------------------------------------- steps

    def steps(self) -> tuple[Step, ...]:
        groups: list[list[Equation]] = []
        for e in self.shown:
            group = self.group(e.name)
            open_aside = groups and self.group(groups[-1][-1].name) in self.plan.asides
            if groups and (open_aside or self.group(groups[-1][-1].name) == group):
                groups[-1].append(e)
            else:
                groups.append([e])
        where = {self.group(e.name): n for n, group in enumerate(groups, 1) for e in group}
        return tuple(self.step(n, group, where) for n, group in enumerate(groups, 1))

    def group(self, name: str) -> str:
        """The tensor that an entry belongs to; at tensor level the tensor itself."""
        entry = self.writer.names.tensors[name].entry
        return entry[0] if entry else name

    def step(self, number: int, equations: list[Equation], where: Mapping[str, int]) -> Step:
        main = [e for e in equations if self.group(e.name) not in self.plan.asides] or equations
        quantity = self.group(main[0].name)
        record = self.records[quantity]
        read = [a for e in main for a in sorted(e.value.tensors, key=self.writer.names.position.__getitem__)]
        reused = dict.fromkeys(self.group(a) for a in read if a in self.writer.names.derivatives or self.is_helper(a))
        reuses = tuple((name, where[name]) for name in reused if name in where and where[name] != number)
        counts = [self.count(e.name) for e in main]
        rule, title = self.title(record)
        prose = self.prose(record, main, number, reuses, counts)
        formulas = tuple(self.formula(e) for e in equations)
        said = self.rules(record, main)
        if len(said) > 1:  # one by itself is the chain rule through an equation that is named already
            prose += (self.wide.say("rules", self.wide.listed(list(said), "rule_comma", "rule_comma")),)
        wrt = record.reason.wrt if record.reason else ""
        return Step(number, quantity, wrt, rule, title, prose, formulas, reuses, max(counts), said)

    def is_helper(self, name: str) -> bool:
        record = self.records.get(self.group(name))
        return bool(record and record.reason and record.reason.kind in HELPERS)

    def count(self, name: str) -> int:
        """How many shown equations read the quantity; those that are only shown on the way don't count."""
        return sum(1 for e in self.shown if name in e.value.tensors and self.group(e.name) not in self.plan.asides)

    def title(self, record: Equation) -> tuple[str, Said]:
        reason = record.reason
        kind = reason.kind if reason else ""
        if reason is None or kind in HELPERS:
            return "title_helper", self.wide.say("title_helper", self.wide.name(record.name))
        if kind == "tangent" and reason.of != self.loss:
            return "title_tangent", self.wide.say(
                "title_tangent", self.wide.name(reason.of), self.wide.name(reason.wrt)
            )
        of_parameter = self.base.tensors[reason.wrt].role == "parameter"
        rule = "title_parameter" if of_parameter or kind == "tangent" else "title_adjoint"
        return rule, self.wide.say(rule, self.wide.name(reason.wrt))

    # ---------------------------------------------------------------------------------------- prose

    def prose(
        self, record: Equation, main: list[Equation], own: int, reuses: Sequence[tuple[str, int]], counts: list[int]
    ) -> tuple[Said, ...]:
        """What is said in front of the formulas of the step with the number `own`."""
        say, reason = self.wide.say, record.reason
        if reason is None or reason.kind in HELPERS:
            return ()
        out: list[Said] = []
        if reason.kind == "adjoint":
            out += self.paths(reason.wrt, main)
            out += self.local(record)
            cancelled = self.cancelled(main)
            if cancelled:
                out.append(say("cancels", self.wide.listed(cancelled)))
            if record.name in self.plan.facts:
                out.append(say("fact", self.wide.listed([self.fact(k) for k in range(len(self.base.facts))])))
        out += self.reused([r for r in reuses if r[1] < own])
        in_time = [say("reused_each", self.wide.name(name), number) for name, number in reuses if number >= own]
        if in_time:
            out.append(say("reused_in_time", self.wide.listed(in_time)))
        if len(main) == 1 and counts[0] > 1:
            out.append(say("used_many", self.wide.name(record.name), counts[0]))
        elif len(main) > 1 and min(counts) == max(counts) > 1:
            out.append(say("each_used_many", counts[0], self.wide.name(record.name)))
        return tuple(out)

    def reused(self, reuses: Sequence[tuple[str, int]]) -> list[Said]:
        say = self.wide.say
        if len(reuses) > 1:
            each = [say("reused_each", self.wide.name(name), number) for name, number in reuses]
            return [say("reused_all", self.wide.listed(each))]
        return [say("reused", self.wide.name(name), number) for name, number in reuses]

    def paths(self, wrt: str, main: list[Equation]) -> list[Said]:
        """Where the loss feels the tensor."""
        say, users = self.wide.say, self.wide_uses.of(wrt)
        if not users:
            return [say("unused", self.wide.name(wrt))]
        if len(users) > 1:
            each = [say("use", self.wide.name(e.name), self.number(e.name)) for e in users]
            out = [say("several_uses", self.wide.name(wrt), self.wide.listed(each))]
        elif users[0].name == self.loss:
            out = [say("reads_loss", self.wide.name(wrt), self.number(self.loss))]
        else:
            out = [say("one_path", self.wide.name(wrt), self.wide.name(users[0].name), self.number(users[0].name))]
        if self.level == "neuron" and self.loss not in {e.name for e in users}:
            out += self.fan(main, self.wide.name(wrt))
        return out

    def fan(self, main: list[Equation], wrt: Said) -> list[Said]:
        """Along how many paths each entry reaches the loss, where that is the same for all and more than one."""
        reached = [tuple(e.name for e in self.uses.of(self.derivative(m.name).wrt)) for m in main]
        counts = {len(r) for r in reached}
        if len(counts) > 1 or max(counts) < 2:
            return []
        if len(set(reached)) > 1 or len(reached[0]) > 6:
            return [self.wide.say("many_paths", len(reached[0]), wrt)]
        through = [self.writer.math(self.writer.both(lambda p, n=n: p.name(n))) for n in reached[0]]  # type: ignore[misc]
        key = "paths" if len(main) > 1 else "paths_one"
        return [self.wide.say(key, len(through), self.wide.listed(through), wrt)]

    def cancelled(self, main: list[Equation]) -> list[Said]:
        """The adjoints that the last line of before reads, where the value is shorter without them."""
        gone: dict[str, None] = {}
        for e in main:
            *_, before = self.before.get(e.name, (e.value,))
            if sum(1 for _ in walk(e.value)) < sum(1 for _ in walk(before)):
                found = sorted(before.tensors - e.value.tensors, key=self.writer.names.position.__getitem__)
                gone |= dict.fromkeys(self.group(n) for n in found if self.group(n) in self.plan.asides)
        return [self.wide.name(n) for n in gone]

    def rules(self, record: Equation, main: list[Equation]) -> tuple[Said, ...]:
        """The rules of calculus that lead to an adjoint."""
        reason = record.reason
        if reason is None or reason.kind != "adjoint":
            return ()
        users = self.wide_uses.of(reason.wrt)
        found = self.contracted(record) if self.level in ("index", "both") else None
        uses = len(users)
        if self.level == "neuron":
            uses = min(len(self.uses.of(self.derivative(e.name).wrt)) for e in main)
        deltas = found[1] if found else ()
        numbers = [self.number(e.name) for e in users if e.name != self.loss]
        out = rules(self.wide, self.base, reason, numbers, uses, deltas)
        if self.local(record):
            out.append(self.wide.say("rule_forward"))
        return tuple(out)

    def derivative(self, name: str) -> Partial:
        return self.writer.names.derivatives[name]

    def local(self, record: Equation) -> list[Said]:
        """What the derivative of an elementary function is, where the forward pass has its value."""
        assert record.reason is not None
        out: list[Said] = []
        for term in record.reason.terms:
            if term.through.label not in self.base.tensors or term.through.label == self.loss:
                continue
            equation = self.base.equation(term.through.label)
            local = with_forward_values(term.local, equation)
            calls = any(isinstance(n, Call) for n in walk(equation.value))
            plain = not any(isinstance(n, (Reduce, Delta)) for n in walk(local))
            if calls and plain and local is not term.local and term.read.args == equation.target.args:
                side = self.wide.both(
                    lambda p, t=term, v=local: (
                        f"{p.derivative(t.through.label, (), t.read.label, ())} = {p.write(bare(v))}"
                    )  # type: ignore[misc]
                )
                out.append(self.wide.say("local", self.wide.math(side)))
        return out[:1] or self.jacobian(record)

    def jacobian(self, record: Equation) -> list[Said]:
        """The same where entries depend on several entries, as a softmax's do; with indices in every notation."""
        assert record.reason is not None
        uses = self.wide_uses.at(record.reason.wrt)
        if self.level == "neuron" or len(uses) != 1 or uses[0].through.label == self.loss:
            return []
        value, use = jacobian(self.base, uses[0]), uses[0]
        if value is None:
            return []
        self.seen.append(value)
        self.index_forms = self.index_forms or self.level in ("matrix", "batched")
        side = self.wide.both(
            lambda p: (
                f"{p.derivative(use.through.label, use.through.args, use.read.label, use.read.args)} = {p.write(value)}"
            )
        )
        return [self.wide.say("local", self.wide.math(side))]

    def fact(self, k: int) -> Said:
        left, right = self.base.facts[k]
        return self.wide.math(self.wide.both(lambda p: f"{p.write(left)} = {p.write(right)}"))

    def number(self, name: str) -> Said:
        """The number of a definition, or the range of numbers of its entries."""
        first, last = self.numbers[name]
        return self.wide.say("equation", first) if first == last else self.wide.say("equations", first, last)

    # -------------------------------------------------------------------------------------- formulas

    def formula(self, e: Equation) -> Formula:
        matrix = self.matrix_sides(e) if self.level in MATRICES else None
        if matrix is not None and self.level != "both":
            return self.with_numbers(Formula(e.target, e.value, _different(matrix)))
        self.index_forms = self.index_forms or (self.level in MATRICES and matrix is None)
        sides = self.sides(e)
        self.seen.append(e.value)
        return self.with_numbers(Formula(e.target, e.value, _different(sides), beside=_different(matrix or [])))

    def with_numbers(self, f: Formula) -> Formula:
        if self.point is None:
            return f
        equation = next(e for e in self.shown if e.name == f.name)
        shown = (self.substituted(equation) if self.level == "neuron" else None) or f.value
        return self.point.added(f, shown, self.level == "neuron")

    def matrix_sides(self, e: Equation) -> list[Said] | None:
        writer = self.writer
        value = writer.matrix(lambda m: m.side(e.target, e.value))
        if value is None:
            return None
        sides = [writer.left(e.target, spelled) for spelled in (False, True)]
        kept = writer.matrix_latex.kept
        for before in self.before.get(e.name, ()):
            side = writer.matrix(lambda m, v=before: m.side(e.target, v))  # type: ignore[misc]
            sides += [side] if side and writer.matrix_latex.kept == kept else []
        closed = self.plan.after.get(e.name)
        last = None if closed is None else writer.matrix(lambda m: m.side(e.target, closed))
        return [*sides, value, *([last] if last and writer.matrix_latex.kept == kept else [])]

    def sides(self, e: Equation) -> list[Said]:
        both = self.writer.both
        sides = [
            both(lambda p: p.name(e.name, e.target.args)),
            both(lambda p: p.name(e.name, e.target.args, spelled=True)),
        ]
        if e.reason is None or e.reason.kind in HELPERS:
            return [sides[0], both(lambda p: p.write(e.value))]
        if e.reason.kind == "adjoint":
            sides.append(self.chain(e))
            explicit = self.explicit(e) if self.level != "neuron" else None
            if explicit is not None:
                sides.append(explicit)
        elif self.level == "neuron":
            sides.append(both(lambda p: self.tangent_chain(p, e)))
        for before in self.before.get(e.name, ()):
            sides.append(both(lambda p, v=before: p.write(v)))  # type: ignore[misc]
        sides.append(both(lambda p: p.write(e.value)))
        if e.name in self.plan.after:
            return [*sides, both(lambda p: p.write(self.plan.after[e.name]))]
        last = self.substituted(e) if e.reason.kind == "adjoint" else None
        return sides if last is None else [*sides, both(lambda p: p.write(last))]

    def chain(self, e: Equation) -> Said:
        """The chain rule in symbols."""
        wrt = self.derivative(e.name).wrt
        uses = self.uses.at(wrt)
        if self.level != "neuron" and len(uses) > 1:
            uses = [u for u in uses if u.through.label in self.base.tensors]
        return self.writer.both(lambda p: chain(p, self.loss, uses))

    def explicit(self, e: Equation) -> Said | None:
        """The same with the Kronecker deltas that the sum uses up, for parameters."""
        found = self.contracted(e)
        if found is None:
            return None
        self.seen.extend(found[1])
        return self.writer.both(lambda p: p.sum_of(*found))

    def contracted(self, e: Equation) -> tuple[tuple[Index, ...], list[Expr]] | None:
        """(indices, factors) of the sum before its Kronecker deltas are used up; None if there are none to show."""
        assert e.reason is not None
        if len(e.reason.terms) != 1 or self.base.tensors[e.reason.wrt].role != "parameter":
            return None
        term = e.reason.terms[0]
        adjoint = next(
            (n for n, d in self.writer.names.derivatives.items() if d.wrt == term.through.label and d.of == self.loss),
            None,
        )
        if adjoint is None or term.through.label not in self.base.tensors or adjoint not in self.values:
            return None
        return contracted(self.writer.names, self.base, adjoint, term)

    def tangent_chain(self, printer: Printer, e: Equation) -> str:
        """dT/dp as the sum over what T reads of dT/dr * dr/dp."""
        d = self.derivative(e.name)
        equation = next((f for f in self.uses.equations if f.name == d.of), None)
        if equation is None or d.wrt in equation.value.tensors:
            return ""
        moving = {x.of for n, x in self.writer.names.derivatives.items() if x.wrt == d.wrt and n in self.values}
        reads = sorted((r for r in equation.value.tensors if r in moving), key=self.writer.names.position.__getitem__)
        gap = printer.style.space
        return printer.joined_terms(
            [printer.derivative(d.of, (), r, ()) + gap + printer.derivative(r, (), d.wrt, ()) for r in reads]
        )

    def substituted(self, e: Equation) -> Expr | None:
        """The value with its only adjoint written out, where that one is short and comes straight from the loss."""
        read = [n for n in e.value.tensors if n in self.values]
        if len(read) != 1 or self.writer.names.tensors[read[0]].symbol or self.count(read[0]) != 1:
            return None
        source = next(f for f in self.shown if f.name == read[0])
        reads_derivatives = any(n in self.writer.names.derivatives for n in source.value.tensors)
        if (
            reads_derivatives
            or sum(1 for _ in walk(source.value)) > SHORT
            or any(isinstance(n, Reduce) for n in walk(e.value))
        ):
            return None
        return write_out(e.value, source)

    # ----------------------------------------------------------------------------------------- notes

    def notes(self) -> set[str]:
        """Which conventions the formulas made use of."""
        found = set(self.writer.matrix_latex.notes) if self.level in MATRICES else set()
        for e in self.seen:
            found |= self.conventions(e)
        if self.index_forms:
            found.add("index")
        return found

    def conventions(self, e: Expr) -> set[str]:
        """The conventions of an expression in index notation."""
        kinds = {type(node) for node in walk(e)}
        return ({"kronecker"} if Delta in kinds else set()) | ({"iverson"} if Select in kinds else set())


def _different(sides: Sequence[Said]) -> tuple[Said, ...]:
    """The sides without empty ones and without one that says the same as the one in front of it."""
    kept: list[Said] = []
    for s in sides:
        if s.latex and (not kept or s.latex != kept[-1].latex):
            kept.append(s)
    return tuple(kept)
