"""The networks of the benchmark: parameters from a fixed seed, one fixed batch, FLOPs of the matrix products.

Weights lie as in PyTorch: linear (out, in), convolution (F, C, kh, kw), LSTM gates in the order i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

NETS = ("seed1", "seed64", "xor", "mlp", "mlp_bn", "cnn", "gpt1", "gpt4", "gpt-nano", "lstm")

# blocks, width, heads, length, vocabulary, batch; gpt-nano is the one of minGPT's sorting demonstration
GPT = {"gpt1": (1, 128, 4, 64, 256, 8), "gpt4": (4, 128, 4, 64, 256, 8), "gpt-nano": (3, 48, 3, 11, 3, 64)}


@dataclass(frozen=True)
class Net:
    """kind: which function computes it. data: input and target. sizes: what the kind needs to know.

    forward_flops, step_flops: of the matrix products alone, an addition and a multiplication counting two.
    """

    name: str
    kind: str
    dtype: np.dtype
    params: dict[str, np.ndarray]
    data: tuple[np.ndarray, np.ndarray]
    sizes: dict[str, int] = field(default_factory=dict)
    forward_flops: int = 0
    step_flops: int = 0

    def astype(self, dtype: str) -> Net:
        """The same network in another floating-point type."""
        params = {name: np.ascontiguousarray(value, dtype) for name, value in self.params.items()}
        x, t = (np.ascontiguousarray(a, dtype) if a.dtype.kind == "f" else a for a in self.data)
        return replace(self, dtype=np.dtype(dtype), params=params, data=(x, t))


@dataclass(frozen=True)
class Step:
    """A network being trained on its one batch. step: forward, gradients, update; returns the loss for `float`.

    params: the parameters now, by the names and in the layouts of `Net.params`.
    """

    step: Callable[[], object]
    params: Callable[[], dict[str, np.ndarray]]
    set_rate: Callable[[float], None]


def make(name: str) -> Net:
    """The network of this name, in the type that it is timed in. Raises KeyError for an unknown one."""
    rng = np.random.default_rng(sum(map(ord, name)))
    if name in ("seed1", "seed64", "xor"):
        return sigmoid_net(name, rng).astype("float64")
    if name in ("mlp", "mlp_bn"):
        return mlp(name, rng).astype("float32")
    if name in GPT:
        return gpt(name, rng).astype("float32")
    return {"cnn": cnn, "lstm": lstm}[name](name, rng).astype("float32")


def linear(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (out, in) and offsets (out,)."""
    return rng.standard_normal((outputs, inputs)) / np.sqrt(inputs), 0.1 * rng.standard_normal(outputs)


def chain(rng: np.random.Generator, widths: list[int], batch: int) -> tuple[dict[str, np.ndarray], list[int]]:
    """W1, b1, W2, ... of dense layers, and the FLOPs of each one's forward pass."""
    params = {}
    for layer, (i, o) in enumerate(pairwise(widths), 1):
        params[f"W{layer}"], params[f"b{layer}"] = linear(rng, o, i)
    return params, [2 * batch * i * o for i, o in pairwise(widths)]


def sigmoid_net(name: str, rng: np.random.Generator) -> Net:
    """2-3-2-1 at batch 1 and 64, 2-4-1 on XOR; all sigmoid, half the squared error."""
    widths, batch = ([2, 4, 1], 4) if name == "xor" else ([2, 3, 2, 1], 1 if name == "seed1" else 64)
    params, flops = chain(rng, widths, batch)
    if name == "xor":
        x, t = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0.0], [1], [1], [0]])
    else:
        x, t = rng.standard_normal((batch, 2)), rng.uniform(size=(batch, 1))
    sizes = {"L": len(widths) - 1}
    return Net(name, "sigmoid_net", x.dtype, params, (x, t), sizes, sum(flops), 3 * sum(flops) - flops[0])


def mlp(name: str, rng: np.random.Generator) -> Net:
    """784-256-128-10 with ReLU, batch 128, cross-entropy; mlp_bn: with batch norm before each ReLU."""
    widths, batch = [784, 256, 128, 10], 128
    params, flops = chain(rng, widths, batch)
    if name == "mlp_bn":  # an offset before batch norm has gradient 0, and is left out as usual
        for layer, units in ((1, 256), (2, 128)):
            del params[f"b{layer}"]
            params[f"g{layer}"] = 1 + 0.1 * rng.standard_normal(units)
            params[f"h{layer}"] = 0.1 * rng.standard_normal(units)
    data = rng.standard_normal((batch, 784)), rng.integers(0, 10, batch)
    return Net(name, name, data[0].dtype, params, data, {}, sum(flops), 3 * sum(flops) - flops[0])


def cnn(name: str, rng: np.random.Generator) -> Net:
    """LeNet-like: two 5x5 convolutions with ReLU and 2x2 max pooling, three dense layers; 28x28, batch 64."""
    batch = 64
    params = {
        "K1": rng.standard_normal((6, 1, 5, 5)) / 5,
        "c1": 0.1 * rng.standard_normal(6),
        "K2": rng.standard_normal((16, 6, 5, 5)) / np.sqrt(150),
        "c2": 0.1 * rng.standard_normal(16),
    }
    dense, flops = chain(rng, [400, 120, 84, 10], batch)
    first, second = 2 * batch * 784 * 25 * 6, 2 * batch * 100 * 150 * 16
    data = rng.standard_normal((batch, 1, 28, 28)), rng.integers(0, 10, batch)
    forward, step = first + second + sum(flops), 2 * first + 3 * second + 3 * sum(flops)
    return Net(name, "cnn", data[0].dtype, params | dense, data, {}, forward, step)


def gpt(name: str, rng: np.random.Generator) -> Net:
    """A GPT: learned positions, norm first, GELU in its tanh form, no bias in the head."""
    L, d, H, T, V, B = GPT[name]
    params = {"wte": 0.5 * rng.standard_normal((V, d)), "wpe": 0.1 * rng.standard_normal((T, d))}

    def norm(g: str, h: str) -> None:
        params[g], params[h] = 1 + 0.1 * rng.standard_normal(d), 0.1 * rng.standard_normal(d)

    for layer in range(L):
        norm(f"{layer}.g1", f"{layer}.h1")
        norm(f"{layer}.g2", f"{layer}.h2")
        for part, o, i in (("qkv", 3 * d, d), ("o", d, d), ("f", 4 * d, d), ("p", d, 4 * d)):
            params[f"{layer}.W{part}"], params[f"{layer}.b{part}"] = linear(rng, o, i)
    norm("gf", "hf")
    params["head"] = rng.standard_normal((V, d)) / np.sqrt(d)
    rows = B * T
    flops = L * (2 * rows * 12 * d * d + 4 * B * H * T * T * (d // H)) + 2 * rows * d * V
    data = rng.integers(0, V, (B, T)), rng.integers(0, V, (B, T))
    sizes = {"L": L, "d": d, "H": H, "T": T, "V": V, "B": B}
    return Net(name, "gpt", params["wte"].dtype, params, data, sizes, flops, 3 * flops)


def lstm(name: str, rng: np.random.Generator) -> Net:
    """One LSTM layer 32 -> 128 over 50 steps, batch 32, its last state to 10 classes; data (T, B, I)."""
    I, H, T, B = 32, 128, 50, 32
    params = {
        "Wx": rng.standard_normal((4 * H, I)) / np.sqrt(I),
        "Wh": rng.standard_normal((4 * H, H)) / np.sqrt(H),
        "b": 0.1 * rng.standard_normal(4 * H),
    }
    params["W"], params["bo"] = linear(rng, 10, H)
    inputs, states, scores = 2 * T * B * I * 4 * H, 2 * T * B * H * 4 * H, 2 * B * H * 10
    data = rng.standard_normal((T, B, I)), rng.integers(0, 10, B)
    forward, step = inputs + states + scores, 2 * inputs + 3 * states + 3 * scores
    return Net(name, "lstm", data[0].dtype, params, data, {"H": H, "T": T, "B": B}, forward, step)
