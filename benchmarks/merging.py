"""Several products that share an operand, or one with the other operands side by side: what merging them brings.

    python benchmarks/merging.py [--threads 2] [--seconds 1] [--markdown docs/speed.md]

Merged weights stand as (inputs, all outputs), which is the best that they can: no time is counted for bringing them
there, nor for what reads the results as slices of longer rows. Kinds take turns; the fastest run of each is kept.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import markdown
import numpy as np
from threads import begin_again_with

CASES = {  # rows, inputs, outputs of one, how many
    "q, k, v of gpt1": (512, 128, 128, 3),
    "q, k, v of gpt-nano": (704, 48, 48, 3),
    "gates of lstm, a step": (32, 128, 128, 4),
}


def kinds(rows: int, inputs: int, outputs: int, count: int) -> dict[str, Callable[[], object]]:
    """The products of a layer one by one, stacked, and side by side."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, inputs), np.float32)
    stacked = rng.standard_normal((count, inputs, outputs), np.float32)
    beside = np.ascontiguousarray(stacked.transpose(1, 0, 2).reshape(inputs, -1))
    apart, out = np.empty((count, rows, outputs), np.float32), np.empty((rows, count * outputs), np.float32)
    pairs = list(zip(stacked, apart, strict=True))

    def one_by_one() -> None:
        for w, y in pairs:
            np.dot(x, w, y)

    return {"one by one": one_by_one, "stacked": partial(np.matmul, x, stacked, apart),
            "side by side": partial(np.dot, x, beside, out)}  # fmt: skip


def fastest(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Seconds of the fastest run of each, in turns."""
    best = dict.fromkeys(runs, np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in runs.items():
            run()
            start = time.perf_counter()
            for _ in range(10):
                run()
            best[name] = min(best[name], (time.perf_counter() - start) / 10)
    return best


def main() -> None:
    """Measures, prints, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a case takes")
    parser.add_argument("--markdown", type=Path, help="the document whose part about merging is replaced")
    a = parser.parse_args()
    begin_again_with(a.threads)
    found = {case: fastest(kinds(*sizes), a.seconds) for case, sizes in CASES.items()}
    head = ["products", "one by one, us", "stacked, us", "side by side, us", "side by side / one by one"]
    rows = [
        [case, *(f"{s * 1e6:.1f}" for s in best.values()), f"{best['side by side'] / best['one by one']:.2f}"]
        for case, best in found.items()
    ]
    table = markdown.table(head, rows)
    print(table)
    if a.markdown:
        markdown.replace_between(a.markdown, "merging", f"{markdown.circumstances(['numpy'])}\n\n{table}")


if __name__ == "__main__":
    main()
