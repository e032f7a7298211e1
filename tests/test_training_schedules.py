"""Learning rates, step by step, against tables and formulas written here anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from training_modules import fresh, task

MODULE = fresh()


def rates(steps: int, **settings: Any) -> list[float]:
    chosen = MODULE.settings_from({"lr": 0.8, **settings}, {})
    return [MODULE.rate(chosen, step, steps) for step in range(steps)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.8] * 8),
        ({"warmup": 4}, [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8]),
        ({"schedule": "step"}, [0.8, 0.8, 0.8, 0.8, 0.08, 0.08, 0.008, 0.008]),
        ({"schedule": "step", "warmup": 2}, [0.4, 0.8, 0.8, 0.8, 0.08, 0.08, 0.008, 0.008]),
        ({"schedule": "cosine", "warmup": 4}, [0.2, 0.4, 0.6, 0.8, 0.8, 0.682842712, 0.4, 0.117157288]),
        ({"warmup": 16}, [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]),
    ],
)
def test_values(settings: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(rates(8, **settings), expected, rtol=1e-8)


def test_cosine_is_half_a_wave() -> None:
    """As the real part of a rotation by half a turn, without cos: from 1 at the first step towards 0."""
    for steps in (1, 2, 7, 1000):
        turned = np.exp(1j * np.pi) ** (np.arange(steps) / steps)
        np.testing.assert_allclose(rates(steps, schedule="cosine"), 0.4 + 0.4 * turned.real, rtol=1e-9)
    whole = rates(1000, schedule="cosine")
    assert whole[0] == 0.8 and whole[500] == pytest.approx(0.4) and 0 < whole[-1] < 1e-5


@pytest.mark.parametrize("half", [None, 2])
def test_training_uses_the_rate_of_each_step(half: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 samples in batches of 16: 4 steps an epoch, 20 in all; the same when resumed after two epochs."""
    module, used = fresh(), []
    inner = module.update

    def spy(params: Any, grads: Any, memory: Any, settings: Any, lr: float) -> None:
        used.append(lr)
        inner(params, grads, memory, settings, lr)

    monkeypatch.setattr(module, "update", spy)
    x, t = task(50)
    settings = {"lr": 0.8, "schedule": "cosine", "warmup": 6, "batch_size": 16, "optimizer": "sgd"}
    kept: dict[int, Any] = {}
    module.train(module.init_params(), x, t, epochs=5, quiet=True, **settings,
                 on_epoch=lambda params, state: kept.update({state["epoch"]: (params, state)}))  # fmt: skip
    if half:
        del used[4 * half :]
        params, state = kept[half]
        module.train(params, x, t, epochs=5, state=state, quiet=True)
    np.testing.assert_allclose(used, rates(20, schedule="cosine", warmup=6), rtol=1e-12)
