"""The value of a formula in index notation, or of scalars: an array with one axis for each index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from displayed import tree as t
from displayed.functions import BRACKETED, PREFIX, WITH_PARAMETER
from displayed.legend import Legend

Value = Any
Tensor = Callable[[str], Value]
Derivative = Callable[[str, str], Value]
RELATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


class Meaning:
    """tensor: name -> array. derivative: (of, wrt) -> array with the axes of both.

    An index that was bound as the k-th has axis -k of every value, so that values broadcast.
    """

    def __init__(self, legend: Legend, tensor: Tensor, derivative: Derivative) -> None:
        self.legend, self.tensor, self.derivative = legend, tensor, derivative
        self.indices: dict[str, Value] = {}
        self.slack = 0.0

    # -------------------------------------------------------------------------------------------- indices

    def bind(self, label: str, length: int) -> None:
        depth = len(self.indices)
        self.indices[label] = (np.arange(length) + self.legend.origin).reshape((length,) + (1,) * depth)

    def lengths(self, labels: tuple[str, ...], body: Any) -> list[int]:
        """How far the indices run: as far as the axes do at which they stand, else as the notes say."""
        out = []
        for label in labels:
            found = set(self.uses(label, body))
            said = {self.last(text) for text in self.legend.range_of(label)}
            if len(found) > 1 or (said and not found <= said) or not (found or len(said) == 1):
                raise t.Unreadable(f"the index {label} runs over {found}, the notes say {said or 'nothing'}")
            out.append((found or said).pop())
        return out

    def last(self, text: str) -> int:
        """The number of values of an index whose last one is this."""
        from displayed.reader import read

        return int(self.value(read(text, self.legend))) + 1 - self.legend.origin

    def uses(self, label: str, tree: Any) -> Iterator[int]:
        """The lengths of the axes at which an index stands alone."""
        if isinstance(tree, t.Reduce) and label in tree.indices:
            return
        if isinstance(tree, t.Name) and tree.indices:
            shape = np.shape(self.tensor(tree.tensor))
            for k, i in enumerate(tree.indices):
                if i == t.IndexName(label):
                    yield shape[k]
        for part in t.children(tree):
            yield from self.uses(label, part)

    # --------------------------------------------------------------------------------------------- values

    def value(self, tree: Any) -> Value:
        match tree:
            case t.Number(value, slack):
                self.slack = max(self.slack, slack / abs(value)) if slack else self.slack
                return value
            case t.Size(label):
                return self.legend.lengths[label]
            case t.IndexName(label):
                return self.indices[label]
            case t.Name(name, ()):
                return self.scalar(name)
            case t.Name(name, indices):
                return self.entries(self.tensor(name), indices)
            case t.Derivative(of, wrt):
                return self.entries(self.derivative(of.tensor, wrt.tensor), (*of.indices, *wrt.indices))
            case t.Sum(terms):
                return sum(sign * self.value(part) for sign, part in terms)
            case t.Product(factors):
                return self.product(factors)
            case t.Fraction(top, bottom):
                return self.value(top) / self.value(bottom)
            case t.Power(base, exponent, False):
                return np.asarray(self.value(base), float) ** self.value(exponent)
            case t.Call("abs", (x,)):
                return np.abs(self.value(x))
            case t.Call(function, arguments):
                return self.call(function, [self.value(a) for a in arguments])
            case t.Reduce(kind, indices, body):
                return self.reduce(kind, indices, body)
            case t.Kronecker(left, right):
                return np.equal(self.value(left), self.value(right)).astype(int)
            case t.Iverson(condition):
                return np.asarray(self.condition(condition)).astype(int)
            case t.Cases(condition, then, otherwise):
                return np.where(self.condition(condition), self.value(then), self.value(otherwise))
            case t.SquaredNorm(of):
                return np.sum(np.asarray(self.value(of)) ** 2)
        raise t.Unreadable(f"no meaning in index notation: {tree}")

    def scalar(self, name: str) -> Value:
        value = self.tensor(name)
        if np.ndim(value):
            raise t.Unreadable(f"{name} has indices, and none is written")
        return value

    def entries(self, array: Value, indices: tuple[Any, ...]) -> Value:
        """The array read at index expressions; where that is outside of it, no number."""
        if np.ndim(array) != len(indices):
            raise t.Unreadable(f"{len(indices)} indices for {np.ndim(array)} axes")
        places = np.broadcast_arrays(*(np.asarray(self.value(i)) - self.legend.origin for i in indices))
        inside = np.ones(places[0].shape, bool) if places else np.ones((), bool)
        held = []
        for place, length in zip(places, np.shape(array), strict=True):
            inside &= (place >= 0) & (place < length)
            held.append(np.clip(place, 0, length - 1).astype(int))
        found = np.asarray(array)[tuple(held)]
        return found if inside.all() else np.where(inside, found, np.nan)

    def product(self, factors: tuple[Any, ...]) -> Value:
        """0 where a bracket [A], a delta or the "0 else" of a brace is 0, whatever the other factors are there."""
        out: Value = 1
        off: Value = False
        for f in factors:
            value = self.value(f)
            out = out * value
            brace = isinstance(f, t.Cases) and t.Number(0) in (f.then, f.otherwise)
            if brace or isinstance(f, (t.Iverson, t.Kronecker)):
                off = off | (value == 0)
        return np.where(off, 0, out) if off is not False else out

    def call(self, function: str, arguments: list[Value]) -> Value:
        if function in WITH_PARAMETER:
            held, usual = WITH_PARAMETER[function]
            return held(arguments[0], arguments[1] if len(arguments) > 1 else usual)
        return (PREFIX.get(function) or BRACKETED[function])(*arguments)

    def reduce(self, kind: str, indices: tuple[str, ...], body: Any) -> Value:
        outer = dict(self.indices)
        lengths = self.lengths(indices, body)
        for label, length in zip(indices, lengths, strict=True):
            self.bind(label, length)
        value = np.asarray(self.value(body))
        deep, flat = len(self.indices), len(outer)
        self.indices = outer
        value = value.reshape((1,) * (deep - value.ndim) + value.shape)
        value = np.broadcast_to(value, (*reversed(lengths), *value.shape[deep - flat :]))
        over = tuple(range(deep - flat))
        return value.sum(over) if kind == "sum" else value.max(over)

    def condition(self, tree: Any) -> Value:
        match tree:
            case t.Relation(operator, left, right):
                return RELATIONS[operator](self.value(left), self.value(right))
            case t.Logic("not", (a,)):
                return np.logical_not(self.condition(a))
            case t.Logic("and", parts):
                return np.logical_and.reduce(np.broadcast_arrays(*map(self.condition, parts)))
            case t.Logic("or", parts):
                return np.logical_or.reduce(np.broadcast_arrays(*map(self.condition, parts)))
        raise t.Unreadable(f"no condition: {tree}")
