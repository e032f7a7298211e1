"""The strategies as Python functions over single numbers: what is counted at neuron level, as code that can be timed.

Each function executes the operations that `symbp.count` claims for its strategy and no others. It's emitted to show
what the strategies cost, not to train with: that is what `generate` is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from symbp.count.neurons.materialised import Materialised
from symbp.count.neurons.scalars import Listing
from symbp.errors import SymbpError
from symbp.expr import (
    ONE,
    Access,
    Add,
    Call,
    Condition,
    Delta,
    Expr,
    Mul,
    Num,
    Pow,
    Select,
    add,
    coefficient,
    mul,
    power,
)
from symbp.functions import definition
from symbp.lower.array import COMPARISONS, Array, elementwise, opaque
from symbp.lower.constants import constant
from symbp.operations import EITHER, MINUS, PLUS, Step, computed_nodes, is_constant, step, swappable

LIMIT = 100_000  # characters of one written-out gradient
HEADER = '''\
"""{title}

The loss and its gradients over single numbers, a function for each strategy. Written by symbp to be timed.
"""

import math
from math import cos, erf, exp, log, sin, sqrt, tanh


def relu(x):
    return x if x > 0 else 0.0


def sign(x):
    return (x > 0) - (x < 0)


def select(condition, then, otherwise):
    return then if condition else otherwise


maximum, minimum = max, min
'''


def scalar_module(built: Materialised, strategies: Iterable[str]) -> str:
    """The text of a module with a function for each strategy, named with underscores: inputs in, outputs out.

    Raises SymbpError for a strategy that has no equations at neuron level, or too long ones.
    """
    parts = [HEADER.format(title=built.program.title.replace("\\", "/").replace('"', "'"))]
    for strategy in strategies:
        if strategy == "expanded":
            found = built.listing("forward mode")
            lines, outputs = _written_out(found.restricted(built.without_loss(found)))
        else:
            found = built.listing(strategy)
            lines, outputs = _shared(found) if found.share else _in_turn(found)
        arguments = ", ".join(given(built.listing("forward")))
        body = "\n".join(f"    {line}" for line in [*lines, f"return {', '.join(outputs)},"])
        parts.append(f"\n\ndef {function_name(strategy)}({arguments}):\n{body}\n")
    return "".join(parts)


def function_name(strategy: str) -> str:
    return strategy.replace(" + ", "_").replace(" ", "_").lower()


def given(forward: Listing) -> list[str]:
    """The names of the numbers that the functions take: inputs, then parameters. Labels are known, see `fix_labels`."""
    tensors = forward.tensors.values()
    return [t.name for role in ("input", "state", "parameter") for t in tensors if t.role == role and t.dtype == "real"]


def _in_turn(found: Listing) -> tuple[list[str], list[str]]:
    """Equation by equation, each as it is written."""
    writer = _Tree({})
    return [f"{e.name} = {writer.value(e.value).code}" for e in found.equations], list(found.outputs)


def _written_out(found: Listing) -> tuple[list[str], list[str]]:
    """Every output in terms of what is given, every name that it reads written out, as often as it is read."""
    writer = _Tree({})
    for e in found.equations:
        written = writer.value(e.value)
        if len(written.code) > LIMIT:
            raise SymbpError(f"{e.name} written out is longer than {LIMIT:,} characters")
        writer.names[e.name] = written
    return [f"{o} = {writer.names[o].code}" for o in found.outputs], list(found.outputs)


def _shared(found: Listing) -> tuple[list[str], list[str]]:
    """Each distinct subexpression of all equations once, under a name."""
    writer = _Graph([e.value for e in found.equations])
    for e in found.equations:
        writer.assign(e.name, e.value)
    return writer.lines, list(found.outputs)


class _Tree:
    """Code for expressions as they are written. names: what stands for a name that is read, where it isn't itself."""

    def __init__(self, names: Mapping[str, Array]) -> None:
        self.names = dict(names)

    def value(self, e: Expr, sign: int = PLUS, name: str = "") -> Array:
        """An expression, or its negative; name: what it is called if it gets a line of its own."""
        if is_constant(e):
            return constant(e if sign != MINUS else -e)
        if isinstance(e, Access):
            out, swapped = self.names.get(e.label, Array(e.label)), False
        else:
            swapped = sign == MINUS and swappable(e)
            out = self.node(e, step(e, swapped), swapped)
        return _negative(out) if sign == MINUS and not swapped else out

    def either(self, e: Expr) -> tuple[Array, bool]:
        """What there is of an expression, and whether that's its negative."""
        return self.value(e), False

    def node(self, e: Expr, here: Step, swapped: bool) -> Array:
        """One node by its step in `symbp.operations`; swapped: its negative."""
        match e:
            case Add():
                return self.sum(e, here, swapped)
            case Mul():
                return self.product(e, here)
            case Pow():
                return self.power(e.args[1], [self.value(*o) for o in here.operands])
            case Call() if definition(e) is not None:
                return self.value(*here.operands[0])
        got = [self.value(*o) for o in here.operands]
        match e:
            case Call(label="sigmoid"):
                return _inverse(elementwise("add", Array("1"), _function("exp", _negative(got[0])), axes=()))
            case Call(label="softplus"):
                return _function("log", elementwise("add", Array("1"), _function("exp", got[0]), axes=()))
            case Call():
                return _function(e.label, *got)
            case Select():
                return _function("select", *got)
            case Delta():
                return elementwise("equal", *got, axes=())
            case Condition() if e.label in COMPARISONS:
                return elementwise(COMPARISONS[e.label], *got, axes=())
            case Condition() if e.label in ("and", "or"):
                return opaque("(" + f" {e.label} ".join("({})" for _ in got) + ")", *got, axes=())
        raise SymbpError(f"no Python form of {e!r}")

    def sum(self, e: Expr, here: Step, swapped: bool) -> Array:
        """From a term that comes out positive on; constants are one term."""
        signed: list[tuple[bool, Array]] = []
        offset = add(*(t for t in e.args if is_constant(t)))
        terms = [t for t in e.args if not is_constant(t)]
        for t, (operand, wanted) in zip(terms, here.operands, strict=True):
            minus = (coefficient(t)[0] < 0) != swapped
            value, opposite = self.either(operand) if wanted == EITHER else (self.value(operand, wanted), False)
            signed.append((minus != opposite, value))
        if len(terms) < len(e.args):
            signed.append((False, constant(-offset if swapped else offset)))
        first = next(n for n, (minus, _) in enumerate(signed) if not minus)
        out = signed.pop(first)[1]
        for minus, value in signed:
            out = elementwise("subtract" if minus else "add", out, value, axes=())
        return out

    def product(self, e: Expr, here: Step) -> Array:
        factor = mul(*(f for f in e.args if is_constant(f)))
        got = [self.value(*o) for o in here.operands]
        if all(_is_below(f) for f in e.args if not is_constant(f)):
            return elementwise("divide", constant(factor), got[0], axes=())
        if factor is not ONE:
            if not here.operations:
                return got[0]
            if here.operations[0][0] == "div":
                return elementwise("divide", got[0], constant(power(factor, -1)), axes=())
            return elementwise("multiply", got[0], constant(factor), axes=())
        if here.operations == (("div", 1),):
            return elementwise("divide", *got, axes=())
        out, *others = got
        for value in others:
            out = elementwise("multiply", out, value, axes=())
        return out

    def power(self, n: Expr, got: Sequence[Array]) -> Array:
        if not isinstance(n, Num):
            return elementwise("power", *got, axes=())
        if n.value < 0:
            return _inverse(got[0])
        if len(got) == 2:
            return elementwise("multiply", *got, axes=())
        if n.label == "1/2":
            return _function("sqrt", got[0])
        return elementwise("power", got[0], constant(n), axes=())


class _Graph(_Tree):
    """Code that computes each node of a graph once, in lines of its own.

    plan: node -> (its step, the sign of what that gives, whether the other sign is asked for, too).
    """

    def __init__(self, roots: Iterable[Expr]) -> None:
        super().__init__({})
        self.lines: list[str] = []
        self.known: dict[tuple[Expr, int], Array] = {}
        self.plan: dict[Expr, tuple[Step, int, bool]] = {}
        for node, here, negation in computed_nodes(roots):
            own = MINUS if swappable(node) and here is step(node, True) else PLUS
            self.plan[node] = here, own, negation

    def assign(self, name: str, e: Expr) -> None:
        """The line, or the lines, that give an expression a name."""
        value = self.value(e, PLUS, name).code
        if value != name:
            self.lines.append(f"{name} = {value}")

    def value(self, e: Expr, sign: int = PLUS, name: str = "") -> Array:
        if is_constant(e) or (isinstance(e, Access) and sign != MINUS):
            return super().value(e, sign)
        if (e, sign) not in self.known:
            here, own, negation = self.plan[e]
            if isinstance(e, Access):
                self.known[e, own] = Array(e.label)
            elif (e, own) not in self.known:
                self.known[e, own] = self.named(self.node(e, here, own == MINUS), name if sign == own else "")
            if negation:
                self.known[e, -own] = self.named(_negative(self.known[e, own]), name if sign != own else "")
        return self.known[e, sign]

    def either(self, e: Expr) -> tuple[Array, bool]:
        if is_constant(e) or isinstance(e, Access):
            return self.value(e), False
        own = self.plan[e][1]
        return self.value(e, own), own == MINUS

    def named(self, value: Array, name: str) -> Array:
        name = name or f"part{len(self.lines)}_"
        self.lines.append(f"{name} = {value.code}")
        return Array(name)


def _negative(a: Array) -> Array:
    return elementwise("negative", a, axes=())


def _inverse(a: Array) -> Array:
    return elementwise("divide", Array("1"), a, axes=())


def _function(name: str, *args: Array) -> Array:
    return opaque(f"{name}({', '.join('{}' for _ in args)})", *args, axes=())


def _is_below(f: Expr) -> bool:
    return isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0
