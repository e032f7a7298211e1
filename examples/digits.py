"""Handwritten digits: a 64-64-32-10 ReLU network, cross-entropy, Adam, trained by the module that symbp emits.

1,797 images of 8 x 8 pixels; every fifth is held out and never trained on, and the accuracy is that on those. The
gradient of softmax and cross-entropy together comes out as p - onehot(t), by simplification: see what is printed.

    python examples/digits.py
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from symbp import Dense, ReLU, Sequential, generate
from symbp.demo import digits_file, held_out_fifth
from symbp.emit.run import load_module
from symbp.language import to_sympy

net = Sequential(Dense(64), ReLU(), Dense(32), ReLU(), Dense(10), features=64, loss="cross_entropy", title="digits")


def train(data: tuple[np.ndarray, ...], epochs: int = 40) -> tuple[ModuleType, dict[str, np.ndarray], list[dict]]:
    """The emitted module, its trained parameters and a row of history an epoch."""
    x, t, x_test, t_test = data
    module = load_module(generate(net))
    params, state = module.train(
        module.init_params(0), x, t, epochs=epochs, lr=1e-3, batch_size=32, optimizer="adam",
        validation=(x_test, t_test), quiet=True,
    )  # fmt: skip
    return module, params, state["history"]


def main(out: Path = Path("build/examples")) -> None:
    from pictures import draw

    print("The backward pass starts at the scores y, with\n")
    start = net.gradient().equation("d_y")
    print(f"  {to_sympy(start.target)} = {to_sympy(start.value)}")

    data = held_out_fifth(digits_file())
    module, params, history = train(data)
    _, _, x_test, t_test = data
    predicted = module.predict(params, x_test)
    print(f"\n{len(data[0])} images to train on, {len(x_test)} held out\n")
    print("  epoch   loss     accuracy on the held-out fifth")
    for row in history:
        if row["epoch"] in (1, 2, 5, 10, 20, 40):
            print(f"  {row['epoch']:>5}   {row['loss']:.4f}   {row['val_accuracy']:.4f}")
    wrong = np.flatnonzero(predicted != t_test)
    print(f"\n{len(wrong)} of {len(t_test)} are read wrong: accuracy {np.mean(predicted == t_test):.4f}\n")

    def paint_history(figure: Any) -> None:
        epochs = [row["epoch"] for row in history]
        left, middle, right = figure.subplots(1, 3)
        for key in ("loss", "val_loss"):
            left.plot(epochs, [row[key] for row in history], label=key)
        middle.plot(epochs, [row["val_accuracy"] for row in history])
        for key in (k for k in history[0] if k.startswith("gradient_norm")):
            right.plot(epochs, [row[key] for row in history], label=f"layer {key.rpartition('_')[2]}")
        left.set(title="loss", xlabel="epoch", yscale="log")
        middle.set(title="accuracy, held-out fifth", xlabel="epoch")
        right.set(title="norm of the gradient", xlabel="epoch", yscale="log")
        left.legend()
        right.legend()
        for ax in (left, middle, right):
            ax.grid(alpha=0.3)

    def paint_digits(figure: Any) -> None:
        shown = [*wrong[:8], *np.flatnonzero(predicted == t_test)[:16]][:16]
        for ax, k in zip(figure.subplots(2, 8).flat, shown, strict=True):
            ax.imshow(x_test[k].reshape(8, 8), cmap="gray_r")
            right = predicted[k] == t_test[k]
            title = f"{predicted[k]}" if right else f"{predicted[k]}, is {t_test[k]}"
            ax.set_title(title, color="black" if right else "#b3261e", fontsize=10)
            ax.set_axis_off()

    draw(out / "digits_history.png", paint_history, size=(12.6, 3.8))
    draw(out / "digits_predictions.png", paint_digits, size=(10.0, 3.0))


if __name__ == "__main__":
    main()
