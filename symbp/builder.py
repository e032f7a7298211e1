"""What a chain of layers is built with: fresh indices, names and LaTeX symbols after a layer's place in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from symbp.declare import sort_equations
from symbp.errors import SymbpError
from symbp.expr import Access, access, transform
from symbp.language import from_sympy, to_sympy
from symbp.program import Equation, Program, Tensor
from symbp.verify import verify

_LETTERS = "ijklmpqrsuvw"
MOST_LAYERS = 5000  # in a network, those inside of others included: with more, deriving would take minutes


class Builder:
    """Collects the equations of a network. training: whether layers should define their training form.

    two_forms: whether a layer has asked for that, so that the form for prediction is another one.
    """

    def __init__(self, training: bool = True, batch: Any = None) -> None:
        self._training = training
        self.two_forms = False
        self.layer = 0
        self.defined = 0
        self.place = ""  # of the layer that is being defined, for messages: "layer 2 (Conv2D)"
        self.init_of_next = ""
        self.equations: list[tuple[str, Any]] = []
        self.tensors: dict[str, Tensor] = {}
        self.facts: list[tuple[Any, Any]] = []
        self.updates: dict[str, str] = {}
        self.softmaxes: set[str] = set()
        self.table: Any = None  # of the embedding in front, for a head that is tied to it
        self._features = 0
        self._lengths: dict[str, Any] = {}
        self.batch = self.index("n", sp.Symbol("B", integer=True, positive=True) if batch is None else batch)

    # ------------------------------------------------------------------------------------ for layers

    @property
    def training(self) -> bool:
        self.two_forms = True
        return self._training

    def chain(self, layers: Sequence[Any], x: Any) -> Any:
        """The layers one after another, each told how its weights should start for what follows it."""
        outside, after = self.place, self.init_of_next
        for k, layer in enumerate(layers):
            self.place = f"{outside}{', ' if outside else ''}layer {k + 1} ({type(layer).__name__})"
            self.init_of_next = next((later.init for later in layers[k + 1 :] if later.init), after or "xavier")
            self.defined += 1
            if self.defined > MOST_LAYERS:
                raise self.fail(f"the network has more than {MOST_LAYERS:,} layers: take fewer")
            x = self.checked(layer).define(self, x)
        self.place, self.init_of_next = outside, after
        return x

    def checked(self, part: Any) -> Any:
        """A layer or a loss. Raises SymbpError for an option whose value lies elsewhere than it says."""
        for name, within in part.within.items():
            value = sp.nsimplify(getattr(part, name))
            if value.is_number and value not in within:
                bounds = [f"{'more than' if within.left_open else 'at least'} {within.start}"]
                if within.end is not sp.oo:
                    bounds.append(f"{'less than' if within.right_open else 'at most'} {within.end}")
                raise self.fail(f"the {name} is {getattr(part, name)}: it must be {' and '.join(bounds)}")
        return part

    def fail(self, message: str) -> SymbpError:
        """An error about what the layer that is being defined was given."""
        return SymbpError(f"{self.place}: {message}" if self.place else message)

    def begin_layer(self) -> None:
        """Counts a layer: the names of what follows carry its number."""
        self.layer += 1

    def feature(self, size: Any) -> Any:
        """A fresh index over features: i, j, k, ... along the chain."""
        while True:
            k = self._features
            self._features += 1
            name = _LETTERS[k] if k < len(_LETTERS) else f"f{k}"
            if name not in self._lengths:
                return self.index(name, size)

    def index(self, name: str, size: Any, *others: Any) -> Any:
        """An index of that name, with a number behind it where the name is one of the others' or has another size."""
        size = sp.Symbol(size, integer=True, positive=True) if isinstance(size, str) else sp.sympify(size)
        taken = {i.name for i in others}
        candidate, n = name, 2
        while candidate in taken or self._lengths.get(candidate, size) != size:
            candidate, n = f"{name}{n}", n + 1
        self._lengths[candidate] = size
        return sp.Idx(candidate, size)

    def like(self, i: Any, *others: Any) -> Any:
        """Another index over the same range, to sum over."""
        return self.index(i.name.rstrip("0123456789") or i.name, i.upper + 1, i, *others)

    def input(
        self, name: str, indices: Sequence[Any], dtype: str = "real", symbol: str = "", init: str = ""
    ) -> Any:  # fmt: skip
        """Values that come with the data beside x: a mask, a memory; dtype "int" for integers.

        init: what they are drawn from for every training batch instead, "bernoulli(0.8)" or "normal(1)".
        """
        return self._declare(name, indices, "input", dtype=dtype, symbol=symbol or name, numbered=False, init=init)

    def parameter(self, name: str, indices: Sequence[Any], init: str, symbol: str = "", subscripts: Any = None) -> Any:
        """A trained tensor."""
        return self._declare(name, indices, "parameter", init=init, symbol=symbol or name, subscripts=subscripts)

    def state(self, name: str, indices: Sequence[Any], init: str, symbol: str = "") -> Any:
        """A tensor that is kept between steps and not trained."""
        return self._declare(name, indices, "state", init=init, symbol=symbol or name)

    def tensor(self, name: str, indices: Sequence[Any], value: Any, symbol: str = "", adjoint: str = "") -> Any:
        """A computed tensor: one equation."""
        access = self.unknown(name, indices, symbol, adjoint)
        self.equate(access, value)
        return access

    def unknown(self, name: str, indices: Sequence[Any], symbol: str = "", adjoint: str = "") -> Any:
        """A tensor that a recurrence reads before its equation is written: `equate` must follow."""
        return self._declare(name, indices, "computed", symbol=symbol or name, adjoint=adjoint)

    def equate(self, access: Any, value: Any) -> None:
        """The equation of an unknown."""
        self.equations.append((_name(access), value))

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
        return self.input(self._apart(name), indices)

    def labels(self, name: str, indices: Sequence[Any]) -> Any:
        """Integer class labels."""
        return self.input(self._apart(name), indices, "int")

    def _apart(self, name: str) -> str:
        """t, or target where t is the index of time."""
        return "target" if name in self._lengths else name

    def fact(self, total: Any, value: Any) -> None:
        """Something that the data are known to satisfy."""
        self.facts.append((total, value))

    def mark_softmax(self, y: Any) -> Any:
        """Notes that y holds probabilities over its last axis; returns it."""
        self.softmaxes.add(_name(y))
        return y

    def is_softmax(self, y: Any) -> bool:
        """Whether y is what a Softmax layer computed."""
        return _name(y) in self.softmaxes

    def weights(self) -> list[Any]:
        """The parameters with two or more axes, for penalties."""
        found = [t for t in self.tensors.values() if t.role == "parameter" and len(t.indices) > 1]
        return [to_sympy(t.access) for t in found]

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
        return sp.IndexedBase(full, real=True)[tuple(indices)] if indices else sp.Symbol(full, real=True)

    def program(self, title: str, prediction: Any, loss_value: Any, task: str) -> Program:
        """The verified Program of what was collected; the prediction's tensor is called y."""
        old = _name(prediction)
        scalars = {"L", *(t.name for t in self.tensors.values() if not t.indices)}
        read = [(name, from_sympy(value, scalars, f"equation for {name}")) for name, value in self.equations]
        facts = tuple((from_sympy(a, scalars), from_sympy(b, scalars)) for a, b in self.facts)
        equations = [Equation(self.tensors[n].access, v) for n, v in read]
        tensors = dict(self.tensors)
        if loss_value is not None:
            tensors["L"] = Tensor("L", symbol="L")
            equations.append(Equation(tensors["L"].access, from_sympy(loss_value, scalars, "equation for the loss")))
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
    return str(a.base.label) if isinstance(a, sp.Indexed) else str(a.name)
