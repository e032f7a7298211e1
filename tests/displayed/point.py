"""A random point: the values there of all tensors, and of all derivatives of one tensor by another.

Derivatives are differences along the imaginary axis of one equation at a time; those through several equations solve
the linear system that the chain rule is. Nothing here differentiates symbolically, so that a displayed derivative
isn't compared with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from symbp.check import random_values
from symbp.errors import SymbpError
from symbp.evaluate import evaluate
from symbp.expr import Access, Call, Condition, Index, Num, Reduce, Select, access, index, transform, walk
from symbp.program import Equation, Program, Tensor

_STEP = 1e-30


class Point:
    """program: the forward equations. values: of every tensor that an account names, derived ones included."""

    def __init__(self, program: Program, given: Mapping[str, Any]) -> None:
        self.program = program
        self.values: dict[str, Any] = {n: np.asarray(v) for n, v in evaluate(program, given).items()}
        self._local: dict[tuple[str, str], Any] = {}
        self._total: dict[str, dict[str, Any]] = {}

    def local(self, of: str, wrt: str) -> Any:
        """The derivative of one equation's value by a tensor that it reads; axes of the one, then of the other."""
        found = self._local.get((of, wrt))
        if found is None:
            found = self._local[of, wrt] = self._complex_step(of, wrt)
        return found

    def _complex_step(self, of: str, wrt: str) -> Any:
        equation = self.program.equation(of)
        value = self.values[wrt]
        entry = index("moved_entry", value.size)

        def moved(e: Any) -> Any:
            if isinstance(e, Access) and e.label == wrt:
                return access("moved", (*e.args, entry))
            return access("itself", e.args) if isinstance(e, Access) and e.label == of else e

        axes = self.program.tensors[of].indices
        target = access("result", (*axes, entry))
        source = self.program.tensors[wrt].indices
        places = tuple(index(f"moved_axis{k}", i.size) for k, i in enumerate(source))
        tensors = {n: Tensor(n, t.indices, "input", t.dtype) for n, t in self.program.tensors.items()}
        tensors["moved"] = Tensor("moved", (*places, entry), "input")
        tensors["itself"] = Tensor("itself", axes, "input")
        tensors["result"] = Tensor("result", _indices(target.args))
        direction = np.eye(value.size).reshape((*value.shape, value.size))
        given = self.values | {"moved": value[..., None] + 1j * _STEP * direction, "itself": self.values[of]}
        one = Program("", tensors, (Equation(target, transform(equation.value, moved)),), ("result",))
        out = np.imag(evaluate(one, given)["result"]) / _STEP
        return out.reshape(self.values[of].shape + value.shape)

    def total(self, of: str, wrt: str) -> Any:
        """The derivative along all paths."""
        found = self._total.get(of)
        if found is None:
            found = self._total[of] = self._along_all_paths(of)
        shape = self.values[of].shape + self.values[wrt].shape
        return found[wrt].reshape(shape) if wrt in found else np.zeros(shape)

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Where the entries of each real tensor stand in one long vector."""
        out, at = {}, 0
        for name, tensor in self.program.tensors.items():
            if tensor.dtype == "real":
                out[name] = slice(at, at + self.values[name].size)
                at += self.values[name].size
        return out

    @cached_property
    def _steps(self) -> Any:
        """Of every entry by every entry that its equation reads."""
        count = max(s.stop for s in self._places.values())
        out = np.zeros((count, count))
        for e in self.program.equations:
            for read in e.value.tensors & self._places.keys():
                block = self.local(e.name, read)
                out[self._places[e.name], self._places[read]] = block.reshape(self.values[e.name].size, -1)
        return out

    def _along_all_paths(self, of: str) -> dict[str, Any]:
        """By each tensor, where there is a path. Later equations first; a network with a recurrence is solved whole."""
        earlier: set[str] = set()
        for e in self.program.equations:
            if not e.value.tensors & self._places.keys() <= earlier | self._given:
                return self._solved(of)
            earlier.add(e.name)
        out = {of: np.eye(self.values[of].size)}
        for e in reversed(self.program.equations):
            if e.name in out:
                for read in e.value.tensors & self._places.keys():
                    block = self.local(e.name, read).reshape(self.values[e.name].size, -1)
                    out[read] = out.get(read, 0.0) + out[e.name] @ block
        return out

    @cached_property
    def _given(self) -> set[str]:
        return self._places.keys() - {e.name for e in self.program.equations}

    def _solved(self, of: str) -> dict[str, Any]:
        """Rows of (1 - steps)^-1: the sum of all powers of the steps, that is over all paths."""
        unit = np.zeros((len(self._steps), self.values[of].size))
        unit[self._places[of]] = np.eye(self.values[of].size)
        rows = np.linalg.solve(np.eye(len(self._steps)) - self._steps.T, unit).T
        return {name: rows[:, at] for name, at in self._places.items()}


def _indices(args: Iterable[Any]) -> tuple[Index, ...]:
    return tuple(a for a in args if isinstance(a, Index))


def tensor_sizes(net: Program) -> dict[str, int]:
    """Small symbolic sizes that no other axis has, so that no index passes for another."""
    fixed = {int(s.value) for t in net.tensors.values() for s in t.shape if isinstance(s, Num)}
    free = (n for n in range(2, 1000) if n not in fixed)
    return {name: next(free) for name in net.size_names}


def values_for(
    net: Program, sizes: Mapping[str, int], seed: int = 0, scale: float = 1.0, alive: bool = False
) -> dict[str, Any]:
    """Random values at which everything is finite and binary targets are 0 or 1. scale: of real inputs.

    alive: most units are above zero. Of a unit that is zero for all samples but one, batch norm's gradient is a
    difference that all but vanishes; through many such layers little is left of the digits.
    """
    for attempt in range(seed, seed + 10):
        try:
            values = random_values(net, attempt, sizes)
            break
        except SymbpError:  # a mask that hides everything, by chance
            continue
    largest = takes_maximum(net)
    for x in net.inputs:
        if x.dtype == "real" and not net.facts and not largest:
            values[x.name] = values[x.name] * scale
    for p in net.parameters:  # no maximum of several zeros: there its derivative is a matter of taste
        values[p.name] = values[p.name] + ((largest or alive) and len(p.indices) == 1)
    if net.task == "binary" and "t" in values:
        values["t"] = (values["t"] > 0).astype(float)
    return values


def takes_maximum(net: Program) -> bool:
    return any(isinstance(n, Reduce) and n.label == "max" for e in net.equations for n in walk(e.value))


def is_piecewise(net: Program) -> bool:
    """Whether what holds at one point may not at another."""
    kinds = (Select, Condition)
    jumps = ("abs", "sign", "maximum", "minimum", "relu", "leaky_relu", "elu", "selu", "hard_tanh", "softsign")
    nodes = [n for e in net.equations for n in walk(e.value)]
    if takes_maximum(net):  # another point may lie on a tie
        return False
    return any(isinstance(n, kinds) or (isinstance(n, Call) and n.label in jumps) for n in nodes)
