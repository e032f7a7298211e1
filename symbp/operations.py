"""What an expression costs. The only definition of an operation: passes compare by it, counts print it.

Kinds: add (also subtract), mul, div, neg, sqrt, pow, compare, select and the transcendentals by name. Rules:

- a sum of n terms costs n - 1 additions, its signs nothing; a product of n factors n - 1 multiplications;
- numbers and sizes are folded beforehand: in a product they are one constant, which costs one multiplication (one
  division where it is the reciprocal of a number or size, as in r/2), its sign nothing; in a sum they are one term;
- x/(y z) is one multiplication and one division, 1/y one division, 2/y one division;
- a leading minus costs one negation, nothing as a term of a sum or where a difference can be swapped: -(a - b) c is
  (b - a) c;
- x^n for an integer n costs the multiplications of repeated squaring, x^-n one division more, x^(1/2) one sqrt,
  x^(n + 1/2) is x^n sqrt(x), any other power one pow;
- a function costs what its row in `symbp.functions` says, a defined one its formula; a Select one select beside its
  condition, and both its branches; a comparison one compare, a connective of n conditions n - 1;
- a sum or maximum over N values costs N - 1 additions or comparisons;
- reading an entry of a tensor is free, and so is arithmetic on its indices.

`step` is these rules for one node. Written out as a tree (`tree_operations`) a subexpression costs as often as it is
written; as a graph (`graph_operations`, and `cost` for expressions over arrays) it costs once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from symbp.expr import (
    ONE,
    Access,
    Add,
    Call,
    Condition,
    Const,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    Size,
    access,
    call,
    coefficient,
    mul,
    power,
)
from symbp.functions import TABLE, definition

KINDS = ("add", "mul", "div", "neg", "sqrt", "pow", "compare", "select", "exp", "log", "tanh", "sin", "cos", "erf")

PLUS, MINUS, EITHER = 1, -1, 0  # how a node's value is asked for: itself, its negative, whichever is at hand


@dataclass(frozen=True, slots=True)
class Step:
    """What computing one node takes. operations: by kind, the operands being given. operands: (expression, sign)."""

    operations: tuple[tuple[str, int], ...] = ()
    operands: tuple[tuple[Expr, int], ...] = ()


_FREE = Step()
_steps: dict[tuple[Expr, bool], Step] = {}


def is_constant(e: Expr) -> bool:
    """Whether an expression is made of numbers and sizes only."""
    return not e.accesses and not e.free


def step(e: Expr, negated: bool = False) -> Step:
    """The rules of this module for one node; negated: for its negative, where `swappable(e)`."""
    found = _steps.get((e, negated))
    if found is None:
        found = _steps[e, negated] = _step(e, negated)
    return found


def _step(e: Expr, negated: bool) -> Step:
    if isinstance(e, (Num, Size, Index, Const, Access)) or is_constant(e):
        return _FREE
    match e:
        case Add():
            return _sum(e, negated)
        case Mul():
            return _product(e, negated)
        case Pow():
            return _power(*e.args)
        case Call():
            formula = definition(e)
            if formula is not None:
                return Step((), ((formula, PLUS),))
            return _plain(e.args, **TABLE[e.label].cost)
        case Reduce():  # for one result and a known number of values: see `cost`
            return Step((), ((e.body, PLUS),))
        case Select():
            return _plain(e.args, select=1)
        case Delta():
            return _plain(e.args, compare=1)
        case Condition():
            return _plain(e.args, compare=max(0, len(e.args) - 1))
    raise TypeError(f"no cost of {e!r}")


def _plain(operands: Iterable[Expr], **operations: int) -> Step:
    return Step(tuple((k, n) for k, n in operations.items() if n), tuple((o, PLUS) for o in operands))


def _sum(e: Add, negated: bool) -> Step:
    operands: list[tuple[Expr, int]] = []
    constants = 0
    for term in e.args:
        if is_constant(term):
            constants = 1
            continue
        number, _ = coefficient(term)
        operands.append((-term if number < 0 else term, EITHER if (number < 0) != negated else PLUS))
    kinds = {"add": len(operands) + constants - 1}
    if not constants and not any(sign == PLUS or swappable(o) for o, sign in operands):
        kinds["neg"] = 1  # only in a sum whose terms aren't collected: others start with a plus
    return Step(tuple((k, n) for k, n in kinds.items() if n), tuple(operands))


def _product(e: Mul, negated: bool) -> Step:
    constants, above, below = [], [], []
    for f in e.args:
        if is_constant(f):
            constants.append(f)
        elif isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0:
            below.append(f)
        else:
            above.append(f)
    constant = mul(*constants)
    if not above:
        return _plain((_denominator(below),), div=1)
    if constant is not ONE:
        number, symbols = coefficient(constant)
        rest = mul(*above, *below)
        if number == -1 and symbols is ONE:
            return Step((), ((rest, MINUS),))
        return _plain((rest,), **{"div" if _is_reciprocal(number, symbols) else "mul": 1})
    if below:
        top, bottom = mul(*above), _denominator(below)
        signs = (PLUS, PLUS) if not negated else (MINUS, PLUS) if swappable(top) else (PLUS, MINUS)
        return Step((("div", 1),), ((top, signs[0]), (bottom, signs[1])))
    swapped = next((f for f in above if swappable(f)), None) if negated else None
    return Step((("mul", len(above) - 1),), tuple((f, MINUS if f is swapped else PLUS) for f in above))


def _denominator(below: Sequence[Expr]) -> Expr:
    return mul(*(power(f.args[0], -f.args[1]) for f in below))


def _is_reciprocal(number: int | Fraction, symbols: Expr) -> bool:
    """Whether a constant is 1/n, 1/B or 1/(n B): multiplying by it is written as a division."""
    parts = symbols.args if isinstance(symbols, Mul) else () if symbols is ONE else (symbols,)
    if not all(isinstance(p, Pow) and isinstance(p.args[1], Num) and p.args[1].value < 0 for p in parts):
        return False
    return abs(Fraction(number).numerator) == 1


def _power(base: Expr, n: Expr) -> Step:
    if not isinstance(n, Num):
        return _plain((base, n), pow=1)
    if n.value < 0:
        return _plain((power(base, -n),), div=1)
    exponent = Fraction(n.value)
    if exponent.denominator == 1:
        k = exponent.numerator
        return _plain((base,), mul=k.bit_length() - 1 + k.bit_count() - 1)
    if exponent.denominator != 2:
        return _plain((base,), pow=1)
    if exponent.numerator == 1:
        return _plain((base,), sqrt=1)
    return _plain((power(base, exponent.numerator // 2), power(base, Fraction(1, 2))), mul=1)


def swappable(e: Expr) -> bool:
    """Whether the negative costs as much as the value itself: a difference, or a product with one."""
    match e:
        case Add():
            return any(coefficient(t)[0] < 0 for t in e.args)
        case Mul():
            if is_constant(e.args[0]):
                return False
            return any(swappable(f.args[0] if _inverse(f) else f) for f in e.args)
    return False


def _inverse(f: Expr) -> bool:
    return isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value == -1


# --------------------------------------------------------------------------------------- whole expressions


def node_operations(e: Expr) -> Mapping[str, int]:
    """Operations of this node alone, what it is computed from being given; a defined function counts as its formula."""
    if isinstance(e, Call) and TABLE[e.label].definition is not None:
        given = [a if is_constant(a) else access(f"argument{n}") for n, a in enumerate(e.args)]
        return tree_operations(call(e.label, *given))
    return dict(step(e).operations)


def tree_operations(e: Expr) -> Counter[str]:
    """Operations of a scalar expression written out as it stands: a subexpression costs as often as it appears."""
    return _tree(e, PLUS, {})


def _tree(e: Expr, sign: int, memo: dict[tuple[Expr, bool], Counter[str]]) -> Counter[str]:
    minus = sign == MINUS
    found = memo.get((e, minus))
    if found is None:
        swapped = minus and swappable(e)
        found = Counter()
        here = step(e, swapped)
        for kind, n in here.operations:
            found[kind] += n
        for operand, wanted in here.operands:
            found.update(_tree(operand, wanted, memo))
        if minus and not swapped:
            found["neg"] += 1
        memo[e, minus] = found
    return found


def computed_nodes(roots: Iterable[Expr]) -> Iterator[tuple[Expr, Step, bool]]:
    """Every distinct node that computing the roots takes, users first: (node, its step, whether a negation follows).

    A negation follows where the value and its negative are both asked for, or the negative where it isn't free.
    """
    roots = list(roots)
    order: list[Expr] = []
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(r, False) for r in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in step(node).operands)
    asked: dict[Expr, set[int]] = {}
    for r in roots:
        asked.setdefault(r, set()).add(PLUS)
    for node in reversed(order):
        wanted = asked[node]
        swapped = MINUS in wanted and PLUS not in wanted and swappable(node)
        here = step(node, swapped)
        for operand, sign in here.operands:
            asked.setdefault(operand, set()).add(sign)
        yield node, here, MINUS in wanted and not swapped


def graph_operations(roots: Iterable[Expr]) -> Counter[str]:
    """Operations of scalar expressions computed together, each distinct subexpression once."""
    total: Counter[str] = Counter()
    for _, here, negation in computed_nodes(roots):
        for kind, n in here.operations:
            total[kind] += n
        if negation:
            total["neg"] += 1
    return total


def cost(e: Expr, length: Callable[[Index], int]) -> int:
    """Operations of an expression over arrays: each distinct subexpression once, for all values of its free indices."""
    total = 0
    for node, here, negation in computed_nodes((e,)):
        own = sum(n for _, n in here.operations) + negation
        if isinstance(node, Reduce):
            values = 1
            for i in node.indices:
                values *= length(i)
            own += values - 1
        if own:
            for i in node.free:
                own *= length(i)
            total += own
    return total
