"""Whether a step's time grows as its operation count says: a multilayer perceptron, one size doubled at a time.

    python benchmarks/growth.py [--plot docs/growth.svg] [--markdown docs/speed.md]

The network is features -> width, depth times with ReLU, -> 10, cross-entropy, in single precision; its steps are those
of the readable module, on one thread. Operations are counted as docs/counting.md says, over arrays: loss, gradients and
the update. A processor does some operations faster than others and every NumPy call has a fixed price, so that equal
growth is to be expected only where the matrix products dominate.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import markdown
import numpy as np
from threads import begin_again_with

from symbp.emit import generate
from symbp.emit.run import load_module
from symbp.expr import Index, Num
from symbp.layers import Dense, ReLU
from symbp.operations import cost
from symbp.program import Program
from symbp.sequence import Sequential

FEATURES, CLASSES, RATE = 256, 10, 1e-5


@dataclass(frozen=True)
class Sizes:
    """Of one perceptron and its batch."""

    batch: int = 128
    width: int = 256
    depth: int = 4


@dataclass(frozen=True)
class Point:
    """One measurement: the operations of a step and the seconds that it took."""

    sizes: Sizes
    operations: int
    seconds: float


SWEEPS: dict[str, tuple[int, ...]] = {
    "batch": (8, 16, 32, 64, 128, 256, 512, 1024),
    "width": (16, 32, 64, 128, 256, 512, 1024),
    "depth": (1, 2, 4, 8, 16, 32),
}


def network(sizes: Sizes) -> Program:
    """The perceptron; the batch's size stays a symbol."""
    hidden = [layer for _ in range(sizes.depth) for layer in (Dense(sizes.width), ReLU())]
    return Sequential(*hidden, Dense(CLASSES), features=FEATURES, loss="cross_entropy", title=f"mlp{astuple(sizes)}")


def operations(program: Program, batch: int) -> int:
    """Of loss, gradients and update, each subexpression of an equation computed once for all values of its indices."""

    def length(i: Index) -> int:
        return int(i.size.value) if isinstance(i.size, Num) else batch

    update = 2 * sum(math.prod(int(s.value) for s in p.shape) for p in program.parameters)  # type: ignore[attr-defined]
    return sum(cost(e.value, length) for e in program.gradient().equations) + update


def seconds_of_a_step(program: Program, batch: int, seconds: float) -> float:
    """The fastest of samples of about 20 ms, as many as fit: what disturbs a sample only makes it slower."""
    module = load_module(generate(program, dtype="float32", optimizers=("sgd",)))
    rng = np.random.default_rng(0)
    params = module.init_params()
    x = rng.standard_normal((batch, FEATURES)).astype(np.float32)
    t = rng.integers(0, CLASSES, batch)

    def step() -> None:
        _, grads = module.loss_and_grads(params, x, t)
        for name, grad in grads.items():
            params[name] -= RATE * grad

    each = timed(step, 3)
    inner = max(1, round(0.02 / each))
    return min(timed(step, inner) for _ in range(max(3, round(seconds / (inner * each)))))


def timed(step: Callable[[], None], count: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def sweep(name: str, values: tuple[int, ...], seconds: float) -> Iterator[Point]:
    """The step's cost at each value of one size, the others as they are by default."""
    for value in values:
        sizes = replace(Sizes(), **{name: value})
        program = network(sizes)
        yield Point(sizes, operations(program, sizes.batch), seconds_of_a_step(program, sizes.batch, seconds))


def rows(name: str, points: list[Point]) -> Iterator[list[str]]:
    """Size, operations, microseconds, their growth from the row before, operations a nanosecond."""
    for k, p in enumerate(points):
        before = points[k - 1] if k else None
        growth = ["", ""] if before is None else [
            f"{p.operations / before.operations:.2f}", f"{p.seconds / before.seconds:.2f}"
        ]  # fmt: skip
        rate = p.operations / p.seconds / 1e9
        size = f"{name} {getattr(p.sizes, name)}"
        yield [size, f"{p.operations:,}", f"{p.seconds * 1e6:,.0f}", *growth, f"{rate:.1f}"]


HEAD = ["size", "operations", "us", "operations grow by", "time grows by", "operations/ns"]


def plot(sweeps: dict[str, list[Point]], path: Path) -> None:
    """Seconds over operations, both logarithmic, beside a line of slope 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "growth"
    figure, axes = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    for (name, points), marker in zip(sweeps.items(), "os^", strict=True):
        counts, times = [p.operations for p in points], [p.seconds * 1e6 for p in points]
        values = [getattr(p.sizes, name) for p in points]
        axes.loglog(counts, times, marker + "-", markersize=5, label=f"{name} {values[0]} to {values[-1]}")
    largest = max((p for points in sweeps.values() for p in points), key=lambda p: p.operations)
    counts = [largest.operations / 1000, largest.operations]
    times = [1e6 * largest.seconds * c / largest.operations for c in counts]
    axes.loglog(counts, times, "--", color="grey", label="proportional")
    axes.set_xlabel("operations of a step")
    axes.set_ylabel("microseconds of a step")
    axes.legend()
    axes.grid(True, which="major", alpha=0.3)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> None:
    """Measures, prints, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="that each size is measured for")
    parser.add_argument("--plot", type=Path, help="a picture's file")
    parser.add_argument("--markdown", type=Path, help="the document whose part about growth is replaced")
    a = parser.parse_args()
    begin_again_with(1)
    sweeps, lines = {}, []
    for name, values in SWEEPS.items():
        sweeps[name] = list(sweep(name, values, a.seconds))
        lines += list(rows(name, sweeps[name]))
        for line in lines[-len(values) :]:
            print("".join(f"{cell:>20}" for cell in line), flush=True)
    if a.plot:
        plot(sweeps, a.plot)
    if a.markdown:
        where = f"{markdown.circumstances(['numpy'])}; defaults: {Sizes()}"
        markdown.replace_between(a.markdown, "growth", f"{where}\n\n{markdown.table(HEAD, lines)}")


if __name__ == "__main__":
    main()
