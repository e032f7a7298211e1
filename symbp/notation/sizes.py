"""What length each index has: from the sizes that the text gives, and from the tensors that the index reads.

An index that stands alone in an access runs over the whole axis, so both have one size. Everything that must have
one size is put into one class (union-find); a class with two different sizes is an error that names both reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from symbp.expr import Expr, Index, index
from symbp.notation.source import Source
from symbp.verify import show


@dataclass(eq=False)
class Length:
    """A length that is known or wanted. why: where the value comes from, for messages."""

    what: str
    value: Expr | None = None
    why: str = ""
    parent: Length | None = None

    def root(self) -> Length:
        """What stands for the class."""
        at = self
        while at.parent is not None:
            if at.parent.parent is not None:
                at.parent = at.parent.parent
            at = at.parent
        return at


@dataclass(eq=False)
class Variable:
    """An index that a target, a sum or a declaration introduces. at: where. annotated: it says its size, [i < 3]."""

    name: str
    length: Length
    at: int
    annotated: bool = False

    def index(self, source: Source) -> Index:
        """The index, once all lengths are joined. Raises SymbpError where nothing gives its size."""
        size = self.length.root().value
        if size is None:
            letter = self.name[:1].upper() + self.name[1:]
            raise source.error(
                self.at,
                f"the index {self.name} has no size: no tensor is read at a bare {self.name} and there is no size "
                f"{letter}; write `sizes {letter}=...`, `index {self.name} = ...`, or [{self.name} < ...] here",
            )
        return index(self.name, size)


def join(source: Source, at: int, a: Length, b: Length) -> None:
    """Notes that two lengths are one. Raises SymbpError at the place where they turn out to differ."""
    first, second = a.root(), b.root()
    if first is second:
        return
    if first.value is not None and second.value is not None and first.value is not second.value:
        raise source.error(
            at,
            f"{a.what} has size {show(first.value)} ({first.why}), but {b.what} has size {show(second.value)} "
            f"({second.why}): use another index, or make the sizes the same",
        )
    if second.value is not None:
        first.value, first.why = second.value, second.why
    second.parent = first
