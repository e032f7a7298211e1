"""What a chain of layers is built with: fresh indices, names and LaTeX symbols after a layer's place in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from symbp.declare import sort_equations
from symbp.expr import Access, access, transform
from symbp.language import from_sympy
from symbp.program import Equation, Program, Tensor
from symbp.verify import verify

_LETTERS = "ijklmpqrsuvw"


class Builder:
    """Collects the equations of a network. training: whether layers should define their training form."""

    def __init__(self, training: bool = True, batch: Any = None) -> None:
        self.training = training
        self.layer = 0
        self.init_of_next = ""
        self.equations: list[tuple[str, Any]] = []
        self.tensors: dict[str, Tensor] = {}
        self.facts: list[tuple[Any, Any]] = []
        self.updates: dict[str, str] = {}
        self.softmaxes: set[str] = set()
        self._features = 0
        self.batch = sp.Idx("n", sp.Symbol("B", integer=True, positive=True) if batch is None else batch)

    # ------------------------------------------------------------------------------------ for layers

    def begin_layer(self) -> None:
        """Counts a layer: the names of what follows carry its number."""
        self.layer += 1

    def feature(self, size: Any) -> Any:
        """A fresh index over features: i, j, k, ... along the chain."""
        k = self._features
        self._features += 1
        return sp.Idx(_LETTERS[k] if k < len(_LETTERS) else f"f{k}", size)

    def like(self, i: Any) -> Any:
        """Another index over the same range, to sum over."""
        return sp.Idx(f"{i.name}2", i.upper + 1)

    def parameter(self, name: str, indices: Sequence[Any], init: str, symbol: str = "", subscripts: Any = None) -> Any:
        """A trained tensor."""
        return self._declare(name, indices, "parameter", init=init, symbol=symbol or name, subscripts=subscripts)

    def state(self, name: str, indices: Sequence[Any], init: str, symbol: str = "") -> Any:
        """A tensor that is kept between steps and not trained."""
        return self._declare(name, indices, "state", init=init, symbol=symbol or name)

    def tensor(self, name: str, indices: Sequence[Any], value: Any, symbol: str = "", adjoint: str = "") -> Any:
        """A computed tensor: one equation."""
        access = self._declare(name, indices, "computed", symbol=symbol or name, adjoint=adjoint)
        self.equations.append((_name(access), value))
        if name == "p":
            self.softmaxes.add(_name(access))
        return access

    def update(self, state: Any, value: Any) -> None:
        """What replaces a state tensor after a training step."""
        name = _name(state)
        new = self._declare(
            f"new_{name}", state.indices, "computed", symbol=f"{self.tensors[name].symbol}'", numbered=False
        )
        self.equations.append((_name(new), value))
        self.updates[name] = _name(new)

    # ------------------------------------------------------------------------------------ for losses

    def target(self, name: str, indices: Sequence[Any]) -> Any:
        """The real values that the prediction is compared with."""
        return self._declare(name, indices, "input", symbol=name, numbered=False)

    def labels(self, name: str, indices: Sequence[Any]) -> Any:
        """Integer class labels."""
        return self._declare(name, indices, "input", dtype="int", symbol=name, numbered=False)

    def fact(self, total: Any, value: Any) -> None:
        """Something that the data are known to satisfy."""
        self.facts.append((total, value))

    def is_softmax(self, y: Any) -> bool:
        """Whether y is what a Softmax layer computed."""
        return _name(y) in self.softmaxes

    # ------------------------------------------------------------------------------------ inside

    def _declare(
        self, name: str, indices: Sequence[Any], role: str, *, init: str = "", dtype: str = "real",
        symbol: str = "", adjoint: str = "", subscripts: Any = None, numbered: bool = True,
    ) -> Any:  # fmt: skip
        layer = self.layer or None
        full = f"{name}{self.layer}" if numbered and self.layer else name
        mark = f"^{{({self.layer})}}" if numbered and self.layer else ""
        if full in self.tensors:
            n = 2
            while f"{full}_{n}" in self.tensors:
                n += 1
            full, symbol = f"{full}_{n}", symbol + "'" * (n - 1)
        converted = tuple(from_sympy(i) for i in indices)
        self.tensors[full] = Tensor(
            full, converted, role, dtype, init, layer, symbol + mark,  # type: ignore[arg-type]
            adjoint and adjoint + mark, subscripts,
        )  # fmt: skip
        return sp.IndexedBase(full, real=True)[tuple(indices)]

    def program(self, title: str, prediction: Any, loss_value: Any, task: str) -> Program:
        """The verified Program of what was collected; the prediction's tensor is called y."""
        old = _name(prediction)
        read = [(name, from_sympy(value, ("L",), f"equation for {name}")) for name, value in self.equations]
        facts = tuple((from_sympy(a), from_sympy(b)) for a, b in self.facts)
        equations = [Equation(self.tensors[n].access, v) for n, v in read]
        tensors = dict(self.tensors)
        if loss_value is not None:
            tensors["L"] = Tensor("L", symbol="L")
            equations.append(Equation(tensors["L"].access, from_sympy(loss_value, (), "equation for the loss")))
        program = Program(
            title, tensors, tuple(sort_equations(equations)), ("L",) if loss_value is not None else (old,),
            "L" if loss_value is not None else None, old, facts, self.updates, task=task,
        )  # fmt: skip
        return verify(rename(program, old, "y", "y"))


def rename(program: Program, old: str, new: str, symbol: str) -> Program:
    """The program with one computed tensor under another name."""

    def swap(e: Any) -> Any:
        return access(new, e.args) if isinstance(e, Access) and e.label == old else e

    tensors = {
        new if n == old else n: replace(t, name=new, symbol=symbol) if n == old else t
        for n, t in program.tensors.items()
    }
    equations = tuple(Equation(swap(e.target), transform(e.value, swap), e.reason) for e in program.equations)
    names = tuple(new if o == old else o for o in program.outputs)
    return replace(program, tensors=tensors, equations=equations, outputs=names, prediction=new)


def _name(a: Any) -> str:
    return str(a.base.label)
