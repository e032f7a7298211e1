"""Reuse of values that an earlier equation has computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from symbp.expr import (
    ONE,
    Access,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Pow,
    Reduce,
    base_exponent,
    factors,
    mul,
    power,
    substitute,
    sum_over,
    transform,
)
from symbp.functions import expand
from symbp.operations import is_constant
from symbp.program import Equation, Program
from symbp.recurrence import groups
from symbp.simplify.algebra import forms, price, tidy
from symbp.simplify.rewrite import rewrite_values, with_equations, with_value
from symbp.verify import in_running_order, reads_in_range, recurrent


def expand_functions(program: Program) -> Program:
    """Functions that are defined by a formula replaced by it."""
    return rewrite_values(program, lambda e: transform(e, expand, _expanded))


_expanded: dict[Expr, Expr] = {}


@dataclass(frozen=True)
class Known:
    """An expression whose value is at hand: pattern, with its free indices as variables, equals value.

    position: of the equation that computes it; -1 for a declared fact.
    """

    pattern: Expr
    value: Expr
    indices: tuple[Index, ...]
    position: int


def reuse_values(program: Program) -> Program:
    """Subexpressions that equal the right-hand side of an earlier equation, or a declared fact, replaced by its value.

    Every form of an expression is tried, since a value may show only once a product or a sum is opened.
    """
    library = Library(program.facts)
    equations = []
    for n, equation in enumerate(program.equations):
        new = with_value(equation, library.cheapest(equation.value, n))
        if not reads_in_range(program, new.value):  # the condition went into a known value
            new = equation
        equations.append(new)
        library.add(new, n)
    return with_equations(program, equations)


class Library:
    """The known values of a program's equations and facts, found by a tensor that their pattern reads."""

    def __init__(self, facts: Iterable[tuple[Expr, Expr]] = ()) -> None:
        self.by_tensor: dict[str, dict[int, Known]] = {}
        self.tensor_of: dict[int, str] = {}
        for n, (left, right) in enumerate(facts, 1):
            self._put(left, right, sorted(left.free, key=lambda i: i.digest), -n)

    def add(self, equation: Equation, position: int) -> None:
        """The equation's right-hand side is known from this position on; replaces what was known from there."""
        self.drop(position)
        if equation.value.args and not isinstance(equation.value, (Access, Delta)):
            self._put(equation.value, equation.target, equation.target.args, position)

    def drop(self, position: int) -> None:
        """What the equation at this position computed isn't known any more."""
        name = self.tensor_of.pop(position, None)
        if name is not None:
            del self.by_tensor[name][position]

    def _put(self, pattern: Expr, value: Expr, indices: Sequence[Expr], position: int) -> None:
        rest, value = _without_constant(pattern, value)
        if rest.tensors and not isinstance(rest, Access):
            name = self.tensor_of[position] = min(rest.tensors)
            known = Known(rest, value, tuple(indices), position)  # type: ignore[arg-type]
            self.by_tensor.setdefault(name, {})[position] = known

    def _within(self, names: frozenset[str], before: int) -> list[Known]:
        """What is known before a position and reads none but these tensors."""
        return [
            known
            for name in sorted(names)
            for known in self.by_tensor.get(name, {}).values()
            if known.position < before and known.pattern.tensors <= names
        ]

    def cheapest(self, e: Expr, before: int) -> Expr:
        """The cheapest of the expression's forms, rewritten with what is known before a position."""
        if not self._within(e.tensors, before):  # no form reads what the expression doesn't
            return e
        found = [e]
        for form in forms(e):
            rewritten = self.rewrite(form, before)
            if rewritten is not form:
                found.append(tidy(rewritten))
        return min(found, key=price)

    def rewrite(self, e: Expr, before: int) -> Expr:
        """The expression with every known part replaced."""
        usable: dict[frozenset[str], list[Known]] = {}

        def within(names: frozenset[str]) -> list[Known]:
            found = usable.get(names)
            if found is None:
                found = usable[names] = self._within(names, before)
            return found

        def rule(node: Expr) -> Expr:
            if node.args and not isinstance(node, (Access, Index)):
                for known in within(node.tensors):
                    new = apply(known, node)
                    if new is not None:
                        return new
            return node

        for _ in range(4):  # a replacement can make way for another one; four rounds are more than was ever seen
            if not within(e.tensors):
                break
            new = transform(e, rule)
            if new is e:
                break
            e = new
        return e


@cache
def _without_constant(pattern: Expr, value: Expr) -> tuple[Expr, Expr]:
    """Both sides of pattern = value divided by the factors of the left one that are made of numbers and sizes."""
    constant = mul(*(f for f in factors(pattern) if is_constant(f)))
    return pattern / constant, value / constant


def apply(entry: Known, e: Expr) -> Expr | None:
    """The expression with one occurrence of the pattern at its top replaced by the known value, or None."""
    pattern = entry.pattern
    if type(pattern) is not type(e):
        return None
    binding: dict[Index, Expr] = {}
    if match(pattern, e, entry.indices, binding) and len(binding) == len(entry.indices):
        return instance(entry, binding)
    if (
        isinstance(pattern, Pow)
        and isinstance(e, Pow)
        and isinstance(pattern.args[1], Num)
        and isinstance(e.args[1], Num)
    ):
        ratio = e.args[1] / pattern.args[1]
        binding = {}
        if (
            isinstance(ratio, Num)
            and isinstance(ratio.value, int)
            and match(pattern.args[0], e.args[0], entry.indices, binding)
        ):
            return power(instance(entry, binding), ratio) if len(binding) == len(entry.indices) else None
    if isinstance(e, Mul):
        if isinstance(pattern, Mul):
            found = _part(entry, list(e.args), [])
            if found is not None:
                return found
        for r in e.args:
            if isinstance(r, Reduce) and r.label == "sum" and isinstance(pattern, Mul):
                outer = [f for f in e.args if f is not r]
                if any(i in f.free for f in outer for i in r.indices):
                    continue  # moved under the sum, the outer factor's index would be captured
                inner = _part(entry, list(factors(r.body)), outer)
                if inner is not None:
                    return sum_over(inner, r.indices)
    return None


def instance(entry: Known, binding: Mapping[Index, Expr]) -> Expr:
    """The known value at the indices that were matched."""
    return substitute(entry.value, dict(binding.items()))


def _part(entry: Known, body: list[Expr], outer: list[Expr]) -> Expr | None:
    """body * outer with a sub-product that matches the pattern replaced; with outer given, it must use both.

    Of a power, as much is used as the pattern has: x^(-1/2) is a part of x^(-3/2).
    """
    available = body + outer

    # taken: position -> what is left of that factor
    def search(
        wanted: tuple[Expr, ...], bound: dict[Index, Expr], taken: dict[int, Expr]
    ) -> tuple[dict[Index, Expr], dict[int, Expr]] | None:
        if not wanted:
            return bound, taken
        for k, f in enumerate(available):
            if k not in taken:
                trial = dict(bound)
                left = _take(wanted[0], f, entry.indices, trial)
                if left is not None:
                    found = search(wanted[1:], trial, {**taken, k: left})
                    if found is not None:
                        return found
        return None

    found = search(factors(entry.pattern), {}, {})
    if found is None or len(found[0]) != len(entry.indices):
        return None
    binding, taken = found
    if outer and not (any(k < len(body) for k in taken) and any(k >= len(body) for k in taken)):
        return None
    return mul(instance(entry, binding), *(taken.get(k, f) for k, f in enumerate(available)))


def _take(wanted: Expr, factor: Expr, variables: Sequence[Index], binding: dict[Index, Expr]) -> Expr | None:
    """What is left of the factor after the wanted one is taken out of it, None if it isn't in there."""
    (base, n), (have, m) = base_exponent(wanted), base_exponent(factor)
    if isinstance(n, Num) and isinstance(m, Num) and Fraction(m.value) / n.value >= 1:
        return power(have, m - n) if match(base, have, variables, binding) else None
    return ONE if n is m and match(base, have, variables, binding) else None


def match(pattern: Expr, e: Expr, variables: Sequence[Index], binding: dict[Index, Expr]) -> bool:
    """Whether e is the pattern with its variables replaced by index expressions; these are noted in the binding."""
    if isinstance(pattern, Index) and pattern in variables:
        if pattern in binding:
            return binding[pattern] is e
        if isinstance(e, Index) and e.size is not pattern.size:
            return False
        if not isinstance(e, (Index, Num, Access)):
            return False
        binding[pattern] = e
        return True
    if pattern is e:
        free = pattern.free
        for v in variables:
            if v in free and binding.setdefault(v, v) is not v:
                return False
        return True
    if type(pattern) is not type(e) or pattern.label != e.label or len(pattern.args) != len(e.args):
        return False
    if not pattern.args:
        return False
    if isinstance(pattern, Index):
        return False
    if isinstance(pattern, Reduce):
        return _match_reduction(pattern, e, variables, binding)
    return all(match(p, a, variables, binding) for p, a in zip(pattern.args, e.args, strict=True))


def _match_reduction(pattern: Reduce, e: Expr, variables: Sequence[Index], binding: dict[Index, Expr]) -> bool:
    """Bound indices match bound indices: they're variables within."""
    inner = [*variables, *pattern.indices]
    trial = dict(binding)
    if any(i in trial for i in pattern.indices):
        return False
    if not match(pattern.body, e.args[0], inner, trial):
        return False
    bound = set(e.args[1:])
    if {trial.get(i) for i in pattern.indices} != bound or len(bound) != len(pattern.indices):
        return False
    if any(v.free & bound for k, v in trial.items() if k in variables):
        return False  # the index would leave the sum that binds it
    binding.update({k: v for k, v in trial.items() if k in variables})
    return True


def reuse_later_values(program: Program) -> Program:
    """Subexpressions that equal the right-hand side of a later equation, which can be computed first, read it.

    d_b = Sum(d_h f) before d_z = d_h f becomes d_b = Sum(d_z).
    """
    cyclic = recurrent(program.equations)
    equations = list(program.equations)
    place = {e.name: n for n, e in enumerate(equations)}
    users: dict[str, list[int]] = {}
    for n, e in enumerate(equations):
        for name in e.value.tensors:
            users.setdefault(name, []).append(n)
    for n, e in enumerate(equations):
        if e.name in cyclic or not isinstance(e.value, Mul):
            continue
        ready = max((place.get(name, -1) for name in e.value.tensors), default=-1)
        library = Library()
        library.add(e, -1)
        for m in users[min(e.value.tensors)] if e.value.tensors else ():
            user = equations[m]
            given = user.reason is None  # what was declared isn't written by what is derived from it
            if ready < m < n and not given and user.name not in cyclic and e.value.tensors <= user.value.tensors:
                value = library.rewrite(user.value, 0)
                if price(value) < price(user.value):
                    equations[m] = with_value(user, value)
    if not in_running_order(equations):
        equations = [e for g in groups(equations) for e in g.equations]
    return with_equations(program, equations)
