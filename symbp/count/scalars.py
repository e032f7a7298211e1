"""Programs at neuron level as they are counted: concrete labels, no copies, forward values read where they're used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from symbp.count.labels import fix_labels, picked_apart
from symbp.count.readings import Readings, apart
from symbp.count.tensors import Known
from symbp.count.written import has_condition
from symbp.derive.naive import expand_values
from symbp.expr import ZERO, Access, Add, Call, Expr, Mul, Pow, access, rebuild, transform
from symbp.operations import graph_operations, is_constant, step, tree_operations
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import groups
from symbp.unroll import unroll


@dataclass(frozen=True)
class Listing:
    """Scalar equations to be run one after another, and the rule by which they're counted.

    share: False if every equation is written out as it stands (it reads the values of earlier ones by name), True if
    equal subexpressions of all equations are computed once. tensors: every scalar by name.
    """

    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    share: bool = False

    def operations(self) -> Counter[str]:
        """Operations by kind."""
        if self.share:
            return graph_operations(e.value for e in self.equations)
        return sum((tree_operations(e.value) for e in self.equations), Counter())

    def restricted(self, outputs: tuple[str, ...]) -> Listing:
        """What these outputs take, alone."""
        needed = set(outputs)
        kept = []
        for equation in reversed(self.equations):
            if equation.name in needed:
                needed |= equation.value.tensors
                kept.append(equation)
        return replace(self, equations=tuple(reversed(kept)), outputs=outputs)

    def each_alone(self, outputs: tuple[str, ...]) -> Counter[str]:
        """Operations of `restricted((output,))`, summed over the outputs; for written-out equations only."""
        asked: dict[str, int] = {}  # the outputs that need a value, as bits
        for n, name in enumerate(outputs):
            asked[name] = asked.get(name, 0) | 1 << n
        total: Counter[str] = Counter()
        for equation in reversed(self.equations):
            by = asked.get(equation.name, 0)
            for name in equation.value.tensors:
                asked[name] = asked.get(name, 0) | by
            for kind, n in tree_operations(equation.value).items():
                total[kind] += n * by.bit_count()
        return +total


def listing(program: Program, share: bool = False) -> Listing:
    """The program at neuron level, copies and known numbers read through, values of earlier equations read by name.

    So a product with a known 0 or 1 costs nothing, and sigmoid'(z) = a (1 - a) reads the a of the forward pass.
    The same is done to every strategy. Entries of one tensor are computed apart, even where labels that are all 0 make
    them equal: two examples of a batch aren't one. Where an entry is a copy or a known number for reasons of its place
    alone, others of its tensor being computed, it stays a number of its own, but for a known 0. Tangents aren't looked
    up: what happens to equal one of them depends on the order of the parameters.
    """
    tangents = {e.name for e in program.equations if e.reason is not None and e.reason.kind == "tangent"}
    program = fix_labels(picked_apart(program)[0])
    program, other_names = apart(with_values_read(program, tangents))
    unrolled = unroll(program)
    readings = Readings()
    readings.note(unrolled.tensors, other_names)
    tensor = {name: t.entry[0] for name, t in unrolled.tensors.items() if t.entry}
    in_order = in_running_order(unrolled.equations, readings)
    whole, copies = copied(in_order, tensor, tangents, readings)
    at_hand: dict[Expr, Expr] = {}
    known = KnownNumbers()
    equations: list[Equation] = []

    of_tangents = {t: copy for t, copy in copies.items() if tensor.get(t.label) in tangents}
    same = readings.meeting(in_order, tensor, of_tangents)
    plain = {e.name for e in program.equations if e.name not in tangents and not has_condition(e.value)}
    values: dict[Expr, Access] = {}  # what tangents may read, once deltas have picked a term

    def real_names(reads: Counter[str]) -> Counter[str]:
        out: Counter[str] = Counter()
        for name, n in reads.items():
            out[readings.base.get(access(name), access(name)).label] += n
        return out

    def read(e: Expr, by: str) -> Expr:
        if by in tangents and e.args and not isinstance(e, Access):
            return values.get(readings.real(e), e)
        found = at_hand.get(readings.base.get(e, e), e) if isinstance(e, Access) else e
        if not isinstance(found, Access) or found is e:
            return found
        return readings.renamed(found, e, tensor.get(e.label, ""), same.get((by, tensor.get(e.label, ""))))

    def number(e: Expr) -> Expr:
        found = copies.get(readings.base.get(e, e), e) if isinstance(e, Access) else e
        return found if is_constant(found) else e

    for equation in in_order:
        value = known.settle(transform(equation.value, number), partial(read, by=tensor.get(equation.name, equation.name)))
        real = readings.real(value)
        if tensor.get(equation.name) in plain and isinstance(real, (Add, Mul, Pow, Call)) and not is_constant(real):
            values.setdefault(real, equation.target)
        if value is ZERO or tensor.get(equation.name, equation.name) in whole:
            at_hand[equation.target] = value = real
            if equation.name not in unrolled.outputs:
                continue
        if tree_operations(real) == tree_operations(value) and _reads(real, {}) == real_names(_reads(value, {})):
            value = real
        other = sorted(name for name in value.tensors if access(name) in readings.base)
        equations += [Equation(access(name), readings.base[access(name)]) for name in other]
        equations.append(Equation(equation.target, value))
    once = {e.name: e for e in (*known.equations, *equations)}
    tensors = {**{name: Tensor(name, ()) for name in once}, **unrolled.tensors}
    return Listing(tuple(once.values()), unrolled.outputs, tensors, share).restricted(unrolled.outputs)


def with_values_read(program: Program, tangents: Collection[str]) -> Program:
    """The program with what earlier equations compute read by name, but for tangents."""
    known = Known(program.tensors)
    equations = []
    for e in program.equations:
        value = known.read_through(e.value)
        if e.name not in tangents:
            known.add(e.target, value)
        equations.append(Equation(e.target, value))
    return program.with_(equations)


def in_running_order(equations: Sequence[Equation], readings: Readings) -> list[Equation]:
    """The scalar equations sorted so that each reads only earlier ones: those of a recurrence come tensor by tensor."""
    by_name = {e.name: e for e in equations}
    real = tuple(Equation(e.target, readings.real(e.value)) for e in equations)
    return [by_name[e.name] for group in groups(real) for e in group.equations]


def copied(
    equations: Sequence[Equation], tensor: Mapping[str, str], tangents: Collection[str], readings: Readings
) -> tuple[set[str], dict[Expr, Expr]]:
    """The tensors that are copies, or known numbers, in all of their entries; tangents but for those that are 0.

    And of which number each of their entries is one.
    """
    at_hand: dict[Expr, Expr] = {}
    found: dict[str, set[str]] = {}

    def rule(e: Expr) -> Expr:
        return at_hand.get(readings.base.get(e, e), e) if isinstance(e, Access) else e

    for e in equations:
        value = transform(e.value, rule)
        name = tensor.get(e.name, e.name)
        kind = "copy" if isinstance(value, Access) else "number" if is_constant(value) else "computed"
        kinds = found.setdefault(name, set())
        if value is not ZERO or name not in tangents:
            kinds.add(kind)
        if kind != "computed":
            at_hand[e.target] = value
    whole = {name for name, kinds in found.items() if kinds in ({"copy"}, {"number"}, set())}
    return whole, {e: value for e, value in at_hand.items() if tensor.get(e.label, e.label) in whole}


@dataclass
class KnownNumbers:
    """Numbers that come out where a known 0 is put in, as 1 of exp(0): they have names, and are read by them."""

    equations: list[Equation] = field(default_factory=list)
    named: dict[Expr, Expr] = field(default_factory=dict)

    def settle(self, e: Expr, rule: Callable[[Expr], Expr]) -> Expr:
        """The rule applied to every node, children first."""
        memo: dict[Expr, Expr] = {}

        def visit(e: Expr) -> Expr:
            if not e.args or isinstance(e, Access):
                return rule(e)
            found = memo.get(e)
            if found is None:
                args = tuple(map(visit, e.args))
                found = e if args == e.args else rebuild(e, args)
                if is_constant(found) and found is not ZERO and not is_constant(e):
                    found = self.name(e, found)
                memo[e] = found = rule(found)
            return found

        return visit(e)

    def name(self, e: Expr, value: Expr) -> Expr:
        if e not in self.named:
            self.named[e] = access(f"known{len(self.named)}")
            self.equations.append(Equation(self.named[e], value))  # type: ignore[arg-type]
        return self.named[e]


def expanded(found: Listing) -> dict[str, Expr]:
    """Every computed value in terms of inputs and parameters, functions defined by a formula written out."""
    return expand_values(found.equations)


def written_out(found: Listing) -> Counter[str]:
    """Operations of the outputs with every name in them replaced by its equation, by recurrence on the equations.

    This is what the expanded gradients are: those of forward mode, nothing shared. `expanded` builds them.
    """
    size: dict[str, Counter[str]] = {}
    for equation in found.equations:
        own = tree_operations(equation.value)
        for name, times in _reads(equation.value, {}).items():
            for kind, n in size.get(name, Counter()).items():
                own[kind] += n * times
        size[equation.name] = own
    return sum((size[o] for o in found.outputs), Counter())


def _reads(e: Expr, memo: dict[Expr, Counter[str]]) -> Counter[str]:
    """How often a scalar expression reads each name, as it is written."""
    found = memo.get(e)
    if found is None:
        found = Counter({e.label: 1} if isinstance(e, Access) else {})
        if not is_constant(e):
            for operand, _ in step(e).operands:
                found.update(_reads(operand, memo))
        memo[e] = found
    return found
