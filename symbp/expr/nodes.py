"""Nodes of expressions: equal ones are one object, which knows its structure's digest and what it reads."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from symbp.expr.arithmetic import Access, Expr, Index

N = TypeVar("N", bound="Node")
_interned: dict[tuple[type[Node], str, tuple[Expr, ...]], Node] = {}


class Node:
    """What every node has. Never constructed directly, but by the functions that keep the canonical form."""

    __slots__ = ("_accesses", "_free", "_nodes", "_tensors", "args", "digest", "label", "skeleton")
    named: ClassVar[bool] = True  # whether the label counts in the skeleton
    args: tuple[Expr, ...]
    label: str  # what distinguishes nodes of one class beside their arguments: a name, a number, an operator
    digest: bytes  # of the whole structure
    skeleton: bytes  # the same without the names of indices: equal for expressions that differ by renaming
    _free: frozenset[Index] | None
    _accesses: frozenset[Access] | None
    _tensors: frozenset[str] | None
    _nodes: tuple[Expr, ...] | None

    @property
    def free(self) -> frozenset[Index]:
        """The indices that occur free in this expression."""
        found = self._free
        if found is None:
            found = frozenset().union(*(a.free for a in self.args)) if self.args else frozenset()
            self._free = found
        return found

    @property
    def accesses(self) -> frozenset[Access]:
        """Every access in this expression, those inside the indices of other accesses included."""
        found = self._accesses
        if found is None:
            found = frozenset().union(*(a.accesses for a in self.args)) if self.args else frozenset()
            self._accesses = found
        return found

    @property
    def tensors(self) -> frozenset[str]:
        """The names of all tensors that are read."""
        found = self._tensors
        if found is None:
            found = self._tensors = frozenset(a.label for a in self.accesses)
        return found

    def __repr__(self) -> str:
        from_label = self.label if not self.args else f"{self.label}({', '.join(map(repr, self.args))})"
        return f"{type(self).__name__}:{from_label}" if not self.args else from_label

    def __reduce__(self) -> tuple[Callable[..., Expr], tuple[object, ...]]:
        return node, (type(self), self.label, self.args)

    def settle(self) -> None:
        """What a class works out for a new node."""


def node(cls: type[N], label: str, args: tuple[Expr, ...]) -> N:
    """The one object of this structure."""
    key = cls, label, args
    found = _interned.get(key)
    if found is not None:
        return found  # type: ignore[return-value]
    new = object.__new__(cls)
    new.args, new.label = args, label
    new._free = new._accesses = new._tensors = new._nodes = None
    head = f"{cls.__name__}:{label}:".encode()
    nameless = head if cls.named else f"{cls.__name__}::".encode()
    new.digest = blake2b(head + b"".join([a.digest for a in args]), digest_size=12).digest()
    new.skeleton = blake2b(nameless + b"".join([a.skeleton for a in args]), digest_size=12).digest()
    new.settle()
    _interned[key] = new
    return new


def order(e: Node) -> tuple[bytes, bytes]:
    """The canonical order of operands: by structure first, the names of indices last."""
    return e.skeleton, e.digest
