"""What a derivation is asked for: whole tensors, or single entries at neuron level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from symbp.errors import SymbpError
from symbp.program import Equation, Program
from symbp.unroll import concrete_sizes, fix_sizes, shape


@dataclass(frozen=True)
class Request:
    """tensors: to differentiate by. entries: positions by tensor where only some are wanted. default: none named."""

    tensors: tuple[str, ...]
    entries: Mapping[str, frozenset[tuple[int, ...]]]
    default: bool

    def includes(self, name: str, group: Callable[[str], str]) -> bool:
        """Whether a gradient's entry, named d_W1_0_1, is asked for."""
        tensor = group(name)
        for source, positions in self.entries.items():
            if tensor.endswith(f"_{source}") and "_by_" not in tensor:
                return any(name == "_".join((tensor, *map(str, at))) for at in positions)
        return True

    def needed(self, equations: list[Equation], group: Callable[[str], str], asides: frozenset[str]) -> list[Equation]:
        """The equations that the entries asked for are computed from."""
        if not self.entries:
            return equations
        gradients = {f"d_{t}" for t in self.tensors}
        needed = {e.name for e in equations if group(e.name) in gradients and self.includes(e.name, group)}
        kept: list[Equation] = []
        for e in reversed(equations):
            if e.name in needed:
                needed |= e.value.tensors
            if e.name in needed or group(e.name) in asides:
                kept.append(e)
        while kept and group(kept[0].name) in asides:
            kept.pop(0)
        return kept[::-1]


def request(program: Program, wrt: str | Iterable[str] | None, level: str, sizes: Mapping[str, int] | None) -> Request:
    """What `wrt` asks for. Raises SymbpError for a name that is neither a tensor nor, at neuron level, an entry."""
    if wrt is None:
        return Request(tuple(t.name for t in program.parameters), {}, True)
    tensors: dict[str, None] = {}
    entries: dict[str, frozenset[tuple[int, ...]]] = {}
    whole: set[str] = set()
    for name in (wrt,) if isinstance(wrt, str) else tuple(wrt):
        if name in program.tensors:
            tensors[name] = None
            whole.add(name)
            continue
        tensor, at = _entry(program, name, level, sizes)
        tensors[tensor] = None
        entries[tensor] = entries.get(tensor, frozenset()) | {at}
    return Request(tuple(tensors), {t: at for t, at in entries.items() if t not in whole}, False)


def _entry(program: Program, name: str, level: str, sizes: Mapping[str, int] | None) -> tuple[str, tuple[int, ...]]:
    head, _, tail = name.partition("_")
    while tail and head not in program.tensors:
        more, _, tail = tail.partition("_")
        head = f"{head}_{more}"
    parts = tail.split("_") if tail else []
    known = ", ".join(t.name for t in (*program.parameters, *program.inputs) if t.dtype == "real")
    if head not in program.tensors or not parts or not all(p.isascii() and p.isdigit() for p in parts):
        close = get_close_matches(name, program.tensors, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise SymbpError(f"there is no tensor {name} to differentiate by: {hint}known are {known}")
    if level != "neuron":
        raise SymbpError(
            f"{name} is one entry of {head}, and entries exist at neuron level only: "
            f"say level='neuron', or wrt={head!r}"
        )
    lengths = shape(fix_sizes(program, concrete_sizes(program, sizes)).tensors[head])
    at = tuple(map(int, parts))
    if len(at) != len(lengths) or not all(k < n for k, n in zip(at, lengths, strict=True)):
        raise SymbpError(f"{head} has no entry {name}: its shape is {lengths}, and entries are counted from 0")
    return head, at
