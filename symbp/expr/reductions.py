"""Sums and maxima over indices in canonical form, and nodes made anew with other arguments: one needs the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbp.expr.arithmetic import (
    ONE,
    ZERO,
    Access,
    Add,
    Call,
    Delta,
    Expr,
    Index,
    Mul,
    Num,
    Number,
    Pow,
    Select,
    add,
    as_expr,
    call,
    factors,
    index,
    mul,
    power,
)
from symbp.expr.conditions import COMPARISONS, Condition, compare, delta, logic, select
from symbp.expr.nodes import node, order


class Reduce(Expr):
    """args = body, *indices: the sum or the maximum of the body over the indices, which are bound here."""

    __slots__ = ()

    @property
    def body(self) -> Expr:
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        return self.args[1:]  # type: ignore[return-value]

    @property
    def free(self) -> frozenset[Index]:
        found = self._free
        if found is None:
            found = self.args[0].free - frozenset(self.args[1:])
            self._free = found
        return found


def maximum_over(body: Expr, indices: Sequence[Index]) -> Expr:
    """The largest value of the body over the indices."""
    bound = tuple(i for i in indices if i in body.free)
    return node(Reduce, "max", (body, *bound)) if bound else body


def sum_over(body: Expr | Number, indices: Sequence[Index]) -> Expr:
    """The sum of the body over the indices, brought to normal form.

    Deltas on a summed index are contracted, nested sums merged, factors that don't depend on a summed index moved
    out, and an index that the body doesn't read turns into a factor of its size.
    """
    e = as_expr(body)
    left = list(indices)
    if e is ZERO or not left:
        return e
    if isinstance(e, Reduce) and e.label == "sum":
        inner = e.args[1:]
        if not any(i in left for i in inner):
            return sum_over(e.args[0], [*left, *inner])  # type: ignore[list-item]
    if isinstance(e, Add) and any(_has_contractible_delta(t, left) for t in e.args):
        return add(*(sum_over(t, left) for t in e.args))
    contracted = _contract_one_delta(e, left)
    if contracted is not None:
        return sum_over(*contracted)
    outside: list[Expr] = [i.size for i in left if i not in e.free]
    left = [i for i in left if i in e.free]
    inside: list[Expr] = []
    bound = frozenset(left)
    for f in factors(e):
        (inside if f.free & bound else outside).append(f)
    if not left:
        return mul(*outside, *inside)
    inner_body = mul(*inside)
    if outside and (isinstance(inner_body, (Reduce, Add)) or _has_contractible_delta(inner_body, left)):
        return mul(*outside, sum_over(inner_body, left))
    left.sort(key=order)
    return mul(*outside, node(Reduce, "sum", (inner_body, *left)))


def _contract_one_delta(e: Expr, bound: list[Index]) -> tuple[Expr, list[Index]] | None:
    """Sum over i of delta(i, j) * f(i) is f(j): one such step, or None."""
    for f in factors(e):
        if isinstance(f, Delta):
            for i, other in (f.args, f.args[::-1]):
                if isinstance(i, Index) and i in bound and i not in other.free and _same_range(i, other):
                    rest = mul(*(g for g in factors(e) if g is not f))
                    return substitute(rest, {i: other}), [k for k in bound if k is not i]
                shifted = _solve(i, other, bound)
                if shifted is not None:
                    k, value = shifted
                    inside = logic("and", compare(">=", value, 0), compare("<", value, k.size))
                    rest = mul(*(g for g in factors(e) if g is not f))
                    left = [j for j in bound if j is not k]
                    return mul(select(inside, ONE, ZERO), substitute(rest, {k: value})), left
    for f in factors(e):
        if isinstance(f, Delta):
            for i, other in (f.args, f.args[::-1]):  # sum over i of delta(i, 2 h + p) * f(i), where that is in range
                if isinstance(i, Index) and i in bound and i not in other.free and not other.accesses:
                    inside = logic("and", compare(">=", other, 0), compare("<", other, i.size))
                    rest = mul(*(g for g in factors(e) if g is not f))
                    found = mul(select(inside, ONE, ZERO), substitute(rest, {i: other}))
                    return found, [k for k in bound if k is not i]
    return None


def _solve(e: Expr, other: Expr, bound: list[Index]) -> tuple[Index, Expr] | None:
    """(k, value) with k a summed index where `other` is k + c for a number c, so that e = other means k = e - c."""
    if isinstance(other, Add) and len(other.args) == 2 and isinstance(other.args[0], Num):
        k = other.args[1]
        if isinstance(k, Index) and k in bound and k not in e.free and not e.free & frozenset(bound):
            return k, add(e, mul(-1, other.args[0]))
    return None


def _has_contractible_delta(e: Expr, bound: Sequence[Index]) -> bool:
    return _contract_one_delta(e, list(bound)) is not None


def _same_range(i: Index, other: Expr) -> bool:
    """Whether `other` surely lies in the range of i: an index of the same size, or a checked integer tensor."""
    if isinstance(other, Index):
        return other.size is i.size
    if isinstance(other, Num):
        return other.value == 0 or (isinstance(i.size, Num) and 0 <= other.value < i.size.value)
    return isinstance(other, Access)


def rebuild(e: Expr, args: Sequence[Expr]) -> Expr:
    """The node with other arguments, brought to canonical form."""
    match e:
        case Add():
            return add(*args)
        case Mul():
            return mul(*args)
        case Pow():
            return power(args[0], args[1])
        case Call():
            return call(e.label, *args)
        case Reduce():
            over = list(args[1:])
            build = sum_over if e.label == "sum" else maximum_over
            return build(args[0], over)  # type: ignore[arg-type]
        case Delta():
            return delta(*args)
        case Select():
            return select(*args)
        case Condition():
            if e.label in COMPARISONS:
                return compare(e.label, *args)
            return logic(e.label, *args) if args else e
        case _:
            return node(type(e), e.label, tuple(args))


def substitute(e: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
    """All keys replaced by their values at once; bound indices are renamed where they would capture an index."""
    if not mapping:
        return e
    return _substitute(e, mapping, {})


def _substitute(e: Expr, mapping: Mapping[Expr, Expr], memo: dict[Expr, Expr]) -> Expr:
    if e in mapping:
        return mapping[e]
    if not e.args or isinstance(e, Index):
        return e
    found = memo.get(e)
    if found is not None:
        return found
    if isinstance(e, Reduce):
        new = _substitute_under_binder(e, mapping, memo)
    else:
        args = tuple([_substitute(a, mapping, memo) for a in e.args])
        new = e if args == e.args else rebuild(e, args)
    memo[e] = new
    return new


def _substitute_under_binder(e: Reduce, mapping: Mapping[Expr, Expr], memo: dict[Expr, Expr]) -> Expr:
    bound = frozenset(e.indices)
    inner = {k: v for k, v in mapping.items() if k not in bound}
    shadowed = len(inner) != len(mapping)
    arriving = frozenset().union(*(v.free for k, v in inner.items() if k.free <= e.body.free), frozenset())
    clash = bound & arriving
    if clash:
        taken = {i.label for i in arriving | e.body.free}
        renamed: dict[Expr, Expr] = {i: fresh_index(i, taken) for i in sorted(clash, key=order)}
        e = node(Reduce, e.label, (substitute(e.body, renamed), *(renamed.get(i, i) for i in e.indices)))
    body = _substitute(e.body, inner, {} if shadowed or clash else memo)
    return e if body is e.body else rebuild(e, (body, *e.indices))


def fresh_index(like: Index, taken: set[str]) -> Index:
    """An index of the same size whose name is not taken (it is then): i, i2, i3, ..."""
    stem = like.label.rstrip("0123456789") or like.label
    name, n = like.label, 2
    while name in taken:
        name, n = f"{stem}{n}", n + 1
    taken.add(name)
    return index(name, like.size)
