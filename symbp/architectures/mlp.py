"""Multi-layer perceptrons by short text, `mlp:2-3-2-1,sigmoid,half_squared_error`."""

from __future__ import annotations

from symbp.architectures.fields import ACTIVATIONS, Family, Field, is_integer
from symbp.errors import SymbpError, nearest
from symbp.layers import LOSSES, Activation, BatchNorm, Dense, Layer, Softmax
from symbp.program import Program
from symbp.sequence import Sequential


def mlp(text: str) -> Program:
    """A multi-layer perceptron from its text, see FAMILY."""
    fields = text.removeprefix("mlp:").split(",")
    if len(fields) != 3:
        raise SymbpError(f"{text!r}: expected mlp:SIZES,LAYERS,LOSS as in mlp:2-3-2-1,sigmoid,half_squared_error")
    sizes_text, layers_text, loss = (f.strip() for f in fields)
    widths = sizes_text.split("-")
    if len(widths) < 2 or not all(is_integer(w) and int(w) > 0 for w in widths):
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
    if name.startswith("dropout"):
        return Field(text, 2, name).layer(name)
    if name not in ACTIVATIONS:
        known = nearest(name, [*ACTIVATIONS, "batch_norm", "dropout0.1", "softmax", "linear"])
        raise SymbpError(f"{text!r}: unknown activation {name!r}: {known}")
    return Activation(name)


FAMILY = Family(
    name="mlp",
    about="dense layers",
    usage="mlp:SIZES,LAYERS[/OUTPUT],LOSS",
    grammar="""\
SIZES    the widths from input to output: 2-3-2-1
LAYERS   what follows each hidden dense layer: an activation, or several joined by +: batch_norm+relu+dropout0.1
OUTPUT   what follows the last dense layer: linear (nothing), softmax, or an activation. Left out, it is sigmoid
         where LAYERS is sigmoid and the loss is a squared error, and linear otherwise.""",
    examples={
        "mlp:2-3-2-1,sigmoid,half_squared_error": "the network that textbooks derive step by step",
        "mlp:1-1-1,sigmoid/linear,half_squared_error": "one hidden neuron",
        "mlp:2-4-1,sigmoid,half_squared_error": "XOR",
        "mlp:2-8-8-4-1,batch_norm+relu/linear,half_squared_error": "points in a circle, with batch norm",
        "mlp:64-64-32-10,relu,cross_entropy": "handwritten digits (examples/data/digits.npz)",
        "mlp:4-8-3,tanh/softmax,soft_cross_entropy": "softmax as a layer of its own",
    },
    build=mlp,
)
