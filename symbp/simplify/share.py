"""Common subexpressions: what is computed more than once gets an equation, under a name that says what it is."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from functools import cache
from heapq import heappop, heappush

from symbp.expr import (
    INFINITY,
    ZERO,
    Access,
    Add,
    Call,
    Condition,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    Select,
    access,
    coefficient,
    index,
    mul,
    substitute,
    terms,
    transform,
    walk,
)
from symbp.operations import is_constant, node_operations
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups
from symbp.simplify.rewrite import with_value
from symbp.verify import reads_in_range


def share_terms(program: Program) -> Program:
    """Subexpressions that occur more than once are computed once, the largest first."""
    growing = _Growing(program)
    table = _Occurrences(growing.program)
    for equation in program.equations:
        table.count(equation, 1)
    while (found := table.largest_repeated()) is not None:
        _name_it(growing, *found, table)
    return growing.finished()


def name_terms(program: Program, wanted: Callable[[Expr], bool]) -> Program:
    """The subexpressions that are wanted get equations of their own, however often they occur."""
    growing = _Growing(program)
    table = _Occurrences(growing.program)
    for equation in program.equations:
        table.count(equation, 1)
    for key, (node, order) in list(table.example.items()):
        if table.seen[key] > 0 and wanted(node):
            _name_it(growing, node, order, key, table)
    return growing.finished()


def share_definitions(program: Program) -> Program:
    """The same among the equations that were given, before what is derived from them is rearranged."""
    known = {t.name for t in program.tensors.values() if t.role != "computed"}
    given: list[Equation] = []
    rest: list[Equation] = []
    for group in groups(program.equations):
        own = all(e.reason is None or e.reason.kind not in ("adjoint", "tangent") for e in group.equations)
        if own and all(e.value.tensors <= known | group.names for e in group.equations):
            known |= group.names
            given += group.equations
        else:
            rest += group.equations
    shared = share_terms(program.with_(given))
    equations = (*shared.equations, *rest)
    if all(a is b for a, b in zip(equations, program.equations, strict=False)):
        return program
    return replace(shared, tensors={**program.tensors, **shared.tensors}, equations=equations)


class _Growing:
    """A program that equations are added to, without a new program for each."""

    def __init__(self, program: Program) -> None:
        self.given = program
        self.tensors = dict(program.tensors)
        self.program = replace(program, tensors=self.tensors)  # what is declared is seen in it at once
        self.names = [e.name for e in program.equations]
        self.equations = {e.name: e for e in program.equations}
        self.parameters = {t.name for t in program.parameters}

    def in_order(self, names: Iterable[str]) -> list[str]:
        """The names of equations as these stand in the program."""
        return sorted(names, key=self.names.index)

    def insert(self, tensor: Tensor, equation: Equation, before: str) -> None:
        """Adds an equation before the one of another name."""
        self.tensors[tensor.name] = tensor
        self.names.insert(self.names.index(before), equation.name)
        self.equations[equation.name] = equation

    def finished(self) -> Program:
        """The program with all that was added; the given object if that is nothing."""
        if len(self.names) == len(self.given.equations):
            return self.given
        return self.program.with_(self.equations[name] for name in self.names)


class _Occurrences:
    """How often each subexpression, but for the names of its indices, stands in the equations' right-hand sides."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.seen: dict[bytes, int] = {}
        self.users: dict[bytes, dict[str, int]] = {}
        self.example: dict[bytes, tuple[Expr, tuple[Index, ...]]] = {}
        self.weight: dict[bytes, int] = {}
        self.repeated: list[tuple[int, int, bytes]] = []  # a heap: (-weight, place, key); stale entries stay a while
        self.place: dict[bytes, int] = {}

    def count(self, equation: Equation, sign: int) -> None:
        """Adds (or with sign -1 takes away) what an equation holds."""
        for node, n in _shareable(equation.value):
            if not reads_in_range(self.program, node):
                continue
            key, order = canonical(node)
            if key not in self.example:
                self.example[key] = node, order
                self.weight[key] = sum(1 for _ in walk(node))
                self.place[key] = len(self.place)
            before = self.seen.get(key, 0)
            now = self.seen[key] = before + sign * n
            if before <= 1 < now:
                heappush(self.repeated, (-self.weight[key], self.place[key], key))
            users = self.users.setdefault(key, {})
            users[equation.name] = users.get(equation.name, 0) + sign * n

    def largest_repeated(self) -> tuple[Expr, tuple[Index, ...], bytes] | None:
        """Among equally large ones, that which was seen first."""
        while self.repeated:
            _, _, best = self.repeated[0]
            if self.seen[best] > 1:
                return (*self.example[best], best)
            heappop(self.repeated)
        return None


@cache
def _shareable(value: Expr) -> tuple[tuple[Expr, int], ...]:
    """The subexpressions that are worth a name, and how often each is written in the value."""
    counts: dict[Expr, int] = {}
    _occurrences(value, counts)
    return tuple((node, n) for node, n in counts.items() if node is not value and _worth_sharing(node))


@cache
def canonical(e: Expr) -> tuple[bytes, tuple[Index, ...]]:
    """(what the expression is but for the names of its free indices, these indices in order of appearance)."""
    order: dict[Index, None] = {}

    def visit(node: Expr) -> None:
        if isinstance(node, Index):
            if node in e.free:
                order.setdefault(node)
        else:
            for a in node.args:
                visit(a)

    visit(e)
    names: dict[Expr, Expr] = {i: index(f"#{n}", i.size) for n, i in enumerate(order)}
    return substitute(e, names).digest, tuple(order)


def rename_free(e: Expr, old: tuple[Index, ...], new: tuple[Index, ...]) -> Expr:
    """The expression with its free indices renamed, one after another."""
    return substitute(e, dict(zip(old, new, strict=True)))


@cache
def _worth_sharing(e: Expr) -> bool:
    """Whether the node does work of its own: not a leaf, a constant, a sign, a scaling or a delta."""
    if isinstance(e, Access):  # windows: copies of what is read through two indices at once
        return any(isinstance(i, Add) and len(i.free) > 1 for i in e.args)
    if isinstance(e, (Index, Condition, Delta)) or not e.args or is_constant(e):
        return False
    if not e.accesses and not any(isinstance(n, Call) for n in walk(e)):
        return False  # index arithmetic
    if isinstance(e, Reduce):
        return True
    if isinstance(e, Mul) and sum(1 for f in e.args if not is_constant(f)) < 2:
        return False
    return sum(node_operations(e).values()) > 0


def _occurrences(e: Expr, counts: dict[Expr, int]) -> None:
    counts[e] = counts.get(e, 0) + 1
    if not isinstance(e, (Access, Index)):
        for a in e.args:
            _occurrences(a, counts)


def _name_it(growing: _Growing, node: Expr, order: tuple[Index, ...], key: bytes, table: _Occurrences) -> None:
    users = growing.in_order(name for name, n in table.users[key].items() if n > 0)
    owner = growing.equations[users[0]].target
    axes = axis_order(node, order, owner, growing.parameters)
    position = {i: order.index(i) for i in axes}
    name = unused(name_for(node, owner.label), growing.program)
    target = access(name, axes)

    def rule(e: Expr) -> Expr:
        if type(e) is type(node) and e.skeleton == node.skeleton:
            found, indices = canonical(e)
            if found == key:
                return access(name, [indices[position[i]] for i in axes])
        return e

    layer = growing.tensors[owner.label].layer
    shared = Equation(target, node, Reason("shared"))
    growing.insert(Tensor(name, axes, layer=layer), shared, users[0])
    for user in users:
        before = growing.equations[user]
        after = growing.equations[user] = with_value(before, transform(before.value, rule))
        table.count(before, -1)
        table.count(after, 1)
    table.count(shared, 1)


def axis_order(node: Expr, order: tuple[Index, ...], owner: Access, parameters: set[str]) -> tuple[Index, ...]:
    """The axes as in the tensors that it reads: what is computed before parameters, those with most axes first."""
    reads = sorted(node.accesses, key=lambda a: (a.label in parameters, -len(a.args), a.label, a.digest))
    plain = (i for a in reads for at in a.args for i in sorted(at.free, key=lambda i: (i not in owner.args, i.label)))
    preferred = list(dict.fromkeys((*plain, *owner.args, *order)))
    return tuple(sorted(order, key=preferred.index))


def name_for(e: Expr, owner: str) -> str:
    """A name that says what the value is where that's short (y_minus_t, exp_z), else one after its owner."""

    def simple(a: Expr) -> str | None:
        return a.label if isinstance(a, Access) else None

    def unmasked(a: Expr) -> Expr:
        return a.args[1] if isinstance(a, Select) and a.args[2] is mul(-1, INFINITY) else a

    def leading(a: Expr) -> str | None:
        c, rest = coefficient(a)
        positive = [simple(unmasked(mul(c, t))) for t in terms(rest) if c * coefficient(t)[0] > 0]
        return positive[0] if len(positive) == 1 else None

    def both(a: Expr) -> str | None:
        return "_".join(sorted(a.tensors)) if len(a.tensors) == 2 else None

    def sole(a: Expr) -> str | None:
        return next(iter(a.tensors)) if len(a.tensors) == 1 else None

    match e:
        case Call() if len(e.args) == 1:
            return f"{e.label}_{sole(e.args[0]) or leading(e.args[0]) or both(e.args[0]) or owner}"
        case Add() if len(e.args) == 2:
            signed = sorted((coefficient(t) for t in e.args), key=lambda ct: -ct[0])
            (c1, a), (c2, b) = signed
            left = "1" if isinstance(a, Num) and c1 == 1 else simple(a)
            right = simple(b)
            if left == "1" and right and c2 == -1:
                return f"one_minus_{right}"
            if left and left != "1" and right and c1 == 1 and c2 in (1, -1):
                return f"{left}_{'plus' if c2 == 1 else 'minus'}_{right}"
        case Pow() if sole(e.args[0]) and isinstance(e.args[1], Num):
            names = {"2": "square", "-1": "inverse", "1/2": "root", "-1/2": "inverse_root"}
            kind = names.get(e.args[1].label)
            if kind:
                return f"{kind}_{sole(e.args[0])}"
        case Mul() if len(e.args) == 2 and simple(e.args[0]) and simple(e.args[1]):
            return "_times_".join(sorted(a.label for a in e.args))
        case Access():
            return f"{e.label}_windows"
        case Select() if isinstance(e.args[1], Access) and e.args[2] is mul(-1, INFINITY):
            return f"{e.args[1].label}_masked"
        case Select() if e.args[2] is ZERO and isinstance(e.args[1], Access) and _is_shifted(e.args[1]):
            return f"{e.args[1].label}_shifted"
        case Select() if e.args[2] is ZERO and isinstance(e.args[1], Access):
            return f"{e.args[1].label}_windows"
        case Select() if isinstance(e.args[2], Access) and any(isinstance(i, Add) for i in e.args[2].args):
            return f"{e.args[2].label}_before"
        case Reduce():
            return f"{owner}_{e.label}"
    return f"{owner}_part"


def _is_shifted(a: Access) -> bool:
    """Whether it is the whole tensor read some places further on: h[b, t - 1]."""
    return all(len(at.free) == 1 for at in a.args)


def unused(name: str, program: Program, taken: Container[str] = ()) -> str:
    """The name, with a number behind it if the program or `taken` has it."""
    candidate, n = name, 2
    while candidate in program.tensors or candidate in taken:
        candidate, n = f"{name}{n}", n + 1
    return candidate
