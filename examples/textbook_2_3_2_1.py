"""The 2-3-2-1 sigmoid network of textbooks, derived step by step at two levels, and what the steps save.

At neuron level every weight is a symbol, and the backward pass reads as a textbook prints it: 20 parameters, each
gradient a product of quantities that were computed before it. At matrix level the same is four lines a layer. The
table then counts what is saved against differentiating the written-out loss by each parameter on its own.

    python examples/textbook_2_3_2_1.py

Both derivations are also written as LaTeX documents to build/examples/.
"""

from __future__ import annotations

from pathlib import Path

from symbp import Dense, Sequential, Sigmoid, compare, derivation
from symbp.emit import write_whole

net = Sequential(
    Dense(3), Sigmoid(),
    Dense(2), Sigmoid(),
    Dense(1), Sigmoid(),
    features=2, loss="half_squared_error", title="2-3-2-1, sigmoid, half squared error",
)  # fmt: skip


def main(out: Path = Path("build/examples")) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for level in ("neuron", "matrix"):
        found = derivation(net, level=level)
        print(f"{level.capitalize()} level\n{'=' * (len(level) + 6)}\n")
        print(found.text())
        path = out / f"textbook_{level}.tex"
        write_whole(path, found.latex(document=True))
        print(f"\nwrote {path}\n")
    print("What each way to all 20 derivatives costs\n=========================================\n")
    print(compare(net).table())


if __name__ == "__main__":
    main()
