"""Why deep sigmoid networks don't learn: the gradient's norm, layer by layer.

Going back through a layer multiplies the adjoint by W^T and by sigmoid'(z) = a (1 - a), which is nowhere above 1/4. So

    |dL/dz_k|  <=  1/4 * |W_(k+1)| * |dL/dz_(k+1)|        (| | of W: the spectral norm)

and ten layers with weights of ordinary size lose most of it. (It is the maximum, at z = 0, that is 1/4; a saturated
neuron passes on nearly nothing. That three layers leave 1.5 % is the bound 1/4^3 with the weights left out.)
With ReLU the slope is 1 where a neuron is on, and He's initial weights are chosen to keep the norm level.

    python examples/vanishing_gradients.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from symbp import Dense, Program, ReLU, Sequential, Sigmoid, generate
from symbp.emit.run import load_module

DEPTH, WIDTH = 10, 16


def deep(activation: Any) -> Program:
    """DEPTH hidden layers of one kind, one output."""
    layers = [layer for _ in range(DEPTH) for layer in (Dense(WIDTH), activation)]
    return Sequential(*layers, Dense(1), features=8, loss="half_squared_error", title=f"{DEPTH} layers")


net = deep(Sigmoid())


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((64, 8))
    return x, np.sin(x.sum(axis=1, keepdims=True))


def gradient_norms(program: Program) -> tuple[dict[int, float], str]:
    """|dL/d(parameters of layer k)| at fresh weights, as the emitted module's monitor reports it, and its advice."""
    module = load_module(generate(program))
    _, grads, *_ = module.loss_and_grads(module.init_params(0), *data())
    norms = module.gradient_norms(grads)
    return norms, module.gradient_advice(norms)


def adjoint_norms(program: Program) -> tuple[list[float], list[float]]:
    """|dL/dz_k| for k = 1 .. DEPTH + 1, and the spectral norm of W_k."""
    x, t = data()
    params = load_module(generate(program)).init_params(0)
    names = [e.name for e in program.equations if e.name.startswith("z")]
    # The last z is the prediction y. Intermediate values are differentiated by as readily as parameters.
    values = program.gradient([*names, "y"]).evaluate(params | {"x": x, "t": t})
    norms = [float(np.linalg.norm(values[f"d_{name}"])) for name in [*names, "y"]]
    return norms, [float(np.linalg.norm(params[f"W{k}"], 2)) for k in range(1, DEPTH + 2)]


def factors() -> list[tuple[float, float]]:
    """(|dL/dz_k| / |dL/dz_(k+1)|, its bound |W_(k+1)| / 4) for k = DEPTH .. 1 of the sigmoid network."""
    norms, weights = adjoint_norms(net)
    return [(norms[k - 1] / norms[k], weights[k] / 4) for k in range(DEPTH, 0, -1)]


def main(out: Path = Path("build/examples")) -> None:
    from pictures import draw

    print(f"{DEPTH} hidden layers of {WIDTH} sigmoid neurons, going backwards: the adjoint's factor a layer\n")
    for k, (factor, bound) in zip(range(DEPTH, 0, -1), factors(), strict=True):
        print(f"  z{k + 1} -> z{k:<3} {factor:.3f}   at most |W| / 4 = {bound:.3f}")

    sigmoid, advice = gradient_norms(net)
    relu, relu_advice = gradient_norms(deep(ReLU()))
    print("\nThe gradient's norm by layer\n\n  layer   sigmoid      ReLU")
    for layer in sigmoid:
        print(f"  {layer:>5}   {sigmoid[layer]:.1e}   {relu[layer]:.1e}")
    print(f"\nThe emitted module's monitor\n\n  sigmoid: {advice}\n  ReLU:    {relu_advice or 'nothing to say.'}\n")

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        ax.plot(list(sigmoid), list(sigmoid.values()), "o-", label="sigmoid, Glorot's weights")
        ax.plot(list(relu), list(relu.values()), "s-", label="ReLU, He's weights")
        ax.set(title="norm of the gradient, by layer", xlabel="layer", yscale="log")
        ax.legend()
        ax.grid(alpha=0.3)

    draw(out / "vanishing_gradients.png", paint)


if __name__ == "__main__":
    main()
