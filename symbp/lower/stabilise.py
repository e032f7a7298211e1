"""Forms that never overflow: derived on the mathematical definition, stabilised here.

Where Z = Sum(exp(u)) is only used in log(Z) and in exp(u)/Z, both keep their value if u is shifted by its maximum m:
log(Z) = m + log(Sum(exp(u - m))) and exp(u)/Z = exp(u - m)/Sum(exp(u - m)). Where exp(u) is only used for u <= 0,
it is exp(min(u, 0)). Where only some u are seen (a causal mask), m is the maximum of those.
"""

from __future__ import annotations

from dataclasses import replace

from symbp.expr import (
    INFINITY,
    ZERO,
    Access,
    Call,
    Condition,
    Expr,
    Index,
    Mul,
    Pow,
    Reduce,
    Select,
    access,
    call,
    maximum_over,
    mul,
    num,
    select,
    substitute,
    sum_over,
    transform,
    walk,
)
from symbp.program import Equation, Program, Reason, Tensor
from symbp.simplify.dead import drop_dead
from symbp.simplify.inline import without
from symbp.simplify.share import name_terms, share_terms, unused


def stabilise(program: Program) -> Program:
    """The program in forms that don't overflow, with what they have in common shared."""
    program = _write_out_exponentials(program)
    given = program.tensors.keys()
    program = name_terms(program, _is_sum_of_exponentials)
    for equation in program.equations:
        current = program.equation(equation.name)
        if _is_sum_of_exponentials(current.value):
            shifted = _shift(program, current)
            unshifted = shifted is program and current.name not in given
            program = without(program, current) if unshifted else shifted
    program = program.with_(replace(e, value=_guard(e.value)) for e in program.equations)
    return drop_dead(share_terms(program))


def _write_out_exponentials(program: Program) -> Program:
    """Undoes the sharing of exp(u) and 1/Z, so that every use shows what it is divided by or chosen by."""
    for equation in program.equations:
        shared = equation.reason is not None and equation.reason.kind == "shared"
        inverse = isinstance(equation.value, Pow) and equation.value.args[1] is num(-1)
        if shared and (inverse or _exponent(equation.value) is not None):
            program = without(program, equation)
    return program


def _exponent(e: Expr) -> Expr | None:
    """u where e is exp(u), or exp(u) under a condition and zero elsewhere; else None."""
    if isinstance(e, Select) and e.args[2] is ZERO:
        e = e.args[1]
    return e.args[0] if isinstance(e, Call) and e.label == "exp" else None


def _less(e: Expr, u: Expr, top: Expr) -> Expr:
    """exp(u - top), under the condition that e is under: elsewhere exp(-oo), which is zero."""
    return call("exp", _seen(e, u) - top)


def _seen(e: Expr, u: Expr) -> Expr:
    """u where e is not zero, -oo elsewhere."""
    return select(e.args[0], u, -INFINITY) if isinstance(e, Select) else u


def _is_sum_of_exponentials(e: Expr) -> bool:
    return isinstance(e, Reduce) and e.label == "sum" and _exponent(e.body) is not None


def _shift(program: Program, total: Equation) -> Program:
    """The program with the sum's exponents shifted by their maximum, unless some use doesn't allow it."""
    assert isinstance(total.value, Reduce)
    body = total.value.body
    u = _exponent(body)
    assert u is not None
    bound = total.value.indices
    users = [e for e in program.equations if total.name in e.value.tensors]
    leading = next((a.label for a in sorted(u.accesses, key=lambda a: (-len(a.args), a.label))), total.name)
    name = unused(f"{leading}_max", program)
    top = access(name, total.target.args)

    def swap(e: Expr) -> Expr:
        """log(Z) and exp(u)/Z shifted; any other use of Z stays as it is, and is found below."""
        if isinstance(e, Call) and e.label == "log" and isinstance(e.args[0], Access) and e.args[0].label == total.name:
            return e + access(name, e.args[0].args)
        if isinstance(e, Mul):
            for divisor in e.args:
                if isinstance(divisor, Pow) and divisor.args[1] is num(-1) and isinstance(divisor.args[0], Access):
                    z = divisor.args[0]
                    if z.label == total.name:
                        for f in e.args:
                            exponent = _exponent(f)
                            if exponent is not None and _same_exponent(exponent, u, total, z, bound):
                                shifted = _less(f, exponent, access(name, z.args))
                                return mul(shifted, *(g for g in e.args if g is not f))
        return e

    new = {e.name: replace(e, value=transform(e.value, swap)) for e in users}
    if not all(_only_shifted(new[e.name].value, total.name) for e in users):
        return program
    maximum = Equation(top, maximum_over(_seen(body, u), bound), Reason("stabilised", wrt=total.name))
    shifted_total = replace(total, value=sum_over(_less(body, u, top), bound))
    equations: list[Equation] = []
    for e in program.equations:
        equations += [maximum, shifted_total] if e is total else [new.get(e.name, e)]
    return program.with_(equations, [Tensor(name, total.target.args, layer=program.tensors[total.name].layer)])  # type: ignore[arg-type]


def _same_exponent(candidate: Expr, u: Expr, total: Equation, z: Access, bound: tuple[Index, ...]) -> bool:
    """Whether the candidate is u with the sum's free indices as in z and its bound indices anything."""
    outer = substitute(u, dict(zip(total.target.args, z.args, strict=True)))
    reads = sorted(outer.accesses, key=lambda a: a.digest)
    found = sorted(candidate.accesses, key=lambda a: a.digest)
    if len(reads) != len(found) or len(bound) != 1:
        return candidate is outer
    at = {f.args[p] for r, f in zip(reads, found, strict=True) for p, i in enumerate(r.args) if i is bound[0]}
    return len(at) == 1 and substitute(outer, {bound[0]: at.pop()}) is candidate


def _only_shifted(e: Expr, name: str) -> bool:
    """Whether every use of the sum is inside a logarithm or divides a shifted exponential."""
    fine: set[Expr] = set()
    for node in walk(e):
        if isinstance(node, Call) and node.label == "log":
            fine.add(node.args[0])
        if isinstance(node, Mul) and any(_exponent(f) is not None for f in node.args):
            for f in node.args:
                if isinstance(f, Pow) and f.args[1] is num(-1):
                    fine.update((f, f.args[0]))
    return all(a in fine for a in e.accesses if a.label == name)


def _guard(e: Expr) -> Expr:
    """exp(u) in the branch of a condition where u <= 0 holds becomes exp(min(u, 0)), which is the same there."""

    def rule(node: Expr) -> Expr:
        if isinstance(node, Select):
            condition, then, otherwise = node.args
            if isinstance(condition, Condition) and condition.args[1:] == (ZERO,):
                u = condition.args[0]
                small = {call("exp", u): call("exp", call("minimum", u, ZERO))}
                if condition.label in (">", ">="):
                    return select(condition, then, substitute(otherwise, small))
                if condition.label in ("<", "<="):
                    return select(condition, substitute(then, small), otherwise)
        return node

    return transform(e, rule)
