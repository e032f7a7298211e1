"""How long deriving takes, and how it grows: declare, derive + simplify, emit, for networks that people train.

    python benchmarks/derive.py [NAME ...]

Prints processor seconds (all of it runs on one core), the lowest of RUNS, and the numbers of equations. Each is
derived in a fresh process, since equal expressions are derived once. For the mlps, also the time to emit per layer.
"""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from itertools import pairwise

RUNS = 3  # other work on the machine only adds to the time
NETS = ("gpt-nano", "gpt2-12-blocks", "resnet18", "mlp-50", "mlp-100", "mlp-200", "mlp-400")
TEXTS = {"gpt-nano": "gpt:nano", "gpt2-12-blocks": "gpt:gpt2", "resnet18": "resnet18:3x224x224"}


def build(name: str):  # type: ignore[no-untyped-def]
    """The network of this name."""
    from symbp.architectures import load
    from symbp.layers import Activation, Dense
    from symbp.sequence import Sequential

    if name in TEXTS:
        return load(TEXTS[name])
    depth = int(name.removeprefix("mlp-"))
    layers = [layer for _ in range(depth) for layer in (Dense(64), Activation("relu"))]
    return Sequential(*layers, features=64, loss="half_squared_error")


def measure(name: str, what: str) -> None:
    """Seconds to import, to declare and to derive (or to derive and emit), and how many equations there are."""
    times = [time.process_time()]
    import_module("symbp.architectures")
    from symbp.emit import generate

    times.append(time.process_time())
    net = build(name)
    times.append(time.process_time())
    equations = len(net.gradient().equations) if what == "derive" else len(generate(net).splitlines())
    times.append(time.process_time())
    seconds = [b - a for a, b in pairwise(times)]
    print(*(f"{s:.3f}" for s in seconds), len(net.equations), len(net.parameters), equations)


def main() -> None:
    """Measures each network in processes of their own: some derive, some derive and emit."""
    names = sys.argv[1:] or list(NETS)
    if names[0] == "--one":
        measure(names[1], names[2])
        return
    print("processor seconds; derive: gradient and simplification of all parameters; emit: the same, and the module")
    print(f"{'network':<16}{'import':>8}{'declare':>9}{'derive':>9}{'emit':>9}{'forward':>10}{'gradient':>10}"
          f"{'parameters':>12}{'lines':>8}   (equations)")  # fmt: skip
    per_layer = {}
    for name in names:
        found = {}
        for what in ("derive", "emit"):
            command = [sys.executable, __file__, "--one", name, what]
            runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(RUNS)]
            found[what] = [min(column, key=float) for column in zip(*map(str.split, runs), strict=True)]
        imported, declared, derived, forward, parameters, gradient = found["derive"]
        *_, emitted, _, _, lines = found["emit"]
        print(f"{name:<16}{float(imported):>8.2f}{float(declared):>9.2f}{float(derived):>9.2f}{float(emitted):>9.2f}"
              f"{forward:>10}{gradient:>10}{parameters:>12}{lines:>8}", flush=True)  # fmt: skip
        if name.startswith("mlp-"):
            per_layer[name] = 1000 * float(emitted) / int(name.removeprefix("mlp-"))
    if per_layer:
        print("emit, ms per layer:", ", ".join(f"{name} {ms:.2f}" for name, ms in per_layer.items()))


if __name__ == "__main__":
    main()
