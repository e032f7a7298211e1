"""A tiny GPT learns to sort six digits out of 0, 1, 2: the demonstration of Karpathy's minGPT, its smallest preset.

A sample is a question and its answer in one row, 0 2 1 0 1 2 0 0 1 1 2 2; the network sees all but the last digit and
predicts each digit from those before it. A quarter of all 3^6 questions is held out. A held-out question counts as
right when the whole answer is: it is written digit by digit, each fed back before the next. The loss runs over all
positions, questions too, where minGPT leaves those out; their digits can't be known, so the loss stays above 0.49.

    python examples/real_data/sorting.py
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
from steps import OUT, python, symbp

from symbp.emit.run import load_module

DIGITS = 6


def questions() -> tuple[np.ndarray, np.ndarray]:
    """All rows of six digits, in random order: those to train on, and the held-out quarter."""
    rows = np.array(list(itertools.product(range(3), repeat=DIGITS)))
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[len(rows) // 4 :], rows[: len(rows) // 4]


def samples(rows: np.ndarray) -> dict[str, np.ndarray]:
    """x and t, (B, 11): question and answer, and the same one digit further on."""
    both = np.concatenate([rows, np.sort(rows, axis=1)], axis=1)
    return {"x": both[:, :-1], "t": both[:, 1:]}


def answers(module: ModuleType, params: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The network's answers, each digit the likeliest one."""
    seen = np.zeros((len(rows), 2 * DIGITS), np.intp)
    seen[:, :DIGITS] = rows
    for k in range(DIGITS, 2 * DIGITS):  # attention is causal: what stands behind doesn't matter
        seen[:, k] = module.predict(params, seen[:, :-1])[:, k - 1]
    return seen[:, DIGITS:]


def train(out: Path, epochs: int = 60) -> float:
    """The share of held-out questions whose whole answer is right."""
    known, held = questions()
    validation = {f"{name}_val": rows for name, rows in samples(held).items()}
    np.savez(out / "sorting.npz", **samples(known), **validation)
    symbp(out, "generate", "gpt:nano", "-o", "sorting.py", "--optimizer", "adamw", "--dtype", "float32")
    python(out, "sorting.py", "train", "sorting.npz", "--epochs", str(epochs), "--lr", "2e-3", "--schedule", "cosine",
           "--warmup", "20", "--clip", "1", "--out", "sorting_net.npz", "--every", "10")  # fmt: skip
    module = load_module((out / "sorting.py").read_text(encoding="utf-8"))
    params, _ = module.load(out / "sorting_net.npz")
    return float(np.mean((answers(module, params, held) == np.sort(held, axis=1)).all(axis=1)))


def main(out: Path = OUT) -> None:
    out.mkdir(parents=True, exist_ok=True)
    print(f"sorting: {train(out):.4f} of the held-out questions are answered without a mistake")


if __name__ == "__main__":
    main()
