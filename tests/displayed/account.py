"""Every formula that a derivation displays, and whether its sides are equal."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from displayed import notes
from displayed import tree as t
from displayed.legend import MATH, Legend, legend
from displayed.matrices import Matrices
from displayed.meaning import Meaning
from displayed.point import Point
from displayed.reader import read, sides
from displayed.slices import Slices
from displayed.tree import children
from symbp.errors import UnusedParameterWarning
from symbp.expr import Index
from symbp.program import Equation, Program, Tensor
from symbp.show.derivation import derivation
from symbp.show.words import LANGUAGES

EXACT = 1e-9


@dataclass(frozen=True)
class Shown:
    """A formula as it is displayed: side = side = ... name: of what it defines, as programs call it."""

    where: str
    sides: tuple[str, ...]
    name: str | None = None


class Network:
    """A network at a random point, for all its accounts. like: the same at another point."""

    def __init__(
        self, net: Program, given: Mapping[str, Any], sizes: Mapping[str, int], like: Network | None = None
    ) -> None:
        self.net, self.given, self.sizes = net, given, sizes
        self.derivations: dict[tuple[Any, ...], Any] = like.derivations if like else {}
        self.points: dict[tuple[Any, ...], Point] = {}
        self.values: dict[tuple[str, str], dict[str, Any]] = {}
        self.checked: dict[Any, list[str]] = {}

    def derivation(self, level: str, method: str = "reverse", **options: Any) -> Any:
        """options: other arguments, such as the convention."""
        key = (level, method, *((name, repr(value)) for name, value in sorted(options.items())))
        if key not in self.derivations:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnusedParameterWarning)
                sizes = self.sizes if level == "neuron" else None
                self.derivations[key] = derivation(self.net, level=level, method=method, sizes=sizes, **options)
        return self.derivations[key]

    def worked(self, level: str) -> Account:
        """The account of a derivation with numbers in it."""
        d = self.derivation(level, at=self.given)
        if level == "neuron":
            wide, derived = self.tensors("index", "reverse")
            return Account(d, wide, self.point(wide), derived, self.lengths)
        derived = {n: np.asarray(v) for n, v in d.program.evaluate(self.given).items()}
        return Account(d, d, self.point(d), derived, self.lengths)

    def tensors(self, level: str, method: str) -> Any:
        """The account at tensor level and the values there of all that it derives."""
        d = self.derivation(level, method)
        if (level, method) not in self.values:
            self.values[level, method] = {n: np.asarray(v) for n, v in d.program.evaluate(self.given).items()}
        return d, self.values[level, method]

    def account(self, level: str, method: str = "reverse") -> Account:
        if level != "neuron":
            d, derived = self.tensors(level, method)
            return Account(d, d, self.point(d), derived, self.lengths, self.checked)
        wide, derived = self.tensors("index", "reverse" if method == "naive" else method)
        return Account(self.derivation(level, method), wide, self.point(wide), derived, self.lengths)

    @property
    def lengths(self) -> dict[str, int]:
        return {n: int(self.sizes[n]) for n in self.net.size_names}

    def point(self, d: Any) -> Point:
        """The point of the equations that the account says define the network."""
        equations = tuple(Equation(f.target, f.value) for f in (*d.definitions, *d.updates))
        key = tuple((e.target, e.value) for e in equations)
        if key not in self.points:
            known = {e.name for e in equations}
            tensors = {n: x for n, x in d.program.tensors.items() if x.role != "computed" or n in known}
            for e in equations:
                axes = tuple(i for i in e.target.args if isinstance(i, Index))
                tensors.setdefault(e.name, Tensor(e.name, axes))
            self.points[key] = point = Point(Program("", tensors, equations, (), self.net.loss), self.given)
            exact = self.net.evaluate(self.given)[self.net.loss]
            if not close(point.values[self.net.loss], exact, EXACT):
                raise t.Unreadable("the definitions are of another network")
        return self.points[key]


class Account:
    """A derivation with what its formulas are compared with.

    wide: the same, or at neuron level the one in index notation. derived: values of all that it computes, by name.
    checked: what was found about formulas that another account of the network shows as well.
    """

    def __init__(
        self,
        d: Any,
        wide: Any,
        point: Point,
        derived: Mapping[str, Any],
        lengths: dict[str, int],
        checked: dict[Any, list[str]] | None = None,
    ) -> None:
        self.d, self.wide, self.point, self.derived = d, wide, point, derived
        self.checked = {} if checked is None else checked
        self.loss = point.program.loss
        self.columns: set[str] = set()
        self.arrays = legend(d, lengths)
        self.entries = legend(d, lengths, True) if d.level == "neuron" else None
        rows = self.entries.rows() if self.entries else []
        self.places = {r.meaning: (r.tensor, r.entry) for r in rows if r.entry is not None}
        self.named = {"_".join((tensor, *map(str, at))): (tensor, at) for tensor, at in self.places.values()}

    # ------------------------------------------------------------------------------------- what is shown

    def shown(self) -> Iterator[Shown]:
        d = self.d
        for title, formulas in (("definition", d.definitions), ("update", d.updates), ("summary", d.summary)):
            for f in formulas:
                yield Shown(f"{title} of {f.name}", tuple(s.latex for s in f.sides), f.name)
        for step in d.every_step:
            for f in step.formulas:
                yield Shown(f"step {step.number}, {f.name}", tuple(s.latex for s in f.sides), f.name)

    def said(self) -> Iterator[Shown]:
        """The formulas within sentences."""
        for k, sentence in enumerate(self.d.intro):
            yield from self.within(f"introduction {k}", sentence.latex)
        for step in self.d.every_step:
            for sentence in (step.title, *step.prose):
                yield from self.within(f"words of step {step.number}", sentence.latex)

    def within(self, where: str, sentence: str) -> Iterator[Shown]:
        for text in MATH.findall(sentence):
            yield Shown(where, tuple(sides(text)))

    def told(self) -> Iterator[notes.Told]:
        """What the notes say of functions."""
        return notes.told(self.d.notes, LANGUAGES[self.d.language])

    # ------------------------------------------------------------------------------------------ checking

    def faults(self) -> list[str]:
        """What is wrong with the account, formula by formula."""
        out = []
        for shown in self.shown():
            out += self.check(shown)
        for shown in self.said():
            out += self.check_said(shown)
        for said in self.told():
            out += self.check_told(said)
        formulas = (*self.d.definitions, *self.d.updates)
        return out + notes.unexplained([*self.told()], [s.latex for f in formulas for s in f.sides])

    def check(self, shown: Shown) -> list[str]:
        """Every side has the value that the program computes."""
        if len(shown.sides) < 2:
            return [f"{shown.where}: nothing is said of {shown.sides}"]
        key = None if self.entries else (shown.name, shown.sides, self.d.method, self.arrays.key)
        found = self.checked.get(key)
        if found is None:
            found = self.compared(shown, lambda: self.values(shown.sides), lambda: self.expected(shown.name))
        if key:
            self.checked[key] = found
        return found

    def check_said(self, shown: Shown) -> list[str]:
        """A formula within a sentence: of arrays as a whole, entry by entry, or in index notation."""
        return self.compared(shown, lambda: self.values_said(shown.sides), lambda: None)

    def check_told(self, said: notes.Told) -> list[str]:
        """A function is what a note says, and so is its derivative."""
        return notes.faults(said, self.arrays)

    def compared(self, shown: Shown, values: Callable[[], Any], expected: Callable[[], Any]) -> list[str]:
        try:
            found, exact = values(), expected()
        except (t.Unreadable, ValueError, LookupError, TypeError, AttributeError) as error:
            return [f"{shown.where}: {type(error).__name__}: {error}"]
        exact = found[0][0] if exact is None else exact
        return [
            f"{shown.where}: {text} is {np.ravel(value)[:4]}, not {np.ravel(exact)[:4]}"
            for (value, slack), text in zip(found, shown.sides, strict=True)
            if np.shape(value) != np.shape(exact) or not close(value, exact, EXACT + 4 * slack)
        ]

    def expected(self, name: str | None) -> Any:
        assert name is not None
        if name in self.derived:
            return self.derived[name]
        if name in self.point.values:
            return self.point.values[name]
        known = self.d.program.tensors.get(name)
        tensor, at = (known and known.entry) or self.named.get(name) or self.split(name)
        return self.tensor(tensor)[at]

    def split(self, name: str) -> tuple[str, tuple[int, ...]]:
        """The tensor and the place of an entry that the program of the account doesn't have."""
        found = [m for tensor in self.derived if (m := re.fullmatch(rf"({tensor})((?:_\d+)+)", name))]
        if len(found) != 1:
            raise LookupError(name)
        return found[0][1], tuple(map(int, found[0][2].split("_")[1:]))

    def values(self, texts: tuple[str, ...]) -> list[tuple[Any, float]]:
        """The value of each side, with how exact it is as far as digits are cut off."""
        if self.entries:
            return [self.scalar(read(text, self.entries)) for text in texts]
        free, trees = self.trees(texts, self.arrays)
        if any(self.is_slice(part) for tree in trees for part in t.walk(tree)):
            return [self.stack(tree, trees[0], free) for tree in trees]
        if not any(has_indices(tree) for tree in trees):
            self.orient(trees[0], trees[-1])
            return [self.matrix(tree, trees[0]) for tree in trees]
        return [self.array(tree, trees[0], free) for tree in trees]

    def trees(self, texts: tuple[str, ...], legend: Legend) -> tuple[tuple[str, ...], list[Any]]:
        """The indices that are free on the left, and each side."""
        left = read(texts[0], legend, None)
        free = tuple(dict.fromkeys(free_indices(left)))
        return free, [left, *(read(text, legend, frozenset(free)) for text in texts[1:])]

    def is_slice(self, tree: Any) -> bool:
        """Whether this is a tensor with fewer indices than it has axes."""
        if not (self.arrays.sliced and isinstance(tree, t.Name)):
            return False
        return len(tree.indices) < len(self.arrays.shape(tree.tensor))

    def scalar(self, tree: Any) -> tuple[Any, float]:
        meaning = Meaning(self.entries, self.entry, self.entry_derivative)
        return meaning.value(tree), meaning.slack

    def array(self, tree: Any, left: Any, free: tuple[str, ...]) -> tuple[Any, float]:
        meaning = Meaning(self.arrays, self.tensor, self.derivative)
        lengths = meaning.lengths(free, left)
        for label, length in reversed(list(zip(free, lengths, strict=True))):
            meaning.bind(label, length)
        return np.broadcast_to(meaning.value(tree), lengths), meaning.slack

    def stack(self, tree: Any, left: Any, free: tuple[str, ...]) -> tuple[Any, float]:
        """The matrices of all samples, as the tensor that they are slices of."""
        meaning = Slices(self.arrays, self.tensor, self.derivative)
        lengths = meaning.lengths(free, left)
        for label, length in reversed(list(zip(free, lengths, strict=True))):
            meaning.bind(label, length)
        value = np.broadcast_to(meaning.value(tree), (*lengths, *np.shape(meaning.value(left))[-2:]))
        wanted = left.wrt if isinstance(left, t.Derivative) else left
        return value.reshape(np.shape(self.tensor(wanted.tensor))), meaning.slack

    def matrix(self, tree: Any, left: Any) -> tuple[Any, float]:
        meaning = Matrices(self.arrays, self.tensor, self.derivative)
        meaning.columns = self.columns
        value = meaning.value(tree)
        parts = (left.of, left.wrt) if isinstance(left, t.Derivative) else (left,)
        shape = tuple(n for part in parts for n in np.shape(self.tensor(part.tensor)))
        if np.size(value) == 1 and not shape:  # a row times a column
            return np.reshape(value, ()), meaning.slack
        return np.broadcast_to(value, np.shape(meaning.value(left))).reshape(shape), meaning.slack

    def orient(self, left: Any, right: Any) -> None:
        """Notes a vector of as many entries as a matrix has rows and columns, where its formula gives a column."""
        if isinstance(left, t.Name) and np.ndim(self.tensor(left.tensor)) == 1:
            (size,) = self.arrays.shape(left.tensor)
            meaning = Matrices(self.arrays, self.tensor, self.derivative)
            meaning.columns = self.columns
            if size in self.arrays.square_sizes and np.shape(meaning.value(right))[1:] == (1,):
                self.columns.add(left.tensor)

    def values_said(self, texts: tuple[str, ...]) -> list[tuple[Any, float]]:
        if len(texts) == 1:  # a quantity is only mentioned
            self.mentioned(texts[0])
            return [(0.0, 0.0)]
        left = read(texts[0], self.arrays, None)
        free = tuple(dict.fromkeys(free_indices(left)))
        if free:
            return [self.array(read(text, self.arrays, frozenset(free)), left, free) for text in texts]
        trees = [read(text, self.arrays) for text in texts]
        if isinstance(left, t.Derivative) and left.of.tensor != self.loss:
            return [self.diagonal(left), *(self.entrywise(tree, left) for tree in trees[1:])]
        return [self.entrywise(tree, left) for tree in trees]

    def mentioned(self, text: str) -> None:
        """Reads the name of an array, or of an entry."""
        try:
            read(text, self.arrays, None)
        except t.Unreadable:
            if self.entries is None:
                raise
            read(text, self.entries)

    def diagonal(self, left: t.Derivative) -> tuple[Any, float]:
        """The derivative of each entry by its own, where it has no others."""
        block = self.derivative(left.of.tensor, left.wrt.tensor)
        shape = self.tensor(left.of.tensor).shape
        square = block.reshape(int(np.prod(shape)), -1)
        diagonal = np.diagonal(square)
        if not np.array_equal(square, np.diag(diagonal)):
            raise t.Unreadable("the derivative is no entrywise one")
        return diagonal.reshape(shape), 0.0

    def entrywise(self, tree: Any, left: Any) -> tuple[Any, float]:
        whole = left.wrt if isinstance(left, t.Derivative) else left
        shape = np.shape(self.tensor(whole.tensor))
        meaning = Whole(self.arrays, self.tensor, self.derivative)
        return np.broadcast_to(meaning.value(tree), shape), meaning.slack

    # -------------------------------------------------------------------------------- tensors and entries

    def tensor(self, name: str) -> Any:
        return self.derived[name] if name in self.derived else self.point.values[name]

    def derivative(self, of: str, wrt: str) -> Any:
        """Along all paths of the loss; in forward accumulation, by a parameter. Else of one equation."""
        along = wrt in self.arrays.parameters if self.d.method == "forward" else of == self.loss
        if along:
            return self.point.total(of, wrt)
        if wrt not in self.point.program.equation(of).value.tensors:
            raise t.Unreadable(f"{of} does not read {wrt}")
        return self.point.local(of, wrt)

    def entry(self, key: str) -> Any:
        if key not in self.places:
            return self.tensor(key)
        tensor, at = self.places[key]
        return self.tensor(tensor)[at]

    def entry_derivative(self, of: str, wrt: str) -> Any:
        (over, above), (under, below) = self.places[of], self.places[wrt]
        return self.derivative(over, under)[above + below]


class Whole(Matrices):
    """Arrays of any number of axes, entry by entry: those with fewer belong to the last axes."""

    def scalar(self, name: str) -> Any:
        return self.tensor(name)

    def gradient(self, of: str, wrt: str) -> Any:
        return self.derivative(of, wrt)

    def product(self, factors: tuple[Any, ...]) -> Any:
        return Meaning.product(self, factors)


def close(a: Any, b: Any, tolerance: float) -> bool:
    """Relative to the largest entry; what is not a number is not close."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    scale = max(float(np.max(np.abs(b), initial=0)), 1e-3)
    return bool(np.all(np.abs(a - b) <= tolerance * scale))


def free_indices(tree: Any, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """The indices of a tree that no sum binds, in the order in which they stand there."""
    if isinstance(tree, t.IndexName) and tree.label not in bound:
        yield tree.label
    inner = bound | frozenset(tree.indices) if isinstance(tree, t.Reduce) else bound
    for part in children(tree):
        yield from free_indices(part, inner)


def has_indices(tree: Any) -> bool:
    """Whether it is in index notation."""
    return isinstance(tree, (t.IndexName, t.Reduce)) or any(map(has_indices, children(tree)))
