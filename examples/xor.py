"""XOR with 2-4-1 sigmoid neurons: the emitted module learns it, a tutorial's script as printed does not.

The script starts from weights of 0.1 times a standard normal and runs 2000 epochs at a rate of 0.5. It ends where it
began, with every output at 1/2 and a loss of 0.125. (The text shows a loss falling from 0.250123 to 0.000234, which
this script can't have printed: outputs near 1/2 mean a loss near 0.125.) Its gradients are right, as the comparison
below shows. What is wrong is the start, and the patience.

With small weights all hidden neurons sit near 1/2, where the sigmoid is all but linear, and the best that a linear
model can do about XOR is the constant 1/2. That point is a saddle: gradients there are tiny, and the loss stands still
until the weights have grown out of it. The experiments below change one thing at a time: the smaller the weights at the
start, the longer the plateau; patience alone is enough; so is Adam, which divides the gradient's size out.

    python examples/xor.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symbp import Dense, Sequential, Sigmoid, generate
from symbp.emit.run import load_module

net = Sequential(Dense(4), Sigmoid(), Dense(1), Sigmoid(), features=2, loss="half_squared_error", title="XOR")

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])


@dataclass
class Run:
    """One training: the loss by epoch, and the outputs for the four points."""

    losses: list[float]
    outputs: np.ndarray


def small_weights(seed: int = 0, scale: float = 0.1) -> dict[str, np.ndarray]:
    """The tutorial's start: scale times a standard normal, zero biases. It sets no seed; any will do."""
    rng = np.random.RandomState(seed)
    return {"W1": scale * rng.randn(2, 4), "b1": np.zeros(4), "W2": scale * rng.randn(4, 1), "b2": np.zeros(1)}


def by_hand(params: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Output and gradients as the tutorial codes them, layer by layer: correct."""
    hidden = 1 / (1 + np.exp(-(X @ params["W1"] + params["b1"])))
    output = 1 / (1 + np.exp(-(hidden @ params["W2"] + params["b2"])))
    outer = (output - T) * output * (1 - output) / len(X)
    inner = outer @ params["W2"].T * hidden * (1 - hidden)
    return output, {"W1": X.T @ inner, "b1": inner.sum(axis=0), "W2": hidden.T @ outer, "b2": outer.sum(axis=0)}


def tutorial_script(seed: int = 0, scale: float = 0.1, rate: float = 0.5, epochs: int = 2000) -> Run:
    """NOT GOOD ENOUGH as its defaults stand: gradient descent from small weights."""
    params = small_weights(seed, scale)
    losses = []
    for _ in range(epochs):
        output, steps = by_hand(params)
        losses.append(float(np.mean((T - output) ** 2) / 2))
        for name, step in steps.items():
            params[name] -= rate * step
    return Run(losses, output)


def ours(params: dict[str, np.ndarray] | None = None, epochs: int = 1000) -> Run:
    """The emitted module: Glorot's weights unless others are given, Adam at 0.05."""
    module = load_module(generate(net))
    start = module.init_params(0) if params is None else params
    params, state = module.train(start, X, T, epochs=epochs, lr=0.05, batch_size=4, quiet=True)
    return Run([row["loss"] for row in state["history"]], module.predict(params, X))


def gradients_differ() -> float:
    """The largest difference between the tutorial's gradients and the derived ones, at its start."""
    params = small_weights()
    _, derived = load_module(generate(net)).loss_and_grads(params, X, T)
    return max(float(np.abs(derived[name] - value).max()) for name, value in by_hand(params)[1].items())


def epochs_to_leave(run: Run, below: float = 0.12) -> int | None:
    """After how many epochs the loss falls below the plateau, if it does."""
    return next((k for k, value in enumerate(run.losses) if value < below), None)


def main(out: Path = Path("build/examples")) -> None:
    from pictures import draw

    theirs, mine = tutorial_script(), ours()
    print("  input     wanted   tutorial   symbp")
    for x, t, a, b in zip(X, T, theirs.outputs, mine.outputs, strict=True):
        print(f"  {x}   {t[0]:.0f}        {a[0]:.4f}     {b[0]:.4f}")
    print(f"\n  loss               {theirs.losses[-1]:.6f}   {mine.losses[-1]:.6f}")
    print(f"\nThe gradients of the two differ by {gradients_differ():.0e} at most: the formulas aren't the trouble.")

    print("\nThe tutorial's script, one thing changed at a time\n")
    patient = tutorial_script(epochs=40_000)
    larger = {scale: tutorial_script(scale=scale, epochs=20_000) for scale in (0.3, 1.0)}
    runs = {
        "as printed: weights 0.1 N, 2000 epochs": theirs,
        "weights 0.1 N, 40000 epochs": patient,
        "weights 0.3 N, 20000 epochs": larger[0.3],
        "weights 1 N, 20000 epochs": larger[1.0],
        "weights 0.1 N, Adam, 1000 epochs": ours(small_weights()),
        "symbp: Glorot's weights, Adam, 1000 epochs": mine,
    }
    print(f"  {'':<44}loss       leaves the plateau after")
    for what, run in runs.items():
        left = epochs_to_leave(run)
        print(f"  {what:<44}{run.losses[-1]:.6f}   {'never' if left is None else f'{left} epochs'}")
    print()

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        for label, run in runs.items():
            width = 5 if run is theirs else 1.5  # it lies under the others
            ax.plot(range(1, len(run.losses) + 1), run.losses, label=label, linewidth=width)
        ax.set(title="XOR, 2-4-1 sigmoid", xlabel="epoch", ylabel="loss", xscale="log", yscale="log")
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)

    draw(out / "xor.png", paint)


if __name__ == "__main__":
    main()
