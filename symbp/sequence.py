"""Chains of layers."""

from __future__ import annotations

from dataclasses import replace

from symbp.builder import Builder
from symbp.errors import SymbpError, nearest
from symbp.layers import LOSSES, Layer, Loss
from symbp.program import Program


def Sequential(*layers: Layer, features: int, loss: Loss | str, title: str = "", batch: int | None = None) -> Program:
    """The Program of a chain of layers over inputs x[n, i] with n < B (or `batch`) and i < features.

    loss: a Loss, or its name in `symbp.layers.LOSSES`. The prediction is the tensor y, the loss the scalar L; layers
    that behave differently in prediction make `program.inference` the other form.
    Raises SymbpError for an empty network, an unknown loss or a width that isn't a positive integer.
    """
    if not layers:
        raise SymbpError("the network is empty: give Sequential at least one layer, e.g. Dense(3)")
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise SymbpError(f"unknown loss {loss!r}: {nearest(loss, LOSSES)}")
        loss = LOSSES[loss]
    for width in (features, *(getattr(layer, "units", 1) for layer in layers)):
        if not isinstance(width, int) or width < 1:
            raise SymbpError(f"a layer's width must be a positive integer, not {width!r}")

    def build(training: bool) -> Program:
        net = Builder(training, batch)
        net.tensors = {}
        x = net._declare("x", (net.batch, net.feature(features)), "input", symbol="x", numbered=False)
        for k, layer in enumerate(layers):
            net.init_of_next = next((later.init for later in layers[k + 1 :] if later.init), "xavier")
            x = layer.define(net, x)
        return net.program(title or "sequential", x, loss.define(net, x), loss.task)

    training, inference = build(True), build(False)
    same = training.equations == inference.equations
    return training if same else replace(training, inference=inference)
