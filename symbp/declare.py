"""Declaring a network: SymPy equations in, a verified Program out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from symbp.errors import SymbpError
from symbp.expr import Expr, Index
from symbp.language import from_sympy
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import groups
from symbp.verify import verify


def declare(
    equations: Sequence[Any],
    *,
    inputs: Iterable[Any] | Mapping[Any, str] = (),
    parameters: Iterable[Any] | Mapping[Any, str] = (),
    integers: Iterable[Any] = (),
    loss: Any = None,
    prediction: Any = None,
    outputs: Iterable[Any] = (),
    facts: Iterable[Any] = (),
    title: str = "network",
) -> Program:
    """A Program from SymPy equations.

    equations: `Eq(target, value)` or pairs (target, value), in any order that has no cycle; targets are `z[n, h]`
    with bare indices, or plain symbols for scalars. inputs, integers (read-only integer inputs such as labels) and
    parameters: accesses with bare indices, `x[n, i]`, or symbols; parameters may be a mapping to initialisers
    ("xavier", "he", "orthogonal", "zeros", "ones", "0.5", "normal(0.02)"), and so may inputs, for those that are drawn
    anew for every training batch ("bernoulli(0.8)", "normal(1)"; "" for the others). loss, prediction,
    outputs: targets. facts: `Eq(sum, value)` that the data are known to satisfy.

    Raises SymbpError naming the equation or tensor at fault.
    """
    empty = Program(title, {}, (), ())
    return _extended(empty, equations, inputs, parameters, integers, loss, prediction, outputs, facts)


def extend(
    program: Program,
    equations: Sequence[Any],
    *,
    inputs: Iterable[Any] | Mapping[Any, str] = (),
    parameters: Iterable[Any] | Mapping[Any, str] = (),
    integers: Iterable[Any] = (),
    loss: Any = None,
    outputs: Iterable[Any] = (),
    facts: Iterable[Any] = (),
) -> Program:
    """The program with further SymPy equations over its tensors, e.g. over the gradients that it computes.

    Arguments as in `declare`; a tensor W of the program is read as IndexedBase("W")[i, j], a scalar L as Symbol("L").
    loss: what `gradient` differentiates from now on, default as before. outputs: default those of before and the loss.
    A Hessian-vector product is the gradient of (gradient . v):

        g = net.gradient()
        hv = g.extend([(q, Sum(d_W[i, j] * v[i, j], i, j))], inputs=[v[i, j]], loss=q).gradient("W")
    """
    return _extended(program, equations, inputs, parameters, integers, loss, None, outputs, facts)


def _extended(
    program: Program,
    equations: Sequence[Any],
    inputs: Iterable[Any] | Mapping[Any, str],
    parameters: Iterable[Any] | Mapping[Any, str],
    integers: Iterable[Any],
    loss: Any,
    prediction: Any,
    outputs: Iterable[Any],
    facts: Iterable[Any],
) -> Program:
    pairs = [_pair(e) for e in equations]
    if not pairs and not program.equations:
        raise SymbpError("a network needs equations: the list of equations is empty; write [(target, value), ...]")
    drawn, inits = (dict(a) if isinstance(a, Mapping) else dict.fromkeys(a, "") for a in (inputs, parameters))
    declared = [
        *((a, "input", "real", init) for a, init in drawn.items()),
        *((a, "input", "int", "") for a in integers),
        *((a, "parameter", "real", init) for a, init in inits.items()),
    ]
    scalars = {a.name for a, *_ in [*declared, *pairs] if isinstance(a, sp.Symbol)}
    scalars |= {t.name for t in program.tensors.values() if not t.indices}
    tensors = dict(program.tensors)
    for a, role, dtype, init in declared:
        tensor = _tensor(a, scalars, role, dtype, init)
        if tensor.name in tensors:
            raise SymbpError(f"tensor {tensor.name} is declared twice: keep one declaration")
        tensors[tensor.name] = tensor
    read: list[Equation] = []
    for target, value in pairs:
        tensor = _tensor(target, scalars, "computed", "real", "")
        if tensor.name in tensors:
            computed = tensors[tensor.name].role == "computed"
            again = "defined twice" if computed else "declared, and defined by an equation too"
            raise SymbpError(f"tensor {tensor.name} is {again}: rename one of the two")
        tensors[tensor.name] = tensor
        read.append(Equation(tensor.access, from_sympy(value, scalars, f"equation for {tensor.name}")))
    ordered = sort_equations([*program.equations, *read])
    name = program.loss if loss is None else _name(loss)
    added = [_name(o) for o in outputs] or ([] if loss is None else [_name(loss)])
    return verify(
        replace(
            program,
            tensors=tensors,
            equations=tuple(ordered),
            outputs=tuple(dict.fromkeys((*program.outputs, *added))) or (ordered[-1].name,),
            loss=name,
            prediction=program.prediction if prediction is None else _name(prediction),
            facts=(*program.facts, *(_fact(f, scalars) for f in facts)),
        )
    )


def _pair(equation: Any) -> tuple[Any, Any]:
    if isinstance(equation, sp.Eq):
        return equation.lhs, equation.rhs
    if isinstance(equation, tuple) and len(equation) == 2:
        return equation[0], equation[1]
    raise SymbpError(f"{equation} is not an equation: write Eq(target, value) or (target, value)")


def _name(target: Any) -> str:
    if isinstance(target, sp.Indexed):
        return str(target.base.label)
    return str(target)


def _tensor(a: Any, scalars: set[str], role: str, dtype: str, init: str) -> Tensor:
    if isinstance(a, sp.Symbol):
        return Tensor(a.name, (), role, dtype, init)
    if not isinstance(a, sp.Indexed):
        raise SymbpError(f"{a} is not a tensor: write an access with bare indices such as x[n, i], or a symbol")
    name = _name(a)
    e = from_sympy(a, scalars, f"tensor {name}")
    for i in e.args:
        if not isinstance(i, Index):
            raise SymbpError(
                f"tensor {name}: {a} is not written with bare indices: write {name}[n, i] with Idx objects"
            )
    return Tensor(name, e.args, role, dtype, init)  # type: ignore[arg-type]


def _fact(fact: Any, scalars: set[str]) -> tuple[Expr, Expr]:
    left, right = _pair(fact)
    return from_sympy(left, scalars, "fact"), from_sympy(right, scalars, "fact")


def sort_equations(equations: Sequence[Equation]) -> list[Equation]:
    """The equations in an order in which they can be run, as close to the given one as that allows.

    Raises SymbpError naming the tensors of a cycle that isn't a recurrence.
    """
    return [e for group in groups(equations) for e in group.equations]
