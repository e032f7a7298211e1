"""MNIST-1D: ten classes of noisy curves of 40 points, on which kinds of networks differ (Greydanus and Kobak 2020).

The package `mnist1d` draws the data itself, 4000 curves to train on and 1000 to test on, always the same ones. Its
authors publish accuracies of 32 % for logistic regression, 68 % for dense layers, 94 % for a convolutional network,
91 % for a GRU that reads both ways, and 96 % for a human expert (https://github.com/greydanus/mnist1d). The networks
here have the authors' sizes; `tuned` has pooling, batch norm and dropout.

    pip install mnist1d
    python examples/real_data/mnist_1d.py            # all but the GRU
    python examples/real_data/mnist_1d.py gru        # the GRU: some minutes
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from steps import OUT, predicted, python, symbp

GRU = """\
loss = "cross_entropy"

[input]
shape = [40, 1]

[[layers]]
kind = "bidirectional"
layer = {kind = "gru", units = 6, reset_after = true}

[[layers]]
kind = "flatten"

[[layers]]
kind = "dense"
units = 10
"""
# name -> (network, shape of a curve, options of train)
NETS = {
    "dense": ("mlp:40-100-100-10,relu,cross_entropy", (40,), "--epochs 60 --lr 3e-3 --decay 0.3"),
    "convolutional": (
        "cnn:1x40,25c5s2p1+relu,25c3s2p1+relu,25c3s2p1+relu,10,cross_entropy",
        (1, 40), "--epochs 60 --lr 1e-2 --decay 0.1",
    ),
    "normalised": (
        "cnn:1x40,25c5s2p1+batch_norm+relu,25c3s2p1+batch_norm+relu,25c3s2p1+batch_norm+relu,10,cross_entropy",
        (1, 40), "--epochs 60 --lr 1e-2 --decay 0.1",
    ),
    "tuned": (
        "cnn:1x40,32c5p2+batch_norm+relu+max2,32c5p2+batch_norm+relu+max2,32c3p1+batch_norm+relu+max2,dropout0.3,"
        "10,cross_entropy",
        (1, 40), "--epochs 60 --lr 1e-2 --decay 0.1",
    ),
    "gru": ("mnist_gru.toml", (40, 1), "--epochs 100 --lr 2e-2 --decay 0.1 --clip 1"),
}  # fmt: skip
PUBLISHED = {"dense": 0.68, "convolutional": 0.94, "gru": 0.91}


def accuracy(out: Path, name: str, more: str = "") -> float:
    """The accuracy of one of NETS on the 1000 test curves; more: options that override its own."""
    net, shape, options = NETS[name]
    t_test = write(out, name, shape)
    if net.endswith(".toml"):
        (out / net).write_text(GRU, encoding="utf-8")
        net = str(out / net)
    module = f"mnist_{name}"
    symbp(out, "generate", net, "-o", f"{module}.py", "--optimizer", "adamw", "--dtype", "float32")
    python(out, f"{module}.py", "train", f"curves_{name}.npz", "--batch", "100", "--schedule", "cosine",
           *options.split(), *more.split(), "--out", f"{module}.npz", "--every", "20")  # fmt: skip
    return float(np.mean(predicted(out, module, f"curves_{name}_test.npz") == t_test))


@cache
def curves() -> dict[str, np.ndarray]:
    """x, y, x_test, y_test, drawn from the package's own seed."""
    from mnist1d.data import get_dataset_args, make_dataset

    return make_dataset(get_dataset_args())


def write(out: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """curves_<name>.npz and curves_<name>_test.npz, a curve having this shape; returns the labels of the latter."""
    data = curves()
    np.savez(out / f"curves_{name}.npz", x=data["x"].reshape(-1, *shape), t=data["y"])
    np.savez(out / f"curves_{name}_test.npz", x=data["x_test"].reshape(-1, *shape), t=data["y_test"])
    return data["y_test"]


def main(names: list[str], out: Path = OUT) -> None:
    out.mkdir(parents=True, exist_ok=True)
    found = {name: accuracy(out, name) for name in names or [name for name in NETS if name != "gru"]}
    for name, value in found.items():
        published = f", published {PUBLISHED[name]:.2f}" if name in PUBLISHED else ""
        print(f"MNIST-1D, {name}: accuracy {value:.3f} on the 1000 test curves{published}")


if __name__ == "__main__":
    main(sys.argv[1:])
