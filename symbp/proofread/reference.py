"""What a hand-written quantity is held against: the derivation's record, and its values at a few random points."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from symbp.check import prime_sizes, random_values
from symbp.derive.reverse import adjoint_prefix, reverse
from symbp.errors import SymbpError, UnusedParameterWarning, nearest
from symbp.evaluate import evaluate
from symbp.expr import Expr, Index, walk
from symbp.notation.text import Text
from symbp.program import Equation, Program, Reason, Tensor
from symbp.recurrence import groups, leading_to
from symbp.simplify.reuse import Library

POINTS = 3
ATTEMPTS = 5  # at random values
SMALL = 3  # the size of everything at the first point: most hypotheses fail there already

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """Random inputs and parameters, and every tensor of the derivation there. sizes: of the symbolic sizes."""

    given: Arrays
    values: Arrays
    sizes: Mapping[str, int]


class Reference:
    """The derivation of a program's gradients, by every parameter, real input and intermediate value.

    derived: the forward equations, then the adjoints in backward order. points: where quantities are compared; their
    sizes are primes that change from point to point, so that no factor of a size and no transposed axis goes unseen.
    Raises SymbpError if the program has no loss, or a size is unknown.
    """

    def __init__(self, program: Program, seed: int = 0, sizes: Mapping[str, int] | None = None) -> None:
        if program.loss is None:
            raise SymbpError(f"{program.title} has no loss, so there is no gradient to check: name one")
        self.program, self.loss, self.fixed = program, program.loss, dict(sizes or {})
        used = leading_to(program.equations, (program.loss,))
        wrt = [t.name for t in program.tensors.values() if t.role != "computed" and t.dtype == "real"]
        self.wrt = [name for name in wrt if name in used or program.tensors[name].role == "parameter"]
        self.prefix = adjoint_prefix(program)
        self.derived = self._derive(program)
        self.work = 0  # equations evaluated for hypotheses, each step of a recurrence counted
        self._derived_anew: dict[tuple[tuple[str, Expr], ...], Program] = {}
        if sizes:
            prime_sizes(program, sizes)  # says what is wrong with them
        points = [self._point(k, seed) for k in range(POINTS)]
        self.points = tuple(sorted(points, key=lambda p: sum(v.size for v in p.values.values())))  # what fails, soon

    # --------------------------------------------------------------------------------------- its points

    def _point(self, k: int, seed: int) -> Point:
        lengths = self._lengths(k)
        given = self._given(k, seed, lengths)
        with np.errstate(all="ignore"):
            values = evaluate(self.derived, given)
        return Point(given, {name: np.asarray(v) for name, v in values.items()}, lengths)

    def _given(self, k: int, seed: int, lengths: Mapping[str, int]) -> dict[str, Any]:
        """Random values where the program is finite, from the first of a few seeds that has such."""
        for attempt in range(ATTEMPTS):
            with suppress(SymbpError):
                return random_values(self.program, seed + k + POINTS * attempt, lengths)
        return random_values(self.program, seed + k, lengths)  # says what isn't finite

    def _lengths(self, k: int) -> dict[str, int]:
        """The sizes at the k-th point: small ones at first, then primes, each time dealt out anew."""
        free = [name for name in self.program.size_names if name not in self.fixed]
        known = prime_sizes(self.program, self.fixed)
        primes = sorted(known[name] for name in free)
        taken = {getattr(s, "value", 0) for t in self.program.tensors.values() for s in t.shape}
        primes += [p for p in range(3, 1000) if p > max(primes, default=2) and is_prime(p) and p not in taken][:2]
        return {**known, **{name: primes[(n + k) % len(primes)] if k else SMALL for n, name in enumerate(free)}}

    # ----------------------------------------------------------------------------------------- its names

    @cached_property
    def adjoints(self) -> tuple[str, ...]:
        """d_<name> of all that the loss depends on, in backward order."""
        return tuple(e.name for e in self.derived.equations if e.reason is not None and e.reason.kind == "adjoint")

    @cached_property
    def forward(self) -> frozenset[str]:
        """What the forward pass computes."""
        return frozenset(e.name for e in self.derived.equations) - frozenset(self.adjoints)

    @cached_property
    def order(self) -> dict[str, int]:
        """The place of each quantity: the forward pass, then backward."""
        return {e.name: n for n, e in enumerate(self.derived.equations)}

    @cached_property
    def recurrent(self) -> frozenset[str]:
        """What is computed step by step: it can't be written out."""
        return frozenset(n for g in groups(self.derived.equations) if g.time is not None for n in g.names)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The gradients that a whole solution has."""
        return tuple(f"{self.prefix}_{t.name}" for t in self.program.parameters)

    @cached_property
    def known(self) -> dict[str, str]:
        """Every way to write a name of the derivation: d_W1, dW1 and grad_W1 are one gradient."""
        out = {name: name for name in self.derived.tensors}
        for name in self.adjoints:
            tensor = name.removeprefix(f"{self.prefix}_")
            for other in (f"d{tensor}", f"grad_{tensor}", f"d_{tensor}"):
                out.setdefault(other, name)
        return out

    def adjoint_of(self, key: str) -> str:
        """The gradient that an entry of a returned dictionary names: W1, d_W1 and dW1 are one.

        Raises SymbpError with the nearest names.
        """
        if f"{self.prefix}_{key}" in self.adjoints:
            return f"{self.prefix}_{key}"
        found = self.known.get(key)
        if found not in self.adjoints:
            tensors = [n.removeprefix(f"{self.prefix}_") for n in self.adjoints if not self.is_helper(n)]
            raise SymbpError(f"there is no gradient by {key!r} in {self.program.title}: {nearest(key, tensors)}")
        return str(found)

    def is_helper(self, name: str) -> bool:
        """Whether the quantity belongs to an equation that only the derivation made."""
        tensor = name.removeprefix(f"{self.prefix}_") if name in self.adjoints else name
        return tensor not in self.program.tensors

    def tensor(self, name: str) -> Tensor:
        return self.derived.tensors[name]

    def equation(self, name: str) -> Equation:
        return self.derived.equation(name)

    # ---------------------------------------------------------------------------------------- its values

    def with_equations(
        self, point: Point, new: Mapping[str, Expr], targets: Iterable[str], pinned: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The targets' values at a point when these equations have other right-hand sides.

        Where a forward equation changes, the adjoints are those of the changed network. pinned: quantities that keep
        the derivation's values whatever they depend on.
        """
        targets = list(targets)
        program = self._changed(tuple(new.items()), not set(targets) <= set(self.forward))
        old = {e.name: e.value for e in self.derived.equations}
        moved = {e.name for e in program.equations if e.value is not old.get(e.name)} - pinned
        for _ in range(2):  # twice, as the equations of a recurrence read what comes later
            for e in program.equations:
                if e.name not in pinned and not e.value.tensors.isdisjoint(moved):
                    moved.add(e.name)
        needed = leading_to([e for e in program.equations if e.name in moved], [t for t in targets if t in moved])
        kept = [e for e in program.equations if e.name in needed and e.name in moved]
        computed = {e.name for e in kept}
        read = {t.name for t in self.program.tensors.values() if t.role != "computed"}
        read = read.union(*(e.value.tensors for e in kept)) | computed
        tensors = {
            name: t if name in computed else replace(t, role="input", init="")
            for name, t in program.tensors.items()
            if name in read
        }
        cut = Program(self.program.title, tensors, tuple(kept), tuple(computed))
        self.work += sum(max(np.shape(point.values[e.name])) if e.name in self.recurrent else 1 for e in kept)
        with np.errstate(all="ignore"):
            values = evaluate(cut, {name: point.values[name] for name in tensors if name not in computed})
        return {t: np.asarray(values[t] if t in computed else point.values[t]) for t in targets}

    def _changed(self, new: tuple[tuple[str, Expr], ...], adjoints: bool) -> Program:
        """The derivation with other right-hand sides; derived anew if they're of the forward pass."""
        values = dict(new)
        changed = [replace(e, value=values.get(e.name, e.value)) for e in self.derived.equations]
        if not adjoints or not any(name in self.forward for name in values):
            return replace(self.derived, equations=tuple(changed))
        if new not in self._derived_anew:
            forward = self.derived.with_((e for e in changed if e.name in self.forward), outputs=self.program.outputs)
            self._derived_anew[new] = self._derive(forward)
        return self._derived_anew[new]

    def _derive(self, program: Program) -> Program:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedParameterWarning)
            return reverse(program, self.wrt, self.loss)

    def alone(self, target: Tensor, value: Expr) -> Program:
        """The program of one equation, for which everything of the derivation is given."""
        tensors = {name: replace(t, role="input", init="") for name, t in self.derived.tensors.items()}
        equation = Equation(target.access, value, Reason("part"))
        return Program(self.program.title, {**tensors, target.name: target}, (equation,), (target.name,))

    def value_of(self, point: Point, e: Expr, axes: tuple[Index, ...]) -> Any:
        """An expression over the derivation's tensors as an array over these axes."""
        cut = self.alone(Tensor("what_is_asked", axes), e)
        with np.errstate(all="ignore"):
            return np.asarray(evaluate(cut, point.values)["what_is_asked"])

    # ------------------------------------------------------------------------------------------ its text

    @cached_property
    def _text(self) -> Text:
        sizes = {i.label: i.size for t in self.derived.tensors.values() for i in t.indices}
        for e in self.derived.equations:
            sizes |= {i.label: i.size for i in walk(e.value) if isinstance(i, Index) and i.label not in sizes}
        order = {name: n for n, name in enumerate(self.derived.tensors)}
        return Text(sizes, order, {}, {}, frozenset(sizes) & frozenset(self.program.size_names))

    def text(self, e: Expr) -> str:
        """An expression in the notation."""
        return self._text.at_least(e, 0)

    def access(self, name: str) -> str:
        """The quantity with its indices, d_W1[i,h]."""
        return self.text(self.tensor(name).access)

    @cached_property
    def _library(self) -> Library:
        library = Library(self.program.facts)
        for n, e in enumerate(self.derived.equations):
            if e.name not in self.adjoints:
                library.add(e, n)
        return library

    def in_values(self, e: Expr) -> Expr:
        """An expression written with the values of the forward pass: a (1 - a) for the derivative of a = sigmoid(z)."""
        return self._library.cheapest(e, len(self.order))

    def readable(self, name: str) -> Expr:
        """The right-hand side of a quantity as one would write it."""
        value = self.equation(name).value
        return self.in_values(value) if name in self.adjoints else value

    def closed_form(self, name: str) -> Expr | None:
        """What simplification makes of a gradient that reads sums within a softmax, say, which have no name.

        None where the quantity reads nothing of that kind, or its simplified form does.
        """
        adjoints = {f"{self.prefix}_{t}": t for t in self.program.tensors}
        named = {*self.program.tensors, *adjoints}
        if name not in adjoints or self.readable(name).tensors <= named:
            return None
        value = self.program.gradient([adjoints[name]]).equation(name).value
        return value if value.tensors <= set(self.program.tensors) else None

    def upstream(self, name: str, pinned: frozenset[str]) -> Iterator[str]:
        """What a quantity is computed from in its own pass, itself first, the nearest first, pinned ones left out."""
        within = self.forward if name in self.forward else frozenset(self.adjoints)
        seen, waiting = {name}, [name]
        for current in waiting:
            yield current
            reads = (self.equation(current).value.tensors & within) - pinned - seen
            seen.update(reads)
            waiting += sorted(reads, key=lambda n: -self.order[n])


def is_prime(p: int) -> bool:
    return p > 1 and all(p % d for d in range(2, int(p**0.5) + 1))
