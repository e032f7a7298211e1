"""The best NumPy that we could write by hand, to see how far NumPy goes.

Every array is allocated once and every call has an `out`; parameters are views of one flat buffer, gradients of
another, so that the update is one subtraction; the learning rate is folded into the loss's cotangent
(dL = rate / B), so that the gradients come out multiplied by it; row and column sums are products with a vector of
ones. Single precision only, but for the tiny nets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from peers.nets import Net, Step
from peers.numpy_b import sigmoid_net
from peers.numpy_b.cnn import cnn
from peers.numpy_b.dense import mlp, mlp_bn
from peers.numpy_b.gpt import gpt
from peers.numpy_b.lstm import lstm
from peers.numpy_b.pieces import f4

KINDS = {"mlp": mlp, "mlp_bn": mlp_bn, "cnn": cnn, "gpt": gpt, "lstm": lstm}
TRANSPOSED = {"mlp": ("W1", "W2", "W3"), "mlp_bn": ("W1", "W2", "W3"), "cnn": (), "lstm": ("Wx", "W")}


class Flat:
    """Arrays by name, all views of one buffer; those named in `transposed` are stored (in, out)."""

    def __init__(self, params: Mapping[str, np.ndarray], transposed: Iterable[str]) -> None:
        self.transposed = set(transposed)
        self.buffer = np.empty(sum(value.size for value in params.values()), f4)
        self.views: dict[str, np.ndarray] = {}
        start = 0
        for name, value in params.items():
            stored = value.T if name in self.transposed else value
            self.views[name] = self.buffer[start : start + value.size].reshape(stored.shape)
            self.views[name][...] = stored
            start += value.size

    def __getitem__(self, name: str) -> np.ndarray:
        return self.views[name]

    def export(self) -> dict[str, np.ndarray]:
        """Copies in the layouts of `Net.params`."""
        return {name: (v.T if name in self.transposed else v).copy() for name, v in self.views.items()}


def begin(net: Net) -> Step:
    """Training begins from the net's parameters."""
    if net.kind == "sigmoid_net":
        return sigmoid_net.begin(net)
    matrices = [name for name, value in net.params.items() if value.ndim == 2 and name not in ("wte", "wpe")]
    transposed = TRANSPOSED.get(net.kind, matrices)
    params, grads = Flat(net.params, transposed), Flat(net.params, transposed)
    x, t = net.data
    scale = [f4(1 / t.size)]
    run = KINDS[net.kind](net, params, grads, x, t, scale, 1 / t.size)
    p, g = params.buffer, grads.buffer

    def step() -> object:
        value = run()
        np.subtract(p, g, p)
        return value

    def set_rate(lr: float) -> None:
        scale[0] = f4(lr / t.size)

    return Step(step, params.export, set_rate)
