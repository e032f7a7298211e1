"""Equations over tensors that are known already: somebody's gradients in terms of a network's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from symbp.errors import SymbpError
from symbp.expr import Access, Expr, Index, access, size
from symbp.notation import syntax as s
from symbp.notation.build import Builder
from symbp.notation.grammar import parse
from symbp.notation.reader import Reader
from symbp.notation.scope import Known, Resolver
from symbp.notation.sizes import Length, Variable
from symbp.notation.source import Source
from symbp.program import Tensor


@dataclass(frozen=True)
class Formula:
    """target[own indices] = value. at: its offset in the source."""

    target: Access
    value: Expr
    source: Source
    at: int

    def error(self, message: str) -> SymbpError:
        return self.source.error(self.at, message)

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.source.name}:{self.source.text.count(chr(10), 0, self.at) + 1}"


def read_formulas(
    text: str, name: str, tensors: Mapping[str, Tensor], aliases: Mapping[str, str], sizes: tuple[str, ...]
) -> list[Formula]:
    """The equations of a text, whose right-hand sides read the given tensors and what stands above.

    aliases: name in the text -> tensor. sizes: names of symbolic sizes. An equation for a known tensor doesn't change
    what the others read; its indices and their sizes are its own.
    Raises SymbpError with line, column, the line itself with a caret, and the fix.
    """
    source = Source(text, name)
    try:
        return _Formulas(source, tensors, aliases, sizes).formulas()
    except RecursionError:
        raise SymbpError(
            f"{name}: the brackets nest too deeply: give parts of the formula names of their own"
        ) from None


class _Formulas(Reader):
    def __init__(
        self, source: Source, tensors: Mapping[str, Tensor], aliases: Mapping[str, str], sizes: tuple[str, ...]
    ) -> None:
        super().__init__(source, parse(source))
        self.aliases = aliases
        self.names.sizes.update({n: size(n) for n in sizes})
        for alias, tensor in aliases.items():
            self.names.tensors[alias] = _known(tensors[tensor])

    def formulas(self) -> list[Formula]:
        for st in self.statements:
            if not isinstance(st, s.Equation):
                raise self.source.error(st.at, "only equations stand here, d_W[i,h] = ...: the network is given")
        self.defined = Counter(self.names.tensor_name(st.target.name) for st in self.all(s.Equation))
        starts = [st for st in self.all(s.Equation) if self.is_start(st)]
        for st in starts:
            self.start(st)
            self.resolvers[id(st)].visit(st.value)
        found: list[Formula] = []
        written: set[str] = set()
        for st in self.all(s.Equation):
            if st not in starts:
                name = self.names.tensor_name(st.target.name)
                if self.aliases.get(name, name) in written:
                    raise self.source.error(st.at, f"{name} is given twice: keep one")
                written.add(self.aliases.get(name, name))
                found.append(self.formula(st, name))
        return found

    def formula(self, st: s.Equation, name: str) -> Formula:
        known = self.names.tensors.pop(name, None)  # its own indices are new
        own = self.new_tensor(st.target, "defined by this equation")
        if known is not None:
            self.names.tensors[name] = known
        resolver = Resolver(self.names, {v.name: v for v in own.axes})
        resolver.visit(st.value)
        for axis, variable in enumerate(own.axes):
            length = variable.length.root()
            if length.value is None and known is not None and len(known.axes) == len(own.axes):
                length.value, length.why = known.lengths[axis].value, f"as in the network's {name}"
        value = Builder(self.names, resolver.scope).value(st.value)
        indices: list[Index] = [v.index(self.source) for v in own.axes]
        return Formula(access(self.aliases.get(name, name), indices), value, self.source, st.at)


def _known(tensor: Tensor) -> Known:
    lengths = tuple(
        Length(f"axis {n} of {tensor.name}", length, "in the network") for n, length in enumerate(tensor.shape)
    )
    axes = tuple(Variable(i.label, length, 0) for i, length in zip(tensor.indices, lengths, strict=True))
    return Known(tensor.name, axes, lengths, 0, tensor.role, tensor.dtype)
