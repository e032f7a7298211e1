"""Networks by short text, `mlp:2-3-2-1,sigmoid,half_squared_error`, or from a file: in the notation, or in Python."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

from symbp.errors import SymbpError, nearest
from symbp.functions import TABLE
from symbp.layers import LOSSES, Activation, BatchNorm, Dense, Layer, Softmax
from symbp.notation import read, read_file
from symbp.program import Program
from symbp.sequence import Sequential

GRAMMAR = """\
mlp:SIZES,LAYERS[/OUTPUT],LOSS

  SIZES    the widths from input to output: 2-3-2-1
  LAYERS   what follows each hidden dense layer: an activation, or several joined by +: batch_norm+relu
  OUTPUT   what follows the last dense layer: linear (nothing), softmax, or an activation. Left out, it is sigmoid
           where LAYERS is sigmoid and the loss is a squared error, and linear otherwise.
  LOSS     half_squared_error, mean_squared_error, cross_entropy (integer labels), soft_cross_entropy (targets that
           add up to one), binary_cross_entropy (0/1 targets; the output is a logit)
"""

EXAMPLES = {
    "mlp:2-3-2-1,sigmoid,half_squared_error": "the network that textbooks derive step by step",
    "mlp:1-1-1,sigmoid/linear,half_squared_error": "one hidden neuron",
    "mlp:2-4-1,sigmoid,half_squared_error": "XOR",
    "mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error": "points in a circle, with batch norm",
    "mlp:64-64-32-10,relu,cross_entropy": "handwritten digits (examples/data/digits.npz)",
    "mlp:4-8-3,tanh/softmax,soft_cross_entropy": "softmax as a layer of its own",
}


def load(text: str) -> Program:
    """The network named by a built-in text, or by the path of a file.

    A .net file is read in the notation of docs/notation.md, and so is standard input, named `-`; a .py file is run, and
    defines `net`.
    Raises SymbpError naming what is wrong with the text, or the file.
    """
    if text.startswith("mlp:"):
        return mlp(text)
    if text == "-":
        return read(sys.stdin.read(), "standard input")
    if text.endswith(".net"):
        path = Path(text)
        if not path.is_file():
            raise SymbpError(f"there is no file {path}")
        return read_file(path)
    if text.endswith(".py"):
        return from_file(Path(text))
    raise SymbpError(
        f"{text!r} is neither a built-in network (mlp:..., see `symbp nets`), nor a file in the notation (.net), "
        f"nor a Python file (.py), nor - for standard input"
    )


def mlp(text: str) -> Program:
    """A multi-layer perceptron from its text, see GRAMMAR."""
    fields = text.removeprefix("mlp:").split(",")
    if len(fields) != 3:
        raise SymbpError(f"{text!r}: expected mlp:SIZES,LAYERS,LOSS as in mlp:2-3-2-1,sigmoid,half_squared_error")
    sizes_text, layers_text, loss = (f.strip() for f in fields)
    widths = sizes_text.split("-")
    if len(widths) < 2 or not all(w.isascii() and w.isdigit() and int(w) > 0 for w in widths):
        raise SymbpError(f"{text!r}: the sizes {sizes_text!r} must be two or more positive integers as in 2-3-2-1")
    if loss not in LOSSES:
        raise SymbpError(f"{text!r}: unknown loss {loss!r}: {nearest(loss, LOSSES)}")
    hidden, _, output = layers_text.partition("/")
    if not output:
        squared = not LOSSES[loss].takes_scores
        output = "sigmoid" if hidden == "sigmoid" and squared else "linear"
    features, *units = map(int, widths)
    after_hidden, after_last = _layers(text, hidden), _layers(text, output)
    layers: list[Layer] = []
    for position, width in enumerate(units):
        layers += [Dense(width), *(after_hidden if position < len(units) - 1 else after_last)]
    return Sequential(*layers, features=features, loss=loss, title=text)


def _layers(text: str, names: str) -> list[Layer]:
    return [layer for name in names.split("+") if (layer := _layer(text, name)) is not None]


def _layer(text: str, name: str) -> Layer | None:
    if name in ("linear", "batch_norm", "softmax"):
        return {"linear": None, "batch_norm": BatchNorm(), "softmax": Softmax()}[name]
    usable = [n for n, row in TABLE.items() if row.arity - len(row.defaults) == 1]
    if name not in usable:
        known = nearest(name, [*usable, "batch_norm", "softmax", "linear"])
        raise SymbpError(f"{text!r}: unknown activation {name!r}: {known}")
    return Activation(name)


def from_file(path: Path) -> Program:
    """The Program called `net` in a Python file, which is run."""
    if not path.is_file():
        raise SymbpError(f"there is no file {path}")
    found = runpy.run_path(str(path)).get("net")
    if not isinstance(found, Program):
        raise SymbpError(
            f"{path} does not define `net` as a symbp Program: end it with net = declare(...) or Sequential(...)"
        )
    return replace(found, title=path.as_posix())
