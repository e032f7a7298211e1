"""One input, one hidden sigmoid neuron, one output: the smallest network that is worth the name.

    h = sigmoid(W1 x + b1),    y = W2 h + b2,    L = (t - y)^2

At W1 = 2, b1 = -1, W2 = 1.5, b2 = 0.5, x = 3, t = 2.5 everything can be followed with a pocket calculator. A tutorial
did, and carried numbers cut to four digits from step to step (y = 1.9899; it is 1.98996): most of its later figures are
off in the last place for that reason, and its y after the update doesn't even follow from its own rounded parameters.
The first table below puts both side by side, exact to all digits on our side.

Then four experiments, all with modules that symbp wrote for the purpose: two hidden units instead of one, ReLU instead
of sigmoid, training on y = 2x + 1 + noise, and four learning rates in one picture.

    python examples/one_hidden_neuron.py
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from symbp import Dense, Program, ReLU, Sequential, Sigmoid, generate
from symbp.emit.run import load_module
from symbp.language import to_sympy


def one_hidden_layer(units: int, activation: Any) -> Program:
    """1-units-1, linear at the output; the mean squared error of a single number is (t - y)^2."""
    title = f"1-{units}-1, {activation.function}"
    return Sequential(Dense(units), activation, Dense(1), features=1, loss="mean_squared_error", title=title)


net = one_hidden_layer(1, Sigmoid())

START = {"W1": [[2.0]], "b1": [-1.0], "W2": [[1.5]], "b2": [0.5], "x": [[3.0]], "t": [[2.5]]}
RATES = (0.01, 0.1, 0.5, 1.0)

# What the tutorial prints, as text: a figure is right if ours, rounded to as many places, reads the same.
PRINTED = {
    "z1": "5.0000", "h1": "0.9933", "y": "1.9899", "L": "0.2602",
    "dL/dy": "-1.0202", "dL/dW2": "-1.0134", "dL/db2": "-1.0202", "dL/dh1": "-1.5303",
    "dL/dW1": "-0.0304", "dL/db1": "-0.0101",
    "new W1": "2.0030", "new b1": "-0.9990", "new W2": "1.6013", "new b2": "0.6020",
    "new y": "2.1933", "new L": "0.0940",
}  # fmt: skip


def one_step(rate: float = 0.1) -> dict[str, float]:
    """Every number of the forward pass, the backward pass and one update, under the names of PRINTED."""
    gradient = net.gradient(["y", "W2", "b2", "h1", "W1", "b1"])
    values = gradient.evaluate(START)
    found = {name: values[name] for name in ("z1", "h1", "y", "L")}
    found |= {f"dL/d{name}": values[f"d_{name}"] for name in ("y", "W2", "b2", "h1", "W1", "b1")}
    moved = {name: np.array(START[name]) - rate * values[f"d_{name}"] for name in ("W1", "b1", "W2", "b2")}
    after = gradient.evaluate(START | moved)
    found |= {f"new {name}": after[name] for name in ("W1", "b1", "W2", "b2", "y", "L")}
    return {name: float(np.squeeze(value)) for name, value in found.items()}


def misprints(found: dict[str, float]) -> list[str]:
    """The names of the figures that the tutorial prints wrong."""
    return [name for name, text in PRINTED.items() if f"{found[name]:.4f}" != text]


def emitted(program: Program) -> ModuleType:
    """The NumPy module of a program, loaded."""
    return load_module(generate(program))


def line_with_noise(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """t = 2 x + 1 + noise."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (count, 1))
    return x, 2 * x + 1 + 0.1 * rng.standard_normal((count, 1))


def bump(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """t = exp(-x^2): up, then down, which no single sigmoid does."""
    x = np.linspace(-3, 3, count)[:, None]
    return x, np.exp(-(x**2))


def losses_of(module: ModuleType, data: tuple[np.ndarray, np.ndarray], rate: float, epochs: int = 200) -> list[float]:
    """The loss by epoch of plain gradient descent on all data at once; it ends where the numbers blow up."""
    seen: list[float] = []
    settings = {"optimizer": "sgd", "lr": rate, "batch_size": len(data[0]), "quiet": True}
    try:
        module.train(
            module.init_params(0), *data, epochs=epochs, **settings,
            on_epoch=lambda params, state: seen.append(state["history"][-1]["loss"]),
        )  # fmt: skip
    except FloatingPointError as trouble:
        print(f"  at {rate:g}: {trouble}")
    return seen


def two_units() -> dict[int, float]:
    """Exercise 1: the loss on the bump by number of hidden units, the best of three starts each."""
    best = {}
    for units in (1, 2):
        module = emitted(one_hidden_layer(units, Sigmoid()))
        runs = [
            module.train(module.init_params(seed), *bump(), epochs=1500, lr=0.03, batch_size=64, quiet=True)[1]
            for seed in range(3)
        ]
        best[units] = min(state["history"][-1]["loss"] for state in runs)
    return best


def relu_or_sigmoid() -> dict[str, list[float]]:
    """Exercise 2: the losses on the noisy line, with eight hidden units of either kind."""
    kinds = {"sigmoid": Sigmoid(), "relu": ReLU()}
    return {name: losses_of(emitted(one_hidden_layer(8, kind)), line_with_noise(), 0.1) for name, kind in kinds.items()}


def learning_rates() -> dict[float, list[float]]:
    """Exercise 4: the losses of `net` on the noisy line by learning rate."""
    module = emitted(net)
    return {rate: losses_of(module, line_with_noise(), rate) for rate in RATES}


def main(out: Path = Path("build/examples")) -> None:
    from pictures import draw

    print("The gradient, derived\n")
    print(net.gradient())
    found = one_step()
    wrong = misprints(found)
    print("\n          exact                  tutorial")
    for name, text in PRINTED.items():
        print(f"  {name:<7} {found[name]:<22.16g} {text:>7}{'  wrong' if name in wrong else ''}")

    print("\nExercise 1: two hidden units draw a bump, one can't (mean squared error)\n")
    for units, value in two_units().items():
        print(f"  {units} unit{'s' if units > 1 else ' '}  {value:.5f}")

    print("\nExercise 2: sigmoid against ReLU, y = 2x + 1 + noise, eight hidden units, rate 0.1\n")
    for activation in (Sigmoid(), ReLU()):
        equation = one_hidden_layer(8, activation).gradient().equation("d_z1")
        print(f"  {activation.function:<8} {to_sympy(equation.target)} = {to_sympy(equation.value)}")
    for name, curve in relu_or_sigmoid().items():
        print(f"  {name:<8} after 10 epochs {curve[9]:.4f}, after {len(curve)} {curve[-1]:.4f}")
    print("  (the noise alone has a variance of 0.01)")

    print("\nExercise 3: the 1-1-1 network in training, rate 0.1\n")
    rates = learning_rates()
    for epoch in (1, 2, 5, 10, 20, 50, 100, 200):
        print(f"  epoch {epoch:>3}  loss {rates[0.1][epoch - 1]:.4f}")

    print("\nExercise 4: the learning rate\n")
    for rate, curve in rates.items():
        rises = sum(b > a for a, b in pairwise(curve))
        print(f"  {rate:<5g} {len(curve)} epochs, loss {curve[0]:.3f} -> {curve[-1]:.4f}, went up {rises} times")

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        for rate, curve in rates.items():
            ax.plot(range(1, len(curve) + 1), curve, label=f"{rate:g}")
        ax.set(title="1-1-1 sigmoid on y = 2x + 1 + noise", xlabel="epoch", ylabel="loss", yscale="log")
        ax.legend(title="learning rate")
        ax.grid(alpha=0.3)

    print()
    draw(out / "learning_rates.png", paint)


if __name__ == "__main__":
    main()
