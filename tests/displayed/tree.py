"""What a displayed formula says, as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class Unreadable(Exception):
    """The text is no formula, or means nothing, or more than one thing, to someone who has the table of symbols."""


@dataclass(frozen=True)
class Number:
    """slack: by how much the value may be larger, where digits are cut off with dots."""

    value: float
    slack: float = 0.0


@dataclass(frozen=True)
class Size:
    label: str


@dataclass(frozen=True)
class IndexName:
    label: str


@dataclass(frozen=True)
class Name:
    """A tensor of the table of symbols, with the index expressions under it."""

    tensor: str
    indices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Derivative:
    of: Name
    wrt: Name


@dataclass(frozen=True)
class Sum:
    """terms: (sign, tree)."""

    terms: tuple[tuple[int, Any], ...]


@dataclass(frozen=True)
class Product:
    """Factors side by side: numbers multiply, matrices too, in their own way."""

    factors: tuple[Any, ...]


@dataclass(frozen=True)
class Ring:
    """The product entry by entry."""

    factors: tuple[Any, ...]


@dataclass(frozen=True)
class Fraction:
    top: Any
    bottom: Any


@dataclass(frozen=True)
class Power:
    base: Any
    exponent: Any
    entrywise: bool = False


@dataclass(frozen=True)
class Transpose:
    of: Any


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Reduce:
    kind: str
    indices: tuple[str, ...]
    body: Any


@dataclass(frozen=True)
class Kronecker:
    left: Any
    right: Any


@dataclass(frozen=True)
class Iverson:
    condition: Any


@dataclass(frozen=True)
class Cases:
    condition: Any
    then: Any
    otherwise: Any


@dataclass(frozen=True)
class Relation:
    operator: str
    left: Any
    right: Any


@dataclass(frozen=True)
class Logic:
    operator: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class SquaredNorm:
    of: Any


@dataclass(frozen=True)
class Ones:
    """The vector of ones, as long as it must be."""

    transposed: bool = False


@dataclass(frozen=True)
class Identity:
    pass


def children(tree: Any) -> Iterator[Any]:
    """The parts of a tree."""
    for name in getattr(tree, "__dataclass_fields__", ()):
        yield from _flat(getattr(tree, name))


def walk(tree: Any) -> Iterator[Any]:
    """The tree and all its parts."""
    yield tree
    for part in children(tree):
        yield from walk(part)


def _flat(field: Any) -> Iterator[Any]:
    if isinstance(field, tuple):
        for part in field:
            yield from _flat(part)
    else:
        yield field
