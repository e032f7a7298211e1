"""Numeric oracles: is the derived gradient the derivative of the loss?

The complex step is exact to rounding and needs the loss only: it is what every way to the gradient is held against.
Central differences, the remainder of the Taylor series and the three ways of `symbp.gradient` follow, each blind to
other mistakes. A value that is not finite fails.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite, prod, sqrt
from typing import Any

import numpy as np

from symbp.derive.naive import expand_loss
from symbp.derive.reverse import adjoint_prefix
from symbp.errors import SymbpError, UnusedParameterWarning
from symbp.evaluate import bind, evaluate
from symbp.expr import Access, Delta, Expr, Index, Num, Size, access, walk
from symbp.operations import tree_operations
from symbp.program import Equation, Program, Tensor
from symbp.recurrence import leading_to
from symbp.unroll import join, split, unroll
from symbp.verify import show

Values = Mapping[str, Any]

EXACT = 1e-9  # for what is exact to rounding
DIFFERENCES = 1e-6  # for central differences
STEP = 2e-4  # of central differences
ROUNDING = 1e-15  # of a loss, relative to it or to the terms of about 1 that it is made of
NEGLIGIBLE, NEGLIGIBLE_LOSS = 1e-6, 1e-3  # errors are relative to no less: rounding makes 1e-16 out of a zero
ENTRIES = 40  # tensors of more entries are compared along that many random directions instead
NAIVE_OPERATIONS = 20_000  # operations of the expanded loss times parameters: a second or so
FORWARD_ENTRIES = 20_000_000  # entries of the largest tangent

# ------------------------------------------------------------------------------------------ random inputs


def random_values(program: Program, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Values for all inputs, parameters and state, at which the program is finite and its facts hold.

    sizes: of the symbolic sizes; those left out become distinct primes that differ from all fixed sizes, so that no
    transposed axis goes unseen. Labels lie in the range of the axis that they pick from.
    Raises SymbpError where no such values are found.
    """
    lengths = prime_sizes(program, sizes)
    for positive in ((), ("input",), ("input", "parameter")):
        values = _draw(program, np.random.default_rng(seed), lengths, positive)
        _satisfy_facts(program, values)
        results = _evaluate(program, values)
        if all(np.all(np.isfinite(results[e.name])) for e in program.equations):
            return values
    bad = next(e.name for e in program.equations if not np.all(np.isfinite(results[e.name])))
    raise SymbpError(f"{program.title}: {bad} is not finite at random inputs, not even positive ones: give values")


def prime_sizes(program: Program, sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """A length for every symbolic size: as given, else primes from 3 on that are no fixed size."""
    given = dict(sizes or {})
    for name, length in given.items():
        if name not in program.size_names:
            known = ", ".join(program.size_names) or "none, all are fixed"
            raise SymbpError(f"{program.title} has no size {name}: its sizes are {known}")
        if not isinstance(length, int) or length < 1:
            raise SymbpError(f"the size {name} must be a positive integer, not {length!r}")
    fixed = {int(s.value) for t in program.tensors.values() for s in t.shape if isinstance(s, Num)}
    primes = (p for p in range(3, 10_000) if all(p % d for d in range(2, p)) and p not in fixed | set(given.values()))
    return {name: given[name] if name in given else next(primes) for name in program.size_names}


def _draw(
    program: Program, rng: np.random.Generator, sizes: Mapping[str, int], positive: Iterable[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for t in program.tensors.values():
        shape = tuple(_length(s, sizes) for s in t.shape)
        if t.role == "computed":
            continue
        if t.dtype == "int":
            values[t.name] = rng.integers(0, _range_of_labels(program, t.name, sizes), shape)
        elif t.role in positive or t.role == "state" or t.init == "ones":
            values[t.name] = rng.uniform(0.5, 1.5, shape)
        else:
            terms = prod(shape[:-1]) if t.role == "parameter" and len(shape) > 1 else 1  # of the usual contraction
            values[t.name] = rng.standard_normal(shape) * 0.8 / sqrt(terms)
    return values


def _length(size: Expr, sizes: Mapping[str, int]) -> int:
    if isinstance(size, Num):
        return int(size.value)
    if isinstance(size, Size):
        return sizes[size.label]
    raise SymbpError(f"the size {show(size)} is neither a number nor a symbol: give values")


def _range_of_labels(program: Program, name: str, sizes: Mapping[str, int]) -> int:
    """How many values the integers may take: the shortest axis that they pick from, 2 if they pick from none."""
    found: list[int] = []
    for node in (n for e in program.equations for n in walk(e.value)):
        if isinstance(node, Access):
            axes = zip(node.args, program.tensors[node.label].shape, strict=True)
            found += [_length(s, sizes) for at, s in axes if isinstance(at, Access) and at.label == name]
        elif isinstance(node, Delta) and any(isinstance(a, Access) and a.label == name for a in node.args):
            found += [_length(i.size, sizes) for i in node.args if isinstance(i, Index)]
    return min(found, default=2)


def _satisfy_facts(program: Program, values: dict[str, Any]) -> None:
    """Rescales inputs so that every declared fact holds: targets that add up to one, say."""
    for left, right in program.facts:
        reads = [a for a in left.accesses if program.tensors[a.label].role == "input"]
        if len(reads) == 1 and left.free <= set(reads[0].args):
            name, axes = reads[0].label, reads[0].args
            values[name] = np.abs(values[name]) + 0.1
            ratio = _value_of(program, right / left, values, tuple(i for i in axes if i in left.free))
            values[name] = values[name] * ratio.reshape(
                [n if i in left.free else 1 for i, n in _axes(axes, values[name])]
            )
    check_facts(program, values)


def _axes(axes: tuple[Expr, ...], array: Any) -> Iterator[tuple[Expr, int]]:
    return zip(axes, array.shape, strict=True)


def check_facts(program: Program, values: Values) -> None:
    """Raises SymbpError, naming the fact, unless the values satisfy all that the program declares."""
    for left, right in program.facts:
        gap = _value_of(program, left - right, values, tuple(sorted(left.free | right.free, key=lambda i: i.label)))
        if not np.all(np.abs(gap) < EXACT):
            raise SymbpError(
                f"the values break the declared fact {show(left)} = {show(right)}: change them, or drop it"
            )


def _value_of(program: Program, e: Expr, values: Values, axes: tuple[Index, ...]) -> Any:
    tensor = Tensor("value_of_fact", axes)
    asked = replace(
        program,
        tensors={**program.tensors, tensor.name: tensor},
        equations=(*program.equations, Equation(access(tensor.name, axes), e)),
    )
    return np.asarray(_evaluate(asked, values)[tensor.name])


def _evaluate(program: Program, values: Values) -> dict[str, Any]:
    with np.errstate(all="ignore"):  # what isn't finite fails later on, by name
        return evaluate(program, values)


# ---------------------------------------------------------------------------------------------- oracles


def complex_step(program: Program, values: Values, wrt: str | Iterable[str] | None = None) -> dict[str, Any]:
    """The gradient of the loss by each named tensor (default: the parameters), Im L(p + ih) / h entry by entry.

    Exact to rounding (Squire & Trapp 1998, Using Complex Variables to Estimate Derivatives of Real Functions).
    """
    return _entry_by_entry(program, values, wrt, along_complex)


def central_differences(
    program: Program, values: Values, wrt: str | Iterable[str] | None = None, step: float = STEP
) -> dict[str, Any]:
    """The gradient of the loss by each named tensor (default: the parameters), (L(p + h) - L(p - h)) / 2h."""
    return _entry_by_entry(program, values, wrt, partial(along_central, step=step))


def taylor_slope(program: Program, values: Values, gradients: Values, seed: int = 0) -> float:
    """The slope of log |L(p + e v) - L(p) - e g.v| over log e along a random v: 2 if g is the gradient, else 1.

    gradients: an array for each tensor to move. Infinite where the remainder is zero (a loss that is linear).
    """
    loss = _loss(program)
    rng = np.random.default_rng(seed)
    v = {name: rng.standard_normal(np.shape(g)) for name, g in gradients.items()}
    slope = sum(float(np.sum(np.asarray(gradients[name]) * v[name])) for name in v)
    start = loss(values)
    steps = np.array([2.0**-k for k in range(7, 13)])
    moved = [loss({**values, **{n: values[n] + e * v[n] for n in v}}) for e in steps]
    remainders = np.abs(np.array(moved) - start - steps * slope)
    if not np.all(np.isfinite(remainders)):
        return float("nan")
    if np.all(remainders <= 1e-14 * max(1.0, abs(start))):
        return float("inf")
    return float(np.polyfit(np.log(steps), np.log(np.maximum(remainders, 1e-300)), 1)[0])


Loss = Callable[[Values], Any]


def along_complex(loss: Loss, values: Values, name: str, direction: Any) -> float:
    """The derivative of the loss along a direction of one tensor, by the complex step."""
    h = 1e-30
    return float(np.imag(loss({**values, name: values[name] + 1j * h * direction})) / h)


def along_central(loss: Loss, values: Values, name: str, direction: Any, step: float = STEP) -> float:
    """The same by central differences at two steps, extrapolated (Richardson 1911).

    The two must agree but for rounding: where a kink lies between the points they don't, and the step shrinks.
    """
    h = step / sqrt(float(np.sum(direction**2)) or 1.0)
    for _ in range(4):
        (up, down), (nearer_up, nearer_down) = (
            (loss({**values, name: values[name] + s * direction}) for s in (w, -w)) for w in (h, h / 4)
        )
        wide, narrow = float((up - down) / (2 * h)), float((nearer_up - nearer_down) / (h / 2))
        rounding = ROUNDING * max(1.0, abs(float(up))) / h
        if not abs(wide - narrow) > DIFFERENCES / 10 * max(abs(wide), abs(narrow)) + 10 * rounding:
            break
        h /= 8
    return (16 * narrow - wide) / 15


def _entry_by_entry(
    program: Program, values: Values, wrt: str | Iterable[str] | None, along: Callable[..., float]
) -> dict[str, Any]:
    loss = _loss(program)
    out = {}
    for name in _names(program, wrt):
        shape = np.shape(values[name])
        out[name] = np.array([along(loss, values, name, unit) for unit in _units(shape)]).reshape(shape)
    return out


def _loss(program: Program) -> Loss:
    """The loss as a function of values, computing nothing else."""
    if program.loss is None:
        raise SymbpError(f"{program.title} has no loss to differentiate: name one when it is declared")
    name = program.loss
    needed = leading_to(program.equations, (name,))
    shorter = program.with_((e for e in program.equations if e.name in needed), outputs=(name,))
    return lambda values: _evaluate(shorter, values)[name]


def _names(program: Program, wrt: str | Iterable[str] | None) -> tuple[str, ...]:
    if wrt is None:
        return tuple(t.name for t in program.parameters or program.inputs if t.dtype == "real")
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in program.tensors or program.tensors[name].role == "computed":
            raise SymbpError(f"{name} is not an input or parameter of {program.title}: only these can be moved")
    return names


def _units(shape: tuple[int, ...]) -> Iterator[Any]:
    for k in range(prod(shape)):
        unit = np.zeros(prod(shape))
        unit[k] = 1.0
        yield unit.reshape(shape)


# ---------------------------------------------------------------------------------------------- the report


@dataclass(frozen=True)
class Comparison:
    """The worst relative error of one method on one tensor, and what is allowed."""

    parameter: str
    method: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return isfinite(self.error) and self.error <= self.tolerance


@dataclass(frozen=True)
class CheckReport:
    """What `check` found: a row a tensor, a column a method; `notes` say what was left out and why."""

    title: str
    sizes: Mapping[str, int]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return bool(self.comparisons) and all(c.passed for c in self.comparisons)

    @property
    def failures(self) -> tuple[Comparison, ...]:
        return tuple(c for c in self.comparisons if not c.passed)

    def __str__(self) -> str:
        methods = list(dict.fromkeys(c.method for c in self.comparisons))
        cells = {(c.parameter, c.method): f"{c.error:.1e}" + ("" if c.passed else " !") for c in self.comparisons}
        names = dict.fromkeys(c.parameter for c in self.comparisons)
        rows = [["", *methods], *([name, *(cells.get((name, m), "") for m in methods)] for name in names)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        at = "".join(f", {name} = {length}" for name, length in self.sizes.items())
        lines = [f"{self.title}{at}: worst relative error against the complex step"]
        for row in rows:
            first, *rest = (
                cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join((first, *rest)).rstrip())
        bad = ", ".join(f"{c.parameter} by {c.method} ({c.error:.1e} > {c.tolerance:.0e})" for c in self.failures)
        lines += [*(f"note: {n}" for n in self.notes), f"FAILED: {bad}" if bad else "passed"]
        return "\n".join(lines)


def relative_error(a: Any, b: Any, floor: float = 0.0) -> float:
    """max |a - b| / max(|a|, |b|), all over the whole arrays; nan if a value isn't finite.

    floor: a scale below which differences don't count as large, for gradients that are zero but for rounding.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return float("nan")
    largest = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)), floor)
    return float(np.max(np.abs(a - b), initial=0.0)) / largest if largest else 0.0


def check(
    program: Program,
    values: Values | None = None,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    *,
    wrt: str | Iterable[str] | None = None,
    others: Mapping[str, Callable[[Program, Values], Values]] | None = None,
) -> CheckReport:
    """Compares every way to the gradient on numbers, in float64.

    values: of inputs, parameters and state; default `random_values(program, seed, sizes)`. wrt: default the parameters.
    others: further columns, name -> function of (program, values) that gives the loss and d_<name> arrays by name;
    one that raises SymbpError is noted as left out.
    """
    values = random_values(program, seed, sizes) if values is None else values
    check_facts(program, values)
    return _Checker(program, values, _names(program, wrt), seed).report(others or {})


class _Checker:
    def __init__(self, program: Program, values: Values, names: tuple[str, ...], seed: int) -> None:
        self.program, self.names, self.prefix = program, names, adjoint_prefix(program)
        self.sizes: dict[str, int] = {}
        self.values = {
            t.name: bind(t, values[t.name], self.sizes) for t in program.tensors.values() if t.name in values
        }
        self.loss, self.loss_name = _loss(program), str(program.loss)
        rng = np.random.default_rng(seed + 1)
        self.directions = {name: list(_directions(self.values[name].shape, rng)) for name in names}
        self.reference = {name: self.along(along_complex, name) for name in names}
        self.scale = max((float(np.max(np.abs(r), initial=0.0)) for r in self.reference.values()), default=0.0)
        at_start = max(1.0, abs(float(self.loss(self.values))))
        self.unseen = ROUNDING * at_start / STEP / DIFFERENCES  # a gradient that rounding hides from differences
        self.found: list[Comparison] = []
        self.notes: list[str] = []

    def report(self, others: Mapping[str, Callable[[Program, Values], Values]]) -> CheckReport:
        self.add("reverse", lambda p, v: _evaluate(p.gradient(self.names, simplify=False), v))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedParameterWarning)  # given once
            self.add("simplified", lambda p, v: _evaluate(p.gradient(self.names), v))
            if not self.too_large_for_forward():
                self.add("forward", lambda p, v: _evaluate(p.gradient(self.names, method="forward"), v))
            if not self.too_large_for_naive():
                self.add("naive", self.naive)
            for method, function in others.items():
                try:
                    self.add(method, function)
                except SymbpError as error:
                    self.notes.append(f"{method} left out: {error}")
        for name in self.names:
            self.compare(name, "central", self.along(along_central, name), DIFFERENCES, self.unseen)
        in_order = {name: k for k, name in enumerate((*self.names, self.loss_name))}
        found = sorted(self.found, key=lambda c: in_order[c.parameter])
        return CheckReport(self.program.title, self.sizes, tuple(found), tuple(self.notes))

    def along(self, oracle: Callable[..., float], name: str) -> Any:
        return np.array([oracle(self.loss, self.values, name, v) for v in self.directions[name]])

    def add(self, method: str, function: Callable[[Program, Values], Values]) -> None:
        results = function(self.program, self.values)
        for name in self.names:
            gradient = np.asarray(results.get(f"{self.prefix}_{name}"), dtype=float)  # None becomes nan: a failure
            fits = gradient.shape == self.values[name].shape
            along = [np.sum(gradient * v) for v in self.directions[name]] if fits else np.nan
            self.compare(name, method, np.asarray(along), EXACT)
        if self.loss_name in results:
            error = relative_error(results[self.loss_name], self.loss(self.values), NEGLIGIBLE_LOSS)
            self.found.append(Comparison(self.loss_name, method, error, EXACT))

    def compare(self, name: str, method: str, along: Any, tolerance: float, floor: float = 0.0) -> None:
        error = relative_error(along, self.reference[name], max(self.scale / 1000, NEGLIGIBLE, floor))
        self.found.append(Comparison(name, method, error, tolerance))

    def too_large_for_forward(self) -> bool:
        largest = max(prod(_length(s, self.sizes) for s in t.shape) for t in self.program.tensors.values())
        entries = largest * max((self.values[name].size for name in self.names), default=0)
        if entries > FORWARD_ENTRIES:
            self.notes.append(f"forward left out: a tangent would have up to {entries:,} entries")
        return entries > FORWARD_ENTRIES

    def too_large_for_naive(self) -> bool:
        movable = sum(self.values[name].size for name in self.names)
        if movable > 200:
            self.notes.append(f"naive left out: {movable:,} parameters, each with an expression of its own")
            return True
        expanded = expand_loss(unroll(self.program, self.sizes), self.loss_name)
        operations = movable * sum(tree_operations(expanded).values())
        if operations > NAIVE_OPERATIONS:
            self.notes.append(
                f"naive left out: {movable} parameters times the expanded loss, {operations:,} operations"
            )
        return operations > NAIVE_OPERATIONS

    def naive(self, program: Program, values: Values) -> Values:
        derived = program.gradient(self.names, method="naive", sizes=self.sizes)
        results = _evaluate(derived, split(derived, values))
        whole = {t.entry[0] for t in derived.tensors.values() if t.entry and t.role == "computed"}
        return {self.loss_name: results[self.loss_name], **{name: join(derived, results, name) for name in whole}}


def _directions(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[Any]:
    """Every entry of a small tensor, random signs for a large one."""
    if prod(shape) <= ENTRIES:
        yield from _units(shape)
    else:
        for _ in range(ENTRIES):
            yield rng.choice([-1.0, 1.0], shape)
