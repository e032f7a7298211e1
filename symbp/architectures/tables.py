"""Networks from TOML files: an input, a list of layers, a loss. docs/architectures.md describes them.

What is written is looked up in the catalogue and checked there; nothing of it is evaluated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import sympy as sp

from symbp.architectures.catalogue import LAYERS, LOSS_KINDS, REQUIRED, Kind, Option
from symbp.builder import MOST_LAYERS
from symbp.errors import SymbpError, nearest
from symbp.layers import Layer
from symbp.program import Program
from symbp.sequence import Sequential

SCHEMA = """\
title = "..."                # left out: the file's path
loss = "cross_entropy"       # a name, or a table: loss = {kind = "huber", delta = 0.5}

[input]                      # one of these three, of one sample
features = 64                #   a vector
shape = [1, 28, 28]          #   channels, height, width, say; a name as in ["T", 8] is a length left open
tokens = "T"                 #   whole numbers, so many; the first layer is then an embedding
batch = 32                   # left out: any batch B

[[layers]]                   # one table a layer, in their order
kind = "dense"               # its name, and its options:
units = 32
repeat = 2                   # so many of it, one after another (1, at most 5000)
"""
TOP, INPUTS = ("title", "input", "layers", "loss"), ("features", "shape", "tokens")
LARGEST = 10**9


@dataclass(frozen=True)
class Place:
    """Where something stands in a file, for messages: layers[2].units, counted from 1."""

    file: str
    path: str = ""

    def key(self, name: str) -> Place:
        return replace(self, path=f"{self.path}.{name}" if self.path else name)

    def item(self, number: int) -> Place:
        return replace(self, path=f"{self.path}[{number}]")

    def error(self, message: str) -> SymbpError:
        return SymbpError(f"{self.file}: {self.path}: {message}" if self.path else f"{self.file}: {message}")

    def keys(self, table: Any, known: Iterable[str], what: str) -> Mapping[str, Any]:
        """The table. Raises SymbpError if it is none, or has a key that isn't known."""
        if not isinstance(table, Mapping):
            raise self.error(f"{what} is a table of options, not {shown(table)}")
        names = list(known)
        for name in table:
            if name not in names:
                raise self.key(name).error(f"{what} has no such option: {nearest(name, names)}")
        return table


def from_toml(path: Path) -> Program:
    """The network of a TOML file. Raises SymbpError naming the place in it, OSError if it can't be read."""
    return read_toml(path.read_bytes(), path.as_posix())


def read_toml(text: bytes, name: str) -> Program:
    """The network of a TOML text. name: stands in errors, and is the title where the text has none."""
    top = Place(name)
    try:
        found = tomllib.loads(text.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError:
        raise top.error("it is not a text in UTF-8") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise top.error(f"it is not TOML: {error}") from None
    top.keys(found, TOP, "the file")
    for key, example in (("input", "features = 64"), ("layers", 'kind = "dense"'), ("loss", '"cross_entropy"')):
        if key not in found:
            form = {"input": f"[input] with {example}", "layers": f"[[layers]] with {example}"}.get(key, example)
            raise top.error(f"there is no {key}: give {form if key != 'loss' else f'loss = {example}'}")
    chain = _layers(top.key("layers"), found["layers"])
    options = _input(top.key("input"), found["input"], chain[0].reads_integers)
    loss = made_of(top.key("loss"), found["loss"], LOSS_KINDS, "loss")
    title = found.get("title", name)
    if not isinstance(title, str) or not title.strip() or not title.isprintable():
        raise top.key("title").error(f"it is a line of text, not {shown(title)}")
    try:
        return Sequential(*chain, loss=loss, title=title, **options)
    except SymbpError as error:
        raise top.error(str(error)) from None


def _input(place: Place, table: Any, integers: bool) -> dict[str, Any]:
    """What Sequential is told of the input."""
    place.keys(table, (*INPUTS, "batch"), "input")
    given = [key for key in INPUTS if key in table]
    if len(given) != 1:
        raise place.error(f"give one of {', '.join(INPUTS)}, not {' and '.join(given) or 'none'}")
    (form,) = given
    at, value = place.key(form), table[form]
    if (form == "tokens") != integers and form != "shape":
        raise at.error("the first layer is an embedding, so the input is tokens = the length, or \"T\"" if integers
                       else "tokens need an embedding as the first layer: kind = \"embedding\"")  # fmt: skip
    out: dict[str, Any] = {}
    if form == "shape":
        if not isinstance(value, list) or not (value or integers):
            raise at.error(f"it is a list of sizes such as [1, 28, 28], not {shown(value)}")
        out["shape"] = tuple(_size(at.item(n), v) for n, v in enumerate(value, 1))
    elif form == "tokens":
        out["shape"] = (_size(at, value),)
    else:
        out["features"] = _whole(at, value)
    if "batch" in table:
        out["batch"] = _whole(place.key("batch"), table["batch"])
    return out


def _layers(place: Place, value: Any) -> list[Layer]:
    """The layers of a list."""
    if not isinstance(value, list) or not value:
        raise place.error(f"it is a list of layers, one or more, not {shown(value)}")
    return [layer for n, v in enumerate(value, 1) for layer in _several(place.item(n), v)]


def _several(place: Place, value: Any) -> list[Layer]:
    """The layers of one entry: more than one where it says repeat."""
    layer = made_of(place, value, LAYERS, "layer", ("repeat",))
    return [layer] * (_whole(place.key("repeat"), value["repeat"], most=MOST_LAYERS) if "repeat" in value else 1)


def made_of(place: Place, value: Any, kinds: Mapping[str, Kind], what: str, more: tuple[str, ...] = ()) -> Any:
    """What a name stands for, or a table with a kind and options. more: keys that aren't the kind's, and may stand."""
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise place.error(f"a {what} is a name, or a table with a kind, not {shown(value)}")
    name = value["kind"]
    if not isinstance(name, str) or name not in kinds:
        raise place.key("kind").error(f"there is no {what} {shown(name)}: {nearest(str(name), kinds)}")
    kind = kinds[name]
    place.keys(value, ("kind", *kind.options, *more), name)
    given = {key: _value(place.key(key), kind.options[key], v) for key, v in value.items() if key in kind.options}
    for option in kind.options.values():
        if option.default is REQUIRED and option.name not in given:
            raise place.error(f"{name} needs {option.name}: {option.type}")
    try:
        return kind.make(given)
    except SymbpError as error:
        raise place.error(str(error)) from None


def _value(place: Place, option: Option, value: Any) -> Any:
    """An option's value, of the type that the option has."""
    match option.type:
        case "true or false":
            if not isinstance(value, bool):
                raise place.error(f"it is true or false, not {shown(value)}")
            return value
        case "whole number":
            return _whole(place, value, option.least)
        case "number":
            return _number(place, value)
        case "word":
            if value not in option.words:
                raise place.error(f"unknown word {shown(value)}: {nearest(str(value), option.words)}")
            return value
        case "layer":
            return made_of(place, value, LAYERS, "layer")
        case "layers":
            return tuple(_layers(place, value))
        case "loss":
            return made_of(place, value, LOSS_KINDS, "loss")
        case "numbers":
            if not isinstance(value, list):
                raise place.error(f"it is a list of numbers, not {shown(value)}")
            return tuple(_number(place.item(n), v) for n, v in enumerate(value, 1))
        case _:
            if not isinstance(value, list) or len(value) != 2:
                raise place.error(f'it is a list of a length and a width such as ["S", 8], not {shown(value)}')
            return _size(place.item(1), value[0]), _whole(place.item(2), value[1])


def _whole(place: Place, value: Any, least: int = 1, most: int = LARGEST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise place.error(f"it is a whole number from {least} to {most:,}, not {shown(value)}")
    return value


def _number(place: Place, value: Any) -> Any:
    """An exact number: 0.1 is 1/10."""
    decimal = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(decimal, Decimal) or not decimal.is_finite() or abs(decimal.adjusted()) > 100:
        raise place.error(f"it is a number, not {shown(value)}")
    return sp.Rational(*decimal.as_integer_ratio())


def _size(place: Place, value: Any) -> int | str:
    """A number, or a name for a size that is left open."""
    if isinstance(value, str):
        if not (value.isascii() and value.isidentifier() and value != "B"):
            raise place.error(f"a size that is left open has a name such as T (B is the batch), not {shown(value)}")
        return value
    return _whole(place, value)


def shown(value: Any) -> str:
    """A value as the message shows it."""
    text = str(value).lower() if isinstance(value, bool) else repr(str(value) if isinstance(value, Decimal) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
