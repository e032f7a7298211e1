"""Emitted modules for the tests of training, and a task that a small network learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from symbp.architectures import load
from symbp.emit import generate
from symbp.emit.run import load_module

OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")
NET = "mlp:4-8-3,tanh,cross_entropy"


def fresh(net: str = NET, **options: Any) -> Any:
    """A module of its own: training with another dtype changes the module's."""
    return load_module(generate(load(net), **{"optimizers": OPTIMIZERS, **options}))


def task(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four normal numbers; which of three sums of them is the largest."""
    x = np.random.default_rng(seed).standard_normal((count, 4))
    return x, (x @ np.array([[1, 0, -1], [0, 1, 0], [2, 0, 0], [0, 0, 1.0]])).argmax(axis=1)


def overfitted(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """The task with a third of the labels drawn anew: learnt by heart, they make a network worse on others."""
    x, t = task(count, seed=1)
    wrong = np.random.default_rng(2).integers(3, size=count)
    return x, np.where(np.arange(count) % 3 == 0, wrong, t)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    """Whether two sets of arrays are equal bit by bit."""
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and left[name].tobytes() == right[name].tobytes() for name in left
    )
