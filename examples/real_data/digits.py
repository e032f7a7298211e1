"""Handwritten digits, 8 x 8 pixels: a network of dense layers and a convolutional one, each by four commands.

Every fifth image is held out and never trained on; the accuracy is that on those 360. The same rule everywhere in this
repository, so that figures can be compared: see examples/data/README.md.

    python examples/real_data/digits.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from steps import OUT, predicted, python, symbp

from symbp.demo import digits_file, held_out_fifth

MLP = "mlp:64-64-32-10,relu,cross_entropy"
CNN = "cnn:1x8x8,16c3p1+batch_norm+relu,32c3p1+batch_norm+relu+max2,10,cross_entropy"


def mlp(out: Path, epochs: int = 40) -> float:
    """The accuracy of 64-64-32-10, ReLU, on the held-out fifth."""
    t_test = write(out, "digits", (64,))
    symbp(out, "generate", MLP, "-o", "digits_mlp.py")
    python(out, "digits_mlp.py", "train", "digits.npz", "--epochs", str(epochs), "--batch", "32", "--out",
           "digits_mlp.npz", "--every", "10")  # fmt: skip
    return float(np.mean(predicted(out, "digits_mlp", "digits_test.npz") == t_test))


def cnn(out: Path, epochs: int = 30) -> float:
    """The accuracy of two convolutions with batch norm on the held-out fifth."""
    t_test = write(out, "images", (1, 8, 8))
    symbp(out, "generate", CNN, "-o", "digits_cnn.py", "--optimizer", "adamw", "--dtype", "float32")
    python(out, "digits_cnn.py", "train", "images.npz", "--epochs", str(epochs), "--lr", "2e-3", "--schedule", "cosine",
           "--out", "digits_cnn.npz", "--every", "5")  # fmt: skip
    return float(np.mean(predicted(out, "digits_cnn", "images_test.npz") == t_test))


def write(out: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """name.npz to train on and name_test.npz, an image having this shape; returns the labels of the latter."""
    x, t, x_test, t_test = held_out_fifth(digits_file())
    np.savez(out / f"{name}.npz", x=x.reshape(-1, *shape), t=t)
    np.savez(out / f"{name}_test.npz", x=x_test.reshape(-1, *shape), t=t_test)
    return t_test


def main(out: Path = OUT) -> None:
    out.mkdir(parents=True, exist_ok=True)
    found = {"dense": mlp(out), "convolutional": cnn(out)}
    for name, accuracy in found.items():
        print(f"digits, {name}: accuracy {accuracy:.4f} on the held-out fifth")


if __name__ == "__main__":
    main()
