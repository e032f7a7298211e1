"""The rules of calculus that a step makes use of, read off the record of the derivation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symbp.expr import Access, Add, Call, Delta, Expr, Mul, Num, Pow, Reduce, Select, factors, walk
from symbp.program import Program, Reason
from symbp.show.formulas.formula import Said
from symbp.show.formulas.writer import Writer

KINDS = ("product", "quotient", "power", "branch", "maximum")


def rules(
    writer: Writer, base: Program, reason: Reason, numbers: Sequence[Said], uses: int, deltas: Sequence[Expr]
) -> list[Said]:
    """The rules of an adjoint's step, most general first.

    numbers: of the equations that read the tensor. uses: how many terms that gives. deltas: the factors that the sum
    had before they were contracted.
    """
    out = [writer.say("rule_chain", writer.listed(list(numbers)))] if numbers else []
    if uses > 1:
        out.append(writer.say("rule_uses", uses))
    readers = [base.equation(n) for n in dict.fromkeys(_readers(base, reason))]
    kinds = dict.fromkeys(k for e in readers for k in _kinds(e.value, reason.wrt))
    out += [writer.say(f"rule_{kind}") for kind in KINDS if kind in kinds]
    functions = dict.fromkeys(f for e in readers for f in _functions(e.value, reason.wrt))
    out += [writer.say("rule_function", function_word(f)) for f in functions]
    if _combines_softmax(base, reason):
        out.append(writer.say("rule_softmax"))
    out += [writer.say("rule_kronecker", writer.math(writer.expr(d))) for d in deltas if isinstance(d, Delta)]
    return out


def _readers(base: Program, reason: Reason) -> Iterator[str]:
    """The base program's equations that read the tensor on its way to the loss."""
    for term in reason.terms:
        if term.through.label in base.tensors:
            yield term.through.label


def _kinds(e: Expr, name: str) -> Iterator[str]:
    """Which rules differentiating an expression by a tensor makes use of."""
    if name not in e.tensors or isinstance(e, Access):
        return
    match e:
        case Mul():
            parts = [f for f in factors(e) if name in f.tensors]
            below = [f for f in parts if _is_below(f)]
            if below and len(below) < len(parts):
                yield "quotient"
            elif len(parts) > 1:
                yield "product"
        case Pow() if name in e.args[0].tensors:
            yield "quotient" if _is_below(e) and e.args[1].value == -1 else "power"  # type: ignore[attr-defined]
        case Select():
            yield "branch"
        case Reduce() if e.label != "sum":
            yield "maximum"
        case Add() | Reduce() | Call():
            pass
    for a in e.args:
        yield from _kinds(a, name)


def _is_below(f: Expr) -> bool:
    """Whether a factor stands below a fraction line."""
    return isinstance(f, Pow) and isinstance(f.args[1], Num) and f.args[1].value < 0


def _functions(e: Expr, name: str) -> Iterator[str]:
    """The elementary functions whose argument holds the tensor."""
    for node in walk(e):
        if isinstance(node, Call) and name in node.tensors:
            yield node.label


def function_word(function: str) -> str:
    """The function's name within a sentence: ReLU, gelu tanh."""
    return {"relu": "ReLU"}.get(function, function.replace("_", " "))


def _combines_softmax(base: Program, reason: Reason) -> bool:
    """Whether a logarithm met the exponentials of a normalised sum, and both are gone."""
    through = [t.through.label for t in (*reason.terms, *reason.via) if t.through.label in base.tensors]
    values = [base.equation(n).value for n in through]
    logs = any(isinstance(n, Call) and n.label == "log" for v in values for n in walk(v))
    return logs and any(_is_normalised(v) for v in values)


def _is_normalised(e: Expr) -> bool:
    """Whether this is exp(z) over a sum of exponentials."""
    below = [f for f in factors(e) if _is_below(f)]
    return any(_has_exp(f) and any(isinstance(n, Reduce) for n in walk(f)) for f in below) and _has_exp(e)


def _has_exp(e: Expr) -> bool:
    return any(isinstance(n, Call) and n.label == "exp" for n in walk(e))
