"""Networks by short text, `mlp:2-3-2-1,sigmoid,half_squared_error`, or from a file: TOML, the notation, Python."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from symbp.architectures import cnn, gpt, mlp, recurrent, resnet
from symbp.architectures.fields import Family
from symbp.architectures.tables import from_toml
from symbp.errors import SymbpError, nearest
from symbp.program import Program
from symbp.python_file import run_file

FAMILIES: dict[str, Family] = {
    f.name: f for f in (mlp.FAMILY, cnn.FAMILY, *resnet.FAMILIES, gpt.FAMILY, *recurrent.FAMILIES)
}
EXAMPLES = {text: meaning for family in FAMILIES.values() for text, meaning in family.examples.items()}


def load(text: str) -> Program:
    """The network named by a built-in text, or by the path of a file.

    A .toml file lists layers as in docs/architectures.md. A .net file is read in the notation of docs/notation.md, and
    so is standard input, named `-`; a .py file is run, and defines `net`.
    Raises SymbpError naming what is wrong with the text, or the file.
    """
    name, colon, _ = text.partition(":")
    if colon and name in FAMILIES:
        return FAMILIES[name].build(text)
    if text == "-":
        from symbp.notation import read

        return read(sys.stdin.read(), "standard input")
    readers = {".net": from_notation, ".toml": from_toml, ".py": from_file}
    path = Path(text)
    if path.suffix in readers:
        if not path.is_file():
            raise SymbpError(f"there is no file {path}")
        return readers[path.suffix](path)
    if colon and name.isidentifier():
        raise SymbpError(f"{text!r}: there is no family {name!r} of networks: {nearest(name, FAMILIES)}")
    raise SymbpError(
        f"{text!r} is neither a built-in network (mlp:..., cnn:..., see `symbp nets`), nor a file of layers (.toml), "
        f"nor one in the notation (.net), nor a Python file (.py), nor - for standard input"
    )


def from_notation(path: Path) -> Program:
    """The network in a file of the notation."""
    from symbp.notation import read_file

    return read_file(path)


def from_file(path: Path) -> Program:
    """The Program called `net` in a Python file, which is run. Raises SymbpError for whatever goes wrong in it."""
    if not path.is_file():
        raise SymbpError(f"there is no file {path}")
    found = vars(run_file(path)).get("net")
    if not isinstance(found, Program):
        raise SymbpError(
            f"{path} does not define `net` as a symbp Program: end it with net = declare(...) or Sequential(...)"
        )
    return replace(found, title=path.as_posix())
