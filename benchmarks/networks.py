"""The benchmark's networks declared in symbp, and which entry of a peer's parameter each of symbp's parameters is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from peers.nets import Net

from symbp.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Last,
    Layer,
    LayerNorm,
    LearnedPositions,
    MaxPool2D,
    ReLU,
    Sigmoid,
    TransformerBlock,
)
from symbp.program import Program
from symbp.sequence import Sequential

# symbp's name -> the peers' name, and the view of the peers' array that holds symbp's numbers in symbp's layout
Views = dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]]


def declare(net: Net) -> Program:
    """The network as a symbp program."""
    return KINDS[net.kind][0](net)


def views(net: Net) -> Views:
    """Where each of symbp's parameters lies in the peers'."""
    return KINDS[net.kind][1](net)


def to_symbp(net: Net, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters (or gradients) by the peers' names and layouts -> by symbp's, in C order."""
    return {name: np.array(view(values[peer]), order="C") for name, (peer, view) in views(net).items()}


def from_symbp(net: Net, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The way back; state such as running means, which the peers don't keep, is left out."""
    found = {name: np.full(value.shape, np.nan, value.dtype) for name, value in net.params.items()}
    for name, (peer, view) in views(net).items():
        view(found[peer])[...] = values[name]
    return found


def data(net: Net) -> tuple[np.ndarray, np.ndarray]:
    """The batch as symbp takes it: the batch is the first axis, for sequences too."""
    x, t = net.data
    return (np.ascontiguousarray(x.swapaxes(0, 1)), t) if net.kind == "lstm" else (x, t)


def same(a: np.ndarray) -> np.ndarray:
    return a


def transposed(a: np.ndarray) -> np.ndarray:
    return a.T


def dense(layers: int, first: int = 1) -> Views:
    """W1, b1, ... of a chain of dense layers, the first of which is symbp's number `first`."""
    found: Views = {}
    for k in range(layers):
        found[f"W{first + k}"] = (f"W{1 + k}", transposed)
        found[f"b{first + k}"] = (f"b{1 + k}", same)
    return found


def sigmoid_net(net: Net) -> Program:
    widths = [len(net.params[f"b{k}"]) for k in range(1, net.sizes["L"] + 1)]
    layers = [layer for units in widths for layer in (Dense(units), Sigmoid())]
    return Sequential(*layers, features=2, loss="half_squared_error", title=net.name)


def mlp(net: Net) -> Program:
    layers = (Dense(256), ReLU(), Dense(128), ReLU(), Dense(10))
    return Sequential(*layers, features=784, loss="cross_entropy", title=net.name)


def mlp_bn(net: Net) -> Program:
    hidden = [layer for units in (256, 128) for layer in (Dense(units, bias=False), BatchNorm(), ReLU())]
    return Sequential(*hidden, Dense(10), features=784, loss="cross_entropy", title=net.name)


def mlp_bn_views(net: Net) -> Views:
    found = {name: view for name, view in dense(3).items() if name not in ("b1", "b2")}
    for k in "12":
        found[f"gamma{k}"], found[f"beta{k}"] = (f"g{k}", same), (f"h{k}", same)
    return found


def cnn(net: Net) -> Program:
    layers: list[Layer] = [Conv2D(6, 5, padding=2), ReLU(), MaxPool2D(2), Conv2D(16, 5), ReLU(), MaxPool2D(2)]
    layers += [Flatten(), Dense(120), ReLU(), Dense(84), ReLU(), Dense(10)]
    return Sequential(*layers, shape=(1, 28, 28), loss="cross_entropy", title=net.name)


def cnn_views(net: Net) -> Views:
    kernels: Views = {f"W{k}": (f"K{k}", same) for k in (1, 2)}
    return kernels | {f"b{k}": (f"c{k}", same) for k in (1, 2)} | dense(3, first=3)


def gpt(net: Net) -> Program:
    L, d, H, T, V = (net.sizes[k] for k in ("L", "d", "H", "T", "V"))
    blocks = [TransformerBlock(H, activation="gelu_tanh") for _ in range(L)]
    layers: list[Layer] = [Embedding(V, d), LearnedPositions(), *blocks, LayerNorm(), Dense(V, bias=False)]
    return Sequential(*layers, shape=(T,), loss="cross_entropy", title=net.name)


def gpt_views(net: Net) -> Views:
    """A block has three numbers: attention, dense, dense; a norm bears the number of what is before it."""
    L, H = net.sizes["L"], net.sizes["H"]
    found: Views = {"E1": ("wte", same), "P2": ("wpe", same)}

    def norm(number: int, g: str, h: str) -> None:
        found[f"gamma{number}"], found[f"beta{number}"] = (g, same), (h, same)

    def linear(number: int, part: str) -> None:
        found[f"W{number}"], found[f"b{number}"] = (part.replace("?", "W"), transposed), (part.replace("?", "b"), same)

    for k in range(L):
        number = 3 + 3 * k
        norm(number - 1, f"{k}.g1", f"{k}.h1")
        for place, name in enumerate("QKV"):  # rows of Wqkv: which of the three, head, place in the head
            found[f"{name}{number}"] = (f"{k}.Wqkv", third(place, H))
            found[f"b_{name.lower()}{number}"] = (f"{k}.bqkv", third(place, H))
        found[f"O{number}"] = (f"{k}.Wo", lambda a: a.T.reshape(H, -1, len(a)))
        found[f"c{number}"] = (f"{k}.bo", same)
        norm(number, f"{k}.g2", f"{k}.h2")
        linear(number + 1, f"{k}.?f")
        linear(number + 2, f"{k}.?p")
    norm(3 * L + 2, "gf", "hf")
    return found | {f"W{3 * L + 3}": ("head", transposed)}


def third(place: int, heads: int) -> Callable[[np.ndarray], np.ndarray]:
    """(3 d, i) -> (i, heads, d / heads), or (3 d,) -> (heads, d / heads): that of the queries, keys or values."""

    def view(a: np.ndarray) -> np.ndarray:
        return np.moveaxis(a.reshape(3, heads, -1, *a.shape[1:])[place], 2, 0) if a.ndim == 2 else a.reshape(
            3, heads, -1
        )[place]

    return view


def lstm(net: Net) -> Program:
    H, T = net.sizes["H"], net.sizes["T"]
    shape = (T, net.data[0].shape[2])
    return Sequential(LSTM(H), Last(), Dense(10), shape=shape, loss="cross_entropy", title=net.name)


def lstm_views(net: Net) -> Views:
    H = net.sizes["H"]
    found: Views = {"W2": ("W", transposed), "b2": ("bo", same)}

    def gate(place: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda a: a[place * H : (place + 1) * H].T

    for place, name in enumerate("ifgo"):
        for ours, theirs in (("W", "Wx"), ("U", "Wh"), ("b", "b")):
            found[f"{ours}_{name}1"] = (theirs, gate(place))
    return found


# kind -> its declaration, its views
KINDS: dict[str, tuple[Callable[[Net], Program], Callable[[Net], Views]]] = {
    "sigmoid_net": (sigmoid_net, lambda net: dense(net.sizes["L"])),
    "mlp": (mlp, lambda net: dense(3)),
    "mlp_bn": (mlp_bn, mlp_bn_views),
    "cnn": (cnn, cnn_views),
    "gpt": (gpt, gpt_views),
    "lstm": (lstm, lstm_views),
}
