"""Chains of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symbp.builder import Builder
from symbp.errors import SymbpError, nearest
from symbp.layers import LOSSES, Layer, Loss
from symbp.program import Program

_NAMES = {0: "", 1: "i", 2: "ti", 3: "chw"}  # of the input's axes behind the batch, by their number


def Sequential(
    *layers: Layer,
    features: int | None = None,
    shape: Sequence[int | str] | None = None,
    loss: Loss | str,
    title: str = "",
    batch: int | None = None,
) -> Program:
    """The Program of a chain of layers over inputs x with a batch of B (or `batch`).

    features: x[n, i] with i < features. shape: of one sample instead, e.g. (1, 28, 28) for channels, height and width,
    ("T", 8) for a sequence of any length T with 8 features, ("T",) for tokens; a name is a symbolic size. Where the
    first layer is an Embedding, x holds integers, and without a shape one a sample. A layer may need further inputs:
    `program.inputs` lists them. loss: a Loss, or its name in `symbp.layers.LOSSES`. The prediction is the tensor y, the
    loss the scalar L; layers that behave differently in prediction make `program.inference` the other form.

    Raises SymbpError for an empty network, an unknown loss, a size that isn't a positive integer, and layers that
    don't fit each other.
    """
    if not layers:
        raise SymbpError("the network is empty: give Sequential at least one layer, e.g. Dense(3)")
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise SymbpError(f"unknown loss {loss!r}: {nearest(loss, LOSSES)}")
        loss = LOSSES[loss]
    integers = layers[0].reads_integers
    if (features is None) == (shape is None) and not (integers and features is None):
        raise SymbpError("give the input's size: either features=4, or shape=(1, 28, 28) or shape=('T', 8), not both")
    sample = tuple(shape) if shape is not None else () if features is None else (features,)
    for width in (*sample, *(getattr(layer, "units", 1) for layer in layers)):
        if not (isinstance(width, str) and width.isidentifier()) and (not isinstance(width, int) or width < 1):
            raise SymbpError(f"a layer's width must be a positive integer, not {width!r}")

    def build(training: bool) -> tuple[Program, bool]:
        net = Builder(training, batch)
        x = _input(net, sample, integers, getattr(layers[0], "names", ""))
        y = net.chain(layers, x)
        net.place = f"the loss ({type(loss).__name__})"
        return net.program(title or "sequential", y, net.checked(loss).define(net, y), loss.task), net.two_forms

    training, two_forms = build(True)
    inference = build(False)[0] if two_forms else training
    same = training.equations == inference.equations
    return training if same else replace(training, inference=inference)


def _input(net: Builder, sample: Sequence[Any], integers: bool, wanted: str) -> Any:
    """The access to x: its axes are i; t, i; c, h, w; for tokens t; or as the first layer wants them, "n c t"."""
    names = "t" if integers and len(sample) == 1 else _NAMES.get(len(sample), "")
    if len(wanted.split()) == len(sample) + 1:
        names = "".join(wanted.split()[1:])
    indices = [net.batch]
    for k, size in enumerate(sample):
        name = names[k] if names else f"a{k}"
        indices.append(net.feature(size) if name == "i" else net.index(name, size))
    return net.input("x", indices, "int" if integers else "real")
