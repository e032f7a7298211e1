"""What a step says in words: along which paths the loss feels a quantity, what is reused, which rules apply."""

from __future__ import annotations

from collections.abc import Sequence

from symbp.expr import Call, Delta, Reduce, walk
from symbp.program import Equation
from symbp.show.formulas.formula import Said
from symbp.show.names.symbols import HELPERS
from symbp.show.steps.chain_rule import bare, with_forward_values
from symbp.show.steps.conventions import Conventions
from symbp.show.steps.jacobian import jacobian
from symbp.show.steps.rules import rules
from symbp.show.steps.shown import Shown


class Prose:
    """Writes the sentences of one derivation."""

    def __init__(self, shown: Shown, conventions: Conventions) -> None:
        self.shown, self.conventions = shown, conventions
        self.base, self.level, self.wide, self.loss = shown.base, shown.level, shown.wide, shown.loss

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

    def sentences(
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
            if record.name in self.shown.plan.facts:
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
        say, users = self.wide.say, self.shown.wide_uses.of(wrt)
        if not users:
            return [say("unused", self.wide.name(wrt))]
        if len(users) > 1:
            each = [say("use", self.wide.name(e.name), self.shown.number(e.name)) for e in users]
            out = [say("several_uses", self.wide.name(wrt), self.wide.listed(each))]
        elif users[0].name == self.loss:
            out = [say("reads_loss", self.wide.name(wrt), self.shown.number(self.loss))]
        else:
            out = [
                say("one_path", self.wide.name(wrt), self.wide.name(users[0].name), self.shown.number(users[0].name))
            ]
        if self.level == "neuron" and self.loss not in {e.name for e in users}:
            out += self.fan(main, self.wide.name(wrt))
        return out

    def fan(self, main: list[Equation], wrt: Said) -> list[Said]:
        """Along how many paths each entry reaches the loss, where that is the same for all and more than one."""
        reached = [tuple(e.name for e in self.shown.uses.of(self.shown.derivative(m.name).wrt)) for m in main]
        counts = {len(r) for r in reached}
        if len(counts) > 1 or max(counts) < 2:
            return []
        if len(set(reached)) > 1 or len(reached[0]) > 6:
            return [self.wide.say("many_paths", len(reached[0]), wrt)]
        through = [self.shown.writer.math(self.shown.writer.both(lambda p, n=n: p.name(n))) for n in reached[0]]  # type: ignore[misc]
        key = "paths" if len(main) > 1 else "paths_one"
        return [self.wide.say(key, len(through), self.wide.listed(through), wrt)]

    def cancelled(self, main: list[Equation]) -> list[Said]:
        """The adjoints that the last line of before reads, where the value is shorter without them."""
        gone: dict[str, None] = {}
        for e in main:
            *_, before = self.shown.before.get(e.name, (e.value,))
            if sum(1 for _ in walk(e.value)) < sum(1 for _ in walk(before)):
                found = self.shown.in_order(before.tensors - e.value.tensors)
                gone |= dict.fromkeys(self.shown.group(n) for n in found if self.shown.is_aside(n))
        return [self.wide.name(n) for n in gone]

    def rules(self, record: Equation, main: list[Equation]) -> tuple[Said, ...]:
        """The rules of calculus that lead to an adjoint."""
        reason = record.reason
        if reason is None or reason.kind != "adjoint":
            return ()
        users = self.shown.wide_uses.of(reason.wrt)
        found = self.shown.contracted(record) if self.level in ("index", "both") else None
        uses = len(users)
        if self.level == "neuron":
            uses = min(len(self.shown.uses.of(self.shown.derivative(e.name).wrt)) for e in main)
        deltas = found[1] if found else ()
        numbers = [self.shown.number(e.name) for e in users if e.name != self.loss]
        out = rules(self.wide, self.base, reason, numbers, uses, deltas)
        if self.local(record):
            out.append(self.wide.say("rule_forward"))
        return tuple(out)

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
        uses = self.shown.wide_uses.at(record.reason.wrt)
        if self.level == "neuron" or len(uses) != 1 or uses[0].through.label == self.loss:
            return []
        value, use = jacobian(self.base, uses[0]), uses[0]
        if value is None:
            return []
        self.conventions.indexed(value, self.level in ("matrix", "batched"))
        side = self.wide.both(
            lambda p: (
                f"{p.derivative(use.through.label, use.through.args, use.read.label, use.read.args)} = {p.write(value)}"
            )
        )
        return [self.wide.say("local", self.wide.math(side))]

    def fact(self, k: int) -> Said:
        left, right = self.base.facts[k]
        return self.wide.math(self.wide.both(lambda p: f"{p.write(left)} = {p.write(right)}"))
