"""Programs at neuron level as they are counted: concrete labels, no copies, forward values read where they're used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from symbp.count.equations.labels import fix_labels, picked_apart
from symbp.derive.naive import expand_values
from symbp.expr import Access, Expr, transform
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


def listing(program: Program, share: bool = False) -> Listing:
    """The program at neuron level, copies and known numbers read through, values of earlier equations read by name.

    So a product with a known 0 or 1 costs nothing, and sigmoid'(z) = a (1 - a) reads the a of the forward pass.
    The same is done to every strategy. Entries of one tensor are computed apart, even where labels that are all 0 make
    them equal: two examples of a batch aren't one. Tangents aren't looked up: what happens to equal one of them depends
    on the order of the parameters.
    """
    tangents = {e.name for e in program.equations if e.reason is not None and e.reason.kind == "tangent"}
    program = fix_labels(picked_apart(program)[0])
    program = program.with_(replace(e, reason=None) for e in program.equations)
    unrolled = in_running_order(unroll(program))
    tensor = {name: t.entry[0] for name, t in unrolled.tensors.items() if t.entry}
    at_hand: dict[Expr, Expr] = {}
    equations = []

    def read(e: Expr, by: str | None) -> Expr:
        found = at_hand.get(e, e)
        return e if not isinstance(e, Access) and by is not None and tensor.get(found.label) == by else found

    for equation in unrolled.equations:
        value = transform(equation.value, partial(read, by=tensor.get(equation.name)))
        if isinstance(value, Access) or is_constant(value):
            at_hand[equation.target] = value
        elif value in at_hand and tensor.get(at_hand[value].label) != tensor.get(equation.name):
            value = at_hand[equation.target] = at_hand[value]
        elif tensor.get(equation.name) not in tangents:
            at_hand.setdefault(value, equation.target)
        if equation.target not in at_hand or equation.name in unrolled.outputs:
            equations.append(Equation(equation.target, value))
    return Listing(tuple(equations), unrolled.outputs, unrolled.tensors, share).restricted(unrolled.outputs)


def in_running_order(unrolled: Program) -> Program:
    """The scalar equations sorted so that each reads only earlier ones: those of a recurrence come tensor by tensor."""
    return replace(unrolled, equations=tuple(e for group in groups(unrolled.equations) for e in group.equations))


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
