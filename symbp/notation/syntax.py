"""The syntax tree: what a text says, before any name is looked up. `at` is an offset into the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# ------------------------------------------------------------------------------------------- expressions


@dataclass(frozen=True, eq=False)
class Node:
    at: int


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    stack: list[object] = [node]
    while stack:
        n = stack.pop()
        if isinstance(n, tuple):
            stack.extend(n)
        elif isinstance(n, Node):
            yield n
            stack.extend(vars(n).values())


@dataclass(frozen=True, eq=False)
class Name(Node):
    """quoted: written in backquotes, so it's never a constant. primed: m', the value of m after a step."""

    text: str
    quoted: bool = False
    primed: bool = False


@dataclass(frozen=True, eq=False)
class Number(Node):
    text: str


@dataclass(frozen=True, eq=False)
class Read(Node):
    name: Name
    places: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Apply(Node):
    name: Name
    arguments: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Binder(Node):
    """An index where it is introduced: `i`, or `i < size`."""

    name: Name
    size: Node | None = None


@dataclass(frozen=True, eq=False)
class Reduction(Node):
    """kind[binders : condition] body."""

    kind: str
    binders: tuple[Binder, ...]
    condition: Node | None
    body: Node


@dataclass(frozen=True, eq=False)
class Negative(Node):
    value: Node


@dataclass(frozen=True, eq=False)
class Total(Node):
    """The first term, then (sign, term) for each further one."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, eq=False)
class Product(Node):
    """The first factor, then ("*" or "/", factor) for each further one, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, eq=False)
class Power(Node):
    base: Node
    exponent: Node


@dataclass(frozen=True, eq=False)
class Bracket(Node):
    value: Node


@dataclass(frozen=True, eq=False)
class Iverson(Node):
    """[condition]: 1 where it holds, else 0."""

    condition: Node


@dataclass(frozen=True, eq=False)
class Comparison(Node):
    """a < b <= c: every neighbouring pair is compared."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, eq=False)
class Logic(Node):
    operator: str
    conditions: tuple[Node, ...]


# -------------------------------------------------------------------------------------------- statements


@dataclass(frozen=True, eq=False)
class Subscript(Node):
    """A place on the left of an equation or declaration: a bare index, with its size or without, or a start."""

    place: Node
    size: Node | None


@dataclass(frozen=True, eq=False)
class Target(Node):
    name: Name
    subscripts: tuple[Subscript, ...]


@dataclass(frozen=True, eq=False)
class Sizes(Node):
    items: tuple[tuple[Name, Node | None], ...]


@dataclass(frozen=True, eq=False)
class Indices(Node):
    items: tuple[tuple[Name, Node], ...]


@dataclass(frozen=True, eq=False)
class Declared(Node):
    """One tensor of a declaration. below: the number of values that an integer tensor takes. init: how it starts."""

    kind: str
    target: Target
    below: Node | None
    init: str


@dataclass(frozen=True, eq=False)
class Equation(Node):
    """mark: "loss", "predict" or "output" where that word stands before it."""

    target: Target
    value: Node
    mark: str = ""


@dataclass(frozen=True, eq=False)
class Mark(Node):
    """loss, predict or output, with names of tensors."""

    kind: str
    names: tuple[Name, ...]


@dataclass(frozen=True, eq=False)
class Update(Node):
    state: Name
    value: Name


@dataclass(frozen=True, eq=False)
class Fact(Node):
    left: Node
    right: Node
    binders: tuple[Binder, ...]


@dataclass(frozen=True, eq=False)
class About(Node):
    """What printers know of a tensor: pairs (key, value)."""

    name: Name
    features: tuple[tuple[str, object], ...]


@dataclass(frozen=True, eq=False)
class Call(Node):
    """A layer of the library with its settings: (name or "", value)."""

    name: Name
    settings: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, eq=False)
class Text(Node):
    text: str


@dataclass(frozen=True, eq=False)
class Several(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Layer(Node):
    """A tensor that a layer of the library computes."""

    target: Target
    call: Call


@dataclass(frozen=True, eq=False)
class Header(Node):
    """title or task."""

    kind: str
    text: str


@dataclass(frozen=True, eq=False)
class Inference(Node):
    """What follows holds for prediction only."""
