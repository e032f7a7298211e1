"""The gradient of a Program, which is a Program: one of three ways to derive it, then the simplifications."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace

from symbp.derive.forward import forward
from symbp.derive.naive import naive
from symbp.derive.reverse import reverse
from symbp.errors import SymbpError, UnusedParameterWarning
from symbp.program import Program
from symbp.recurrence import leading_to
from symbp.simplify import simplify as run_simplify
from symbp.verify import verify

METHODS = ("reverse", "forward", "naive")


def gradient(
    program: Program,
    wrt: str | Iterable[str] | None = None,
    *,
    of: str | None = None,
    method: str = "reverse",
    simplify: bool = True,
    sizes: Mapping[str, int] | None = None,
) -> Program:
    """The Program that computes `of` and its gradient by each tensor in `wrt`, as tensors `d_<name>`.

    wrt: names of parameters, real inputs or computed tensors; default all parameters. of: a scalar; default the loss.
    method: "reverse" (adjoints, last equation first), "forward" (one tangent a parameter entry) or "naive" (neuron
    level: the loss expanded down to inputs and parameters, then differentiated by SymPy from scratch, nothing shared;
    sizes: the concrete sizes to unroll to). simplify: run the pipeline of `symbp.simplify` on the result.

    Warns with UnusedParameterWarning where a gradient is zero because the loss doesn't depend on the tensor.
    Raises SymbpError for a loss that isn't a scalar, an unknown tensor or an integer one.
    """
    if method not in METHODS:
        raise SymbpError(f"unknown method {method!r}: use one of {', '.join(METHODS)}")
    loss = of or program.loss
    if loss is None:
        raise SymbpError(f"{program.title} has no loss: name the scalar to differentiate with of=...")
    if loss not in program.tensors:
        raise SymbpError(f"there is no tensor {loss} to differentiate: known are {', '.join(program.tensors)}")
    if program.tensors[loss].indices:
        indices = ", ".join(i.label for i in program.tensors[loss].indices)
        raise SymbpError(f"{loss} is not a scalar: it has the indices {indices}; sum or average over them")
    program = replace(program, loss=loss)
    names = _names(program, wrt)
    used = leading_to(program.equations, (loss,))
    for name in names:
        if name not in used:
            warnings.warn(
                f"{loss} does not depend on {name}: its gradient is zero", UnusedParameterWarning, stacklevel=3
            )
    if method == "naive":
        return verify(naive(program, names, loss, sizes), "naive")
    derived = verify((reverse if method == "reverse" else forward)(program, names, loss), method)
    return run_simplify(derived) if simplify else derived


def _names(program: Program, wrt: str | Iterable[str] | None) -> tuple[str, ...]:
    if wrt is None:
        names = tuple(t.name for t in program.parameters)
        if not names:
            raise SymbpError(f"{program.title} has no parameters: name the tensors to differentiate by with wrt=...")
        return names
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in program.tensors:
            known = ", ".join(t.name for t in (*program.parameters, *program.inputs))
            raise SymbpError(f"there is no tensor {name} to differentiate by: known are {known}")
        if program.tensors[name].dtype != "real":
            raise SymbpError(f"{name} holds integers, which have no gradient: leave it out of wrt")
    return names
