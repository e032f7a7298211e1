"""Names looked up: which index, tensor or size a name in the text means, and which sizes follow from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from symbp.errors import SymbpError, nearest
from symbp.expr import Expr, num
from symbp.functions import TABLE
from symbp.notation import syntax as s
from symbp.notation.sizes import Length, Variable, join
from symbp.notation.source import Source
from symbp.notation.words import CONSTANTS, REDUCERS


@dataclass(eq=False)
class Known:
    """A tensor: one length an axis. at: where it's declared. below: the number of values of an integer tensor."""

    name: str
    axes: tuple[Variable, ...]
    lengths: tuple[Length, ...]
    at: int
    role: str = "computed"
    dtype: str = "real"
    init: str = ""
    below: Length | None = None


@dataclass(eq=False)
class Start:
    """An equation such as h[-1, b, j] = 0. place: the axis of time. lag: 1 for -1 or T, 2 for -2 or T + 1, ..."""

    tensor: Known
    place: int
    lag: int
    backwards: bool
    equation: s.Equation
    variables: tuple[Variable | None, ...]


@dataclass(eq=False)
class Names:
    """All that a text declares. variables: the index that each binder of the syntax tree introduces.

    build: writes an expression of sizes, for `size_of`.
    """

    source: Source
    build: Callable[[Names, s.Node], Expr]
    sizes: dict[str, Expr] = field(default_factory=dict)
    indices: dict[str, Expr] = field(default_factory=dict)
    tensors: dict[str, Known] = field(default_factory=dict)
    starts: dict[str, list[Start]] = field(default_factory=dict)
    updates: dict[str, str] = field(default_factory=dict)
    variables: dict[int, Variable] = field(default_factory=dict)

    def tensor_name(self, name: s.Name) -> str:
        """m' is the tensor new_m."""
        return f"new_{name.text}" if name.primed else name.text

    def variable(self, name: s.Name, size: Expr | None) -> Variable:
        """A new index; its size as annotated, by an `index` statement, or by a size with its name in upper case."""
        if name.primed:
            raise self.source.error(name.at, f"{name.text}' is no index: a prime marks the new value of a state")
        letter = name.text.upper()
        length = Length(f"the index {name.text}")
        if size is not None:
            length.value, length.why = size, f"as [{name.text} < ...] says"
        elif name.text in self.indices:
            length.value, length.why = self.indices[name.text], f"from the statement `index {name.text} = ...`"
        elif name.text != letter and letter in self.sizes:
            length.value, length.why = self.sizes[letter], f"from `sizes`, where {letter} is the size of {name.text}"
        return Variable(name.text, length, name.at, size is not None)

    def tensor(self, name: s.Name) -> Known:
        """The tensor of that name. Raises SymbpError with what is near."""
        found = self.tensors.get(self.tensor_name(name))
        if found is None:
            raise self.source.error(name.at, self.unknown_tensor(name))
        return found

    def unknown_tensor(self, name: s.Name) -> str:
        if name.primed:
            return f"there is no new value of {name.text}: write the equation {name.text}'[...] = ..."
        if name.text in TABLE or name.text in ("sqrt", "where", "delta"):
            return f"{name.text} is a function: write {name.text}(...)"
        if name.text in self.sizes:
            return f"{name.text} is a size, not a tensor: it has no indices"
        return f"there is no tensor {name.text}: {nearest(name.text, self.tensors) if self.tensors else 'declare it'}"

    def unknown_name(self, name: s.Name, scope: Mapping[str, Variable]) -> SymbpError:
        """A bare name that is no index here, no scalar and no size."""
        at, text = name.at, name.text
        known = self.tensors.get(self.tensor_name(name))
        if known is not None:
            places = ", ".join(v.name for v in known.axes)
            axes = f"{len(known.axes)} ax{'i' if len(known.axes) == 1 else 'e'}s"
            return self.source.error(at, f"{text} has {axes} and is read without indices: write {text}[{places}]")
        if name.primed:
            return self.source.error(at, self.unknown_tensor(name))
        if text in self.indices or text.upper() in self.sizes or any(v.name == text for v in self.variables.values()):
            return self.source.error(
                at, f"the index {text} is unbound here: sum over it, or add it to the indices of the left-hand side"
            )
        if text in REDUCERS:
            return self.source.error(at, f"{text} needs its indices: {text}[i] x[i]")
        options = [*scope, *(n for n, t in self.tensors.items() if not t.axes), *self.sizes, *CONSTANTS]
        if nearest(text, self.tensors).startswith("did") and not nearest(text, options).startswith("did"):
            options = list(self.tensors)
        return self.source.error(at, f"there is no {text}: {nearest(text, options)}")


class Resolver:
    """Walks an equation: introduces its indices, and joins the lengths that its accesses make equal.

    free: collects the unbound indices, where those are allowed (facts). parts: (index, axis, place) where an index that
    says its own size is read: it need not run over all of the axis.
    """

    def __init__(self, names: Names, scope: dict[str, Variable], free: dict[str, Variable] | None = None) -> None:
        self.names, self.scope, self.free = names, scope, free
        self.source = names.source
        self.parts: list[tuple[Variable, Length, int]] = []

    def lookup(self, name: str) -> Variable | None:
        """The index of that name, if it's bound here."""
        return self.scope.get(name) or (self.free or {}).get(name)

    @contextmanager
    def binding(self, binders: tuple[s.Binder, ...]) -> Iterator[None]:
        """The indices of a sum in scope."""
        new: dict[str, Variable] = {}
        for b in binders:
            if b.name.text in new:
                raise self.source.error(b.at, f"the index {b.name.text} is bound twice: name each index once")
            size = None if b.size is None else size_of(self.names, b.size)
            new[b.name.text] = self.names.variables[id(b)] = self.names.variable(b.name, size)
        outer = self.scope
        self.scope = {**outer, **new}
        try:
            yield
        finally:
            self.scope = outer

    def partial(self) -> int | None:
        """Where an index is read that runs over a part of the axis; None if all run over the whole."""
        different = (at for v, length, at in self.parts if v.length.root().value is not length.root().value)
        return next(different, None)

    def visit(self, node: s.Node) -> None:
        """Everything in an expression or condition."""
        match node:
            case s.Name():
                self.name(node)
            case s.Read():
                self.read(node)
            case s.Apply():
                for a in node.arguments:
                    self.visit(a)
            case s.Reduction():
                self.reduction(node)
            case s.Negative() | s.Bracket():
                self.visit(node.value)
            case s.Total() | s.Product() | s.Comparison():
                self.visit(node.first)
                for _, n in node.rest:
                    self.visit(n)
            case s.Power():
                self.visit(node.base)
                self.visit(node.exponent)
            case s.Iverson():
                self.visit(node.condition)
            case s.Logic():
                for c in node.conditions:
                    self.visit(c)

    def name(self, node: s.Name) -> None:
        if self.lookup(node.text) is not None and not node.primed:
            return
        known = self.names.tensors.get(self.names.tensor_name(node))
        taken = (known is not None and not known.axes) or node.text in self.names.sizes
        if self.free is not None and not taken and not node.primed and node.text not in CONSTANTS:
            self.free[node.text] = self.names.variable(node, None)

    def read(self, node: s.Read) -> None:
        known = self.names.tensor(node.name)
        if len(known.lengths) != len(node.places):
            axes = f"{len(known.axes)} ax{'i' if len(known.axes) == 1 else 'e'}s"
            places = ", ".join(v.name for v in known.axes)
            raise self.source.error(
                node.at,
                f"{known.name} has {axes} and is read with {len(node.places)} "
                f"ind{'ex' if len(node.places) == 1 else 'ices'}: write {known.name}[{places}]",
            )
        for n, (place, length) in enumerate(zip(node.places, known.lengths, strict=True)):
            self.visit(place)
            bare = place.value if isinstance(place, s.Bracket) else place
            variable = self.lookup(bare.text) if isinstance(bare, s.Name) and not bare.primed else None
            if variable is not None:
                if variable.annotated:
                    self.parts.append((variable, length, bare.at))
                else:
                    join(self.source, bare.at, variable.length, length)
            elif isinstance(bare, s.Read):
                self.picked(bare, known, n)

    def picked(self, node: s.Read, known: Known, place: int) -> None:
        """Integers that pick from an axis: where their range is declared, it's the axis's."""
        picks = self.names.tensor(node.name)
        if picks.dtype != "int":
            raise self.source.error(
                node.at,
                f"axis {place} of {known.name} is read at {picks.name}, which holds real numbers: an index is a sum of "
                f"indices, or a read of an integer input (label {picks.name}[...] or int {picks.name}[...])",
            )
        if picks.below is not None:
            join(self.source, node.at, picks.below, known.lengths[place])

    def reduction(self, node: s.Reduction) -> None:
        if node.kind == "softmax":
            for b in node.binders:
                variable = self.lookup(b.name.text)
                if variable is None:
                    raise self.source.error(
                        b.at,
                        f"softmax[{b.name.text}] has a value for each {b.name.text}, which is unbound here: add it to "
                        f"the indices of the left-hand side",
                    )
                if b.size is not None:
                    raise self.source.error(b.at, f"{b.name.text} has its size already: write softmax[{b.name.text}]")
                self.names.variables[id(b)] = variable
            parts = [node.body] if node.condition is None else [node.condition, node.body]
            for part in parts:
                self.visit(part)
            return
        with self.binding(node.binders):
            if node.condition is not None:
                self.visit(node.condition)
            self.visit(node.body)


def size_of(names: Names, node: s.Node) -> Expr:
    """A size: made of numbers and sizes."""
    value = names.build(names, node)
    if value.free or value.accesses:
        raise names.source.error(node.at, "a size is made of numbers and of the names in `sizes`")
    number = getattr(value, "value", None)
    if number is not None and (number != int(number) or number < 1):
        raise names.source.error(node.at, f"a size is a whole number from 1 on, not {number}")
    return num(int(number)) if number is not None else value
