"""The gradient of a Program, which is a Program: one of three ways to derive it, then the simplifications."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace

from symbp.derive.forward import forward, jvp
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


def jacobian(program: Program, of: str, wrt: str | Iterable[str] | None = None, *, simplify: bool = True) -> Program:
    """The Program that computes the Jacobians of any tensor, `<of>_by_<name>[indices of `of`, indices of name]`.

    By forward mode. wrt: as for `gradient`. Raises SymbpError for an unknown tensor or an integer one.
    """
    if of not in program.tensors:
        raise SymbpError(f"there is no tensor {of} to differentiate: known are {', '.join(program.tensors)}")
    derived = verify(forward(_about(program, of), _names(program, wrt), of), "forward")
    return run_simplify(derived) if simplify else derived


def directional(program: Program, along: Mapping[str, str], of: str | None = None, *, simplify: bool = True) -> Program:
    """The Program that computes `<of>_dot`, the Jacobian-vector product, in one forward pass.

    along: tensor -> the input that holds the direction in which it moves, of the same shape. of: any tensor, default
    the loss. Raises SymbpError for an unknown tensor or a direction of another shape.
    """
    target = of or program.loss
    if target is None or target not in program.tensors:
        raise SymbpError(f"name the tensor to differentiate with of=...: known are {', '.join(program.tensors)}")
    for name, direction in along.items():
        _names(program, name)
        if direction not in program.tensors:
            raise SymbpError(f"the direction {direction} of {name} is not declared: add it as an input of its shape")
        if program.tensors[direction].shape != program.tensors[name].shape:
            raise SymbpError(f"the direction {direction} does not have the shape of {name}")
    derived = verify(jvp(_about(program, target), along, target), "forward")
    return run_simplify(derived) if simplify else derived


def _about(program: Program, of: str) -> Program:
    """The program with `of` as what it's for: its own loss may be dropped as dead then."""
    return replace(program, loss=None if program.tensors[of].indices else of, outputs=(of,))


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
