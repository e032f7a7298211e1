"""Gradients that a Python function computes. Nothing else here runs code, and this only the file that was named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symbp.emit.arguments import arguments_of
from symbp.errors import SymbpError, nearest
from symbp.proofread.given import Given
from symbp.proofread.reference import Point, Reference
from symbp.python_file import located, run_file

NAMES = ("loss_and_grads", "backward")
PARAMS, VALUES = ("params", "parameters", "weights"), ("values", "cache", "forward_values")


def load_function(path: Path, name: str | None = None) -> Callable[..., Any]:
    """The function of a Python file: the one named, else loss_and_grads, else backward, else the only one.

    Runs the file. Raises SymbpError with its line if that fails.
    """
    module = run_file(path)
    own = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    public = [n for n in own if not n.startswith("_")]
    if name is not None:
        if name not in own:
            raise SymbpError(f"{path} has no function {name}: {nearest(name, public)}")
        return own[name]
    for usual in NAMES:
        if usual in own:
            return own[usual]
    if len(public) == 1:
        return own[public[0]]
    asked = f"its functions are {', '.join(public)}: name one with --function" if public else "it defines none"
    raise SymbpError(f"which function of {path} computes the gradients? {asked}; it is called loss_and_grads if not")


def from_function(reference: Reference, function: Callable[..., Any]) -> tuple[list[Given], list[str]]:
    """What the function returns at each point, and notes: arguments that it overwrote.

    Arguments are filled in by name: `params` is a dictionary of parameters and state, `values` one of the forward
    pass; any other is an input, a parameter, a value of the forward pass, the gradient of one (d_z1), or a size. It
    returns a dictionary of gradients, or a tuple (loss, dictionary, ...).
    Raises SymbpError where an argument or a name isn't known, or the function fails.
    """
    file = getattr(getattr(function, "__code__", None), "co_filename", "the function")
    title = getattr(function, "__name__", "the function")
    names = _bind(reference, function)
    found: dict[str, list[Any]] = {}
    notes: dict[str, None] = {}
    for point in reference.points:
        arguments = {key: _value(reference, point, name) for key, name in names.items()}
        before = {key: _copy(value) for key, value in arguments.items()}
        try:
            with np.errstate(all="ignore"):
                result = function(**arguments)
        except (Exception, SystemExit) as error:
            at = ", ".join(f"{n} = {length}" for n, length in point.sizes.items())
            raise located(error, file, f" (with {at})" if at else "") from None
        for key in arguments:
            if not _same(before[key], arguments[key]):
                notes[key] = None
        for name, value in _returned(reference, result).items():
            found.setdefault(name, []).append(_array(name, value))
    short = [n for n, arrays in found.items() if len(arrays) < len(reference.points)]
    if short:
        raise SymbpError(f"{title} returns {short[0]} at some points only")
    reads = frozenset(n for n in names.values() if n in reference.adjoints)
    given_back = reads & found.keys()
    if given_back:
        raise SymbpError(f"{title} returns {min(given_back)}, which it was given: leave that out")
    given = [Given(n, tuple(arrays), reads, where=title) for n, arrays in found.items()]
    return given, list(notes)


def _bind(reference: Reference, function: Callable[..., Any]) -> dict[str, str]:
    """argument -> what of the derivation it gets: by name, or in the order of an emitted module's loss_and_grads."""
    title = getattr(function, "__name__", "the function")
    known = {**reference.known, **{n: n for n in reference.program.size_names}}
    out: dict[str, str] = {}
    parameters = [
        p for p in inspect.signature(function).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    for p in parameters:
        if p.kind is p.POSITIONAL_ONLY:
            raise SymbpError(f"{title}: the argument {p.name} has no name to call it by: leave out the /")
        if p.name in known:
            out[p.name] = known[p.name]
        elif p.name in PARAMS:
            out[p.name] = "params"
        elif p.name in VALUES:
            out[p.name] = "values"
        elif p.default is p.empty:
            out[p.name] = ""
    unknown = [name for name, what in out.items() if not what]
    data = _data(reference)
    like_emitted = len(out) == len(data) + 1 and next(iter(out.values())) == "params"
    if like_emitted and set(list(out)[1:]) != set(data) and (unknown or title == "loss_and_grads"):
        return dict(zip(out, ["params", *data], strict=True))  # (params, X, y) in that order, whatever y is elsewhere
    if not unknown:
        return out
    known_names = ["params", *(n for n in reference.derived.tensors if not reference.is_helper(n))]
    raise SymbpError(
        f"{title} takes {unknown[0]}, which is nothing of {reference.program.title}: {nearest(unknown[0], known_names)}"
    )


def _data(reference: Reference) -> list[str]:
    """What an emitted module's loss_and_grads takes beside the parameters; nothing if there is no such module."""
    try:
        return [t.name for t in arguments_of(reference.program).all]
    except SymbpError:
        return []


def _value(reference: Reference, point: Point, name: str) -> Any:
    """A fresh copy, so that a function that overwrites it harms nobody."""
    if name == "params":
        own = (*reference.program.parameters, *reference.program.state)
        return {t.name: point.values[t.name].copy() for t in own}
    if name == "values":
        return {n: v.copy() for n, v in point.values.items() if n not in reference.adjoints}
    if name in point.sizes:
        return point.sizes[name]
    value = point.values[name]
    return value.copy() if value.shape else value.item()


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(k in b and _same(v, b[k]) for k, v in a.items())
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))


def _returned(reference: Reference, result: Any) -> dict[str, Any]:
    """Quantities by the derivation's names."""
    loss, grads = None, result
    if isinstance(result, (tuple, list)) and len(result) >= 2 and isinstance(result[1], Mapping):
        loss, grads = result[0], result[1]
    if not isinstance(grads, Mapping):
        raise SymbpError(
            f"the function returns {type(result).__name__}: it should return a dictionary of gradients, "
            f"{{'W1': ..., 'd_z1': ...}}, or (loss, dictionary)"
        )
    out = {} if loss is None else {reference.loss: loss}
    for key, value in grads.items():
        name = reference.loss if key == reference.loss else reference.adjoint_of(str(key))
        out[name] = value
    return out


def _array(name: str, value: Any) -> Any:
    try:
        array = np.asarray(value)
        return array if array.dtype.kind in "f" else array.astype(float)
    except (TypeError, ValueError):
        raise SymbpError(f"{name} is no array of numbers: the function returns {type(value).__name__}") from None
