"""Layers of the library called in a text: `layer a = Dense(x, units=32)`.

A layer is handed the tensors of the text as SymPy accesses, and what it defines joins the text's tensors and equations.
SymPy is imported only by a text that calls a layer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symbp import layers
from symbp.builder import Builder as Net
from symbp.errors import SymbpError, nearest
from symbp.expr import Access, Expr, Index, Num, access, index, substitute, transform
from symbp.language import from_sympy, to_sympy
from symbp.notation import syntax as s
from symbp.notation.scope import Known, Names, size_of
from symbp.notation.sizes import Length, Variable
from symbp.program import Equation, Tensor
from symbp.verify import show

_NOT_LAYERS = ("LOSSES", "Layer", "Loss", "size_of")
LAYERS = tuple(name for name in layers.__all__ if name not in _NOT_LAYERS)
_WORDS = {"true": True, "false": False, "none": None}


@dataclass
class Defined:
    """What one call adds: the tensor that it's called, and its equations, that one's last. loss, task: of a loss."""

    name: str
    equations: list[Equation]
    loss: bool = False
    task: str = ""


class Calls:
    """The layers of one text, in its order: they are numbered, and share indices. training: which form they take."""

    def __init__(self, names: Names, training: bool) -> None:
        self.names, self.source = names, names.source
        self.net = Net(training)
        self.net._lengths.clear()  # the batch is whatever the text calls it
        self.tensors: dict[str, Tensor] = {}  # what layers defined
        self.results: dict[str, Any] = {}  # a layer's tensor in the text -> the access that the layer returned
        self.renamed: dict[str, str] = {}

    def enter(self, known: Known) -> None:
        """Makes a tensor of the text known to layers, so that they take no name that is in use."""
        for v in known.axes:
            value = v.length.root().value
            self.net.index(v.name, 1 if value is None else to_sympy(value))
        indices = tuple(index(v.name, v.length.root().value or 1) for v in known.axes)
        self.net.tensors[known.name] = Tensor(known.name, indices, known.role, known.dtype, known.init)

    def define(self, st: s.Layer) -> Defined:
        """The equations of one call, its tensors entered under their names."""
        target, call = st.target, st.call
        if not call.settings or call.settings[0][0] or not isinstance(call.settings[0][1], s.Name):
            raise self.source.error(
                call.at, f"a layer is called on a tensor, which stands first: {call.name.text}(x, ...)"
            )
        given = self.input(call.settings[0][1])
        made = self.make(call, call.settings[1:])
        old, done = set(self.net.tensors), len(self.net.equations)
        try:
            result = made.define(self.net, given)
        except SymbpError as error:
            raise self.source.error(call.at, f"{call.name.text}: {error}") from None
        except Exception as error:  # a layer given what it wasn't made for
            raise self.source.error(call.at, f"{call.name.text} can't be used so: {error}") from None
        scalars = {n for n, t in self.net.tensors.items() if not t.indices}
        where = f"{call.name.text} in line {self.source.text.count(chr(10), 0, st.at) + 1}"
        new = {n: t for n, t in self.net.tensors.items() if n not in old}
        equations = [
            Equation(new[n].access, from_sympy(value, scalars, where)) for n, value in self.net.equations[done:]
        ]
        name = self.names.tensor_name(target.name)
        value = from_sympy(result, scalars, where)
        if isinstance(made, layers.Loss):
            return self.finished(target, name, (), value, equations, new, made.task)
        assert isinstance(value, Access)
        self.results[name] = result
        if value.label in new and any(e.name == value.label for e in equations):
            self.renamed[value.label] = name
            last = next(e for e in equations if e.name == value.label)
            equations = [e for e in equations if e is not last]
            old_tensor = new.pop(value.label)
            return self.finished(target, name, old_tensor.indices, last.value, equations, new, like=old_tensor)
        return self.finished(target, name, value.args, value, equations, new)

    def input(self, name: s.Name) -> Any:
        """The tensor that a layer is called on."""
        known = self.names.tensor(name)
        if known.name in self.results:
            return self.results[known.name]
        for v in known.axes:
            if v.length.root().value is None:
                raise self.source.error(
                    name.at, f"a layer reads {known.name}, so the size of {v.name} must be given: `sizes` or `index`"
                )
        return to_sympy(access(known.name, [v.index(self.source) for v in known.axes]))

    def finished(
        self, target: s.Target, name: str, indices: Any, value: Expr, equations: list[Equation],
        new: Mapping[str, Tensor], task: str = "", like: Tensor | None = None,
    ) -> Defined:  # fmt: skip
        """The call's tensor under its name and with the indices that the text gives it; everything entered."""
        loss = bool(task)
        axes = tuple(indices)
        if target.subscripts:
            axes = self.own_indices(target, name, axes)
            value = substitute(value, dict(zip(indices, axes, strict=True)))
        tensor = Tensor(name, axes, symbol="L" if loss and name == "L" else "")
        if like is not None:
            tensor = replace(like, name=name, indices=axes, symbol="")
        self.tensors |= {**new, name: tensor}
        for t in (*new.values(), tensor):
            self.add_known(t, target.name.at)
        equations = [*equations, Equation(tensor.access, value)]
        return Defined(name, [self.rename(e) for e in equations], loss, task)

    def own_indices(self, target: s.Target, name: str, axes: tuple[Index, ...]) -> tuple[Index, ...]:
        if len(target.subscripts) != len(axes):
            shown = ", ".join(i.label for i in axes)
            raise self.source.error(target.at, f"{name} has {len(axes)} axes, {name}[{shown}]")
        out = []
        for sub, i in zip(target.subscripts, axes, strict=True):
            if not isinstance(sub.place, s.Name):
                raise self.source.error(sub.at, "the indices on the left are bare names")
            size = None if sub.size is None else size_of(self.names, sub.size)
            said = self.names.variable(sub.place, size).length
            if said.value is not None and said.value is not i.size:
                raise self.source.error(
                    sub.at,
                    f"{said.what} has size {show(said.value)} ({said.why}), and the layer makes this axis of size "
                    f"{show(i.size)}: use another index",
                )
            out.append(index(sub.place.text, i.size))
        if len(set(out)) < len(out):
            raise self.source.error(target.at, f"{name} has one index on two axes: give each axis an index of its own")
        return tuple(out)

    def add_known(self, t: Tensor, at: int) -> None:
        axes = []
        for n, i in enumerate(t.indices):
            if isinstance(i.size, Num) and i.size.value < 1:
                raise self.source.error(at, f"axis {n} of {t.name} would have size {i.size.label}: sizes are positive")
            axes.append(Variable(i.label, Length(f"axis {n} of {t.name}", i.size, "as its layer makes it"), at))
        known = Known(t.name, tuple(axes), tuple(v.length for v in axes), at, t.role, t.dtype, t.init)
        if t.name in self.names.sizes:
            raise self.source.error(at, f"the layer's tensor {t.name} has the name of a size: rename the size")
        self.names.tensors[t.name] = known

    def facts(self) -> list[tuple[Expr, Expr]]:
        """What layers say of their inputs."""
        scalars = {n for n, t in self.net.tensors.items() if not t.indices}
        return [(from_sympy(a, scalars, "fact"), from_sympy(b, scalars, "fact")) for a, b in self.net.facts]

    def rename(self, e: Equation) -> Equation:
        """The equation with layers' results under the names of the text."""

        def swap(n: Expr) -> Expr:
            return access(self.renamed[n.label], n.args) if isinstance(n, Access) and n.label in self.renamed else n

        return Equation(e.target, transform(e.value, swap))

    # ------------------------------------------------------------------------------------- settings

    def make(self, call: s.Call, settings: tuple[tuple[str, s.Node], ...]) -> Any:
        """The layer, from its name and settings."""
        name = call.name.text
        if name not in LAYERS:
            raise self.source.error(call.at, f"there is no layer {name}: {nearest(name, LAYERS)}")
        maker = getattr(layers, name)
        positional = [self.value(v) for key, v in settings if not key]
        named = {key: self.value(v) for key, v in settings if key}
        try:
            inspect.signature(maker).bind(*positional, **named)
            return maker(*positional, **named)
        except TypeError as error:
            takes = str(inspect.signature(maker)).partition(" -> ")[0]
            takes = re.sub(r": '([^']*)'", r": \1", takes)
            raise self.source.error(call.at, f"{name}: {error}; it takes {takes} behind the tensor") from None
        except Exception as error:
            raise self.source.error(call.at, f"{name}: {error}") from None

    def value(self, node: s.Node) -> Any:
        """A setting: a number, a size, true or false, a name, several in brackets, or a layer."""
        match node:
            case s.Negative():
                return -self.value(node.value)
            case s.Number():
                if len(node.text) > 20:
                    raise self.source.error(node.at, "this number is too long for a setting")
                return int(node.text) if node.text.isdecimal() else sp.Rational(node.text)
            case s.Text():
                if not re.fullmatch(r"[A-Za-z0-9_ ]*", node.text):
                    raise self.source.error(node.at, "a text in a layer's settings is made of letters and digits")
                return node.text
            case s.Several():
                return tuple(map(self.value, node.items))
            case s.Call():
                return self.make(node, node.settings)
            case s.Name() if node.text in self.names.sizes:
                size = self.names.sizes[node.text]
                return int(size.value) if isinstance(size, Num) else node.text
            case s.Name() if node.text in _WORDS:
                return _WORDS[node.text]
        options = [*self.names.sizes, *_WORDS]
        given = node.text if isinstance(node, s.Name) else ""
        raise self.source.error(node.at, f"{given} is no setting: {nearest(given, options)}; a text stands in quotes")
