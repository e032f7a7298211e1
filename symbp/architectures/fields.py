"""Short texts, `family:field,field,...`: families of networks, fields, and errors that name the field at fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symbp.errors import SymbpError, nearest
from symbp.functions import TABLE
from symbp.layers import LOSSES, Activation, BatchNorm, Dropout, Layer, Softmax
from symbp.program import Program

DIGITS = 9  # a size with more is a slip of the keyboard


@dataclass(frozen=True)
class Family:
    """Networks that are written alike.

    about: what they are, in a line. usage: the form of a text. grammar: what its words mean. examples: text -> what
    it is. build: the network of a text.
    """

    name: str
    about: str
    usage: str
    grammar: str
    examples: Mapping[str, str]
    build: Callable[[str], Program]


@dataclass(frozen=True)
class Field:
    """What stands between two commas. whole: the text that it is of; place: which field it is there, from 1."""

    whole: str
    place: int
    text: str

    def error(self, message: str) -> SymbpError:
        return SymbpError(f"{self.whole!r}: field {self.place} {self.text!r}: {message}")

    def integer(self, digits: str, what: str, least: int = 1, most: int | None = None) -> int:
        """The number that the digits write. most: the largest; left out, any of not too many digits."""
        if not is_integer(digits) or int(digits) < least or (most is not None and int(digits) > most):
            kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
            limit = f"of up to {DIGITS} digits" if most is None else f"of at most {most:,}"
            raise self.error(f"{what} must be {kind} {limit}, not {digits!r}")
        return int(digits)

    def sizes(self, between: str, form: str, counts: Sequence[int]) -> list[int]:
        """The positive integers of a field such as 32-128-10 or 3x32x32, as many as one of `counts` says."""
        words = self.text.split(between)
        if len(words) not in counts or not all(is_integer(w) and int(w) > 0 for w in words):
            raise self.error(f"expected {form}")
        return [int(w) for w in words]

    def loss(self) -> str:
        """The name of a loss."""
        return self.one_of(self.text, LOSSES, "loss")

    def one_of(self, word: str, known: Iterable[str], what: str) -> str:
        names = list(known)
        if word not in names:
            raise self.error(f"unknown {what} {word!r}: {nearest(word, names)}")
        return word

    def layer(self, word: str, others: Sequence[str] = ()) -> Layer:
        """The layer of a word such as relu, batch_norm, softmax or dropout0.1. others: words the caller knows."""
        if word in ("batch_norm", "softmax"):
            return BatchNorm() if word == "batch_norm" else Softmax()
        if re.fullmatch(r"dropout[0-9.]+", word):
            return Dropout(self.rate(word.removeprefix("dropout")))
        return Activation(self.one_of(word, [*ACTIVATIONS, "batch_norm", "softmax", "dropout0.1", *others], "layer"))

    def rate(self, digits: str) -> str:
        """A decimal number in [0, 1), as text, so that it stays exact."""
        if not re.fullmatch(r"0|0?\.[0-9]{1,9}", digits):
            raise self.error(f"a rate is a decimal number of at least 0 and less than 1, as 0.1, not {digits!r}")
        return digits


ACTIVATIONS = tuple(name for name, row in TABLE.items() if row.arity - len(row.defaults) == 1)


def is_integer(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= DIGITS


def fields(text: str, family: str) -> list[Field]:
    """The fields behind `family:`."""
    return [Field(text, n, f.strip()) for n, f in enumerate(text.removeprefix(f"{family}:").split(","), 1)]


class Settings:
    """The fields name=value of a text, and what they say. Raises SymbpError for a name unknown or given twice.

    known: the names that a family takes. words: other fields that it takes, for messages.
    """

    def __init__(self, found: Iterable[Field], known: Sequence[str], words: Sequence[str] = ()) -> None:
        self.values: dict[str, tuple[Field, str]] = {}
        for field in found:
            name, equals, value = (part.strip() for part in field.text.partition("="))
            field.one_of(name, [*known, *words], "option")
            if not equals or name in words:
                raise field.error(f"{name} takes no value" if name in words else f"give a value: {name}=...")
            if name in self.values:
                raise field.error(f"{name} is given twice: keep one")
            self.values[name] = (field, value)

    def integer(self, name: str, default: int, least: int = 1, most: int | None = None) -> int:
        if name not in self.values:
            return default
        field, value = self.values[name]
        return field.integer(value, name, least, most)

    def word(self, name: str, known: Iterable[str], default: str) -> str:
        if name not in self.values:
            return default
        field, value = self.values[name]
        return field.one_of(value, known, name)

    def rate(self, name: str) -> str:
        """A share such as a dropout rate; empty where it isn't given or zero."""
        if name not in self.values:
            return ""
        field, value = self.values[name]
        return field.rate(value) if value.strip("0.") else ""


def built(text: str, make: Callable[[], Any]) -> Program:
    """What make() gives, with the text in front of an error about layers that don't fit each other."""
    try:
        return make()
    except SymbpError as error:
        raise SymbpError(f"{text!r}: {error}") from None
